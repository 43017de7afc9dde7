import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.models.cost import parameters
from groundup.models.transformer import TransformerConfig
from groundup.recipes.my_text_law import (
    LADDER,
    MOST_READINGS,
    REPEAT_WORTH,
    fits,
    readable,
    smallest_text,
    tokens_in,
    vocabulary,
    worth,
)
from groundup.recipes.size_dial import TOKENS_PER_WEIGHT


@pytest.mark.parametrize("readings", [0.5, 1, 2, 4, 16, 40, 1000])
def test_repetition_is_worth_what_the_paper_says(readings):
    """Their formula, written out from the text of section 3.1, with the integral of each reading's worth.

    Each reading is worth e^(-1/R*) of the one before, which is where their exponential comes from.
    """
    unique = 1e6
    found = worth(readings * unique, unique)
    if readings <= 1:
        assert found == readings * unique
        return
    slices = 100_000
    width = (readings - 1) / slices
    integral = sum(math.exp(-(i + 0.5) * width / REPEAT_WORTH) for i in range(slices)) * width
    assert math.isclose(found, unique * (1 + integral), rel_tol=1e-6)
    assert found < readings * unique


@given(st.floats(1, 1e12), st.floats(1, 1e12), st.floats(1, 1e9))
def test_more_is_never_worth_less(tokens, more, unique):
    assert worth(min(tokens, more), unique) <= worth(max(tokens, more), unique) * (1 + 1e-12)


def test_four_readings_cost_next_to_nothing_and_forty_are_the_most():
    assert worth(4e6, 1e6) > 0.9 * 4e6
    assert worth(40e6, 1e6) < 0.45 * 40e6
    assert readable(1e9, 1e6) == MOST_READINGS * 1e6 and readable(5.0, 1e6) == 5


def test_the_law_on_both_sides_of_its_border():
    n = 100_000
    assert fits(n, TOKENS_PER_WEIGHT * n, 1e12) and not fits(n, TOKENS_PER_WEIGHT * n * 0.99, 1e12)
    # No time in the world makes a small text enough for a large model.
    assert not fits(10_000_000, 1e15, 1e6)


@given(st.floats(1, 1e6), st.floats(1e-9, 1), st.floats(0, 1), st.floats(1, 1e9))
def test_the_time_is_used_and_not_exceeded(seconds, step, encode, unique):
    tokens = tokens_in(seconds, step=step, encode=encode, unique=unique)
    spent = tokens * step + min(tokens, unique) * encode
    assert math.isclose(spent, seconds, rel_tol=1e-6)


def test_the_ladder_climbs_in_shapes_that_fit():
    """Each rung has one and a half to three times the weights of the one below, in whole even heads."""
    sizes = []
    for rung in LADDER:
        shape = TransformerConfig(
            vocab_size=1, context_len=rung.context_len, n_layer=rung.n_layer, n_head=rung.n_head,
            n_embd=rung.n_embd, mlp="relu2",
        )  # fmt: skip
        sizes.append(parameters(shape))
    assert all(1.5 < above / below < 3.5 for below, above in pairwise(sizes))
    assert 10_000_000 < sizes[-1] < 11_000_000  # the course's GPT


def test_the_smallest_text_is_where_the_smallest_model_stops_fitting():
    rung = LADDER[0]
    weights, text = 12 * rung.n_layer * rung.n_embd**2, smallest_text()
    assert fits(weights, 1e15, 1.01 * text) and not fits(weights, 1e15, 0.99 * text)


def test_the_vocabulary_grows_with_the_text_and_a_large_alphabet_has_no_characters_for_ids():
    sizes = [10**power for power in range(4, 10)]
    found = [vocabulary(size, 80) for size in sizes]
    assert found[0] == ("chars", 0) and found[-1][0] == "bpe"
    assert [size for _, size in found] == sorted(size for _, size in found)
    assert all(vocabulary(size, 3000)[0] == "bpe" for size in sizes)
