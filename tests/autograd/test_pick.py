"""Choosing by a number that may change, eagerly."""

import numpy as np
import pytest

from groundup.autograd.pick import Index, pick
from groundup.autograd.value import Value
from groundup.base.errors import GraphError


def test_the_gradient_goes_to_the_chosen_alone():
    table = [Value(1.0), Value(2.0), Value(3.0)]
    chosen = pick(table, Index(1))
    (chosen * 5.0).backward()
    assert (chosen.data, chosen._op, chosen._prev) == (2.0, "pick", {table[1]})
    assert [v.grad for v in table] == [0.0, 5.0, 0.0]


def test_rows():
    rows = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
    first, second = pick(rows, Index(1))
    (first * second).backward()
    assert [[v.grad for v in row] for row in rows] == [[0.0, 0.0], [4.0, 3.0]]


def test_a_plain_int_is_no_operation():
    table = [Value(1.0), Value(2.0)]
    assert pick(table, 1) is table[1]
    rows = [table, table]
    assert pick(rows, 0) is table
    assert pick(table, np.int64(1)) is table[1]  # a token out of a NumPy array


@pytest.mark.parametrize("number", [-1, 2])
def test_outside_the_table(number):
    with pytest.raises(GraphError, match=rf"index {number} is outside the table of 2\. Allowed: 0 to 1"):
        pick([Value(1.0), Value(2.0)], number)


@pytest.mark.parametrize(
    ("table", "index", "message"),
    [
        ([Value(1.0)], 1.0, r"pick: 1.0 \(float\) is no index"),
        ([Value(1.0)], "a", r"pick: 'a' \(str\) is no index"),
        ([], Index(0), "outside the table of 0. It is empty"),
        ([1.0, 2.0], Index(0), "something of type float. Make a Value"),
        ([[Value(1.0)], [Value(1.0), Value(2.0)]], Index(0), r"rows .* differ in length: \[1, 2\]"),
        ([[Value(1.0)], Value(2.0)], Index(0), r"differ in length: \[1, 'no row'\]"),
    ],
)
def test_a_table_or_an_index_of_something_else_is_refused(table, index, message):
    with pytest.raises(GraphError, match=message):
        pick(table, index)


@pytest.mark.parametrize("number", [-1, 1.5, "1", True, None])
def test_what_is_no_index(number):
    with pytest.raises(GraphError, match="whole number from 0 on"):
        Index(number)


def test_an_index_outside_a_recording_is_like_an_int():
    assert [10, 20, 30][Index(2)] == 30 and Index(2) == 2 == Index(2) and Index(2) != 3
    assert Index(2).number == 2 and not Index(0)
    with pytest.raises(TypeError, match="unhashable"):
        {Index(1): "a choice by a dict"}
