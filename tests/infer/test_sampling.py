"""Sampling: filters against their definitions in plain Python, draws against the distribution they claim."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.infer.sampling import SamplingParams, choose, filtered, inverse_cdf, penalised, sample

PROBS = torch.tensor([0.05, 0.3, 0.0, 0.25, 0.4])


def draws(params, probs=PROBS, n=20_000, seen=None):
    logits = probs.log().expand(n, -1)
    seen = None if seen is None else torch.tensor(seen).expand(n, -1)
    ids, logprobs = sample(logits, params, torch.Generator().manual_seed(5), seen)
    return torch.bincount(ids, minlength=len(probs)), ids, logprobs


CHI_SQUARE_99 = {
    0: 0.0,
    1: 6.635,
    2: 9.210,
    3: 11.345,
}  # of each number of degrees of freedom, from any table


def fits(counts, probs) -> bool:
    """Would draws from probs stray this far less than 99 times in 100 (Pearson's chi-square)?"""
    kept = probs > 0
    if counts[~kept].any():
        return False
    expected = (probs / probs.sum() * counts.sum())[kept].double()
    statistic = ((counts[kept] - expected) ** 2 / expected).sum().item()
    return statistic <= CHI_SQUARE_99[int(kept.sum()) - 1] + 1e-6


def test_draws_follow_the_distribution():
    counts, _, _ = draws(SamplingParams())
    assert fits(counts, PROBS)
    assert not fits(counts, (PROBS + 0.02) * (PROBS > 0))  # the test can tell


@pytest.mark.parametrize(
    "params, expected",
    [
        (SamplingParams(temperature=0.5), PROBS**2),
        (SamplingParams(temperature=2.0), PROBS**0.5),
        (SamplingParams(top_k=2), PROBS * (PROBS >= 0.3)),
        (SamplingParams(top_p=0.7), PROBS * (PROBS >= 0.3)),
        (SamplingParams(top_p=0.71), PROBS * (PROBS >= 0.25)),
        (SamplingParams(min_p=0.7), PROBS * (PROBS >= 0.28)),
        # order: of what top-k leaves, 0.4 is 57 %, enough for top-p; of the whole it would need a second
        (SamplingParams(top_k=2, top_p=0.55), PROBS * (PROBS >= 0.4)),
        (SamplingParams(top_p=0.55), PROBS * (PROBS >= 0.3)),
        # order: the filters see the distribution at the temperature
        (SamplingParams(temperature=0.5, min_p=0.5), PROBS**2 * (PROBS >= 0.3)),
    ],
)
def test_filters_leave_what_they_say(params, expected):
    counts, _, _ = draws(params)
    assert fits(counts, expected)
    assert not fits(counts, PROBS)


def test_log_probabilities_are_those_at_the_temperature_before_filters():
    for params in (SamplingParams(temperature=0.5), SamplingParams(temperature=0.5, top_k=1, top_p=0.1)):
        _, ids, logprobs = draws(params, n=50)
        expected = (PROBS**2 / (PROBS**2).sum()).log()
        assert_close(logprobs, expected[ids])


def test_greedy_takes_the_first_of_the_best_and_reports_at_temperature_one():
    logits = torch.tensor([[0.0, 3.0, 1.0, 3.0]])
    ids, logprob = sample(logits, SamplingParams(temperature=0), None)
    assert ids.item() == 1
    assert logprob.item() == pytest.approx(3 - math.log(1 + 2 * math.exp(3) + math.exp(1)))


def test_repetition_penalty_comes_before_everything_and_only_for_seen_ids():
    logits = torch.tensor([[2.0, 1.8, -1.0]])
    seen = torch.tensor([[True, False, True]])
    assert_close(penalised(logits, seen, 2.0), torch.tensor([[1.0, 1.8, -2.0]]))
    greedy = SamplingParams(temperature=0, repetition_penalty=2.0)
    assert choose(logits, greedy, torch.zeros(1), seen)[0].item() == 1
    assert choose(logits, greedy, torch.zeros(1), ~seen)[0].item() == 0
    half, exponents = [True, False, False, False, True], torch.tensor([2.0, 1.0, 1.0, 1.0, 2.0])
    counts, _, _ = draws(SamplingParams(repetition_penalty=2.0), seen=half)
    assert fits(counts, PROBS**exponents)  # the logits of PROBS are negative: doubled, so squared


def by_definition(probs, params):
    """Which ids stay, in plain Python."""
    V, order = len(probs), sorted(range(len(probs)), key=lambda i: -probs[i])
    kept = set(range(V))
    if params.top_k:
        kept = {i for i in kept if probs[i] >= probs[order[min(params.top_k, V) - 1]]}
    if params.top_p < 1:
        whole, held, nucleus = math.fsum(probs[i] for i in kept), 0.0, set()
        for i in (i for i in order if i in kept):
            nucleus.add(i)
            held += probs[i]
            if held >= params.top_p * whole:
                break
        kept = nucleus
    best = max(probs[i] for i in kept)
    return {i for i in kept if probs[i] >= params.min_p * best}


@given(
    weights=st.lists(st.integers(1, 1000), min_size=1, max_size=9, unique=True),
    top_k=st.integers(0, 10),
    top_p=st.sampled_from([0.1003, 0.5003, 0.9003, 1.0]),
    min_p=st.sampled_from([0.0, 0.1003, 0.5003]),
)
def test_filters_equal_their_definitions(weights, top_k, top_p, min_p):
    params = SamplingParams(top_k=top_k, top_p=top_p, min_p=min_p)
    probs = torch.tensor([weights], dtype=torch.float64) / sum(weights)
    kept = filtered(probs, params)
    assert set(kept[0].nonzero()[:, 0].tolist()) == by_definition(probs[0].tolist(), params)
    assert torch.equal(kept[kept > 0], probs[kept > 0])


@given(
    weights=st.lists(st.sampled_from([0.0, 1e-30, 0.1, 1.0, 7.0]), min_size=1, max_size=6).filter(any),
    u=st.sampled_from([0.0, 1e-12, 0.3, 0.999999, 1 - 2**-53]),
)
def test_a_draw_never_lands_on_nothing(weights, u):
    drawn = inverse_cdf(torch.tensor([weights]), torch.tensor([u], dtype=torch.float64)).item()
    assert 0 <= drawn < len(weights) and weights[drawn] > 0


def test_a_seed_repeats_and_another_does_not():
    logits, params = torch.zeros(20, 50), SamplingParams()
    one, two, three = (sample(logits, params, torch.Generator().manual_seed(s))[0] for s in (1, 1, 2))
    assert torch.equal(one, two) and not torch.equal(one, three)


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": -1.0},
        {"temperature": math.nan},
        {"temperature": math.inf},
        {"top_k": -1},
        {"top_p": 0.0},
        {"top_p": 1.1},
        {"min_p": -0.1},
        {"min_p": 1.5},
        {"repetition_penalty": 0.0},
        {"max_tokens": 0},
        {"stop": (-1,)},
    ],
)
def test_values_out_of_range_are_refused(wrong):
    (name,) = wrong
    with pytest.raises(ConfigError, match=rf"{name}=.* is not allowed\. Choose "):
        SamplingParams(**wrong)
