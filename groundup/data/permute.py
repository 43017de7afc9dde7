"""A shuffle that needs no list: a keyed permutation of 0..n-1, one index at a time.

Shuffling ten billion windows with a list costs 80 GB and must be saved to resume. A Feistel network
turns any keyed hash into a permutation of 2^bits numbers: split the index in two halves, add a hash of
one to the other, swap, repeat. Indices that land outside 0..n-1 are sent through again until they land
inside ("cycle walking"), which keeps it a permutation. Memory: none. State to save: none.

Source:  Luby & Rackoff 1988 (four rounds make a pseudorandom permutation from random functions; six here,
         because our round function is a fast mixer and not a cipher); cycle walking: Black & Rogaway 2002,
         "Ciphers with arbitrary finite domains"; the mixer: Steele et al. 2014 (SplitMix64, finalizer).
Does not: resist an attacker who wants the key. It shuffles data.
Next:    batches.py, which asks it "which window is sample k?".
"""

from collections.abc import Callable

import numpy as np

from groundup.base.seeds import derive

ROUNDS = 6


def permutation(n: int, *, seed: int, purpose: str, epoch: int = 0) -> Callable[[np.ndarray], np.ndarray]:
    """A function from indices in 0..n-1 to their shuffled places, a bijection that depends on all four.

    >>> shuffle = permutation(10, seed=1, purpose="demo")
    >>> sorted(shuffle(np.arange(10)).tolist())
    [0, 1, 2, 3, 4, 5, 6, 7, 8, 9]
    """
    if not 1 <= n <= 2**62:
        raise ValueError(f"cannot permute n={n} things. n must lie between 1 and 2**62.")
    half_bits = max(1, ((n - 1).bit_length() + 1) // 2)
    half = np.uint64(half_bits)
    low = np.uint64((1 << half_bits) - 1)
    keys = [np.uint64(derive(seed, f"{purpose}/round {r}", step=epoch)) for r in range(ROUNDS)]

    def once(index: np.ndarray) -> np.ndarray:
        left, right = index >> half, index & low
        for key in keys:
            left, right = right, left ^ (_mix(right ^ key) & low)
        return (left << half) | right

    def shuffle(index: np.ndarray) -> np.ndarray:
        index = np.asarray(index)
        if index.size and (index.min() < 0 or index.max() >= n):
            raise ValueError(f"an index is outside 0..{n - 1}.")
        place = once(index.astype(np.uint64))
        # The padded domain has fewer than 4n numbers, so an index walks under 4 steps on average.
        while (outside := place >= n).any():
            place[outside] = once(place[outside])
        return place.astype(np.int64)

    return shuffle


def _mix(x: np.ndarray) -> np.ndarray:
    """SplitMix64's finalizer: every input bit reaches every output bit (uint64, wraps around)."""
    x = (x ^ (x >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return x ^ (x >> np.uint64(31))
