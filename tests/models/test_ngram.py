"""The n-gram model against a naive one of dictionaries, and as a probability distribution."""

from collections import defaultdict

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import ConfigError, DataError
from groundup.models.ngram import NGram, ranked

TEXT = b"the cat sat on the mat; the hat sat on the cat. a cat, a hat, a mat: that is that."


def naive(text, order, vocab_size):
    """P(token | context) by the formula, with a dictionary of counts for every context."""
    follow = defaultdict(lambda: defaultdict(int))
    for i, token in enumerate(text):
        for n in range(min(order, i + 1)):
            follow[tuple(text[i - n : i])][token] += 1

    def probability(context, token):
        shorter = probability(context[1:], token) if context else 1 / vocab_size
        counts = follow.get(context)
        if not counts:
            return shorter
        return (counts.get(token, 0) + len(counts) * shorter) / (sum(counts.values()) + len(counts))

    return probability


@pytest.mark.parametrize("order", [1, 2, 3, 6])
def test_equals_the_naive_model(order):
    model, probability = NGram.train(list(TEXT), order=order, vocab_size=256), naive(TEXT, order, 256)
    for text in (TEXT, b"the that sat; quite on the mats. zz", b"t"):
        expected = [probability(tuple(text[max(0, i - order + 1) : i]), text[i]) for i in range(len(text))]
        np.testing.assert_allclose(2 ** model.log2_probs(list(text)), expected, rtol=1e-12)


@given(
    train=st.lists(st.integers(0, 3), min_size=3, max_size=40), text=st.lists(st.integers(0, 3), max_size=8)
)
def test_the_probabilities_of_all_next_tokens_sum_to_one(train, text):
    model = NGram.train(train, order=3, vocab_size=4)
    chances = [2 ** model.log2_probs([*text, token])[-1] for token in range(4)]
    assert sum(chances) == pytest.approx(1)
    assert min(chances) > 0


def test_the_context_matters_up_to_the_order():
    last = lambda order, text: NGram.train(list(TEXT), order=order, vocab_size=256).log2_probs(list(text))[-1]  # noqa: E731
    assert last(3, b"the c") == last(3, b"zhe c")
    assert last(4, b" the c") != last(4, b" thz c")
    assert last(1, b"c") == last(1, b"the c")


def test_what_it_read_costs_less_than_noise():
    model = NGram.train(list(TEXT), order=5, vocab_size=256)
    noise = np.random.default_rng(0).integers(0, 256, 200)
    assert model.bits_per_byte(list(TEXT), len(TEXT)) < 2 < 8 < model.bits_per_byte(noise, len(noise))


@given(st.lists(st.integers(0, 2**62), min_size=1, max_size=30))
def test_ranked_is_unique(keys):
    expected = np.unique(np.array(keys), return_inverse=True, return_counts=True)
    for found, right in zip(ranked(np.array(keys)), expected, strict=True):
        np.testing.assert_array_equal(found, right)


def test_bad_input_is_refused():
    with pytest.raises(ConfigError, match="order=0"):
        NGram.train([0, 1], order=0, vocab_size=2)
    with pytest.raises(DataError, match="id 7 is not in a vocabulary of 2"):
        NGram.train([0, 7], order=1, vocab_size=2)
    with pytest.raises(DataError, match="2 tokens are too few"):
        NGram.train([0, 1], order=3, vocab_size=2)
    with pytest.raises(DataError, match="at least one byte"):
        NGram.train([0, 1], order=1, vocab_size=2).bits_per_byte([0], 0)
