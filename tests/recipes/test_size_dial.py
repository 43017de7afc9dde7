import math

import pytest

from groundup.base.errors import ConfigError
from groundup.models.cost import parameters
from groundup.recipes.size_dial import (
    ANCHOR_BATCH,
    ANCHOR_HORIZON,
    SMALL_BATCH,
    batch_tokens,
    dial,
    learning_weights,
    shape,
    vocabulary,
    weight_decay,
)

SIZES = range(1, 33)


def test_the_anchor_is_nanochats_run():
    at = dial(12, context_len=1024)
    assert (at.n_embd, at.n_head, at.vocab_size, at.batch) == (768, 12, 2**15, 2**19)
    assert at.tokens == pytest.approx(12 * 110e6, rel=0.01)
    assert at.optim.weight_decay == pytest.approx(0.28, rel=0.001)
    assert at.optim.muon_lr == 0.02


def test_everything_grows_with_the_size():
    dials = [dial(size, context_len=256) for size in SIZES]
    for name in ("n_embd", "n_head", "vocab_size", "tokens", "batch"):
        values = [getattr(at, name) for at in dials]
        assert values == sorted(values) and values[-1] > values[0], name
    rates = [at.optim.embedding_lr for at in dials]
    assert rates == sorted(rates, reverse=True) and rates[-1] < rates[0]


@pytest.mark.parametrize("size", SIZES)
def test_tokens_are_steps_times_batch_and_near_the_horizon(size):
    at = dial(size, context_len=256)
    weights = learning_weights(shape(size, vocab_size=at.vocab_size, context_len=256))
    assert at.tokens == at.steps * at.batch
    assert at.tokens == pytest.approx(12 * weights, rel=0.01)
    assert at.batch % at.context_len == 0


def test_the_batch_goes_through_both_anchors_and_then_by_the_exponent():
    assert batch_tokens(1e6, 64) == SMALL_BATCH
    assert batch_tokens(ANCHOR_HORIZON, 1024) == ANCHOR_BATCH
    growth = batch_tokens(ANCHOR_HORIZON * 1000, 64) / ANCHOR_BATCH
    assert math.log(growth) / math.log(1000) == pytest.approx(0.383, abs=0.03)  # two binary digits are kept


def test_a_shorter_horizon_is_fewer_steps_and_more_decay_in_each():
    long, short = (dial(3, context_len=256, tokens_per_weight=each) for each in (12.0, 3.0))
    assert short.tokens == pytest.approx(long.tokens / 4, rel=0.02)
    assert short.batch < long.batch
    for at in (long, short):
        assert at.optim.weight_decay * at.steps == pytest.approx(weight_decay(1), rel=0.001)


def test_a_vocabulary_that_is_given_is_taken():
    assert dial(2, context_len=256, vocab_size=512).vocab_size == 512
    assert dial(2, context_len=256).vocab_size == vocabulary(2) != 512


def test_the_shape_is_one_that_the_model_accepts():
    for size in (1, 2, 7, 64):
        config = shape(size, vocab_size=vocabulary(size), context_len=256)
        assert parameters(config) > 12 * size * (64 * size) ** 2


@pytest.mark.parametrize("size", [0, -1, 65])
def test_a_size_off_the_dial_is_refused(size):
    with pytest.raises(ConfigError, match=f"size={size} is not on the dial"):
        dial(size, context_len=256)
