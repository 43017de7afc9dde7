"""What fewer bits cost: by how much perplexity grows on text of the kind that a model is for.

    groundup run zero-to-chat --workers 1 --finetune.conversations 40000 --reinforce.steps 6 --out runs/chat
    groundup run shakespeare-course --out runs/larger --batch-size 8 --model.dropout 0 --fit.steps 600 \\
        --optim.kind muon
    python -m benchmarks.quantization --chat runs/chat --larger runs/larger [--smollm2 TALKS.jsonl]

Both models are trained in float32, the first 7 minutes and the second (10.7 M parameters, nanoGPT's shape on
Tiny Shakespeare) half an hour on one busy core. Each is quantized in three ways and scored on the same pieces
before and after; the assistant on its own replies in conversations that no training drew. The gate: 8 bits
cost at most 0.1 %, 4 bits with calibration at most 3 %, or this exits with 1.

SmolLM2's weights were in 4 bits before we got them (GGUF Q4_1): its figures are of rounding once more, on
conversations of yours, and gate nothing. Not here: speed, for nothing computes with the codes yet.

Next: docs/log.md, what was tried for GPTQ.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path

from benchmarks.result import Claim, Result, table, write
from benchmarks.zero_to_chat import versions
from groundup.base.device import describe_machine
from groundup.base.rundir import provenance
from groundup.models.cost import parameters
from groundup.models.transformer import Transformer
from groundup.recipes.quantize import Done, run
from groundup.weights.quantize import Method
from groundup.weights.quantized import Bits
from groundup.weights.source import load_transformer

NAME = "quantization"
WAYS: dict[str, tuple[Bits, Method]] = {
    "int8": (8, "nearest"),
    "int4-nearest": (4, "nearest"),
    "int4-gptq": (4, "gptq"),
}
GATE = {"int8": 0.001, "int4-gptq": 0.03}  # shares of the perplexity
LARGER = 10_000_000  # parameters, at least


def main(words: Sequence[str]) -> int:
    """Measure, print, write; returns 1 if the gate is not passed."""
    asked = _parser().parse_args(words)
    models = {"chat": (asked.chat, None), "larger": (asked.larger, None)}
    if asked.smollm2:
        models["smollm2"] = ("smollm2", asked.smollm2)
    claims = [claim for name, (model, text) in models.items() for claim in measured(name, model, text)]
    about = versions(provenance(NAME, seed=0))
    result = Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions={name: str(number) for name, number in about.items() if number},
        date=date.today().isoformat(),
        claims=tuple(claims),
    )
    print(table(result))
    print(write(result, asked.out))
    broken = [claim.id for claim in claims if not passes(claim)]
    print(f"The gate is not passed: {', '.join(broken)}." if broken else "The gate is passed.")
    return 1 if broken else 0


def measured(name: str, model: str | Path, text: Path | None) -> Iterator[Claim]:
    """A claim for each way, and the sizes."""
    found = load_transformer(model).model
    assert isinstance(found, Transformer), "or it would have been refused"
    size = parameters(found.config)
    if name == "larger" and size < LARGER:
        raise SystemExit(f"{model} has {size:,} parameters. Give one of {LARGER:,} or more.")
    del found
    for way, (bits, method) in WAYS.items():
        with tempfile.TemporaryDirectory() as folder:
            done = run(model, Path(folder) / "small", bits=bits, method=method, text=text)
        yield claim_of(name, way, done, size)


def claim_of(name: str, way: str, done: Done, size: int) -> Claim:
    """By how much the perplexity grew, with its 95 % limits."""
    assert done.cost is not None, "there is a text"
    before, after = done.bytes
    note = (
        f"{size:,} parameters, {before / 1e6:.1f} -> {after / 1e6:.1f} MB; {done.cost.text}, n tokens; "
        "95 % over paired pieces"
    )
    if name == "smollm2":
        note += "; its weights were 4-bit before we got them: gates nothing"
    elif way in GATE:
        note += f"; gate: at most {GATE[way]:.1%}"
    return Claim(
        f"{name}.{way}.perplexity",
        f"{name}, {way}: growth of perplexity",
        "share",
        done.cost.perplexity,
        n=done.cost.before.tokens,
        spread=_around(done.cost.limits, done.cost.perplexity),
        note=note,
    )


def _around(limits: tuple[float, float] | None, value: float) -> tuple[float, float] | None:
    """Limits that hold the value, which is per token where they are per byte: pieces differ in both."""
    return None if limits is None else (min(limits[0], value), max(limits[1], value))


def passes(claim: Claim) -> bool:
    """Whether a claim keeps the gate, if there is one for it."""
    name, way = claim.id.split(".")[:2]
    return name == "smollm2" or claim.ours <= GATE.get(way, float("inf"))


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description="What fewer bits cost.")
    add = parser.add_argument
    add("--chat", type=Path, required=True, metavar="RUN", help="a run of zero-to-chat")
    add("--larger", type=Path, required=True, metavar="RUN", help="10 M parameters or more")
    add("--smollm2", type=Path, metavar="TALKS.jsonl", help="measure SmolLM2, too, with these conversations")
    add("--out", type=Path, metavar="FILE")
    return parser


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
