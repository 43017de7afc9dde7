"""Handwritten digits, learned by our own array engine: two convolutions, one linear layer, AdamW.

    read -> train -> report

No torch takes part. The network is of the kind that read postal codes in 1989, and it sees each digit moved
by a few pixels, otherwise every time: with 4,000 pictures that is worth three points of a hundred.

Letters:  B batch, N pictures, S pixels a side.
Source:   LeCun et al. 1989, "Backpropagation applied to handwritten zip code recognition".
Next:     moons.py and scalar_gpt.py, the same loop on the scalar engine.
"""

from __future__ import annotations

import hashlib
import math
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from groundup.autograd.array import Array
from groundup.autograd.array_functions import cross_entropy
from groundup.autograd.array_nn import Conv, Linear, Module
from groundup.autograd.array_optim import AdamW
from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, DataError, GraphError
from groundup.base.files import write_json
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import numpy_rng
from groundup.data.digits import Digits, read_digits
from groundup.evals.intervals import Interval, wilson
from groundup.recipes.report_data import duration
from groundup.recipes.training_state import TrainingState, diverged, load_state
from groundup.train.interrupt import stop_on_signal
from groundup.train.schedule import ScheduleConfig, lr_scale

STOPPED = "Stopped, and everything is saved. The same command carries on from there."


@dataclass(frozen=True)
class DigitsData:
    """Which pictures, and how many of them are held out to see what was learned and not memorised."""

    path: Path | None = None  # a .csv or .csv.gz of your own (data/digits.py); else MNIST's 5,000
    held_out: float = 0.2

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(f"held_out={self.held_out} is no share. Choose above 0 and below 1.")


@dataclass(frozen=True)
class DigitsModel:
    """Two convolutions that halve the picture, then a linear layer to the ten digits."""

    channels: tuple[int, int] = (8, 16)
    kernel: int = 5

    def __post_init__(self) -> None:
        if min(self.channels) < 1 or self.kernel < 1 or self.kernel % 2 == 0:
            raise ConfigError(
                f"channels={self.channels}, kernel={self.kernel} make no network. Choose 1 or more "
                "channels, and an odd kernel, which has a middle."
            )


@dataclass(frozen=True)
class DigitsFromScratch:
    """Train a network on handwritten digits, on arrays that know their gradients."""

    seed: int = 1337
    data: DigitsData = field(default_factory=DigitsData)
    model: DigitsModel = field(default_factory=DigitsModel)
    batch_size: int = 128
    steps: int = 1000
    lr: float = 3e-3
    weight_decay: float = 0.01
    shift: int = 2  # pixels by which a picture may be moved, each way
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("cosine", warmup=20, floor=0.0))
    eval_every: int = 100
    save_every: int = 250

    def __post_init__(self) -> None:
        for name in ("batch_size", "steps", "eval_every", "save_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is too small. Choose 1 or more.")
        if not 0 < self.lr < math.inf or not 0 <= self.weight_decay < math.inf or self.shift < 0:
            raise ConfigError(
                f"lr={self.lr}, weight_decay={self.weight_decay}, shift={self.shift}: "
                "choose lr above 0, the others 0 or more."
            )

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        train, held_out = split(read_digits(self.data.path), self.data.held_out, self.seed)
        trained = learn(self, run_dir, train, held_out)
        return STOPPED if trained is None else report(self, run_dir, trained, held_out)


