"""How sure is a score? Intervals for a share, a mean, and the difference of two models on one exam.

    wilson            k right of n; honest near 0 % and 100 % and for small n, where the textbook
                      p ± z sqrt(p(1-p)/n) is not
    bootstrap_mean    scores that are not only 0 and 1
    paired_bootstrap  the same n examples answered by two models: pairs cancel how hard each example is

All assume that the examples are independent draws. Five phrasings of one fact are not: then the true interval
is wider.

Source: Wilson 1927, JASA 22, p. 209; the percentile bootstrap of Efron 1979, Annals of Statistics 7, p. 1.
Next:   task.py, which puts an interval on every score.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

DRAWS = 10_000  # the ends of a 95 % interval then wobble by about 2 % of its width
AT_ONCE = 1_000_000  # random indices held at a time: 8 MB


@dataclass(frozen=True)
class Interval:
    """An estimate between its ends."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        """In percent: `90.0 [74.4, 96.5]`."""
        return f"{100 * self.value:.1f} [{100 * self.low:.1f}, {100 * self.high:.1f}]"


def wilson(k: int, n: int, z: float = 1.96) -> Interval:
    """The share k/n with its Wilson score interval (z = 1.96: 95 %).

    centre = (p + z²/2n) / (1 + z²/n), half width = z/(1 + z²/n) sqrt(p(1-p)/n + z²/4n²). With n = 0 nothing
    is known.

    >>> print(wilson(0, 10))
    0.0 [0.0, 27.8]
    >>> print(wilson(5, 10))
    50.0 [23.7, 76.3]
    >>> print(wilson(297, 300))
    99.0 [97.1, 99.7]
    >>> wilson(0, 0)
    Interval(value=nan, low=0.0, high=1.0)
    """
    if not 0 <= k <= n:
        raise ValueError(f"k={k} right of n={n} is no share. Pass 0 <= k <= n.")
    if n == 0:
        return Interval(math.nan, 0.0, 1.0)
    p, shrink = k / n, 1 + z * z / n
    centre = (p + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
    # At k = 0 and k = n one end is p itself; rounding must not push it past.
    return Interval(p, 0.0 if k == 0 else centre - half, 1.0 if k == n else centre + half)


def bootstrap_mean(
    values: Sequence[float], rng: np.random.Generator, *, level: float = 0.95, draws: int = DRAWS
) -> Interval:
    """The mean, with the percentile interval of the means of `draws` samples with replacement.

    Too narrow under about 20 values, and of width 0 where all are equal: use `wilson` for right and wrong.
    """
    numbers = np.asarray(values, dtype=np.float64)
    if numbers.ndim != 1 or len(numbers) == 0:
        raise ValueError(
            f"values of shape {numbers.shape} have no mean. Pass a flat list with at least one number."
        )
    means = np.empty(draws)
    rows = max(1, AT_ONCE // len(numbers))
    for start in range(0, draws, rows):
        count = min(rows, draws - start)
        means[start : start + count] = numbers[rng.integers(0, len(numbers), (count, len(numbers)))].mean(
            axis=1
        )
    low, high = np.quantile(means, [(1 - level) / 2, (1 + level) / 2])
    return Interval(float(numbers.mean()), float(low), float(high))


def paired_bootstrap(
    before: Sequence[float],
    after: Sequence[float],
    rng: np.random.Generator,
    *,
    level: float = 0.95,
    draws: int = DRAWS,
) -> Interval:
    """mean(after - before) on the same examples in the same order; an interval without 0 is a difference.

    >>> print(paired_bootstrap([0, 1, 0, 1], [1, 1, 1, 1], np.random.default_rng(0)))
    50.0 [0.0, 100.0]
    """
    if len(before) != len(after):
        raise ValueError(
            f"{len(before)} and {len(after)} scores are no pairs. Score both models on the same examples."
        )
    return bootstrap_mean(np.subtract(after, before).tolist(), rng, level=level, draws=draws)
