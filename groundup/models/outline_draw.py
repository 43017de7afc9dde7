"""The tree of a model as text for a terminal, and as a picture: SVG, by hand.

Both have a row for each part. In the picture a bar shows how much of all parameters, and of all operations,
is in a part; hover over a row for the numbers in full.

Next: cli/inspect.py, which shows it.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from html import escape

from groundup.models.outline import Node

INK, SOFT, LINE, PAPER = "#1f2328", "#646b75", "#b9b3a7", "#fbfaf7"
CHARACTER, ROW, MARGIN, GAP = 7.3, 21.0, 24.0, 26.0  # pixels; of 12 px monospaced text
HEADS = ("", "shape", "stored as", "parameters", "bytes", "FLOPs/token", "KV bytes/token")
BARS = {3: "#bfe0dc", 5: "#f0d3b8"}  # columns with a bar in them: parameters, operations
BAR = 150.0  # pixels of a whole one, at least
LEFT = 3  # columns of words; the others are numbers, and end below each other


@dataclass(frozen=True)
class Line:
    """A row: its branch of the tree, its cells under HEADS, and how many such parts the model has in all."""

    node: Node
    branch: str
    cells: tuple[str, ...]
    times: int


def lines_of(tree: Node) -> list[Line]:
    """The rows, from above to below."""
    return list(_lines(tree, "", "", 1))


def _lines(node: Node, branch: str, below: str, times: int) -> Iterator[Line]:
    times *= node.alike
    many = f", {node.alike} alike, each:" if node.alike > 1 else ""
    cells = (
        f"{branch}{node.name}{many}", " x ".join(map(str, node.shape)), node.format,
        *(short(value) for value in (node.parameters, node.bytes, node.flops, node.kv)),
    )  # fmt: skip
    yield Line(node, branch, cells, times)
    for part in node.parts:
        last = part is node.parts[-1]
        yield from _lines(part, below + ("└─ " if last else "├─ "), below + ("   " if last else "│  "), times)


def short(value: int | None) -> str:
    """A number for a column: nothing where it is 0 or not known.

    >>> short(1_234_567), short(0)
    ('1,234,567', '')
    """
    return f"{value:,}" if value else ""


def as_text(tree: Node) -> list[str]:
    """The rows as lines of equal columns, under their heads."""
    rows = [HEADS, *(line.cells for line in lines_of(tree))]
    shown = [column for column in range(len(HEADS)) if not column or any(row[column] for row in rows[1:])]
    widths = {column: max(len(row[column]) for row in rows) for column in shown}

    def cell(row: tuple[str, ...], column: int) -> str:
        text = row[column]
        return text.ljust(widths[column]) if column < LEFT else text.rjust(widths[column])

    return ["  ".join(cell(row, column) for column in shown).rstrip() for row in rows]


# ---- As a picture --------------------------------------------------------------------------------


def as_svg(tree: Node, *, title: str, notes: tuple[str, ...] = ()) -> str:
    """The rows as a picture with a bar for parameters and one for operations; `notes` stand below."""
    notes = ("Bars: the share of the whole, all parts that are alike together.", *notes)
    lines = lines_of(tree)
    rows = [HEADS, *(line.cells for line in lines)]
    widths = [max(CHARACTER * len(row[column]) for row in rows) for column in range(len(HEADS))]
    for column in BARS:
        widths[column] = max(widths[column], BAR)
    starts = [MARGIN + sum(widths[:column]) + GAP * column for column in range(len(HEADS))]
    width = max(starts[-1] + widths[-1], MARGIN + CHARACTER * max(map(len, (title, *notes)))) + MARGIN
    top = MARGIN + 2 * ROW
    height = top + ROW * (len(rows) + len(notes)) + MARGIN
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width:.0f}" height="{height:.0f}" '
        f'viewBox="0 0 {width:.0f} {height:.0f}" font-family="ui-monospace, monospace" font-size="12">',
        f"<title>{escape(title)}</title>",
        f'<rect width="100%" height="100%" fill="{PAPER}"/>',
        _text(title, MARGIN, MARGIN + 12, INK, size=15),
        *_cells(HEADS, top, starts, widths, SOFT),
        f'<path d="M{MARGIN:.0f} {top + 5:.0f}H{width - MARGIN:.0f}" stroke="{LINE}"/>',
    ]
    for place, line in enumerate(lines, 1):
        y = top + ROW * place
        parts += ["<g>", f"<title>{escape(_in_full(line, tree))}</title>"]
        shares = (
            _share(line, line.node.parameters, tree.parameters),
            _share(line, line.node.flops, tree.flops),
        )
        for (column, colour), share in zip(BARS.items(), shares, strict=True):
            parts.append(
                f'<rect x="{starts[column] + widths[column] * (1 - share):.1f}" y="{y - 14:.1f}" '
                f'width="{widths[column] * share:.1f}" height="{ROW - 3:.0f}" rx="2" fill="{colour}"/>'
            )
        parts += [*_cells(line.cells, y, starts, widths, INK), "</g>"]
    below = top + ROW * (len(rows) + 0.4)
    parts += [_text(note, MARGIN, below + ROW * place, SOFT) for place, note in enumerate(notes)]
    return "\n".join([*parts, "</svg>\n"])


def _cells(
    cells: tuple[str, ...], y: float, starts: list[float], widths: list[float], colour: str
) -> list[str]:
    found = []
    for column, text in enumerate(cells):
        if text and column < LEFT:
            found.append(_text(text, starts[column], y, colour))
        elif text:
            found.append(_text(text, starts[column] + widths[column], y, colour, anchor="end"))
    return found


def _text(text: str, x: float, y: float, colour: str, *, size: int = 12, anchor: str = "start") -> str:
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" fill="{colour}" font-size="{size}" text-anchor="{anchor}" '
        f'xml:space="preserve">{escape(text)}</text>'
    )


def _share(line: Line, value: int | None, whole: int | None) -> float:
    return line.times * value / whole if value and whole else 0.0


def _in_full(line: Line, tree: Node) -> str:
    """What a row says when one points at it: all such parts together, and their share."""
    node, times = line.node, line.times
    said = [f"{node.name}{f', {times} in all' if times > 1 else ''}"]
    for value, whole, unit in (
        (node.parameters, tree.parameters, "parameters"),
        (node.bytes, tree.bytes, "bytes"),
        (node.flops, tree.flops, "FLOPs per token"),
        (node.kv, tree.kv, "bytes of cache per token"),
    ):
        if value and whole:
            said.append(f"{times * value:,} {unit}, {times * value / whole:.1%}")
    return "; ".join(said)
