"""How fast a model writes, as a picture: tokens a second, and milliseconds, over the rows side by side.

Next: cli/bench.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.infer.bench import Roof, Row
from groundup.recipes.curves_figure import powers, save
from groundup.recipes.report_png import COLOURS, LINE, SOFT, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def write_bench(path: Path, about: dict[str, Any], roof: Roof, rows: Sequence[Row]) -> None:
    """Writes the picture, as PNG or SVG by the ending of the path. `about` is what cli/bench.py writes."""
    save(path, (11, 4.8), lambda figure: draw(figure, about, roof, rows))


def draw(figure: Figure, about: dict[str, Any], roof: Roof, rows: Sequence[Row]) -> None:
    """Left the throughput with what a perfect batch would give; right the waiting."""
    left, right = figure.subplots(1, 2)
    batches = [row.batch for row in rows]
    line(left, batches, [row.tokens_per_second for row in rows], 1.0, COLOURS[0], "tokens a second")
    single = rows[0].tokens_per_second[0] / rows[0].batch
    left.plot(batches, [single * batch for batch in batches], ":", color=SOFT, label="as many times one row")
    for row in rows:
        left.annotate(
            f"{row.share_of_roof:.0%}", (row.batch, row.tokens_per_second[0]), (0, 9),
            textcoords="offset points", ha="center", color=SOFT, fontsize=8.5,
        )  # fmt: skip
    line(right, batches, [row.first for row in rows], 1e3, COLOURS[1], "first token")
    line(right, batches, [row.token for row in rows], 1e3, COLOURS[0], "each token after it")
    right.plot(batches, [row.p99 * 1e3 for row in rows], "--", color=COLOURS[0], lw=1, label="99 % of them")
    for axes, title, unit in (
        (left, "Throughput, and the share of the roof", "tokens a second, all rows"),
        (right, "Waiting", "milliseconds"),
    ):
        tidy(axes, title)
        axes.set(xscale="log", xlabel="rows side by side", ylabel=unit)
        axes.set_xticks(batches, [str(batch) for batch in batches])
        axes.xaxis.set_minor_formatter("")
        powers(axes)
        axes.grid(color=LINE)
        axes.legend(frameon=False, labelcolor=SOFT)
    figure.suptitle(
        f"{about['model']}, {about['parameters'] / 1e6:.1f} M parameters: {about['machine']}, "
        f"{about['threads']} threads; roof {roof.model / 1e9:.1f} GB/s, memory {roof.memory / 1e9:.1f}",
        color=SOFT,
        fontsize=10,
    )


def line(
    axes: Axes,
    batches: Sequence[int],
    spreads: Sequence[tuple[float, float, float]],
    unit: float,
    colour: str,
    label: str,
) -> None:
    """The medians, and from the lowest to the highest round as a band."""
    middle, low, high = ([unit * spread[place] for spread in spreads] for place in range(3))
    axes.plot(batches, middle, marker="o", ms=4, color=colour, label=label)
    axes.fill_between(batches, low, high, color=colour, alpha=0.18, lw=0)
