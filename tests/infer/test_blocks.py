"""Blocks: counted references, prefixes that are shared only where every token is equal, nothing lost."""

import pytest

from groundup.infer.blocks import BlockManager
from groundup.infer.sampling import SamplingParams
from groundup.infer.sequence import Sequence


def sequence(ids, salt=""):
    return Sequence(tuple(ids), SamplingParams(), 0, salt=salt)


def computed(blocks, ids, salt=""):
    """A sequence that was admitted and whose ids are all computed."""
    made = sequence(ids, salt)
    assert blocks.admit(made)
    made.computed = len(made.ids)
    blocks.remember(made)
    return made


def test_a_sequence_holds_as_many_blocks_as_its_ids_fill():
    blocks = BlockManager(8, 4)
    first = computed(blocks, range(9))
    assert len(first.table) == 3 and blocks.free == 5 and sum(blocks.refs) == 3
    assert blocks.grow(first, 12) and len(first.table) == 3
    assert blocks.grow(first, 13) and len(first.table) == 4
    blocks.release(first)
    assert blocks.free == 8 and sum(blocks.refs) == 0 and first.table == []


def test_too_few_blocks_change_nothing():
    blocks = BlockManager(3, 4)
    first = computed(blocks, range(8))
    late = sequence(range(50, 58))
    assert not blocks.admit(late) and late.table == [] and blocks.free == 1
    assert not blocks.grow(first, 17) and len(first.table) == 2


def test_whole_equal_blocks_are_shared_and_counted():
    blocks = BlockManager(8, 4)
    first = computed(blocks, range(10))
    second = sequence([*range(8), 77, 78, 79])
    assert blocks.admit(second)
    assert second.table[:2] == first.table[:2] and second.table[2] != first.table[2]
    assert second.computed == second.reused == 8
    assert [blocks.refs[b] for b in first.table] == [2, 2, 1]
    blocks.release(first)
    assert [blocks.refs[b] for b in second.table] == [1, 1, 1]


def test_the_last_id_is_always_computed():
    """Somebody has to compute its logits, even where the whole prompt is in the cache."""
    blocks = BlockManager(8, 4)
    computed(blocks, range(8))
    again = sequence(range(8))
    blocks.admit(again)
    assert again.computed == 4 and again.left == 4


def test_equal_tokens_behind_another_beginning_are_not_shared():
    blocks = BlockManager(16, 4)
    computed(blocks, [1, 1, 1, 1, 5, 6, 7, 8, 9])
    other = sequence([2, 2, 2, 2, 5, 6, 7, 8, 9])
    blocks.admit(other)
    assert other.computed == 0
    same = sequence([1, 1, 1, 1, 5, 6, 7, 8, 10])
    blocks.admit(same)
    assert same.computed == 8  # the test can tell the difference


def test_salts_keep_prefixes_apart():
    blocks = BlockManager(16, 4)
    computed(blocks, range(9), salt="anna")
    assert blocks.cached(sequence(range(9), "bert")) == []
    assert len(blocks.cached(sequence(range(9), "anna"))) == 2


def test_what_was_released_first_is_overwritten_first_and_never_found_again():
    blocks = BlockManager(4, 4)
    old = computed(blocks, range(8))
    blocks.release(old)
    new = computed(blocks, range(20, 28))
    blocks.release(new)
    assert len(blocks.cached(sequence(range(9)))) == 2
    third = computed(blocks, range(40, 52))  # three blocks of four: old ones first, the end before the start
    assert blocks.cached(sequence(range(9))) == []
    assert len(blocks.cached(sequence(range(20, 29)))) == 1
    blocks.release(third)
    assert blocks.free == 4


def test_a_block_whose_beginning_was_overwritten_is_not_reached():
    blocks = BlockManager(6, 4)
    first = computed(blocks, range(12))
    serials = list(first.chain)
    blocks.release(first)
    for block in list(first.table) or [2, 1, 0]:
        assert blocks.refs[block] == 0
    again = computed(blocks, range(100, 116))  # takes three unused blocks, then the end of the first
    assert len(blocks.cached(sequence(range(13)))) == 2
    assert set(again.chain).isdisjoint(serials)


def test_twins_that_were_computed_at_the_same_time_share_what_follows():
    blocks = BlockManager(12, 4)
    first, twin = sequence(range(9)), sequence(range(9))
    assert blocks.admit(first) and blocks.admit(twin)
    for one in (first, twin):
        one.computed = 9
        blocks.remember(one)
    assert first.chain == twin.chain and first.table != twin.table


def test_forgetting_and_not_sharing():
    blocks = BlockManager(8, 4)
    blocks.release(computed(blocks, range(9)))
    blocks.forget()
    assert blocks.cached(sequence(range(9))) == [] and blocks.free == 8
    alone = BlockManager(8, 4, share=False)
    alone.release(computed(alone, range(9)))
    assert alone.cached(sequence(range(9))) == []


@pytest.mark.parametrize("blocks", [1, 5])
def test_neighbours_are_taken_where_possible(blocks):
    manager = BlockManager(8, 4)
    one = sequence([0])
    manager.admit(one)
    manager.grow(one, 4 * blocks)
    assert one.table == list(range(blocks))
