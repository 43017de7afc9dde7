"""`groundup quantize`: a model with 8 or 4 bits a weight, and what that cost on held-out text.

Next: recipes/quantize.py.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    from groundup.recipes.quantize import lines, run

    done = run(asked.run, asked.out, bits=asked.bits, method=asked.method, text=asked.text)
    print("\n".join(lines(done)))
    print(
        f"\n{asked.out}: the model, quantize.json with every matrix, quantize.png. It is used as any other:"
    )
    print(f"groundup chat {asked.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup quantize",
        description="Fewer bits a weight: a scale for every 32 neighbours, and whole numbers.",
    )
    add = parser.add_argument
    add("run", metavar="RUN", help="a run, a GGUF file, a Hugging Face folder, or smollm2")
    add("-o", "--out", type=Path, required=True, metavar="RUN", help="a folder that is new")
    add(
        "--bits",
        type=int,
        choices=[8, 4],
        default=8,
        help="8 for all matrices (default), or 4 with embedding and head in 8",
    )
    add(
        "--method",
        choices=["nearest", "gptq"],
        help="nearest: round to nearest (default for 8); gptq: calibrated with a text (default for 4)",
    )
    add(
        "--text",
        type=Path,
        metavar="FILE",
        help="half of it calibrates, half measures: a text, or for a chat model conversations, FILE.jsonl "
        "with messages (default: what the model's own run held out, or new conversations of its kind)",
    )
    return parser
