"""The order of a graph, and the collector that stays away."""

import gc

import pytest

from groundup.autograd.graph import collector_paused, operands, ordered
from groundup.autograd.pick import Index, pick
from groundup.autograd.value import Value


def test_operands_come_before_what_uses_them_and_each_once():
    a, b = Value(1.0), Value(2.0)
    c = a * b
    d = c + c
    e = d.relu()
    assert ordered(e, c) == [a, b, c, d, e]  # the order of creation
    assert ordered(a) == [a]


def test_all_candidates_of_a_pick_are_operands():
    table = [Value(1.0), Value(2.0)]
    chosen = pick(table, Index(0))
    assert operands(chosen) == tuple(table)
    assert ordered(chosen) == [*table, chosen]
    assert operands(table[0]) == () and operands(chosen.relu()) == (chosen,)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_collector_comes_back_as_it_was(enabled):
    (gc.enable if enabled else gc.disable)()
    try:
        with pytest.raises(KeyError), collector_paused():
            assert not gc.isenabled()
            raise KeyError
        assert gc.isenabled() == enabled
    finally:
        gc.enable()
