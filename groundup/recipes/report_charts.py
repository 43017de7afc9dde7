"""Line charts as inline SVG, drawn by hand: axes, round ticks, smoothed curves, and values on hover.

The drawing is 480 units wide and scales with the page; colours and fonts come from report.css. A noisy curve
is drawn twice: faint as it was, and smoothed (each point averaged with a fortieth of the curve on either
side, so that a steep fall is not drawn late, as a running average draws it).

Next: report.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

from groundup.recipes.report_markup import Markup, join, tag

Point = tuple[float, float]

WIDTH, HEIGHT = 480, 250
LEFT, RIGHT, TOP, BOTTOM = 44, 468, 14, 212  # of the plot itself
DRAWN, HOVERED = 400, 60  # points of a path, and circles that show their value
SMOOTHED = 60  # a curve of fewer points is drawn as it is


@dataclass(frozen=True)
class Series:
    """A named curve and its colour in the style sheet (c1 to c4)."""

    label: str
    points: Sequence[Point]
    colour: str


def line_chart(series: Sequence[Series], *, x_label: str, y_label: str, share: bool = False) -> Markup:
    """The chart with its legend. `share`: the y axis is 0 to 100 %. Series without points are left out."""
    series = [one for one in series if one.points]
    smooth = {one.label: smoothed(one.points) for one in series}
    xs = [x for one in series for x, _ in one.points]
    # The axis follows the smoothed curves: one wild batch must not flatten all the rest.
    ys = [0.0, 1.0] if share else [y for one in series for _, y in smooth[one.label]]
    x_axis, y_axis = Axis.over(xs, LEFT, RIGHT, round_out=False), Axis.over(ys, BOTTOM, TOP)
    drawing: list[str] = [
        tag("title", f"{y_label} by {x_label}"),
        *(_x_tick(x_axis, tick) for tick in x_axis.ticks),
        *(_y_tick(y_axis, tick, share) for tick in y_axis.ticks),
        tag("line", x1=LEFT, x2=RIGHT, y1=BOTTOM, y2=BOTTOM, cls="axis"),
        tag("text", x_label, x=RIGHT, y=BOTTOM + 34, text_anchor="end"),
    ]
    for one in series:
        faint = len(one.points) >= SMOOTHED
        if faint:
            drawing.append(_path(one.points, x_axis, y_axis, f"curve raw {one.colour}"))
        drawing.append(_path(smooth[one.label], x_axis, y_axis, f"curve {one.colour}"))
    for one in series:
        for x, y in thinned(smooth[one.label], HOVERED):
            value = f"{100 * y:.1f} %" if share else f"{y:.3f}"
            note = tag("title", f"{one.label}: {value} at {x_label} {x:,.0f}")
            drawing.append(
                tag("circle", note, cx=x_axis.at(x), cy=y_axis.at(y), r=5, cls=f"hit {one.colour}")
            )
    legend = (tag("span", tag("i", cls=one.colour), one.label) for one in series)
    picture = tag("svg", *drawing, viewBox=f"0 0 {WIDTH} {HEIGHT}", role="img")
    return join(tag("div", *legend, cls="legend"), picture)


@dataclass(frozen=True)
class Axis:
    """Values from `low` to `high` laid from `start` to `end` of the drawing, with ticks at round numbers."""

    low: float
    high: float
    start: float
    end: float
    ticks: tuple[float, ...]

    @classmethod
    def over(cls, values: Sequence[float], start: float, end: float, *, round_out: bool = True) -> "Axis":
        """The axis of these values; `round_out` moves its ends out to ticks."""
        low, high = min(values), max(values)
        if low == high:
            low, high = low - 0.5, high + 0.5
        step = round_step((high - low) / 5)
        if round_out:
            low, high = math.floor(low / step) * step, math.ceil(high / step) * step
        first, last = math.ceil(low / step - 1e-9), math.floor(high / step + 1e-9)
        return cls(low, high, start, end, tuple(k * step for k in range(first, last + 1)))

    def at(self, value: float) -> float:
        """Where the value lies; what is beyond an end lies on it."""
        share = (min(max(value, self.low), self.high) - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)


def round_step(rough: float) -> float:
    """The next of 1, 2, 5 times a power of ten.

    >>> round_step(0.7), round_step(13), round_step(240)
    (1.0, 20.0, 500.0)
    """
    size = 10.0 ** math.floor(math.log10(rough))
    return next(factor * size for factor in (1, 2, 5, 10) if rough <= factor * size * (1 + 1e-9))


def smoothed(points: Sequence[Point]) -> list[Point]:
    """Each y averaged over a window around it, narrower where the curve begins; short curves as they are.

    >>> smoothed([(0, 4.0), (1, 2.0)])
    [(0, 4.0), (1, 2.0)]
    >>> {y for _, y in smoothed([(x, 3.0) for x in range(100)])}
    {3.0}
    """
    if len(points) < SMOOTHED:
        return list(points)
    sums = [0.0, *accumulate(y for _, y in points)]
    out: list[Point] = []
    for i, (x, _) in enumerate(points):
        before = min(len(points) // 40 + 1, i)
        after = min(before, len(points) - 1 - i)
        out.append((x, (sums[i + after + 1] - sums[i - before]) / (before + after + 1)))
    return out


def thinned(points: Sequence[Point], most: int) -> list[Point]:
    """At most `most` points, evenly chosen, first and last among them.

    >>> thinned([(x, 0) for x in range(10)], 4)
    [(0, 0), (3, 0), (6, 0), (9, 0)]
    """
    if len(points) <= most:
        return list(points)
    return [points[round(i * (len(points) - 1) / (most - 1))] for i in range(most)]


def _path(points: Sequence[Point], x_axis: Axis, y_axis: Axis, cls: str) -> Markup:
    places = (f"{x_axis.at(x):g} {y_axis.at(y):g}" for x, y in thinned(points, DRAWN))
    return tag("path", d="M" + " L".join(places), cls=cls)


def _x_tick(axis: Axis, value: float) -> Markup:
    x = axis.at(value)
    mark = tag("line", x1=x, x2=x, y1=BOTTOM, y2=BOTTOM + 4, cls="axis")
    return join(mark, tag("text", f"{value:,.10g}", x=x, y=BOTTOM + 18, text_anchor="middle"))


def _y_tick(axis: Axis, value: float, share: bool) -> Markup:
    y = axis.at(value)
    text = f"{100 * value:.0f} %" if share else f"{round(value, 10):g}"
    line = tag("line", x1=LEFT, x2=RIGHT, y1=y, y2=y, cls="gridline")
    return join(line, tag("text", text, x=LEFT - 8, y=y + 4, text_anchor="end"))
