"""`groundup plot`: the curves of one or several runs, as a picture, in the terminal, or for TensorBoard.

A file of `groundup generate --trace` is drawn as a text, every token in the colour of its probability.
With `--view` what happened inside one run's network instead, and in words what is wrong with it. It only
reads the logs, so a run that is still going can be drawn.

Next: train/curves.py, what is in a log; recipes/curves_figure.py, how it is drawn; train/diagnostics.py.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import UserError
from groundup.base.log import sparkline

if TYPE_CHECKING:
    from groundup.train.curves import Curves


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)

    if asked.view is not None:
        return draw_inside(asked)
    if traces := [path for path in asked.runs if path.suffix == ".jsonl"]:
        return draw_trace(asked, traces[0])

    from groundup.recipes.curves_figure import write_figure
    from groundup.train.curves import read_curves

    curves = read_curves(asked.runs, asked.stage)
    print("\n".join(table(curves)))
    if asked.tensorboard:
        from groundup.train.tensorboard import export

        print(f"\n{export(asked.runs, asked.tensorboard):,} points: tensorboard --logdir {asked.tensorboard}")
        if asked.out is None:
            return 0
    out = asked.out or (asked.runs[0] / "curves.png" if len(asked.runs) == 1 else Path("curves.png"))
    write_figure(out, curves)
    print(f"\ndrawn in {out}")
    return 0


def draw_inside(asked: argparse.Namespace) -> int:
    """Draw one view of what happened inside a run, and say what is wrong there."""
    from groundup.recipes.diagnostics_figure import write_inside
    from groundup.train.diagnosis import diagnose
    from groundup.train.diagnostics_data import figure_data, looks

    if len(asked.runs) > 1 or asked.tensorboard:
        raise UserError(
            f"--view {asked.view} draws one run, and nothing for TensorBoard. Give one run alone."
        )
    (run,) = asked.runs
    data = figure_data(asked.view, run, label=asked.stage)
    print("\n".join(diagnose(looks(run, asked.stage)) or ["no rule of train/diagnosis.py finds an illness"]))
    out = asked.out or run / f"{asked.view}.png"
    write_inside(out, data)
    print(f"\ndrawn in {out}")
    return 0


def draw_trace(asked: argparse.Namespace, path: Path) -> int:
    """Draw a traced text."""
    from groundup.infer.trace import read_trace
    from groundup.recipes.trace_figure import write_trace

    if len(asked.runs) > 1 or asked.tensorboard or asked.stage:
        raise UserError(f"{path} is a trace, and is drawn alone, without --stage or --tensorboard.")
    steps = read_trace(path)
    if not steps:
        raise UserError(f"{path} holds no token, so there is nothing to draw.")
    unlikely = sorted(steps, key=lambda step: step.probability)[:5]
    print("least expected: " + ", ".join(f"{step.text!r} {step.probability:.3f}" for step in unlikely))
    out = asked.out or path.with_suffix(".png")
    write_trace(out, steps)
    print(f"drawn in {out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup plot",
        description="Loss, learning rate, gradient norm and tokens a second of runs, finished or not.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="a run directory; several are drawn over each other; or a .jsonl file of generate --trace",
    )
    add(
        "--view",
        metavar="VIEW",
        help="inside the network: histograms, saturation, ratios or gradients of one run",
    )
    add("--stage", help="only this training stage, such as pretrain (default: all)")
    add(
        "--out",
        type=Path,
        metavar="FILE",
        help="a .png or .svg (default: curves.png or VIEW.png, of one run in its folder)",
    )
    add("--tensorboard", type=Path, metavar="DIR", help="write the same figures for TensorBoard instead")
    return parser


def table(curves: Sequence[Curves]) -> Iterator[str]:
    """A line for each stage of each run: its steps, its loss from first to last, its speed."""
    names = [each.name or "training" for each in curves]
    width = max(map(len, names))
    for each, name in zip(curves, names, strict=True):
        values = [value for _, value in each.loss]
        held_out = f"  held out {each.held_out[-1][1]:.3f}" if each.held_out else ""
        speed = each.tokens_per_second[-1][1]
        yield (
            f"{name:<{width}}  step {each.loss[-1][0]:>6,}  loss {values[0]:.3f} {sparkline(values, 24)} "
            f"{values[-1]:.3f}{held_out}  {speed:,.0f} tokens/s"
        )
