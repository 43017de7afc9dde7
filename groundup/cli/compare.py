"""`groundup compare`: the course's models side by side: parameters, losses with intervals, time, samples.

It reads the summaries of finished runs, so it computes nothing again. Two intervals that overlap may still be
a difference: they are of the same items. For that compare item by item (evals/intervals.py).

Next: recipes/names.py and recipes/gpt_ladder.py, which make such runs; recipes/ladder_figure.py, the picture.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from groundup.base.errors import UserError
from groundup.base.files import read_json

SPLITS = ("train", "dev", "test")


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    rows = sorted(
        ((run.name, summary(run)) for run in asked.runs), key=lambda row: row[1]["loss"]["dev"]["value"]
    )
    print("\n".join(table(rows)))
    if asked.out:
        from groundup.recipes.ladder_figure import write_ladder

        write_ladder(asked.out, rows)
        print(f"\ndrawn in {asked.out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup compare",
        description="Models of names, or rungs of the GPT ladder, side by side, the best on dev first.",
        allow_abbrev=False,
    )
    parser.add_argument(
        "runs", type=Path, nargs="+", metavar="RUN", help="a finished run of names-... or gpt-ladder"
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="draw it, too: a .png or .svg")
    return parser


def summary(run: Path) -> dict[str, Any]:
    """What a run of the recipe `names` came to. Raises UserError if it is none, or not finished."""
    path = run / "report" / "summary.json"
    if not (run / "recipe.toml").is_file():
        raise UserError(f"{run} is no run. Give the directory of one, such as runs/names-mlp.")
    if not path.is_file():
        raise UserError(f"{run} is not finished: it has no {path.relative_to(run)}. Run it to its end first.")
    found = read_json(path)
    if "dev" not in (found.get("loss") if isinstance(found.get("loss"), dict) else {}):
        raise UserError(
            f"{run} is no model of names, so it has no loss per character to compare. Give runs of the "
            "presets names-... or gpt-ladder; `groundup plot` draws the curves of any runs."
        )
    return found


def table(rows: Sequence[tuple[str, dict[str, Any]]]) -> Iterator[str]:
    """A line for each run: nats per character on each split, with the 95 % interval over items."""
    splits = [split for split in SPLITS if any(split in each["loss"] for _, each in rows)]
    width = max(len(name) for name, _ in rows)
    heads = "".join(f"  {split:^23}" for split in splits)
    yield f"{'':<{width}}  {'parameters':>10}{heads}  {'time':>8}  samples"
    for name, each in rows:
        losses = "".join(f"  {_loss(each['loss'].get(split)):<23}" for split in splits)
        yield (
            f"{name:<{width}}  {each['parameters']:>10,}{losses}  {each['seconds']:>6.0f} s  "
            f"{' '.join(each['samples'][:4])}"
        )


def _loss(loss: dict[str, float] | None) -> str:
    return "-" if loss is None else f"{loss['value']:.4f} [{loss['low']:.4f}, {loss['high']:.4f}]"
