"""Curves of one or several runs as a picture: loss, learning rate, gradient norm, tokens a second.

Next: cli/plot.py.
"""

import math
from collections.abc import Callable, Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import UserError
from groundup.base.files import write_atomic
from groundup.recipes.report_charts import smoothed
from groundup.recipes.report_png import COLOURS, INK, LINE, PAPER, SOFT, tidy
from groundup.train.curves import Curves, Points

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FORMATS = (".png", ".svg")
MORE_COLOURS = (*COLOURS, "#2f6fb0", "#a83279", "#5f7a1f", "#8a6d1a", "#444c56")
HEIGHT = 0.24  # inches of a line of the legend


def write_figure(path: Path, curves: Sequence[Curves]) -> None:
    """Writes the picture, as PNG or SVG by the ending of the path."""
    save(path, (12, 7 + HEIGHT * len(curves)), lambda figure: draw(figure, curves))


def save(path: Path, inches: tuple[float, float], draw: "Callable[[Figure], None]") -> None:
    """Writes what `draw` puts on an empty sheet. The same drawing gives the same bytes."""
    if path.suffix not in FORMATS:
        raise UserError(f"{path} does not end in {' or '.join(FORMATS)}: these are what can be drawn.")
    # matplotlib takes half a second to import, and only this function needs it
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {"font.size": 10, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT, "xtick.color": SOFT}
    style |= {"ytick.color": SOFT, "text.color": INK, "text.parse_math": False, "svg.hashsalt": "groundup"}
    with rc_context(style):
        figure = Figure(figsize=inches, dpi=100, facecolor=PAPER)
        figure.set_layout_engine("constrained", w_pad=0.12, h_pad=0.1)
        FigureCanvasAgg(figure)
        draw(figure)
        buffer = BytesIO()
        dated = "Software" if path.suffix == ".png" else "Date"
        figure.savefig(buffer, format=path.suffix[1:], metadata={dated: None})
    write_atomic(path, buffer.getvalue())


def draw(figure: "Figure", curves: Sequence[Curves]) -> None:
    """Four panels with every run in each, and one legend below. A run's stages stand one after the other."""
    shifts = beginnings(curves)
    loss, lr, norm, speed = figure.subplots(2, 2).flat
    absolute = all(each.lr for each in curves)  # logs of older runs have only the fraction
    panels = (
        (loss, "Loss, nats per token", [each.loss for each in curves]),
        (
            lr,
            "Learning rate" if absolute else "Learning rate, share of its peak",
            [each.lr if absolute else each.lr_scale for each in curves],
        ),
        (norm, "Norm of the gradient, before clipping", [each.grad_norm for each in curves]),
        (speed, "Tokens a second", [each.tokens_per_second for each in curves]),
    )
    for axes, title, found in panels:
        tidy(axes, title)
        axes.grid(axis="y", color=LINE)
        axes.set_xlabel("step, stage after stage" if any(shifts) else "step")
        for points, shift, colour in zip(found, shifts, _colours(len(curves)), strict=True):
            line(axes, moved(points, shift), colour, calm=axes is not lr)
    for each, shift, colour in zip(curves, shifts, _colours(len(curves)), strict=True):
        if held_out := moved(each.held_out, shift):
            x, y = zip(*held_out, strict=True)
            loss.plot(x, y, color=colour, marker="o", ms=4, lw=1.2, ls="--")
    for limit in sorted({value for each in curves for _, value in each.clipped}):
        norm.axhline(limit, color=SOFT, lw=1, ls=":")
    window(loss, [*(each.loss for each in curves), *(each.held_out for each in curves)])
    powers(norm)
    speed.set_ylim(bottom=0)
    legend(figure, curves)


def line(axes: "Axes", points: Points, colour: str, *, calm: bool) -> None:
    """A curve; with `calm` its running mean over the faint measurements."""
    if not points:
        return
    x, y = zip(*points, strict=True)
    mean = [value for _, value in smoothed(points)] if calm else list(y)
    if mean != list(y):
        axes.plot(x, y, color=colour, alpha=0.25, lw=0.8)
    axes.plot(x, mean, color=colour, lw=1.8)


def beginnings(curves: Sequence[Curves]) -> list[int]:
    """At which step of its run each stage begins: where the stage before it in the list ended."""
    ends: dict[str, int] = {}
    found = []
    for each in curves:
        found.append(ends.get(each.run, 0))
        ends[each.run] = found[-1] + max((step for step, _ in each.loss), default=0)
    return found


def moved(points: Points, shift: int) -> Points:
    """The points that can be drawn, `shift` steps further right."""
    return [(x + shift, y) for x, y in finite(points)]


def finite(points: Points) -> Points:
    """Without the points that cannot be drawn: a diverged loss leaves a gap."""
    return [(x, y) for x, y in points if math.isfinite(y)]


def window(axes: "Axes", found: Sequence[Points]) -> None:
    """From the lowest value to the highest beginning of a run: a lost run must not flatten the rest."""
    values = [y for points in found for _, y in finite(points)]
    begins = [finite(points)[0][1] for points in found if finite(points)]
    if values and max(values) > min(values):
        room = 0.05 * (max(begins) - min(values))
        axes.set_ylim(min(values) - room, max(begins) + max(room, 0.02))


def powers(axes: "Axes") -> None:
    """A logarithmic axis with figures on it also where the values stay within one power of ten."""
    from matplotlib.ticker import LogLocator

    axes.set_yscale("log")
    low, high = axes.get_ylim()
    digits = range(1, 10) if high < 4 * low else (1, 2, 5) if high < 40 * low else (1,)
    axes.yaxis.set_major_locator(LogLocator(subs=digits))
    axes.yaxis.set_major_formatter("{x:g}")
    axes.yaxis.set_minor_formatter("")


def legend(figure: "Figure", curves: Sequence[Curves]) -> None:
    """A line for each run, and what the kinds of lines mean."""
    from matplotlib.lines import Line2D

    named = zip(curves, _colours(len(curves)), strict=True)
    handles = [Line2D([], [], color=colour, lw=2, label=each.name or "training") for each, colour in named]
    if any(each.held_out for each in curves):
        handles.append(Line2D([], [], color=SOFT, marker="o", ms=4, lw=1.2, ls="--", label="held out"))
    if any(each.clipped for each in curves):
        handles.append(Line2D([], [], color=SOFT, lw=1, ls=":", label="clipped to this norm"))
    figure.legend(handles=handles, loc="outside lower left", frameon=False, labelcolor=INK, ncols=2)


def _colours(count: int) -> list[str]:
    return [MORE_COLOURS[number % len(MORE_COLOURS)] for number in range(count)]
