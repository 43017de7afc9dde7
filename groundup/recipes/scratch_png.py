"""Pictures of the jobs on our own engines: losses, a decision boundary, digits that were misread.

Next: report_png.py, whose colours and curves these share.
"""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from groundup.base.files import write_atomic
from groundup.base.log import EventLog
from groundup.recipes.report_data import Chart
from groundup.recipes.report_png import COLOURS, PAPER, SOFT, draw_curves, tidy
from groundup.train.metrics import curve

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MOST_DIGITS = 60  # in one picture: ten rows of six


def draw_losses(events: EventLog, label: str, unit: str, path: Path) -> None:
    """The training loss, and the held-out one where there is one, over the steps of the events of a label."""
    logged = list(events.read("train", "eval"))
    curves = {kind: curve(logged, kind, "loss", label) for kind in ("train", "eval")}
    chart = Chart("Loss", unit, (("train", "training"), ("eval", "held out")))
    figure = _figure(8, 5)
    draw_curves(figure.subplots(), chart, {"curves": curves})
    _write(figure, path)


def draw_boundary(
    scores_YX: np.ndarray,
    points_N2: np.ndarray,
    labels_N: np.ndarray,
    *,
    corners: tuple[float, ...],
    path: Path,
) -> None:
    """Points of two kinds over the network's score on a grid; the line is where it says 0.

    `corners`: left, right, bottom, top place of the grid; scores_YX[0] is its bottom row.
    """
    left, right, bottom, top = corners
    figure = _figure(7, min(9.0, 0.8 + 6.5 * (top - bottom) / (right - left)))  # no paper above and below
    axes = figure.subplots()
    most = float(np.abs(scores_YX).max()) or 1.0
    down, across = scores_YX.shape
    half_x, half_y = (right - left) / (across - 1) / 2, (top - bottom) / (down - 1) / 2
    axes.imshow(
        np.tanh(2 * scores_YX / most), cmap="BrBG_r", vmin=-1.6, vmax=1.6, interpolation="bilinear",
        origin="lower", extent=(left - half_x, right + half_x, bottom - half_y, top + half_y),
    )  # fmt: skip
    if scores_YX.min() < 0 < scores_YX.max():
        places = np.linspace(left, right, across), np.linspace(bottom, top, down)
        axes.contour(*places, scores_YX, levels=[0.0], colors="#1f2328", linewidths=1.5)
    axes.set(xlim=(left, right), ylim=(bottom, top), aspect="equal")
    for kind, colour, name in ((0, COLOURS[0], "upper moon"), (1, COLOURS[1], "lower moon")):
        x, y = points_N2[labels_N == kind].T
        axes.scatter(x, y, s=26, color=colour, edgecolor="white", linewidth=0.7, label=name, zorder=3)
    tidy(axes, "Where the network draws the line")
    axes.legend(facecolor=PAPER, edgecolor="none", framealpha=0.9, labelcolor=SOFT, loc="upper right")
    _write(figure, path)


def draw_digits(images_NSS: np.ndarray, labels: Sequence[str], path: Path) -> None:
    """The pictures, each under its label; the first 60 if there are more."""
    shown = min(len(labels), MOST_DIGITS)
    columns = 10
    rows = max(1, -(-shown // columns))
    figure = _figure(columns, 1.25 * rows)
    for place, axes in enumerate(figure.subplots(rows, columns, squeeze=False).flat):
        axes.set_axis_off()
        if place < shown:
            axes.imshow(255 - images_NSS[place], cmap="gray", vmin=0, vmax=255)
            axes.set_title(labels[place], fontsize=9, color=SOFT)
    _write(figure, path)


def _figure(width: float, height: float) -> Figure:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure  # half a second to import

    figure = Figure(figsize=(width, height), dpi=100, facecolor=PAPER, layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def _write(figure: Figure, path: Path) -> None:
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})  # the same data, the same bytes
    write_atomic(path, buffer.getvalue())
