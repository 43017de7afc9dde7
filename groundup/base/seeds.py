"""Named random streams: every random decision has its own seed, a pure function of what it is for.

There is no global random state to save or restore. The order in which things are done, the number of workers
and an interruption change nothing: the batch of step 700 draws from `derive(seed, "batches", step=700)`
whether the run came there in one go or was resumed at step 699.

Next: config.py.
"""

from __future__ import annotations

import hashlib
import json
import random
from functools import cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    import torch


def derive(root_seed: int, purpose: str, *, step: int = 0, rank: int = 0) -> int:
    """The seed in [0, 2**63) of one stream: BLAKE2b of the four arguments.

    Different arguments give unrelated streams, also neighbouring ones, which `root_seed + step` does not:
    seed 1 at step 2 would be seed 2 at step 1.

    These values are a promise: if they change, every published figure must be measured again.

    >>> derive(1337, "init")
    2291995341704857717
    >>> derive(1337, "batches", step=700)
    1710867694166291128
    >>> derive(1337, "batches", step=700, rank=1)
    5768435306378169351
    """
    key = f"[{int(root_seed)}, {_quoted(purpose)}, {int(step)}, {int(rank)}]".encode()  # as JSON
    return int.from_bytes(hashlib.blake2b(key, digest_size=8).digest(), "little") & (2**63 - 1)


@cache
def _quoted(purpose: str) -> str:
    """A purpose as JSON writes it; remembered, because every step of a training asks for the same few."""
    return json.dumps(purpose, ensure_ascii=True)


def python_rng(root_seed: int, purpose: str, *, step: int = 0, rank: int = 0) -> random.Random:
    """A `random.Random` on the stream of these arguments."""
    return random.Random(derive(root_seed, purpose, step=step, rank=rank))


def numpy_rng(root_seed: int, purpose: str, *, step: int = 0, rank: int = 0) -> np.random.Generator:
    """A NumPy `Generator` on the stream of these arguments."""
    import numpy as np

    # PCG64 by name: NumPy does not promise that `default_rng` stays the same bit generator.
    return np.random.Generator(np.random.PCG64(derive(root_seed, purpose, step=step, rank=rank)))


def torch_generator(
    root_seed: int, purpose: str, *, step: int = 0, rank: int = 0, device: str | torch.device = "cpu"
) -> torch.Generator:
    """A `torch.Generator` on the stream of these arguments.

    The same seed draws different numbers on a CPU and on a GPU: draw on the CPU what must not depend on the
    device.
    """
    import torch

    return torch.Generator(device=device).manual_seed(derive(root_seed, purpose, step=step, rank=rank))
