"""Windows and words: the course's numbers, its stream of draws, and the purity of a batch."""

import pytest
import torch

from groundup.base.errors import ConfigError, DataError
from groundup.data.names import read_names
from groundup.data.windows import AT_ONCE, Windows, Words, examples, padded
from groundup.tokenizer.chars import CharTokenizer

LETTERS = CharTokenizer("\nabcdefghij")
ITEMS = ["abc", "de", "fghij", "a"]


def seeded(seed=2147483647):
    return torch.Generator().manual_seed(seed)


@pytest.mark.needs("course-names")
def test_the_course_s_numbers_of_examples():
    names = read_names()
    found = [len(examples(names.split(part), names.tokenizer, 3)) for part in ("train", "dev", "test")]
    assert found == [182_625, 22_655, 22_866]


def test_windows_are_what_a_loop_over_the_characters_finds():
    rows, targets = [], []
    for item in ITEMS:  # the course's build_dataset
        context = [0] * 3
        for id in [*LETTERS.encode(item), 0]:
            rows.append(context)
            targets.append(id)
            context = [*context[1:], id]
    found = examples(ITEMS, LETTERS, 3)
    assert found.tokens_NK.tolist() == rows
    assert found.targets_N.tolist() == targets
    assert found.item_N.bincount().tolist() == [4, 3, 6, 2]


def test_batches_are_the_course_s_draws_in_any_order():
    generator = seeded()
    torch.randn(27, 10, generator=generator)  # the weights come first
    batches = Windows(ITEMS, LETTERS, context_len=2, batch_size=4, generator=generator)
    found = examples(ITEMS, LETTERS, 2)
    drawn = [torch.randint(0, len(found), (4,), generator=generator) for _ in range(AT_ONCE + 3)]
    for step in (0, AT_ONCE + 2, 1, AT_ONCE, AT_ONCE - 1):
        batch = batches.batch(step)
        assert batch.tokens_BT.equal(found.tokens_NK[drawn[step]])
        assert batch.targets_BT[:, 0].equal(found.targets_N[drawn[step]])
    other = Windows(ITEMS, LETTERS, context_len=2, batch_size=4, generator=seeded(1))
    assert not all(other.batch(step).tokens_BT.equal(batches.batch(step).tokens_BT) for step in range(5))


def test_words_are_padded_on_the_right_with_targets_that_carry_no_loss():
    batches = Words(ITEMS, LETTERS, batch_size=64, generator=seeded())
    batch = batches.batch(0)
    rows = {tuple(row) for row in torch.cat([batch.tokens_BT, batch.targets_BT], 1).tolist()}
    assert (0, 4, 5, 0, 0, 0, 4, 5, 0, -1, -1, -1) in rows
    assert len(rows) == len(ITEMS)


@pytest.mark.parametrize("context_len", [0, 6])
def test_a_context_longer_than_any_item_is_refused(context_len):
    with pytest.raises(ConfigError, match="Choose 1 to 5"):
        Windows(ITEMS, LETTERS, context_len=context_len, batch_size=2, generator=seeded())


def test_an_item_longer_than_the_context_is_refused():
    assert padded(ITEMS, LETTERS, 6)[0].shape == (4, 6)
    with pytest.raises(ConfigError, match="'fghij'"):
        padded(ITEMS, LETTERS, 5)


def test_nothing_to_make_windows_of():
    with pytest.raises(DataError, match="no items"):
        examples([], LETTERS, 3)
    with pytest.raises(ConfigError, match="batch_size=0"):
        Words(ITEMS, LETTERS, batch_size=0, generator=seeded())
