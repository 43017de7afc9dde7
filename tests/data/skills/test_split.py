"""What the exam keeps for itself does not occur in training, and the shares are as promised."""

import random
from collections import Counter

import pytest

from groundup.data.skills.calculator import Calculator
from groundup.data.skills.columns import HeadAddition
from groundup.data.skills.facts import UnknownFacts
from groundup.data.skills.spelling import Counting, Spelling
from groundup.data.skills.split import (
    ALWAYS_TEST,
    SPLITS,
    Split,
    split_of_name,
    split_of_number,
    split_of_operands,
    split_of_pair,
    split_of_word,
)
from groundup.data.skills.words import invented_words


def shares(sides: list[Split]) -> dict[Split, float]:
    count = Counter(sides)
    return {side: count[side] / len(sides) for side in SPLITS}


def test_shares_are_80_10_10():
    words = invented_words(random.Random(1), 5000)
    for sides in (
        [split_of_word(w) for w in words],
        [split_of_name(w) for w in words],
        [split_of_number(n) for n in range(10, 1000)],
    ):
        share = shares(sides)
        assert 0.77 < share["train"] < 0.83
        assert 0.08 < share["dev"] < 0.12
        assert 0.08 < share["test"] < 0.12


def test_kinds_are_split_independently():
    words = invented_words(random.Random(1), 2000)
    both = sum(split_of_word(w) == "test" and split_of_name(w) == "test" for w in words)
    assert both < 40  # 1 % if independent, 10 % (200) if the same hash decided both


def test_the_four_famous_words_are_always_test():
    assert {split_of_word(w) for w in ALWAYS_TEST} == {"test"}
    assert {split_of_word(w.upper()) for w in ALWAYS_TEST} == {"test"}


def test_a_pair_with_a_reserved_number_is_reserved():
    for a in range(10, 100):
        for b in range(10, 100):
            side = split_of_pair(a, b)
            assert side == split_of_pair(b, a)
            if "test" in (split_of_number(a), split_of_number(b)):
                assert side == "test"
    pairs = [split_of_pair(a, b) for a in range(10, 100) for b in range(a, 100)]
    assert min(Counter(pairs).values()) > 300  # every side has plenty
    assert split_of_pair(10, 11) in SPLITS


def test_a_split_does_not_depend_on_the_interpreter():
    """Golden values: if they change, every published figure must be measured again."""
    assert [split_of_word(w) for w in ("apple", "river", "committee", "window")] == [
        "train",
        "train",
        "train",
        "train",
    ]
    assert [n for n in range(10, 60) if split_of_number(n) == "test"] == [11, 42, 50, 52]


@pytest.mark.parametrize("side", SPLITS)
def test_generated_problems_belong_to_their_split(side: Split, words: list[str]):
    rng = random.Random(2)
    for sum_ in Calculator().problems(rng, side, 3000):
        assert split_of_operands(sum_.a, sum_.b) == side
    for pair in HeadAddition().problems(rng, side, 2000):
        assert split_of_pair(pair.a, pair.b) == side
        assert min(pair.a, pair.b) >= 10 and max(pair.a, pair.b) <= 99
    for word in Spelling(words).problems(rng, side, 2000):
        assert split_of_word(word.word) == side
    for letter in Counting(words).problems(rng, side, 2000):
        assert split_of_word(letter.word) == side
    for unknown in UnknownFacts().problems(rng, side, 2000):
        assert split_of_name(unknown.key) == side


def test_no_reserved_operand_occurs_in_training_in_either_skill():
    rng = random.Random(3)
    seen = {n for p in Calculator().problems(rng, "train", 20000) for n in (p.a, p.b)}
    seen |= {n for p in HeadAddition().problems(rng, "train", 20000) for n in (p.a, p.b)}
    assert len(seen) > 700  # the training set really covers the numbers
    assert all(split_of_number(n) == "train" for n in seen)
    for side in ("dev", "test"):
        exam = {n for p in Calculator().problems(rng, side, 5000) for n in (p.a, p.b) if n > 99}
        assert exam and not exam & seen


def test_no_held_out_pair_occurs_in_training_in_either_skill():
    rng = random.Random(4)
    trained = {
        tuple(sorted((p.a, p.b)))
        for p in [*Calculator().problems(rng, "train", 20000), *HeadAddition().problems(rng, "train", 20000)]
    }
    exam = {tuple(sorted((p.a, p.b))) for p in HeadAddition().problems(rng, "test", 5000)}
    assert len(exam) > 300
    assert not exam & trained
