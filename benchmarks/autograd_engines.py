"""One network, several engines: the contenders of autograd.py, each with `step(k) -> loss`.

The moons demo is micrograd's demo.ipynb, line by line: 100 points, MLP(2, [16, 16, 1]), max-margin loss, L2
penalty 1e-4, plain gradient descent with the rate 1 - 0.9 k / 100. `ValueMoons` runs it on any engine with
micrograd's interface, so on micrograd itself and on ours; the others do the same sums.
"""

import importlib
import random
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch

from groundup.autograd.nn import MLP
from groundup.autograd.pick import Index
from groundup.autograd.replay import Replay
from groundup.autograd.scalar_gpt import ScalarGPT, ScalarGPTConfig
from groundup.base.errors import DataError
from groundup.data.moons import moons

SEED, STEPS = 1337, 100  # the course's
LAST_LOSS = 0.010978370135492717  # of step 99, as demo.ipynb prints it


def micrograd(folder: Path) -> tuple[ModuleType, ModuleType]:
    """(micrograd.engine, micrograd.nn) of a checkout. Raises DataError if it is none."""
    if not (folder / "micrograd" / "engine.py").is_file():
        raise DataError(f"{folder} is no checkout of micrograd: it has no micrograd/engine.py. Name one.")
    sys.path.insert(0, str(folder))
    try:
        return importlib.import_module("micrograd.engine"), importlib.import_module("micrograd.nn")
    finally:
        sys.path.remove(str(folder))


def rate(k: int) -> float:
    """The learning rate of step k."""
    return 1.0 - 0.9 * k / 100


def points() -> tuple[np.ndarray, np.ndarray]:
    """The 100 points, and -1 or 1 for each."""
    found, labels = moons(100, noise=0.1, seed=SEED)
    return found, labels * 2 - 1


def margin_loss(model: Any, xs: Any, ys: Any) -> Any:
    """The loss of the demo, for any engine of scalars."""
    scores = [model(x) for x in xs]
    losses = [(1 + -y * score).relu() for y, score in zip(ys, scores, strict=True)]
    return sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())


class ValueMoons:
    """The demo on an engine with micrograd's interface."""

    def __init__(self, engine: Any, nn: Any):
        xs, ys = points()
        self.value, self.xs, self.ys = engine.Value, xs.tolist(), ys.tolist()
        random.seed(SEED)
        self.model = nn.MLP(2, [16, 16, 1])

    def step(self, k: int) -> float:
        loss = margin_loss(self.model, [[self.value(x) for x in point] for point in self.xs], self.ys)
        self.model.zero_grad()
        loss.backward()
        for p in self.model.parameters():
            p.data -= rate(k) * p.grad
        return loss.data


class ReplayMoons:
    """The demo, recorded once and replayed."""

    def __init__(self) -> None:
        self.xs, self.ys = points()
        random.seed(SEED)
        self.model = MLP(2, [16, 16, 1])
        self.loss = Replay(lambda xs, ys: margin_loss(self.model, xs, ys), parameters=self.model.parameters())

    def step(self, k: int) -> float:
        loss = self.loss(self.xs, self.ys)
        self.loss.parameters -= rate(k) * self.loss.gradient
        return loss


def compile_replay() -> None:
    """Import Numba and compile, or load what was compiled."""
    w = MLP(1, [1]).parameters()
    Replay(lambda x: w[0] * x, parameters=w)(1.0)


class TorchMoons:
    """The demo on tensors in float64: one matrix product a layer for all points."""

    def __init__(self) -> None:
        xs, ys = points()
        self.xs, self.ys = torch.tensor(xs), torch.tensor(ys, dtype=torch.float64)
        random.seed(SEED)
        self.weights, self.biases = [], []
        for layer in MLP(2, [16, 16, 1]).layers:
            rows = [[w.data for w in neuron.w] for neuron in layer.neurons]
            self.weights.append(torch.tensor(rows, dtype=torch.float64).T.contiguous().requires_grad_())
            self.biases.append(torch.zeros(len(rows), dtype=torch.float64, requires_grad=True))
        self.parameters = [*self.weights, *self.biases]

    def step(self, k: int) -> float:
        x = self.xs
        for number, (w, b) in enumerate(zip(self.weights, self.biases, strict=True)):
            x = torch.addmm(b, x, w)
            x = x.relu() if number < 2 else x
        loss = (1 - self.ys * x[:, 0]).relu().mean()
        loss = loss + 1e-4 * sum((p * p).sum() for p in self.parameters)
        loss.backward()
        with torch.no_grad():
            for p in self.parameters:
                assert p.grad is not None, "backward has just filled it"
                p.sub_(p.grad, alpha=rate(k))
                p.grad = None
        return loss.item()


def train_scalar_gpt(names: list[str], steps: int) -> float:
    """Train 4,192 scalars, one name a step, recording included; the mean of the last 100 losses.

    Adam with betas 0.85 and 0.99 and the rate 0.01 falling to 0 in a line, as microgpt.
    """
    rng = random.Random(SEED)
    model = ScalarGPT(ScalarGPTConfig(), rng)
    loss = Replay(model.loss, parameters=model.parameters())
    mean, square = np.zeros_like(loss.gradient), np.zeros_like(loss.gradient)
    losses = []
    for k in range(steps):
        letters = [ord(letter) - ord("a") + 1 for letter in names[k % len(names)]]
        losses.append(loss([Index(id) for id in [0, *letters, 0][: model.config.context_len + 1]]))
        mean += 0.15 * (loss.gradient - mean)
        square += 0.01 * (loss.gradient**2 - square)
        deviation = np.sqrt(square / (1 - 0.99 ** (k + 1))) + 1e-8
        loss.parameters -= 0.01 * (1 - k / steps) * mean / (1 - 0.85 ** (k + 1)) / deviation
    return float(np.mean(losses[-100:]))
