"""Random numbers that need no memory: the n-th draw of a stream is a function of its seed and n.

A generator hands out its numbers in the order in which it is asked, so in a shared batch a reply would depend
on who else is there. A counter-based generator enciphers the counter: draw 17 of seed 4 is the same number
whether it is asked for first or last, alone, after a preemption, or twice.

Source: Salmon et al. 2011, "Parallel random numbers: as easy as 1, 2, 3": Philox 4x64-10, which NumPy has.
Next:   sequence.py, which draws from it.
"""

from __future__ import annotations

import numpy as np

PER_COUNT = 4  # numbers that Philox makes of one counter


def uniforms(seed: int, stream: int, start: int, count: int) -> list[float]:
    """Draws `start` to `start + count` of a stream, each in [0, 1), of 53 bits.

    >>> uniforms(7, 0, 10, 2) == uniforms(7, 0, 0, 12)[10:]
    True
    >>> uniforms(7, 0, 0, 1) == uniforms(7, 1, 0, 1)
    False
    """
    first = start // PER_COUNT
    key = np.array([seed % 2**64, stream], dtype=np.uint64)
    generator = np.random.Philox(key=key, counter=np.array([first, 0, 0, 0], dtype=np.uint64))
    raw = generator.random_raw(start - first * PER_COUNT + count)[start - first * PER_COUNT :]
    return ((raw >> np.uint64(11)) * 2.0**-53).tolist()
