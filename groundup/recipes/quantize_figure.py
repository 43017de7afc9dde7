"""Quantization as a picture: how much each matrix lost, and the weights of one beside the levels they got.

Next: cli/quantize.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import cycle
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.models.transformer import Transformer
from groundup.recipes.curves_figure import save
from groundup.recipes.report_png import COLOURS, INK, LINE, PALE, SOFT, tidy
from groundup.weights.quantize import MatrixError
from groundup.weights.quantized import GROUP, LIMITS, Quantized

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

BINS_A_LEVEL = 8
MOST_BARS = 40  # matrices with a bar each; above, a line for each kind over the layers
HEIGHT = 0.26  # inches of a matrix
SPAN = 16  # levels of 8 bits that are shown: all 255 would be a grey patch


def write_figure(
    path: Path, errors: Sequence[MatrixError], model: Transformer, codes: Mapping[str, Quantized]
) -> None:
    """Writes the picture, as PNG or SVG by the ending of the path."""
    few = len(errors) <= MOST_BARS

    def draw(figure: Figure) -> None:
        left, right = figure.subplots(1, 2)
        draw_errors(left, errors) if few else draw_by_layer(left, errors)
        worst = max(errors, key=lambda e: e.weights).name
        draw_levels(right, worst, model, codes[worst])

    save(path, (12, 2.5 + HEIGHT * len(errors) if few else 6), draw)


def draw_errors(axes: Axes, errors: Sequence[MatrixError]) -> None:
    """A bar for each matrix, from the first layer down: the error of its weights, and of what it gives."""
    tidy(axes, "Error of each matrix, % of its size")
    places = range(len(errors))
    axes.barh(places, [100 * e.weights for e in errors], color=PALE, height=0.8, label="its weights")
    given = [
        (place, 100 * e.outputs) for place, e in zip(places, errors, strict=True) if e.outputs is not None
    ]
    if given:
        rows, values = zip(*given, strict=True)
        axes.barh(rows, values, color=COLOURS[0], height=0.35, label="what it gives for the calibration text")
    axes.set_yticks(
        list(places), [f"{e.name.removesuffix('.weight')}  {e.bits} bits" for e in errors], fontsize=8
    )
    axes.invert_yaxis()
    axes.grid(axis="x", color=LINE)
    axes.set_axisbelow(True)
    axes.legend(frameon=False, loc="lower right")


def draw_by_layer(axes: Axes, errors: Sequence[MatrixError]) -> None:
    """A line for each kind of matrix over the layers: the error of its weights; dashed, of what it gives."""
    tidy(axes, "Error of the blocks' matrices, % of their size")
    kinds: dict[str, list[tuple[int, MatrixError]]] = {}
    for error in errors:
        if error.name.startswith("blocks."):
            _, layer, kind = error.name.removesuffix(".weight").split(".", 2)
            kinds.setdefault(kind, []).append((int(layer), error))
    for (kind, found), colour in zip(kinds.items(), cycle((*COLOURS, SOFT))):
        layers = [layer for layer, _ in found]
        axes.plot(layers, [100 * e.weights for _, e in found], color=colour, label=kind)
        if all(e.outputs is not None for _, e in found):
            axes.plot(layers, [100 * (e.outputs or 0) for _, e in found], "--", color=colour)
    axes.set_ylim(0, 1.2 * 100 * max(e.weights for found in kinds.values() for _, e in found))
    axes.set_xlabel("layer; dashed: the error of what it gives for the calibration text")
    axes.grid(color=LINE)
    axes.legend(frameon=False, ncols=2)


def draw_levels(axes: Axes, name: str, model: Transformer, matrix: Quantized) -> None:
    """How often a weight was where, in units of its own scale, and which levels there are."""
    tidy(axes, f"{name.removesuffix('.weight')}: weights, and their levels")
    weights_RKG = model.state_dict()[name].float().cpu().unflatten(1, (-1, GROUP))
    scales_RK1 = matrix.scales_RK.float()[..., None]
    used = scales_RK1.expand_as(weights_RKG) != 0
    units = (weights_RKG / scales_RK1.where(scales_RK1 != 0, scales_RK1 + 1))[used].numpy()
    low, high = LIMITS[matrix.bits]
    low, high = max(low, -SPAN), min(high, SPAN)
    edges = [low - 0.5 + step / BINS_A_LEVEL for step in range((high - low + 1) * BINS_A_LEVEL + 1)]
    axes.hist(units, bins=edges, color=PALE)
    for level in range(low, high + 1):
        axes.axvline(level, color=INK, lw=0.5, alpha=0.5)
    axes.set_xlabel("weight / scale of its block; a line for each level")
    axes.set_ylabel("weights")
