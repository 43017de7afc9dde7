"""Two half moons, told apart by a network of scalars: micrograd's demo, by record and replay.

    train -> report

Every product and sum of the 100 points is a Value, 65,000 of them. The loss is recorded once and replayed.
With the settings of the preset the points, the weights and the losses are those of the course, digit by
digit.

Letters:  N points.
Source:   Karpathy 2020, micrograd, demo.ipynb: max-margin loss, L2 penalty, rate from 1.0 to 0.1.
Next:     scalar_gpt.py, a language model in the same way.
"""

from __future__ import annotations

import math
import random
import time
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from groundup.autograd.nn import MLP
from groundup.autograd.replay import Replay
from groundup.autograd.value import Value
from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, GraphError
from groundup.base.files import write_json
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive
from groundup.data.moons import moons
from groundup.evals.intervals import Interval, wilson
from groundup.recipes.digits import STOPPED
from groundup.recipes.report_data import duration
from groundup.recipes.training_state import TrainingState, diverged, load_state
from groundup.train.interrupt import stop_on_signal

NEW_POINTS = 1000  # on which the trained network is examined
GRID, EDGE = 60, 0.5  # places a side of the picture, and how far it goes beyond the points


@dataclass(frozen=True)
class Moons:
    """Train a network of Values on two half moons."""

    seed: int = 1337
    n: int = 100
    noise: float = 0.1
    hidden: tuple[int, ...] = (16, 16)
    steps: int = 100
    lr: float = 1.0
    lr_last: float = 0.1  # reached, in a straight line, one step after the last
    penalty: float = 1e-4  # times the sum of all squared parameters
    runner: Literal["auto", "numba", "numpy", "python"] = "auto"

    def __post_init__(self) -> None:
        if self.n < 2 or not 0 <= self.noise < math.inf or self.steps < 1:
            raise ConfigError(
                f"n={self.n}, noise={self.noise}, steps={self.steps}: choose n of 2 or more, noise of 0 or "
                "more, steps of 1 or more."
            )
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed={self.seed}: NumPy draws the points, with seeds from 0 to 2**32 - 1.")
        if not self.hidden or min(self.hidden) < 1:
            raise ConfigError(f"hidden={self.hidden}: give the width of one layer or more, each at least 1.")
        if not (0 < self.lr < math.inf and 0 <= self.lr_last < math.inf and 0 <= self.penalty < math.inf):
            raise ConfigError(
                f"lr={self.lr}, lr_last={self.lr_last}, penalty={self.penalty}: choose lr above 0, the "
                "others 0 or more."
            )

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        trained = learn(self, run_dir)
        return STOPPED if trained is None else report(self, run_dir, trained)


def network(recipe: Moons) -> MLP:
    """The network with its first weights: those of the course for its seed."""
    return MLP(2, [*recipe.hidden, 1], rng=random.Random(recipe.seed))


def margin_loss(model: MLP, penalty: float) -> Any:
    """A function of points and signs (-1 or 1): [loss, score of each point], the loss as the course has it.

    The mean of relu(1 - sign * score), plus `penalty` times the sum of all squared parameters.
    """

    def loss(points: list[list[Value]], signs: list[Value]) -> list[Value]:
        scores = [score_of(model, *point) for point in points]
        losses = [(1 + -sign * score).relu() for sign, score in zip(signs, scores, strict=True)]
        data_loss = sum(losses, Value(0.0)) * (1.0 / len(losses))
        squares = sum((p * p for p in model.parameters()), Value(0.0))
        return [data_loss + penalty * squares, *scores]

    return loss


def score_of(model: MLP, x: Value, y: Value) -> Value:
    """Above 0 for the lower moon."""
    score = model([x, y])
    assert isinstance(score, Value), "the last layer has one neuron"
    return score


