"""Quantize a model, and say what it cost: size, bits per byte on held-out text, error of each matrix.

The text is of the kind that the model is for (quantize_text.py): of its own run, if it lies in one, or a file
of yours. The same pieces are scored before and after, so the interval is that of the differences
(evals/paired_bits.py). Without a text the nearest codes are taken and nothing is measured, and the report
says so.

Source: what is chosen: weights/quantize.py. Limits that a model trained in float32 should keep, from our own
        goals: 0.1 % of perplexity for 8 bits, 3 % for 4 bits with calibration.
Next:   quantize_text.py, then quantize_figure.py.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundup.base.errors import CheckpointError, UserError
from groundup.base.files import write_json
from groundup.evals.bits_per_byte import BitsPerByte
from groundup.evals.paired_bits import Change, change, joined
from groundup.models.transformer import Transformer
from groundup.recipes.quantize_figure import write_figure
from groundup.recipes.quantize_text import Text, text_for
from groundup.weights import checkpoint, source
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.quantize import MatrixError, Method, input_squares, put_into, quantizable, quantize
from groundup.weights.quantized import Bits, Quantized


@dataclass(frozen=True)
class Cost:
    """What became of the model on the held-out text."""

    before: BitsPerByte
    after: BitsPerByte
    difference: Change
    text: str  # what was scored, in words

    @property
    def perplexity(self) -> float:
        """By how much the perplexity per token grew: 0.01 is 1 %."""
        return math.expm1((self.after.nats - self.before.nats) / self.before.tokens)

    @property
    def limits(self) -> tuple[float, float] | None:
        """95 % limits of the same; None if there is one piece."""
        if self.difference.low is None or self.difference.high is None:
            return None
        nats = math.log(2) * self.before.bytes / self.before.tokens  # of a bit per byte, per token
        return math.expm1(nats * self.difference.low), math.expm1(nats * self.difference.high)


@dataclass(frozen=True)
class Done:
    """What quantizing gave: bytes before and after, errors, and the cost if it was measured."""

    method: Method
    bytes: tuple[int, int]
    errors: list[MatrixError]
    cost: Cost | None


def run(
    model: str | Path, out: Path, *, bits: Bits = 8, method: Method | None = None, text: Path | None = None
) -> Done:
    """Quantize `model`, write the checkpoint `out` with its report and picture, and return what was measured.

    `method` None: gptq for 4 bits if there is a text, else nearest. Raises CheckpointError if `out` is there.
    """
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} is there and not empty. Choose another with -o RUN.")
    found = source.load_transformer(model)
    assert isinstance(found.model, Transformer), "or it would have been refused"
    quantizable(found.model)  # refuse before the text is read
    used = text_for(found, Path(model), text)
    method = method or ("gptq" if bits == 4 and used.calibration else "nearest")
    if method == "gptq" and not used.calibration:
        raise UserError(
            "gptq needs a text to calibrate with, and this model lies in no run. Add --text FILE."
        )
    inputs = input_squares(found.model, used.calibration)
    codes, errors = quantize(found.model, bits, inputs=inputs, method=method)
    smaller = put_into(copy.deepcopy(found.model), codes)
    done = Done(method, _bytes(found.model, codes), errors, _cost(found, smaller, used))
    about = {"bits": bits, "method": method, "group": 32, **_measured(done)}
    extra = {**found.manifest.extra, "quantized": about}
    checkpoint.save(
        out, model=smaller, tokenizer=found.tokenizer, step=found.step, extra=extra, quantized=codes
    )
    write_json(out / "quantize.json", {**about, "matrices": [asdict(error) for error in errors]})
    write_figure(out / "quantize.png", errors, found.model, codes)
    return done


# ---- What it gave --------------------------------------------------------------------------------


def _cost(found: Checkpoint, smaller: Transformer, text: Text) -> Cost | None:
    if text.score is None:
        return None
    assert isinstance(found.model, Transformer), "or it would have been refused"
    before, after = text.score(found.model), text.score(smaller)
    return Cost(joined(before), joined(after), change(before, after), text.what)


def _bytes(model: Transformer, codes: dict[str, Quantized]) -> tuple[int, int]:
    """Of all weights as float32, and as they are stored now."""
    whole = sum(4 * weight.numel() for weight in model.parameters())
    saved = sum(4 * codes[name].codes_RC.numel() - codes[name].bytes for name in codes)
    return whole, whole - saved


def _measured(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = {"bytes_before": done.bytes[0], "bytes_after": done.bytes[1]}
    if done.cost is None:
        return found
    difference = done.cost.difference
    return {
        **found,
        "bits_per_byte_before": done.cost.before.value,
        "bits_per_byte_after": done.cost.after.value,
        "difference": [difference.value, difference.low, difference.high],
        "perplexity_grew_by": done.cost.perplexity,
        "scored_tokens": done.cost.before.tokens,
        "text": done.cost.text,
    }


def lines(done: Done, worst: int = 5) -> Sequence[str]:
    """What to tell the person."""
    before, after = done.bytes
    said = [f"weights    {before / 1e6:.2f} MB -> {after / 1e6:.2f} MB, {before / after:.1f} times smaller"]
    if done.cost is None:
        said.append("cost       not measured: there is no text. Name one with --text FILE.")
    else:
        cost, moved = done.cost, done.cost.difference
        limits = "" if moved.low is None else f" [{moved.low:+.5f}, {moved.high:+.5f}]"
        said += [
            f"bits/byte  {cost.before.value:.4f} -> {cost.after.value:.4f}: {moved.value:+.5f}{limits},"
            f" the same {cost.before.tokens:,} held-out tokens before and after",
            f"text       {cost.text}",
            f"perplexity {100 * cost.perplexity:+.3f} % a token",
        ]
    said.append(f"method     {done.method}; the {worst} matrices that suffered most:")
    by_harm = sorted(done.errors, key=lambda e: -(e.weights if e.outputs is None else e.outputs))
    for error in by_harm[:worst]:
        outputs = "" if error.outputs is None else f", of its outputs {100 * error.outputs:.2f} %"
        said.append(
            f"  {error.name:<32} {error.bits} bits, error of its weights {100 * error.weights:.2f} %{outputs}"
        )
    return said
