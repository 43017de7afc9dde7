"""A computation graph as a picture: what was computed, from what, and with which gradient. SVG, by hand.

Each box is one value: its name or operation, its number, and the derivative of the result with respect to it.
Lines run from operands to what uses them; hover over one for its part in the chain rule. Above 400 values a
picture is wallpaper, so each neuron becomes one box: the value of an activation, or one that is used several
times, with everything that only it uses.

Letters:  a *box* is what is drawn, a *value* what was computed; below 400 each is the other.
Does not: lay out (layout.py), or draw a batch: draw the loss of one example.
Next:     expression.py, from text to values.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

from groundup.autograd.graph import operands, ordered
from groundup.autograd.layout import Layout, Point, layout
from groundup.autograd.value import Value
from groundup.base.errors import GraphError

MOST = 400  # boxes in one picture
ACTIVATIONS = ("ReLU", "tanh", "sigmoid")  # where a neuron ends
INK, SOFT, LINE, PAPER = "#1f2328", "#646b75", "#b9b3a7", "#fbfaf7"
FILLS = {"leaf": "#e3f1ef", "computed": "#ffffff", "result": "#f6e7d8"}
UP, DOWN = "#0b6e69", "#b4530a"  # gradients above and below 0; told apart by the colour-blind too
CHARACTER, ROW, PAD, CHIP = 7.3, 17.0, 11.0, 11.0  # pixels: of 12 px monospaced text, and of a disc
MARGIN, TITLE = 24.0, 34.0


@dataclass(frozen=True)
class Box:
    """What one box says. `operation` is "" for a leaf; `inside` counts the values that it stands for."""

    name: str
    operation: str
    data: float
    grad: float
    kind: str
    inside: int = 1

    @property
    def rows(self) -> list[str]:
        """Its lines of text."""
        first = [shortened(self.name)] if self.name else []
        many = [f"{self.inside} values"] if self.inside > 1 else []
        return [*first, f"data {number(self.data)}", f"grad {number(self.grad)}", *many]

    @property
    def size(self) -> Point:
        """Width and height in pixels."""
        longest = max(len(row) for row in self.rows)
        return longest * CHARACTER + 2 * PAD + self.disc, len(self.rows) * ROW + PAD

    @property
    def disc(self) -> float:
        """Half the width of the disc that names the operation, on the left side; 0 for a leaf."""
        return max(CHIP, len(self.operation) * CHARACTER * 0.42 + 4) if self.operation else 0.0


def draw(result: Value, *, title: str = "") -> str:
    """The graph of a result as SVG text. Call `result.backward()` first, or every gradient says 0.

    Raises GraphError for a graph of more than 400 boxes, even with each neuron as one.

    >>> a, b = Value(2.0, "a"), Value(-3.0, "b")
    >>> product = a * b
    >>> product.backward()
    >>> draw(product).count("<rect") - 1             # one is the paper
    3
    """
    boxes, edges = boxes_of(result)
    found = layout([box.size for box in boxes], list(edges))
    return _svg(boxes, edges, found, title)


def boxes_of(result: Value) -> tuple[list[Box], dict[tuple[int, int], str]]:
    """The boxes, operands first, and for each edge between two what it hands back, in words."""
    values = ordered(result)
    users: dict[int, list[Value]] = {id(value): [] for value in values}
    for value in values:
        for operand in operands(value):
            users[id(operand)].append(value)
    head = {id(value): value for value in values}  # which value stands for this one
    if len(values) > MOST:
        for value in reversed(values):
            if len(users[id(value)]) == 1 and value._op not in ACTIVATIONS:
                head[id(value)] = head[id(users[id(value)][0])]
    heads = [value for value in values if head[id(value)] is value]
    if len(heads) > MOST:
        raise GraphError(
            f"The graph has {len(values):,} values, {len(heads):,} with each neuron as one box, and {MOST} "
            "is the most that can be drawn. Draw one example instead of a batch, or a smaller network."
        )
    place = {id(value): i for i, value in enumerate(heads)}
    inside = [0] * len(heads)
    edges: dict[tuple[int, int], str] = {}
    for value in values:
        mine = place[id(head[id(value)])]
        inside[mine] += 1
        for operand in operands(value):
            theirs = place[id(head[id(operand)])]
            if theirs != mine:
                edges[theirs, mine] = _part(operand, value, edges.get((theirs, mine), ""))
    return [_box(value, result, count) for value, count in zip(heads, inside, strict=True)], edges


def number(x: float) -> str:
    """Four digits.

    >>> number(138.83381924), number(-8.0), number(1e-12)
    ('138.8', '-8', '1e-12')
    """
    return f"{x + 0.0:.4g}"  # -0.0 + 0.0 is 0.0


def shortened(name: str, most: int = 24) -> str:
    """A name that fits a box.

    >>> shortened("layers.0.neurons.15.weight.2")
    'layers.0.neurons.15.wei…'
    """
    return name if len(name) <= most else name[: most - 1] + "…"


def _box(value: Value, result: Value, inside: int) -> Box:
    kind = "result" if value is result else "computed" if operands(value) else "leaf"
    return Box(value.label, value._op, value._data, value.grad, kind, inside)


def _part(operand: Value, user: Value, before: str) -> str:
    """What `user` hands back to `operand`: local derivative times gradient."""
    local = sum(d for v, d in ((user._a, user._da), (user._b, user._db)) if v is operand)
    part = f"{number(local)} × {number(user.grad)} = {number(local * user.grad)}"
    return part if before in ("", part) else f"{before}, {part}"


# ---- SVG -----------------------------------------------------------------------------------------


def _svg(boxes: Sequence[Box], edges: dict[tuple[int, int], str], found: Layout, title: str) -> str:
    above = TITLE if title else 0.0
    width = max(found.width, min(len(title), 100) * CHARACTER) + 2 * MARGIN
    height = found.height + 2 * MARGIN + above
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.1f} {height:.1f}" font-family="ui-monospace, Menlo, Consolas, monospace" '
        f'font-size="12" fill="{INK}">',
        f"<title>{escape(title or 'computation graph')}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
    ]
    if title:
        fitting = shortened(title, int((width - 2 * MARGIN) / CHARACTER))
        body.append(f'<text x="{MARGIN}" y="{MARGIN + 6}" fill="{SOFT}">{escape(fitting)}</text>')
    body.append(f'<g transform="translate({MARGIN} {MARGIN + above})">')
    thick = 1.6 if len(edges) < 150 else 0.8
    for edge, part in edges.items():
        body.append(_line(found.lines[edge], part, boxes[edge[1]], thick))
    for box, centre in zip(boxes, found.centres, strict=True):
        body += _drawn(box, centre)
    return "\n".join([*body, "</g>", "</svg>", ""])


def _line(points: Sequence[Point], part: str, user: Box, thick: float) -> str:
    """A curve through the points, level at each; it ends at the disc of the operation that uses it."""
    end_x, end_y = points[-1]
    points = [*points[:-1], (end_x - user.disc, end_y)]
    path = f"M{points[0][0]:.1f} {points[0][1]:.1f}"
    for (x0, y0), (x1, y1) in pairwise(points):
        middle = (x0 + x1) / 2
        path += f"C{middle:.1f} {y0:.1f} {middle:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
    told = f"<title>hands back {escape(part)}</title>"
    return f'<path d="{path}" fill="none" stroke="{LINE}" stroke-width="{thick}">{told}</path>'


def _drawn(box: Box, centre: Point) -> list[str]:
    (width, height), (x, y) = box.size, centre
    left, top = x - width / 2, y - height / 2
    edge, thick = (INK, 1.6) if box.kind == "result" else (SOFT, 1.0)
    name = box.name or box.operation or "a constant"
    out = [
        "<g>",
        f"<title>{escape(name)}: data {box.data!r}, grad {box.grad!r}</title>",
        f'<rect x="{left:.1f}" y="{top:.1f}" width="{width:.1f}" height="{height:.1f}" rx="7" '
        f'fill="{FILLS[box.kind]}" stroke="{edge}" stroke-width="{thick}"/>',
    ]
    inner = left + PAD + box.disc
    for i, row in enumerate(box.rows):
        style = f' fill="{SOFT}"'
        if box.name and i == 0:
            style = ' font-weight="bold"'
        elif row.startswith("grad "):
            style = f' fill="{UP if box.grad > 0 else DOWN if box.grad < 0 else SOFT}"'
        out.append(
            f'<text x="{inner:.1f}" y="{top + PAD / 2 + ROW * (i + 0.72):.1f}"{style}>{escape(row)}</text>'
        )
    if box.operation:
        out.append(f'<ellipse cx="{left:.1f}" cy="{y:.1f}" rx="{box.disc:.1f}" ry="{CHIP}" fill="{INK}"/>')
        out.append(
            f'<text x="{left:.1f}" y="{y + 3.6:.1f}" text-anchor="middle" fill="{PAPER}" font-size="10.5">'
            f"{escape(box.operation)}</text>"
        )
    return [*out, "</g>"]
