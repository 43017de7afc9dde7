import numpy as np
import pytest
import torch

from groundup.models.transformer import TransformerConfig
from groundup.recipes import calibrate
from groundup.recipes.calibrate import STEPS, seconds_per_step
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig

SHAPE = TransformerConfig(vocab_size=8, context_len=16, n_layer=1, n_head=2, n_embd=16)


@pytest.fixture
def steps(monkeypatch):
    """A clock that moves only while a step computes: by the seconds that a test says each step takes."""

    class Steps:
        def __init__(self) -> None:
            self.seconds: list[float] = []
            self.now, self.taken = 0.0, 0

        def clock(self) -> float:
            return self.now

    made, real = Steps(), calibrate.accumulate

    def accumulate(*words, **named):
        made.now += made.seconds[made.taken]
        made.taken += 1
        return real(*words, **named)

    monkeypatch.setattr(calibrate, "accumulate", accumulate)
    return made


def measure(steps, most_seconds: float, tokens: int = 100) -> float:
    return seconds_per_step(
        SHAPE, np.arange(tokens) % 8, batch_size=2, optim=OptimConfig(), config=FitConfig(steps=1),
        device=torch.device("cpu"), most_seconds=most_seconds, clock=steps.clock,
    )  # fmt: skip


def test_it_is_the_median_of_the_steps_after_the_first(steps):
    steps.seconds = [50.0, 3.0, 1.0, 2.0, 40.0]
    assert measure(steps, 1000.0) == 2.5
    assert steps.taken == 1 + STEPS


def test_a_slow_shape_is_timed_once(steps):
    steps.seconds = [7.0, 5.0, 5.0, 5.0, 5.0]
    assert measure(steps, 1.0) == 5.0
    assert steps.taken == 2


def test_it_stays_within_its_seconds_where_it_can(steps):
    steps.seconds = [1.0, 1.0, 1.0, 1.0, 1.0]
    assert measure(steps, 3.5) == 1.0
    assert steps.taken == 3  # a fourth would end at 4.0


def test_a_text_shorter_than_a_window_is_repeated(steps):
    steps.seconds = [1.0] * 5
    assert measure(steps, 100.0, tokens=3) == 1.0


def test_a_real_clock(monkeypatch):
    found = seconds_per_step(
        SHAPE, np.arange(100) % 8, batch_size=2, optim=OptimConfig(), config=FitConfig(steps=1),
        device=torch.device("cpu"), most_seconds=60.0,
    )  # fmt: skip
    assert 0 < found < 60
