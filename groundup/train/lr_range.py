"""The learning-rate range test: how large may a step be, in one short run.

Train for a hundred steps while the rate rises from far too small to far too large, each step by the same
factor, and watch the loss: nothing, then it falls, then it falls no more, then it rises.

The suggestion is the rate at which three quarters of the fall are done. The usual rules read off where the
loss falls fastest, or a tenth of the rate where it is lowest; the first is a difference of noisy numbers, and
the valley of the second is flat. What each rule costs where the best rate is known: docs/log.md.

All rates of an optimizer rise together, so what comes out is a factor on the rates that were asked for.

Source:   Smith 2015, arXiv 1506.01186, section 3.3, there with a linear rise and accuracy; the geometric
          rise and the loss are those of the fast.ai library.
Does not: find the best rate. It sees fresh weights and few steps, so it points at the right power of two or
          three: a start for a sweep, and no end of one.
Next:     cli/lr_find.py, which draws it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean

import torch
from torch import nn

from groundup.base.errors import ConfigError, DataError
from groundup.base.seeds import derive
from groundup.train.fit import Batches, FitConfig, accumulate, workers
from groundup.train.objective import Objective
from groundup.train.optim import OptimConfig, build_optimizer

LOST = 1.0  # nats that the mean of the last STEADY losses may rise above its lowest before the test ends
STEADY = 5
FALLEN = 0.75  # share of the fall at the suggestion


@dataclass(frozen=True)
class LrRange:
    """What the test saw: the factor on the rates at each step, and the loss before that step."""

    factors: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> list[float]:
        """The losses as means over a window around each, of a twelfth of the test in all."""
        return smooth(self.losses, len(self.losses) // 25)

    @property
    def lowest(self) -> float:
        """The factor at which the smoothed loss was lowest: beyond, steps are too large."""
        calm = self.smoothed
        return self.factors[calm.index(min(calm))]

    @property
    def steepest(self) -> float:
        """The factor at which the smoothed loss fell fastest, up to the lowest point."""
        calm = self.smoothed
        end = max(1, calm.index(min(calm)))
        falls = [after - before for before, after in pairwise(calm[: end + 1])]
        return self.factors[falls.index(min(falls))]

    @property
    def suggestion(self) -> float:
        """A factor to begin with: the smallest at which three quarters of the fall are done."""
        calm = self.smoothed
        target = calm[0] - FALLEN * (calm[0] - min(calm))
        return next(factor for factor, loss in zip(self.factors, calm, strict=True) if loss <= target)


def smooth(losses: Sequence[float], reach: int) -> list[float]:
    """Each loss as the mean over itself and `reach` neighbours on either side, as far as there are any.

    >>> smooth([4.0, 2.0, 0.0], reach=1)
    [3.0, 2.0, 1.0]
    """
    return [fmean(losses[max(0, i - reach) : i + reach + 1]) for i in range(len(losses))]


def lr_range(
    model: nn.Module,
    *,
    batches: Batches,
    objective: Objective,
    optim: OptimConfig,
    config: FitConfig,
    seed: int,
    low: float = 1e-3,
    high: float = 1e2,
) -> LrRange:
    """Train `model` for `config.steps` steps at `low` to `high` times the rates of `optim`, which spoils it.

    Ends early where the loss is not finite or has risen by LOST. Raises DataError if that is so at once.
    """
    if not 0 < low < high:
        raise ConfigError(f"low={low} and high={high} are no range. Choose 0 < low < high.")
    if config.steps < 20:
        raise ConfigError(f"steps={config.steps} are too few to see a trend. Choose 20 or more.")
    optimizer = build_optimizer(model, optim)
    config = replace(config, clip_norm=0.0)  # clipping would hide how large the steps are
    factors: list[float] = []
    losses: list[float] = []
    lowest = math.inf
    with workers(model, config) as share:
        for step in range(config.steps):
            factor = low * (high / low) ** (step / (config.steps - 1))
            torch.manual_seed(derive(seed, "dropout", step=step))
            gradient = accumulate(model, batches, objective, config=config, step=step, share=share)
            if not gradient.finite:
                break
            factors.append(factor)
            losses.append(gradient.loss)
            lowest = min(lowest, fmean(losses[-STEADY:]))
            if fmean(losses[-STEADY:]) > lowest + LOST:
                break
            optimizer.step(factor)
            optimizer.zero_grad()
    if len(losses) < 3 or not math.isfinite(losses[0]):
        raise DataError(
            f"The loss is not finite after {len(losses)} steps at {low} times the rate: the data or the "
            "weights hold a bad number, or the range begins too high. Look at a batch, or lower `low`."
        )
    return LrRange(tuple(factors), tuple(losses))
