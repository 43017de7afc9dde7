"""What happens inside a network, drawn: histograms, stuck units, how far weights move, gradient norms.

Next: train/diagnostics_data.py, which says what is drawn.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.recipes.curves_figure import MORE_COLOURS, powers, save
from groundup.recipes.report_png import LINE, SOFT, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

Data = dict[str, Any]
MOST = 14  # lines in a picture that a legend can still tell apart


def write_inside(path: Path, data: Data) -> None:
    """Writes the picture of one `figure_data`, as PNG or SVG by the ending of the path."""
    view = data["view"]
    if view == "histograms":
        save(path, (13, 4.2 * len(data["looks"])), lambda figure: draw_histograms(figure, data["looks"]))
    elif view == "saturation":
        layers = data["layers"]
        save(path, (12, 0.8 + 2.2 * max(1, len(layers))), lambda figure: draw_stuck(figure, data))
    else:
        height = 4.5 + 0.2 * min(MOST, len(data["series"]))
        save(path, (11, height), lambda figure: draw_series(figure, data))


def draw_histograms(figure: "Figure", looks: Sequence[Data]) -> None:
    """A row a look: outputs on the left, their gradients on the right, one line a layer."""
    grid = figure.subplots(len(looks), 2, squeeze=False)
    for (left, right), look in zip(grid, looks, strict=True):
        tidy(left, f"Outputs at step {look['step']:,}, share of a bin")
        tidy(right, f"Their gradients at step {look['step']:,}, share of a bin")
        layers = _some(look["layers"])
        widest = 0.0
        for number, (layer, colour) in enumerate(zip(layers, _colours(len(layers)), strict=True), 1):
            label = f"{number} {layer['name']}: std {layer['std']:.2f}"
            if "beyond_97" in layer:
                label += f", {100 * layer['beyond_97']:.1f} % beyond 0.97"
            _bars(left, layer["edges"], layer["counts"], colour, label)
            if layer["grad_counts"]:
                _bars(
                    right,
                    layer["grad_edges"],
                    layer["grad_counts"],
                    colour,
                    f"{number} std {layer['grad_std']:.1e}",
                )
                widest = max(widest, 4 * layer["grad_std"])
        if widest:
            right.set_xlim(-widest, widest)
        for axes in (left, right):
            axes.set_ylim(0, None)
            axes.ticklabel_format(axis="x", scilimits=(-2, 3))
            axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.1))


def draw_stuck(figure: "Figure", data: Data) -> None:
    """A panel a layer: white where a unit (across) is stuck for a row of the batch (down)."""
    layers = data["layers"]
    if not layers:
        axes = figure.subplots()
        tidy(axes, "No layer with tanh, sigmoid or relu: nothing can be stuck")
        return
    for axes, layer in zip(figure.subplots(len(layers), 1, squeeze=False).flat, layers, strict=True):
        rows = layer["rows"]
        share = sum(map(sum, rows)) / max(1, sum(map(len, rows)))
        whole = sum(all(unit) for unit in zip(*rows, strict=True))
        tidy(
            axes,
            f"{layer['name']}, step {data['step']:,}: {100 * share:.1f} % {layer['what']} (white), "
            f"{whole} units in every row shown",
        )
        axes.imshow(rows, cmap="gray", vmin=0, vmax=1, aspect="auto", interpolation="nearest")
        axes.set_xlabel("unit")
        axes.set_ylabel("row of the batch")


def draw_series(figure: "Figure", data: Data) -> None:
    """A line a weight over the steps, and the guide at 10^-3."""
    axes = figure.subplots()
    ratios = data["view"] == "ratios"
    tidy(axes, "Change over weight in one step, log10 of std/std" if ratios else "Norm of the gradient")
    names = _some(list(data["series"]))
    for number, (name, colour) in enumerate(zip(names, _colours(len(names)), strict=True)):
        x, y = zip(*data["series"][name], strict=True)
        again = "--" if number >= len(MORE_COLOURS) else "-"  # the colours begin anew
        dot = "o" if len(x) < 20 else None
        axes.plot(x, y, color=colour, lw=1.6, ls=again, marker=dot, ms=3, label=name)
    if ratios:
        axes.axhline(data["guide"], color=SOFT, lw=1, ls="--", label="guide: 10^-3")
    elif any(value > 0 for points in data["series"].values() for _, value in points):
        powers(axes)
    axes.grid(axis="y", color=LINE)
    axes.set_xlabel("step")
    left_out = len(data["series"]) - len(names)
    title = f"{left_out} more between these are not drawn" if left_out else None
    axes.legend(frameon=False, fontsize=8, loc="upper left", bbox_to_anchor=(0, -0.12), ncols=2, title=title)


def _bars(axes: "Axes", edges: Sequence[float], counts: Sequence[int], colour: str, label: str) -> None:
    low, high = edges
    width, total = (high - low) / len(counts), max(1, sum(counts))
    middles = [low + (number + 0.5) * width for number in range(len(counts))]
    axes.plot(middles, [count / total for count in counts], color=colour, lw=1.5, label=label)


def _some(items: Sequence[Any]) -> Sequence[Any]:
    """At most MOST, evenly spaced from the first to the last."""
    if len(items) <= MOST:
        return items
    return [items[round(number * (len(items) - 1) / (MOST - 1))] for number in range(MOST)]


def _colours(count: int) -> list[str]:
    return [MORE_COLOURS[number % len(MORE_COLOURS)] for number in range(count)]
