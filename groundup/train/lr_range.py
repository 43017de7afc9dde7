"""The learning-rate range test: how large may a step be, in one short run.

Train for a hundred steps while the rate rises from far too small to far too large, each step by the same
factor. The smoothed loss says three things: from where on anything is learned, where it falls fastest, and
where it falls no more and rises. A rate for a whole run lies between the last two.

All rates of an optimizer rise together, so what comes out is a factor on the rates that were asked for.

Source:   Smith 2015, arXiv 1506.01186, section 3.3, there with a linear rise and accuracy; the geometric
          rise and the loss are those of the fast.ai library.
Does not: find the best rate. It sees fresh weights and few steps: a short run with a long warm-up or a deep
          decay stands more. How far off the suggestion is where the best is known: docs/log.md.
Next:     cli/lr_find.py, which draws it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from torch import nn

from groundup.base.errors import ConfigError, DataError
from groundup.base.seeds import derive
from groundup.train.fit import Batches, FitConfig, accumulate, workers
from groundup.train.objective import Objective
from groundup.train.optim import OptimConfig, build_optimizer

MEMORY = 0.9  # of the running mean that smooths the loss: about ten steps
LOST = 1.0  # nats that the smoothed loss may rise above its lowest point before the test ends
BELOW_LOWEST = 3.0  # the suggestion is the rate at the lowest loss divided by this: the best of docs/log.md


@dataclass(frozen=True)
class LrRange:
    """What the test saw: the factor on the rates at each step, and the loss before that step."""

    factors: tuple[float, ...]
    losses: tuple[float, ...]

    @property
    def smoothed(self) -> list[float]:
        """The losses as running means without the pull towards zero of the first few."""
        return smooth(self.losses)

    @property
    def lowest(self) -> float:
        """The factor at which the smoothed loss was lowest: beyond, steps are too large."""
        calm = self.smoothed
        return self.factors[calm.index(min(calm))]

    @property
    def steepest(self) -> float:
        """The factor at which the smoothed loss fell fastest, up to the lowest point."""
        calm = self.smoothed
        end = max(2, calm.index(min(calm)))
        falls = [after - before for before, after in pairwise(calm[: end + 1])]
        return self.factors[falls.index(min(falls))]

    @property
    def suggestion(self) -> float:
        """A factor to begin with."""
        return self.lowest / BELOW_LOWEST


def smooth(losses: Sequence[float], memory: float = MEMORY) -> list[float]:
    """Exponential running means, each divided by the weight that it has seen so far.

    >>> smooth([4.0, 2.0], memory=0.5)  # 4; then (0.5 * 0.5 * 4 + 0.5 * 2) / 0.75
    [4.0, 2.6666666666666665]
    """
    mean, found = 0.0, []
    for count, loss in enumerate(losses, 1):
        mean = memory * mean + (1 - memory) * loss
        found.append(mean / (1 - memory**count))
    return found


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

    Ends early where the loss is not finite or LOST above its lowest. Raises DataError if that is so at once.
    """
    if not 0 < low < high:
        raise ConfigError(f"low={low} and high={high} are no range. Choose 0 < low < high.")
    if config.steps < 20:
        raise ConfigError(f"steps={config.steps} are too few to see a trend. Choose 20 or more.")
    optimizer = build_optimizer(model, optim)
    config = replace(config, clip_norm=0.0)  # clipping would hide how large the steps are
    factors: list[float] = []
    losses: list[float] = []
    with workers(model, config) as share:
        for step in range(config.steps):
            factor = low * (high / low) ** (step / (config.steps - 1))
            torch.manual_seed(derive(seed, "dropout", step=step))
            gradient = accumulate(model, batches, objective, config=config, step=step, share=share)
            if not gradient.finite:
                break
            factors.append(factor)
            losses.append(gradient.loss)
            calm = smooth(losses)
            if calm[-1] > min(calm) + LOST:
                break
            optimizer.step(factor)
            optimizer.zero_grad()
    if len(losses) < 3 or not math.isfinite(losses[0]):
        raise DataError(
            f"The loss is not finite after {len(losses)} steps at {low} times the rate: the data or the "
            "weights hold a bad number, or the range begins too high. Look at a batch, or lower `low`."
        )
    return LrRange(tuple(factors), tuple(losses))
