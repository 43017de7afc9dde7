"""Intervals against their definition, and against their promise: to hold the truth about 95 times in 100."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.evals.intervals import bootstrap_mean, paired_bootstrap, wilson


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_ends_where_the_score_test_stops_believing(pair):
    # The definition: an end p is where the observed share lies exactly z standard errors of p from p.
    k, n = pair
    interval = wilson(k, n)
    assert 0 <= interval.low <= interval.value == k / n <= interval.high <= 1
    for end, degenerate in ((interval.low, k == 0), (interval.high, k == n)):
        assert (k / n - end) ** 2 == pytest.approx(
            0 if degenerate else 1.96**2 * end * (1 - end) / n, abs=1e-12
        )
    assert interval.low < interval.high


def test_wilson_refuses_what_is_no_share():
    for k, n in [(3, 2), (-1, 2), (0, -1)]:
        with pytest.raises(ValueError, match="0 <= k <= n"):
            wilson(k, n)


def test_wilson_holds_the_truth_where_the_textbook_interval_does_not():
    n, p = 20, 0.95
    draws = np.random.default_rng(0).binomial(n, p, 4000)
    ours = np.mean([wilson(k, n).low <= p <= wilson(k, n).high for k in draws])
    wald = np.mean([abs(k / n - p) <= 1.96 * np.sqrt(k / n * (1 - k / n) / n) for k in draws])
    assert 0.92 <= ours <= 0.98
    assert wald < 0.75  # "95 %"


def test_bootstrap_holds_the_truth():
    rng = np.random.default_rng(1)
    held = [
        (i := bootstrap_mean(rng.exponential(1.0, 60).tolist(), rng, draws=400)).low <= 1.0 <= i.high
        for _ in range(300)
    ]
    assert 0.87 <= np.mean(held) <= 0.99


def test_bootstrap_is_a_function_of_its_generator():
    values = [0.0, 0.25, 1.0, 0.5] * 10
    first = bootstrap_mean(values, np.random.default_rng(3), draws=200)
    assert first == bootstrap_mean(values, np.random.default_rng(3), draws=200)
    assert first != bootstrap_mean(values, np.random.default_rng(4), draws=200)
    assert first.value == np.mean(values)


def test_pairs_are_surer_than_two_separate_means():
    rng = np.random.default_rng(5)
    hard = rng.random(200)
    before, after = hard.tolist(), (hard + 0.05).tolist()
    paired = paired_bootstrap(before, after, rng)
    assert paired.low > 0.049 and paired.high < 0.051
    apart = [bootstrap_mean(x, rng) for x in (before, after)]
    assert apart[0].high > apart[1].low  # taken apart, the two intervals overlap


def test_bootstrap_refuses_nothing_and_unpaired():
    with pytest.raises(ValueError, match="at least one number"):
        bootstrap_mean([], np.random.default_rng(0))
    with pytest.raises(ValueError, match="no pairs"):
        paired_bootstrap([1.0], [1.0, 0.0], np.random.default_rng(0))
