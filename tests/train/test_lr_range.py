"""The range test: its steps are training steps, its marks lie where they should, its ends are told."""

import math
from itertools import pairwise

import pytest
import torch

from groundup.base.errors import ConfigError, DataError
from groundup.data.batches import WindowBatches
from groundup.train.fit import FitConfig, accumulate
from groundup.train.lr_range import FALLEN, LrRange, lr_range, smooth
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer

OPTIM = OptimConfig("adamw", lr=1e-2)


def look(job, steps=60, **changes):
    net = job.model(dropout=0.0)
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=1)
    arguments = {"batches": batches, "objective": cross_entropy, "optim": OPTIM, "seed": 7}
    return lr_range(net, config=FitConfig(steps), **{**arguments, **changes}), net


def test_it_is_a_training_at_rising_rates(job):
    """Ten steps by hand, with torch's own optimizer and no clipping, give the same losses."""
    found, _ = look(job, low=0.01, high=10.0)
    net = job.model(dropout=0.0)
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=1)
    optimizer, losses = build_optimizer(net, OPTIM), []
    for step in range(10):
        gradient = accumulate(net, batches, cross_entropy, config=FitConfig(1, clip_norm=0.0), step=step)
        losses.append(gradient.loss)
        optimizer.step(found.factors[step])
        optimizer.zero_grad()
    assert list(found.losses[:10]) == losses
    assert found.factors[0] == 0.01
    ratios = {round(b / a, 9) for a, b in pairwise(found.factors)}
    assert ratios == {round(1000 ** (1 / 59), 9)}


def test_a_model_learns_between_too_little_and_too_much(job):
    found, _ = look(job, steps=100, low=1e-4, high=1e4)
    calm = found.smoothed
    assert (
        len(found.losses) < 100 and found.losses[-1] > min(found.losses) + 1
    )  # it ended because it was lost
    assert 1e-3 < found.suggestion < found.lowest < 1e3
    at = found.factors.index(found.suggestion)
    done = [(calm[0] - loss) / (calm[0] - min(calm)) for loss in calm]
    assert done[at] >= FALLEN > max(done[:at])
    assert min(calm) < calm[0] - 0.3


def test_the_marks_of_a_curve_that_is_known():
    factors = tuple(10.0**power for power in range(-3, 4))
    found = LrRange(factors, (4.0, 4.0, 2.0, 1.5, 1.0, 1.2, 9.0))
    assert found.smoothed == list(found.losses)  # so few steps are not smoothed
    assert (found.steepest, found.suggestion, found.lowest) == (0.01, 1.0, 10.0)
    never = LrRange(factors[:3], (4.0, 5.0, 6.0))
    assert (never.suggestion, never.lowest) == (0.001, 0.001)  # nothing was learned: the lowest rate


def test_smoothing_is_symmetric_and_keeps_a_constant():
    assert smooth([2.5] * 30, 3) == pytest.approx([2.5] * 30)
    peak = [0.0] * 10 + [7.0] + [0.0] * 10
    assert smooth(peak, 3) == smooth(peak[::-1], 3)[::-1] and smooth(peak, 3)[7:14] == [1.0] * 7


def test_what_is_no_range_is_refused(job):
    with pytest.raises(ConfigError, match=r"low=2\.0 and high=1\.0"):
        look(job, low=2.0, high=1.0)
    with pytest.raises(ConfigError, match="steps=5 are too few"):
        look(job, steps=5)

    def broken(net, batch):
        loss, count, metrics = cross_entropy(net, batch)
        return loss * math.nan, count, metrics

    with pytest.raises(DataError, match="not finite after 0 steps"):
        look(job, objective=broken)


def test_dropout_draws_the_same_in_every_test(job):
    batches = WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=1)
    losses = []
    for noise in (1, 2):
        net = job.model(dropout=0.2)
        torch.manual_seed(noise)
        found = lr_range(
            net, batches=batches, objective=cross_entropy, optim=OPTIM, config=FitConfig(20), seed=3
        )
        losses.append(found.losses)
    assert losses[0] == losses[1]