def learn(recipe: Moons, run_dir: RunDir) -> Stage | None:
    """The stage with the trained parameters; None if a signal stopped it, with everything saved."""
    stage = run_dir.stage("train", to_dict(recipe))
    if stage.done:
        return stage
    points_N2, labels_N = moons(recipe.n, noise=recipe.noise, seed=recipe.seed)
    signs_N = 2.0 * labels_N - 1
    model = network(recipe)
    step = Replay(margin_loss(model, recipe.penalty), parameters=model.parameters(), runner=recipe.runner)
    start = load_state(stage.dir)
    if start.step:
        step.parameters = start.arrays["parameters"]
    began = time.monotonic() - start.seconds

    with stop_on_signal() as stop, Progress(recipe.steps, "moons", "step", initial=start.step) as bar:
        for k in range(start.step, recipe.steps):
            rate = recipe.lr - (recipe.lr - recipe.lr_last) * k / recipe.steps
            try:
                loss = step(points_N2, signs_N)
            except GraphError as error:
                arrays = {"parameters": step.parameters}
                raise diverged(stage.dir, error, step=k, lr=rate, batch="all", arrays=arrays) from None
            right = float(((step.results[1:] > 0) == (signs_N > 0)).mean())
            run_dir.events.write("train", step=k, loss=loss, accuracy=right, label="moons")
            step.parameters -= rate * step.gradient
            bar.advance(1, loss=loss, accuracy=right)
            stopping = stop.requested  # read once: a signal a moment later is for the next step
            if stopping or k + 1 == recipe.steps:
                state = TrainingState({"parameters": step.parameters}, k + 1, time.monotonic() - began)
                state.save(stage.dir)
            if stopping and k + 1 < recipe.steps:
                return None
    stage.finish(seconds=time.monotonic() - began, loss=loss, accuracy=right, parameters=len(step.parameters))
    return stage


def report(recipe: Moons, run_dir: RunDir, trained: Stage) -> str:
    """summary.json, loss.png and boundary.png in `report/` of the run; returns what to tell the user."""
    from groundup.recipes.scratch_png import draw_boundary, draw_losses

    stage = run_dir.stage("report", {"train": trained.digest})
    if not stage.done:
        model = network(recipe)
        score = Replay(
            lambda x, y: score_of(model, x, y), parameters=model.parameters(), runner=recipe.runner
        )
        score.parameters = load_state(trained.dir).arrays["parameters"]

        new_N2, labels_N = moons(NEW_POINTS, noise=recipe.noise, seed=derive(recipe.seed, "new") % 2**32)
        said_N = np.array([score.forward(x, y)[0] for x, y in new_N2]) > 0
        right = wilson(int((said_N == labels_N).sum()), NEW_POINTS)

        points_N2, labels_N = moons(recipe.n, noise=recipe.noise, seed=recipe.seed)
        (left, bottom), (end, top) = points_N2.min(0) - EDGE, points_N2.max(0) + EDGE
        across, up = np.linspace(left, end, GRID), np.linspace(bottom, top, GRID)
        scores = np.array([[score.forward(x, y)[0] for x in across] for y in up])
        corners = (float(left), float(end), float(bottom), float(top))
        draw_boundary(scores, points_N2, labels_N, corners=corners, path=stage.dir / "boundary.png")
        draw_losses(run_dir.events, "moons", "max-margin loss", stage.dir / "loss.png")
        summary = {
            "loss": trained.record["loss"],
            "accuracy": trained.record["accuracy"],
            "new_points": {"value": right.value, "low": right.low, "high": right.high, "n": NEW_POINTS},
            "parameters": trained.record["parameters"],
            "steps": recipe.steps,
            "seconds": trained.seconds,
        }
        write_json(stage.dir / "summary.json", summary)
        stage.finish(summary=summary)
    return in_words(run_dir, recipe, stage.record["summary"])


def in_words(run_dir: RunDir, recipe: Moons, summary: dict[str, Any]) -> str:
    """The end of the run for a person."""
    new = summary["new_points"]
    interval = Interval(new["value"], new["low"], new["high"])
    return (
        f"{summary['accuracy']:.0%} of its {recipe.n} points right, loss {summary['loss']:.6g}, with "
        f"{summary['parameters']} parameters\n"
        f"after {summary['steps']} steps in {duration(summary['seconds'])}; of {new['n']:,} new points "
        f"{interval} % (in brackets: 95 % interval).\n"
        f"The line that it draws: {run_dir.path / 'report' / 'boundary.png'}"
    )