class DigitNet(Module):
    """images [B, 1, S, S] to logits [B, 10]."""

    def __init__(self, config: DigitsModel, side: int, rng: np.random.Generator):
        (first, second), kernel = config.channels, config.kernel
        self.conv_1 = Conv(1, first, kernel, rng, stride=2, pad=kernel // 2)
        self.conv_2 = Conv(first, second, kernel, rng, stride=2, pad=kernel // 2)
        quarter = -(-side // 4)  # each convolution halves the side, rounding up
        self.head = Linear(second * quarter * quarter, 10, rng)

    def __call__(self, images: Any) -> Array:
        hidden = self.conv_2(self.conv_1(images).relu()).relu()
        return self.head(hidden.reshape(hidden.shape[0], -1))


def split(digits: Digits, held_out: float, seed: int) -> tuple[Digits, Digits]:
    """(to learn from, held out), shuffled; DataError if one of them would be empty."""
    order_N = numpy_rng(seed, "split").permutation(len(digits))
    cut = len(digits) - round(held_out * len(digits))
    if not 0 < cut < len(digits):
        raise DataError(f"{len(digits)} digits at held_out={held_out} leave one side empty. Give more.")
    learn_N, keep_N = order_N[:cut], order_N[cut:]
    sides = (Digits(digits.images_NSS[some], digits.labels_N[some]) for some in (learn_N, keep_N))
    return next(sides), next(sides)


def pixels(images_NSS: np.ndarray) -> np.ndarray:
    """[N, 1, S, S]: pictures as numbers of mean 0 and spread 1, as MNIST's are: 0.13 and 0.31 of full ink."""
    return ((images_NSS[:, None] / np.float32(255)) - np.float32(0.13)) / np.float32(0.31)


def batch(recipe: DigitsFromScratch, digits: Digits, step: int) -> tuple[np.ndarray, np.ndarray]:
    """(images [B, 1, S, S], labels_B): a pure function of seed and step; each digit once an epoch."""
    size = min(recipe.batch_size, len(digits))
    epoch, place = divmod(step, len(digits) // size)
    order_N = numpy_rng(recipe.seed, "order", step=epoch).permutation(len(digits))
    chosen_B = order_N[place * size : (place + 1) * size]
    moved = shifted(digits.images_NSS[chosen_B], recipe.shift, numpy_rng(recipe.seed, "shift", step=step))
    return pixels(moved), digits.labels_N[chosen_B]


def shifted(images_BSS: np.ndarray, most: int, rng: np.random.Generator) -> np.ndarray:
    """Each picture moved by up to `most` pixels in both directions, paper (0) coming in at the edges."""
    B, S, _ = images_BSS.shape
    wide = np.pad(images_BSS, ((0, 0), (most, most), (most, most)))
    down_B1, right_B1 = rng.integers(0, 2 * most + 1, (2, B, 1))
    places_S = np.arange(S)
    rows, columns = (down_B1 + places_S)[:, :, None], (right_B1 + places_S)[:, None, :]
    return wide[np.arange(B)[:, None, None], rows, columns]


def learn(recipe: DigitsFromScratch, run_dir: RunDir, train: Digits, held_out: Digits) -> Stage | None:
    """The stage with the trained weights; None if a signal stopped it, with everything saved."""
    pictures = hashlib.sha256(train.images_NSS.tobytes() + train.labels_N.tobytes()).hexdigest()
    own = {name: value for name, value in to_dict(recipe).items() if name != "data"}
    stage = run_dir.stage("train", {"pictures": pictures, **own})
    if stage.done:
        return stage
    net = DigitNet(recipe.model, train.images_NSS.shape[1], numpy_rng(recipe.seed, "init"))
    optimizer = AdamW(net.parameters(), weight_decay=recipe.weight_decay)
    start = load_state(stage.dir)
    if start.step:
        set_weights(net, start)
        optimizer.load_state({name.removeprefix("optimizer."): a for name, a in start.arrays.items()})
    began = time.monotonic() - start.seconds

    def save(step: int) -> None:
        arrays = {f"optimizer.{name}": array for name, array in optimizer.state().items()}
        arrays |= {name: p.data for name, p in net.named_parameters().items()}
        TrainingState(arrays, step, time.monotonic() - began).save(stage.dir)

    with (
        stop_on_signal() as stop,
        Progress(recipe.steps, "digits", "step", initial=start.step) as bar,
    ):
        for step in range(start.step, recipe.steps):
            images, labels_B = batch(recipe, train, step)
            rate = recipe.lr * lr_scale(step, recipe.steps, recipe.schedule)
            try:
                loss = cross_entropy(net(images), labels_B)
                loss.backward()
            except GraphError as error:
                arrays = {name: p.data for name, p in net.named_parameters().items()}
                raise diverged(
                    stage.dir, error, step=step, lr=rate, batch=labels_B.tolist(), arrays=arrays
                ) from None
            optimizer.step(rate)
            done = step + 1
            run_dir.events.write("train", step=done, loss=loss.item(), label="digits")
            bar.advance(1, loss=loss.item())
            look = done % recipe.eval_every == 0 or done == recipe.steps
            stopping = stop.requested  # read once: a signal a moment later is for the next step
            if look or stopping or done % recipe.save_every == 0:
                save(done)  # before it is evaluated, so that a bug in an evaluation costs no training
            if stopping and done < recipe.steps:
                return None
            if look:
                right, nats = score(net, held_out)
                run_dir.events.write("eval", step=done, loss=nats, accuracy=right.value, label="digits")
    stage.finish(seconds=time.monotonic() - began, parameters=sum(p.size for p in net.parameters()))
    return stage


def set_weights(net: Module, state: TrainingState) -> None:
    """Give the network the weights of a state."""
    for name, p in net.named_parameters().items():
        p.data = state.arrays[name]


def score(net: DigitNet, digits: Digits) -> tuple[Interval, float]:
    """(share right with its interval, mean nats) on digits as they are, none moved."""
    logits = net(pixels(digits.images_NSS))
    right = int((logits.data.argmax(-1) == digits.labels_N).sum())
    return wilson(right, len(digits)), cross_entropy(logits, digits.labels_N).item()


def report(recipe: DigitsFromScratch, run_dir: RunDir, trained: Stage, held_out: Digits) -> str:
    """summary.json, loss.png and mistakes.png in `report/` of the run; returns what to tell the user."""
    from groundup.recipes.scratch_png import draw_digits, draw_losses

    stage = run_dir.stage("report", {"train": trained.digest})
    if not stage.done:
        net = DigitNet(recipe.model, held_out.images_NSS.shape[1], numpy_rng(recipe.seed, "init"))
        set_weights(net, load_state(trained.dir))
        right, nats = score(net, held_out)
        said_N = net(pixels(held_out.images_NSS)).data.argmax(-1)
        wrong = np.flatnonzero(said_N != held_out.labels_N)
        draw_losses(run_dir.events, "digits", "nats per digit", stage.dir / "loss.png")
        labels = [f"read {said_N[i]}, is {held_out.labels_N[i]}" for i in wrong]
        draw_digits(held_out.images_NSS[wrong], labels, stage.dir / "mistakes.png")
        interval = {"value": right.value, "low": right.low, "high": right.high, "n": len(held_out)}
        summary = {
            "accuracy": interval,
            "held_out_loss": nats,
            "mistakes": len(wrong),
            "parameters": trained.record["parameters"],
            "steps": recipe.steps,
            "seconds": trained.seconds,
        }
        write_json(stage.dir / "summary.json", summary)
        stage.finish(summary=summary)
    return in_words(run_dir, stage.record["summary"])


def in_words(run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person."""
    right = summary["accuracy"]
    interval = Interval(right["value"], right["low"], right["high"])
    return (
        f"Right on {interval} % of {right['n']:,} digits that it never saw (in brackets: 95 % interval),\n"
        f"with {summary['parameters']:,} weights after {summary['steps']:,} steps in "
        f"{duration(summary['seconds'])}.\n"
        f"The curve, and all {summary['mistakes']} mistakes: {run_dir.path / 'report'}"
    )
