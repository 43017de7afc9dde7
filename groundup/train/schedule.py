"""How large each step is: the learning rate as a fraction of its peak, a pure function of the step.

Four shapes. `wsd` (warm up, stay, decay): Hu et al. 2024, arXiv 2404.06395, section 4; its long flat part
makes the length of a run a late decision. `cosine`: Loshchilov and Hutter 2017, arXiv 1608.03983, eq. 5,
without restarts; the shape of GPT-2, GPT-3 and nanoGPT. `step`: one drop, by hand, as in
the lectures. `constant`: nothing but the warm-up.

Next: optim.py, which multiplies its rates by this number.
"""

import math
from dataclasses import dataclass
from typing import Literal

from groundup.base.errors import ConfigError


@dataclass(frozen=True)
class ScheduleConfig:
    """The shape of the learning rate over a run.

    `warmup` is in steps, because what it protects (the first estimates of the moments) is a matter of steps;
    `decay` is a fraction of the run, because what it buys (settling into a minimum) grows with the run.
    """

    kind: Literal["wsd", "cosine", "step", "constant"] = "wsd"
    warmup: int = 0  # steps; Muon with zero-initialised outputs needs none, AdamW about 100 (nanoGPT)
    decay: float = (
        0.6  # fraction of the run on the way down (wsd) or below (step). 0.6: best of our ten-minute runs
    )
    floor: float = 0.05  # fraction of the peak that is left at the end

    def __post_init__(self) -> None:
        if self.warmup < 0:
            raise ConfigError(f"warmup={self.warmup} is negative. Give a number of steps, 0 for none.")
        if not 0 <= self.decay <= 1:
            raise ConfigError(f"decay={self.decay} is not a fraction of the run. Choose from 0 to 1.")
        if not 0 <= self.floor <= 1:
            raise ConfigError(f"floor={self.floor} is not a fraction of the peak. Choose from 0 to 1.")


def lr_scale(step: int, steps: int, config: ScheduleConfig) -> float:
    """The factor in (0, 1] on every learning rate for step `step` of `steps`, counted from 0.

    Warm-up multiplies the rest, so the peak is reached only if it ends before the decay begins.

    >>> wsd = ScheduleConfig("wsd", warmup=2, decay=0.5, floor=0.0)
    >>> [round(lr_scale(step, 8, wsd), 2) for step in range(8)]
    [0.5, 1.0, 1.0, 1.0, 1.0, 0.75, 0.5, 0.25]
    >>> cosine = ScheduleConfig("cosine", floor=0.1)
    >>> [round(lr_scale(step, 4, cosine), 3) for step in range(4)]
    [1.0, 0.868, 0.55, 0.232]
    >>> drop = ScheduleConfig("step", decay=0.5, floor=0.1)
    >>> [lr_scale(step, 4, drop) for step in range(4)]
    [1.0, 1.0, 0.1, 0.1]
    >>> lr_scale(999, 1000, ScheduleConfig("constant"))
    1.0
    """
    warm = min(1.0, (step + 1) / config.warmup) if config.warmup else 1.0
    if config.kind == "wsd":
        return warm * _linear(step, steps, config)
    if config.kind == "cosine":
        return warm * _cosine(step, steps, config)
    if config.kind == "step":
        return warm * (1.0 if step < round(steps * (1 - config.decay)) else config.floor)
    return warm


def _linear(step: int, steps: int, config: ScheduleConfig) -> float:
    """Flat, then a straight line that would touch the floor at step `steps`, one past the last."""
    begin = steps * (1 - config.decay)
    if step <= begin:
        return 1.0
    left = (steps - step) / (steps - begin)
    return config.floor + (1 - config.floor) * left


def _cosine(step: int, steps: int, config: ScheduleConfig) -> float:
    """Half a cosine from the end of the warm-up to step `steps`."""
    if step <= config.warmup:
        return 1.0
    done = min(1.0, (step - config.warmup) / max(1, steps - config.warmup))
    return config.floor + (1 - config.floor) * 0.5 * (1 + math.cos(math.pi * done))
