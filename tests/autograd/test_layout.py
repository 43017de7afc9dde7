"""Layouts of random graphs: nothing overlaps, and every line passes beside the boxes of others."""

import itertools

from hypothesis import given
from hypothesis import strategies as st

from groundup.autograd.layout import crossings, layout, spaced

HEIGHT = st.sampled_from([20.0, 40.0, 60.0])


@st.composite
def graphs(draw):
    """(sizes, edges): a graph whose edges go from a lower to a higher number, as operands to users do."""
    n = draw(st.integers(1, 25))
    sizes = [(draw(st.floats(10, 120)), draw(HEIGHT)) for _ in range(n)]
    pairs = st.tuples(st.integers(0, n - 1), st.integers(0, n - 1)).filter(lambda pair: pair[0] < pair[1])
    return sizes, draw(st.lists(pairs, max_size=40)) if n > 1 else []


def corners(centre, size):
    (x, y), (width, height) = centre, size
    return x - width / 2, x + width / 2, y - height / 2, y + height / 2


@given(graphs())
def test_no_two_boxes_overlap_and_all_lie_in_the_picture(graph):
    sizes, edges = graph
    found = layout(sizes, edges)
    boxes = [corners(*pair) for pair in zip(found.centres, sizes, strict=True)]
    for a, b in itertools.combinations(boxes, 2):
        assert a[1] <= b[0] + 1e-6 or b[1] <= a[0] + 1e-6 or a[3] <= b[2] + 1e-6 or b[3] <= a[2] + 1e-6
    for left, right, top, bottom in boxes:
        assert left > -1e-6 and top > -1e-6 and right < found.width + 1e-6 and bottom < found.height + 1e-6


@given(graphs())
def test_a_line_runs_from_its_operand_to_its_user_and_passes_beside_every_other_box(graph):
    sizes, edges = graph
    found = layout(sizes, edges)
    assert set(found.lines) == set(edges)
    boxes = [corners(*pair) for pair in zip(found.centres, sizes, strict=True)]
    for (a, b), points in found.lines.items():
        assert points[0] == (boxes[a][1], found.centres[a][1])
        assert points[-1] == (boxes[b][0], found.centres[b][1])
        assert all(x0 <= x1 + 1e-6 for (x0, _), (x1, _) in itertools.pairwise(points))
        for (x0, y0), (x1, y1) in itertools.pairwise(points):
            if y0 == y1:  # level through a column
                for box, (left, right, top, bottom) in enumerate(boxes):
                    beside = (
                        y0 <= top + 1e-6 or y0 >= bottom - 1e-6 or x1 <= left + 1e-6 or x0 >= right - 1e-6
                    )
                    assert beside or box in (a, b)


def test_overlaps_would_be_seen():
    size = (10.0, 20.0)
    a, b = corners((0.0, 0.0), size), corners((5.0, 5.0), size)
    assert not (a[1] <= b[0] or b[1] <= a[0] or a[3] <= b[2] or b[3] <= a[2])


def test_a_tree_has_no_crossing_and_a_leaf_stands_beside_its_user():
    # 0 and 1 make 2; 3 and 4 make 5; 2 and 5 make 6; the leaf 7 joins at the end
    edges = [(0, 2), (1, 2), (3, 5), (4, 5), (2, 6), (5, 6), (6, 8), (7, 8)]
    found = layout([(40.0, 20.0)] * 9, edges)
    columns = sorted({x for x, _ in found.centres})
    assert len(columns) == 4 and found.centres[7][0] == columns[2]
    for (a, b), (c, d) in itertools.combinations(edges, 2):
        if found.centres[a][0] == found.centres[c][0] and b != d:
            above = found.centres[a][1] < found.centres[c][1]
            assert above == (found.centres[b][1] < found.centres[d][1])


def test_crossed_lines_are_uncrossed():
    crossed = [(0, 5), (1, 4), (2, 3)]
    found = layout([(20.0, 20.0)] * 6, crossed)
    order = sorted(range(3), key=lambda i: found.centres[i][1])
    ends = [dict(crossed)[i] for i in order]
    assert ends == sorted(ends, key=lambda i: found.centres[i][1])
    assert crossings([[0, 1, 2], [3, 4, 5]], [[5], [4], [3], [], [], []]) == 3


@given(st.lists(st.tuples(st.floats(-50, 50), st.floats(0, 20), st.floats(0.5, 8)), min_size=1, max_size=8))
def test_spacing_keeps_the_gaps_and_moves_nothing_that_has_room(rows):
    wanted, gaps, weights = (list(column) for column in zip(*rows, strict=True))
    found = spaced(wanted, gaps[1:], weights)
    assert all(b - a >= gap - 1e-6 for (a, b), gap in zip(itertools.pairwise(found), gaps[1:], strict=True))
    if all(b - a > gap for (a, b), gap in zip(itertools.pairwise(wanted), gaps[1:], strict=True)):
        assert max(abs(a - b) for a, b in zip(wanted, found, strict=True)) < 1e-6

    def cost(places):
        return sum(w * (a - b) ** 2 for w, a, b in zip(weights, wanted, places, strict=True))

    for shift in (-0.01, 0.01):  # moving all of them together keeps the gaps, and never helps
        assert cost([place + shift for place in found]) >= cost(found) - 1e-9


def test_the_same_edge_twice_and_no_edge_at_all():
    assert list(layout([(10.0, 10.0)] * 2, [(0, 1), (0, 1)]).lines) == [(0, 1)]
    assert layout([], []).centres == []
    assert layout([(30.0, 10.0)], []).width == 30.0
