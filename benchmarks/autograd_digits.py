"""The digits network on our array engine against the same network in PyTorch, one thread each.

    OMP_NUM_THREADS=1 python -m benchmarks.autograd_digits            a step at batch 128 on both engines
    OMP_NUM_THREADS=1 python -m benchmarks.autograd_digits --train    and the job: seconds, digits right

A step is what the recipe does: forward, loss, backward, AdamW. Both engines begin with the same weights and
see the same batch, and their losses are compared before anything is timed. They take turns within each round;
what counts is CPU time of this process, so that other programs on the machine disturb both alike.

Next: autograd.py, the scalar engine against micrograd.
"""

import argparse
import importlib.metadata
import os
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

from benchmarks.result import Claim, Result, smaller_is_better, table, write
from groundup.autograd.array_functions import cross_entropy
from groundup.autograd.array_optim import AdamW
from groundup.base.config import to_dict
from groundup.base.device import describe_machine
from groundup.base.errors import ConfigError, DataError, UserError
from groundup.base.files import read_json
from groundup.base.rundir import RunDir
from groundup.data.digits import Digits
from groundup.recipes.digits import DigitNet, DigitsFromScratch, batch

NAME = "autograd-digits"
ROUNDS, STEPS = 9, 20  # a round is 20 steps of the one, then 20 of the other
LR = 1e-3
PEER = "PyTorch, one thread"


def main(words: Sequence[str]) -> int:
    """Time, print and write the claims."""
    parser = argparse.ArgumentParser(prog="benchmarks.autograd_digits", description="Arrays against torch.")
    parser.add_argument("--train", action="store_true", help="also run the preset digits-from-scratch")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        claims = (step_against_torch(), *(training() if asked.train else ()))
        packages = ("torch", "numpy")
        result = Result(
            name=NAME,
            machine=f"{describe_machine()}, 1 thread",
            versions={name: importlib.metadata.version(name) for name in packages}
            | {"python": platform.python_version()},
            date=date.today().isoformat(),
            claims=claims,
        )
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def step_against_torch(rounds: int = ROUNDS, steps: int = STEPS) -> Claim:
    """CPU milliseconds of a training step at batch 128 on both engines; `ratio` is PyTorch's over ours."""
    if os.environ.get("OMP_NUM_THREADS") != "1":
        raise ConfigError("NumPy's threads are set when it starts. Run this with OMP_NUM_THREADS=1.")
    torch.set_num_threads(1)
    ours, theirs = engines()
    first, second = [ours() for _ in range(3)], [theirs() for _ in range(3)]
    if not np.allclose(first, second, rtol=1e-4):
        raise DataError(f"the engines do not compute the same: losses {first} and {second}.")
    milliseconds = [(per_step(ours, steps), per_step(theirs, steps)) for _ in range(rounds)]
    mine, yours = (statistics.median(column) for column in zip(*milliseconds, strict=True))
    ratios = sorted(theirs / ours for ours, theirs in milliseconds)
    return Claim(
        "digits-array-vs-torch",
        "a training step of the digits network, batch 128",
        "ms of CPU time",
        mine,
        theirs=yours,
        ratio=smaller_is_better(mine, yours),
        n=rounds,
        spread=(min(a for a, _ in milliseconds), max(a for a, _ in milliseconds)),
        peer=PEER,
        note=f"medians of {rounds} rounds of {steps} steps, in turns; spread: fastest and slowest round; the "
        f"ratio of single rounds ran from {ratios[0]:.2f} to {ratios[-1]:.2f}",
    )


def engines() -> tuple[Callable[[], float], Callable[[], float]]:
    """One training step of ours, one of PyTorch's: same weights, same batch; each returns its loss."""
    recipe, rng = DigitsFromScratch(), np.random.Generator(np.random.PCG64(1))
    # What the pixels show does not change the time: random ones need no download.
    digits = Digits(rng.integers(0, 256, (1000, 28, 28)).astype(np.uint8), rng.integers(0, 10, 1000))
    images, labels_B = batch(recipe, digits, 0)
    net = DigitNet(recipe.model, 28, rng)
    optimizer = AdamW(net.parameters())
    twin = same_in_torch(net)
    torch_optimizer = torch.optim.AdamW(twin.parameters(), lr=LR)
    torch_images, torch_labels = torch.from_numpy(images), torch.from_numpy(labels_B)

    def ours() -> float:
        loss = cross_entropy(net(images), labels_B)
        loss.backward()
        optimizer.step(LR)
        return loss.item()

    def theirs() -> float:
        torch_optimizer.zero_grad()
        loss = F.cross_entropy(twin(torch_images), torch_labels)
        loss.backward()
        torch_optimizer.step()
        return loss.item()

    return ours, theirs


def same_in_torch(net: DigitNet) -> torch.nn.Sequential:
    """The network in PyTorch with the same weights."""
    twin: list[torch.nn.Module] = []
    for conv in (net.conv_1, net.conv_2):
        filters, channels, kernel, _ = conv.weight.shape
        layer = torch.nn.Conv2d(channels, filters, kernel, stride=conv.stride, padding=conv.pad)
        layer.weight.data = torch.tensor(conv.weight.data)
        layer.bias.data = torch.tensor(conv.bias.data.reshape(-1))
        twin += [layer, torch.nn.ReLU()]
    head = torch.nn.Linear(*net.head.weight.shape)
    head.weight.data = torch.tensor(net.head.weight.data.T.copy())
    head.bias.data = torch.tensor(net.head.bias.data)
    return torch.nn.Sequential(*twin, torch.nn.Flatten(), head)


def per_step(step: Callable[[], float], steps: int) -> float:
    """CPU milliseconds of this process."""
    began = time.process_time()
    for _ in range(steps):
        step()
    return 1000 * (time.process_time() - began) / steps


def training() -> tuple[Claim, ...]:
    """The preset, once: CPU seconds from reading to report, and the share of held-out digits right."""
    settings = DigitsFromScratch()
    with tempfile.TemporaryDirectory() as folder:
        began = time.process_time()
        run = RunDir.open(folder, recipe=NAME, config=to_dict(settings), seed=settings.seed)
        settings.run(run)
        seconds = time.process_time() - began
        right = read_json(Path(folder) / "report" / "summary.json")["accuracy"]
    spread = (right["low"], right["high"])
    note = f"seed {settings.seed}; 95 % Wilson interval"
    return (
        Claim("digits.seconds", "the whole job on one thread", "s of CPU time", seconds, n=1, note="one run"),
        Claim("digits.right", "held-out digits right", "share", right["value"], n=right["n"], spread=spread,
              note=note),
    )  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
