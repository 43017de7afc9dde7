"""The ladder as a picture: the loss of each model on dev against its parameters, with intervals."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.recipes.curves_figure import MORE_COLOURS, save

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def write_ladder(path: Path, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """Writes the picture, as PNG or SVG by the ending of the path. `rows`: name and summary of each run."""
    save(path, (9, 6), lambda figure: draw(figure, rows))


def draw(figure: Figure, rows: Sequence[tuple[str, dict[str, Any]]]) -> None:
    """One point a model: dev with its interval, train hollow below it."""
    from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

    axes = figure.subplots()
    for place, (name, each) in enumerate(rows):
        colour = MORE_COLOURS[place % len(MORE_COLOURS)]
        dev, train = each["loss"]["dev"], each["loss"]["train"]
        bars = [[dev["value"] - dev["low"]], [dev["high"] - dev["value"]]]
        axes.errorbar(
            [each["parameters"]], [dev["value"]], bars, fmt="o", color=colour, capsize=3, label=name
        )
        axes.plot([each["parameters"]], [train["value"]], "o", color=colour, fillstyle="none")
    axes.set(
        xscale="log", xlabel="parameters", ylabel="nats per character: dev with 95 % interval, train hollow"
    )
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda count, _: f"{count:,.0f}"))  # no TeX: it is text here
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(alpha=0.3)
    axes.legend(frameon=False)
