"""Two half moons that no straight line separates: the smallest data that needs a hidden layer.

The points are those of scikit-learn's `make_moons(n, noise=noise, random_state=seed)`, to the last bit, so
the course's published losses can be reached without it: NumPy promises that the draws of its old
`RandomState` never change.

Letters:  N points.
"""

from __future__ import annotations

import numpy as np

from groundup.base.errors import ConfigError


def moons(n: int, *, noise: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """(points_N2, labels_N): half the points on each moon, 0 the upper and 1 the lower, shuffled.

    `noise` is the standard deviation of what is added to both coordinates; the moons have radius 1.
    Raises ConfigError for less than two points or negative noise.

    >>> points_N2, labels_N = moons(4, noise=0.0, seed=0)
    >>> points_N2.round(3).tolist(), labels_N.tolist()
    ([[0.0, 0.5], [2.0, 0.5], [-1.0, 0.0], [1.0, 0.0]], [1, 1, 0, 0])
    """
    if n < 2 or not 0 <= noise < np.inf or not 0 <= seed < 2**32:
        raise ConfigError(
            f"moons of n={n} with noise={noise}, seed={seed}: choose n of 2 or more, noise of 0 or more, a "
            "seed from 0 to 2**32 - 1."
        )
    draws = np.random.RandomState(seed)
    upper, lower = (np.linspace(0, np.pi, many) for many in (n // 2, n - n // 2))
    points_N2 = np.vstack(
        [
            np.stack([np.cos(upper), np.sin(upper)], axis=1),
            np.stack([1 - np.cos(lower), 1 - np.sin(lower) - 0.5], axis=1),
        ]
    )
    labels_N = np.repeat([0, 1], [n // 2, n - n // 2])
    order_N = np.arange(n)
    draws.shuffle(order_N)
    return points_N2[order_N] + draws.normal(scale=noise, size=(n, 2)), labels_N[order_N]
