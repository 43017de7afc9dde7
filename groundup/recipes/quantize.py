"""Quantize a model, and say what it cost: size, bits per byte on held-out text, error of each matrix.

The text is that of the model's own run, if it lies in one (what it learned calibrates, what was held out
measures), or a file of yours: its first half calibrates, its second measures. The same pieces are scored
before and after, so the interval is that of the differences (evals/paired_bits.py). Without a text the
nearest codes are taken and nothing is measured, and the report says so.

Source: what is chosen: weights/quantize.py. Limits that a model trained in float32 should keep, from our own
        goals: 0.1 % of perplexity for 8 bits, 3 % for 4 bits with calibration.
Next:   quantize_figure.py.
"""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import CheckpointError, DataError, UserError
from groundup.base.files import read_text, write_json
from groundup.data.shards import TokenShards
from groundup.evals.bits_per_byte import BitsPerByte
from groundup.evals.paired_bits import Change, change, joined, pieces_of, score
from groundup.models.transformer import Transformer
from groundup.recipes.adapt_stages import old_tokens
from groundup.recipes.quantize_figure import write_figure
from groundup.weights import checkpoint, source
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.quantize import MatrixError, Method, input_squares, put_into, quantizable, quantize
from groundup.weights.quantized import Bits, Quantized

CALIBRATED = 32_768  # tokens: 128 windows of 256; GPTQ's own 128 windows
SCORED = 131_072  # tokens, as adapt scores
BATCH = 8  # windows at a time


@dataclass(frozen=True)
class Cost:
    """What became of the model on the held-out text."""

    before: BitsPerByte
    after: BitsPerByte
    difference: Change

    @property
    def perplexity(self) -> float:
        """By how much the perplexity per token grew: 0.01 is 1 %."""
        return math.expm1((self.after.nats - self.before.nats) / self.before.tokens)


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
    learned, held_out = _texts(found, Path(model), text)
    method = method or ("gptq" if bits == 4 and len(learned) else "nearest")
    if method == "gptq" and not len(learned):
        raise UserError(
            "gptq needs a text to calibrate with, and this model lies in no run. Add --text FILE."
        )
    inputs = input_squares(found.model, _windows(learned, found.model.config.context_len))
    codes, errors = quantize(found.model, bits, inputs=inputs, method=method)
    smaller = put_into(copy.deepcopy(found.model), codes)
    done = Done(method, _bytes(found.model, codes), errors, _cost(found, smaller, held_out))
    about = {"bits": bits, "method": method, "group": 32, **_measured(done)}
    extra = {**found.manifest.extra, "quantized": about}
    checkpoint.save(
        out, model=smaller, tokenizer=found.tokenizer, step=found.step, extra=extra, quantized=codes
    )
    write_json(out / "quantize.json", {**about, "matrices": [asdict(error) for error in errors]})
    write_figure(out / "quantize.png", errors, found.model, codes)
    return done


# ---- The text ------------------------------------------------------------------------------------


def _texts(found: Checkpoint, model: Path, text: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """Tokens to calibrate with, and tokens to measure with; none of either if there is no text."""
    if text is not None:
        tokens = np.array(found.tokenizer.encode(read_text(text)), dtype=np.int64)
        if len(tokens) < 4:
            raise DataError(
                f"{text} has {len(tokens)} tokens: too few to measure anything. Give a longer one."
            )
        return tokens[: len(tokens) // 2], tokens[len(tokens) // 2 :]
    folder = old_tokens(model)
    if folder is None:
        return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.int64)
    learned, held_out = (
        TokenShards.open(folder / side, tokenizer_fingerprint=found.tokenizer.fingerprint).tokens
        for side in ("train", "held_out")
    )
    return learned, held_out


def _windows(tokens: np.ndarray, context_len: int) -> list[Tensor]:
    """Batches tokens_BT of about CALIBRATED tokens from all over the text."""
    T = min(context_len, len(tokens))
    if not T:
        return []
    count = max(1, min(CALIBRATED // T, len(tokens) // T))
    starts = [(len(tokens) - T) * window // max(1, count - 1) for window in range(count)]
    rows = np.stack([np.asarray(tokens[start : start + T], dtype=np.int64) for start in starts])
    return list(torch.from_numpy(rows).split(BATCH))


def _cost(found: Checkpoint, smaller: Transformer, held_out: np.ndarray) -> Cost | None:
    if not len(held_out):
        return None
    context_len = smaller.config.context_len
    pieces = pieces_of(held_out, most=SCORED, context_len=context_len)
    before = score(found.model, pieces, found.tokenizer, context_len)
    after = score(smaller, pieces, found.tokenizer, context_len)
    return Cost(joined(before), joined(after), change(before, after))


# ---- What it gave --------------------------------------------------------------------------------


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
