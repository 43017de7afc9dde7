"""Where the boxes of a graph go: columns from left to right, few crossings, no two boxes over each other.

    1. columns   a box stands just left of the leftmost that uses it (longest path to a result)
    2. order     in each column, sorted by the mean place of its neighbours, back and forth; the order with
                 the fewest crossings is kept
    3. heights   each box as near to its neighbours' mean as order and gaps allow: the least squares under
                 `y[i + 1] >= y[i] + gap` have an exact solution, by pooling (`spaced`)

An edge over several columns gets an invisible box in each, so it has room of its own and passes no box.

Source:   Sugiyama, Tagawa & Toda 1981, IEEE Trans. Systems, Man, and Cybernetics 11, p. 109; pooling: Barlow
          et al. 1972, Statistical Inference under Order Restrictions, section 1.2.
Next:     draw.py, which knows what is in the boxes.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

SWEEPS = 24
COLUMN_GAP, BOX_GAP, LINE_GAP = 56.0, 18.0, 10.0  # between columns, boxes, and lines that pass a column
WIDER = 160.0  # what many lines may add to the gap between two columns
LINE_WEIGHT = 8.0  # a long edge that is straight is worth more than a box in the middle of its neighbours

Edge = tuple[int, int]
Point = tuple[float, float]


@dataclass(frozen=True)
class Layout:
    """The centre of each box, and for each edge the points that it runs through, from right side to left."""

    centres: list[Point]
    lines: dict[Edge, list[Point]]
    width: float
    height: float


def layout(sizes: Sequence[tuple[float, float]], edges: Sequence[Edge]) -> Layout:
    """Places for boxes of these sizes (width, height); an edge (a, b) says that b uses a, and a < b.

    >>> two = layout([(40, 20), (40, 20)], [(0, 1)])
    >>> two.centres, two.lines
    ([(20.0, 10.0), (116.0, 10.0)], {(0, 1): [(40.0, 10.0), (96.0, 10.0)]})
    """
    chains, column_of = _with_lines(len(sizes), edges)
    columns: list[list[int]] = [[] for _ in range(max(column_of, default=-1) + 1)]
    steps = [pair for chain in chains.values() for pair in pairwise(chain)]
    for item in _by_depth_first(len(column_of), steps):
        columns[column_of[item]].append(item)
    before: list[list[int]] = [[] for _ in column_of]
    after: list[list[int]] = [[] for _ in column_of]
    for a, b in steps:
        after[a].append(b)
        before[b].append(a)
    columns = _with_few_crossings(columns, before, after)

    heights = [height for _, height in sizes] + [0.0] * (len(column_of) - len(sizes))
    y = _heights(columns, before, after, heights, len(sizes))
    widths = [max((sizes[i][0] for i in column if i < len(sizes)), default=0.0) for column in columns]
    lefts, left = [], 0.0
    for column, width in zip(columns, widths, strict=True):
        lefts.append(left)
        lines_out = sum(len(after[item]) for item in column)
        left += width + COLUMN_GAP + min(WIDER, max(0, lines_out - 8) / 2)  # many lines need room to part
    middles = [left + width / 2 for left, width in zip(lefts, widths, strict=True)]

    lines = {}
    for (a, b), chain in chains.items():
        points = [(middles[column_of[a]] + sizes[a][0] / 2, y[a])]
        for item in chain[1:-1]:  # level through the whole column, so that it passes beside the boxes
            left = lefts[column_of[item]]
            points += [(left, y[item]), (left + widths[column_of[item]], y[item])]
        lines[a, b] = [*points, (middles[column_of[b]] - sizes[b][0] / 2, y[b])]
    centres = [(middles[column_of[i]], y[i]) for i in range(len(sizes))]
    bottom = max((y[i] + heights[i] / 2 for i in range(len(y))), default=0.0)
    return Layout(centres, lines, lefts[-1] + widths[-1] if columns else 0.0, bottom)


def crossings(columns: Sequence[Sequence[int]], after: Sequence[Sequence[int]]) -> int:
    """How often lines between neighbouring columns cross: pairs that are ordered otherwise at their ends.

    >>> crossings([[0, 1], [2, 3]], [[3], [2], [], []]), crossings([[0, 1], [2, 3]], [[2], [3], [], []])
    (1, 0)
    """
    count = 0
    for left, right in pairwise(columns):
        place = {item: i for i, item in enumerate(right)}
        ends: list[int] = []
        for item in left:
            own = sorted(place[other] for other in after[item])
            count += sum(len(ends) - bisect_right(ends, end) for end in own)
            for end in own:
                insort(ends, end)
    return count


def spaced(wanted: Sequence[float], gaps: Sequence[float], weights: Sequence[float]) -> list[float]:
    """The numbers nearest to `wanted` (weighted least squares) with y[i + 1] - y[i] >= gaps[i].

    >>> spaced([0.0, 0.0, 9.0], [2.0, 2.0], [1.0, 1.0, 1.0])
    [-1.0, 1.0, 9.0]
    """
    shifts = [0.0]
    for gap in gaps:
        shifts.append(shifts[-1] + gap)
    blocks: list[tuple[float, float, int]] = []  # mean, weight, how many share it
    for want, shift, weight in zip(wanted, shifts, weights, strict=True):
        mean, size = want - shift, 1
        while blocks and blocks[-1][0] >= mean:  # too close: they share one place, less their gaps
            other, other_weight, other_size = blocks.pop()
            mean = (mean * weight + other * other_weight) / (weight + other_weight)
            weight, size = weight + other_weight, size + other_size
        blocks.append((mean, weight, size))
    level = [mean for mean, _, size in blocks for _ in range(size)]
    return [mean + shift for mean, shift in zip(level, shifts, strict=True)]


def _with_lines(n: int, edges: Sequence[Edge]) -> tuple[dict[Edge, list[int]], list[int]]:
    """Each edge as a chain of items, one a column, and the column of each item: boxes, then line pieces."""
    users: list[list[int]] = [[] for _ in range(n)]
    for a, b in edges:
        users[a].append(b)
    left_of_end = [0] * n
    for item in range(n - 1, -1, -1):
        left_of_end[item] = max((left_of_end[user] + 1 for user in users[item]), default=0)
    columns = [max(left_of_end, default=0) - steps for steps in left_of_end]
    chains = {}
    for a, b in dict.fromkeys(edges):
        pieces = range(columns[a] + 1, columns[b])
        chains[a, b] = [a, *range(len(columns), len(columns) + len(pieces)), b]
        columns += pieces
    return chains, columns


def _by_depth_first(n: int, steps: Sequence[Edge]) -> list[int]:
    """All items, as a walk back from the ends meets them: what belongs together stands together."""
    operands: list[list[int]] = [[] for _ in range(n)]
    has_user = [False] * n
    for a, b in steps:
        operands[b].append(a)
        has_user[a] = True
    seen: dict[int, None] = {}
    waiting = [item for item in range(n) if not has_user[item]][::-1]
    while waiting:
        item = waiting.pop()
        if item not in seen:
            seen[item] = None
            waiting += operands[item][::-1]
    return list(seen)


def _with_few_crossings(
    columns: list[list[int]], before: Sequence[Sequence[int]], after: Sequence[Sequence[int]]
) -> list[list[int]]:
    best, fewest = [column[:] for column in columns], crossings(columns, after)
    for sweep in range(SWEEPS):
        if not fewest:
            break
        forwards = sweep % 2 == 0
        order = range(1, len(columns)) if forwards else range(len(columns) - 2, -1, -1)
        for c in order:
            neighbours = before if forwards else after
            place = {item: i for i, item in enumerate(columns[c - 1 if forwards else c + 1])}
            here = {item: i for i, item in enumerate(columns[c])}

            def mean(
                item: int,
                neighbours: Any = neighbours,
                place: dict[int, int] = place,
                here: dict[int, int] = here,
            ) -> float:
                near = [place[other] for other in neighbours[item]]
                return sum(near) / len(near) if near else here[item]

            columns[c].sort(key=mean)
        if (found := crossings(columns, after)) < fewest:
            best, fewest = [column[:] for column in columns], found
    return best


def _heights(
    columns: Sequence[Sequence[int]],
    before: Sequence[Sequence[int]],
    after: Sequence[Sequence[int]],
    heights: Sequence[float],
    boxes: int,
) -> list[float]:
    """y of each item's centre, the topmost box touching 0."""
    y = [0.0] * len(heights)
    for sweep in range(SWEEPS):
        forwards = sweep % 2 == 0
        for column in columns if forwards else reversed(columns):
            gaps = [
                (heights[a] + heights[b]) / 2 + (BOX_GAP if a < boxes or b < boxes else LINE_GAP)
                for a, b in pairwise(column)
            ]
            wanted = []
            for item in column:
                near = [*before[item], *after[item]] if sweep else before[item]
                wanted.append(sum(y[other] for other in near) / len(near) if near else y[item])
            weights = [1.0 if item < boxes else LINE_WEIGHT for item in column]
            for item, place in zip(column, spaced(wanted, gaps, weights), strict=True):
                y[item] = place
    top = min((y[i] - heights[i] / 2 for i in range(len(y))), default=0.0)
    return [place - top for place in y]
