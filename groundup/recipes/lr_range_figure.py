"""The learning-rate range test as a picture: the loss over the rate, and the rates that it speaks of.

Next: cli/lr_find.py.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from groundup.recipes.curves_figure import save
from groundup.recipes.report_png import COLOURS, LINE, SOFT, tidy
from groundup.train.lr_range import LrRange

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_range(path: Path, found: LrRange, rate: float, name: str) -> None:
    """Writes the picture. `rate` is what the setting `name`, the horizontal axis, is at factor 1."""
    save(path, (9, 5.4), lambda figure: draw(figure, found, rate, name))


def draw(figure: "Figure", found: LrRange, rate: float, name: str) -> None:
    """The losses, faint; their running mean; where it falls fastest and is lowest; the suggestion."""
    axes = figure.subplots()
    tidy(axes, "Learning-rate range test")
    rates, calm = [rate * factor for factor in found.factors], found.smoothed
    axes.plot(rates, found.losses, color=COLOURS[0], alpha=0.3, lw=0.9, label="loss of each step")
    axes.plot(rates, calm, color=COLOURS[0], lw=2, label="running mean")
    marks = (
        (found.steepest, ":", SOFT, "falls fastest"),
        (found.lowest, "--", SOFT, "lowest"),
        (found.suggestion, "-", COLOURS[1], "suggestion"),
    )
    for factor, style, colour, words in marks:
        label = f"{words}: {rate * factor:.2g}"
        axes.axvline(rate * factor, color=colour, ls=style, lw=1.4, label=label)
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:g}")
    axes.xaxis.set_minor_formatter("")
    axes.set_ylim(top=max(calm[0], min(calm)) * 1.15)
    axes.set_xlabel(f"{name} (other rates rise with it)")
    axes.set_ylabel("loss, nats per token")
    axes.grid(axis="y", color=LINE)
    axes.legend(frameon=False, labelcolor=SOFT)
