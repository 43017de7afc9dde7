import itertools
import os
import subprocess
import sys

import numpy as np
import torch

from groundup.base.seeds import derive, numpy_rng, python_rng, torch_generator


def test_every_argument_matters_and_neighbours_do_not_collide():
    """The classic mistake `seed + step + rank` makes (1, step 2) and (2, step 1) the same stream."""
    keys = itertools.product(range(6), ("a", "b", "a|0", ""), range(6), range(6))
    seeds = [derive(root, purpose, step=step, rank=rank) for root, purpose, step, rank in keys]
    assert len(set(seeds)) == len(seeds)
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_a_seed_is_the_same_in_another_process_with_other_hash_randomisation():
    code = "from groundup.base.seeds import derive; print(derive(7, 'x', step=3, rank=2))"
    env = {**os.environ, "PYTHONHASHSEED": "12345"}
    told = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, env=env
    ).stdout
    assert int(told) == derive(7, "x", step=3, rank=2)


def test_bits_are_balanced():
    """Each of the 63 bits is one in about half of the seeds: 2,000 draws, six standard deviations."""
    ones = np.zeros(63)
    for step in range(2000):
        seed = derive(0, "bits", step=step)
        ones += [(seed >> bit) & 1 for bit in range(63)]
    assert np.all(np.abs(ones / 2000 - 0.5) < 6 * 0.5 / 2000**0.5)


def test_streams_repeat_and_differ():
    for make, draw in (
        (python_rng, lambda r: r.random()),
        (numpy_rng, lambda r: r.random()),
        (torch_generator, lambda g: torch.rand(1, generator=g).item()),
    ):
        one, same, other = (draw(make(5, "x", step=1, rank=r)) for r in (0, 0, 1))
        assert one == same != other


def test_numpy_and_integers_of_numpy_are_accepted():
    assert derive(np.int64(3), "x", step=np.int32(4)) == derive(3, "x", step=4)
