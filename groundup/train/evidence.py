"""What a training run leaves when it breaks: which batch, which weight, and how it came to that.

Next: journal.py, which keeps the last steps for it.
"""

import math
from collections.abc import Sequence
from statistics import fmean
from typing import Any, NamedTuple

import torch
from torch import nn

RISEN = 1.0  # nats above the first loss: e times the perplexity of a model that knows nothing yet
LOOK_BACK = 20  # steps: one bad batch is no trend


class Step(NamedTuple):
    """A step that was taken."""

    step: int
    loss: float
    grad_norm: float  # before clipping
    lr_scale: float


def risen(history: Sequence[Step], first: float | None) -> float | None:
    """The mean loss of the last steps, if it lies so far above the first loss that the run is lost."""
    recent = [step.loss for step in history][-LOOK_BACK:]
    if first is None or len(recent) < LOOK_BACK or fmean(recent) < first + RISEN:
        return None
    return fmean(recent)


def dead(history: Sequence[Step]) -> bool:
    """Whether the last steps all had a gradient of exactly zero: no weight can learn any more."""
    recent = [step.grad_norm for step in history][-LOOK_BACK:]
    return len(recent) == LOOK_BACK and not any(recent)


def verdict(history: Sequence[Step], first: float | None, micro_batches: Sequence[dict[str, Any]]) -> str:
    """What the last steps and the micro-batches say about the cause, as a sentence or two of advice."""
    bad = [part["micro_batch"] for part in micro_batches if not math.isfinite(part["loss_sum"])]
    if not history:
        return "It is the first step of this process: look for a bad number in the data or in the weights."
    if first is not None and max(step.loss for step in history) > first + RISEN:
        worst = max(history, key=lambda step: step.loss)
        return (
            f"The loss had risen from {first:.3g} at first to {worst.loss:.3g} at step {worst.step}: "
            "the learning rate is too high. Start a new run with a lower one or a longer warm-up; "
            "`groundup lr-find` looks for one."
        )
    where = f"micro-batch {', '.join(map(str, bad))}" if bad else "the backward pass, with finite losses"
    return (
        f"Nothing had announced it (the step before: loss {history[-1].loss:.3g}, norm "
        f"{history[-1].grad_norm:.3g}); it came from {where}. Look at that batch, or start a new run with a "
        "lower learning rate or a longer warm-up."
    )


def micro_batches(losses: Sequence[Any], step: int, batches: Any) -> list[dict[str, Any]]:
    """Each micro-batch of the step: its number (`batches.batch(number)` makes it again), loss and rows."""
    found = []
    for number, loss in enumerate(losses, step * len(losses)):
        rows = {"starts": batches.starts(number).tolist()} if hasattr(batches, "starts") else {}
        found.append({"micro_batch": number, "loss_sum": float(loss), **rows})
    return found


def norms(model: nn.Module) -> dict[str, dict[str, float]]:
    """The norm of every weight and of its gradient, by name."""
    found: dict[str, dict[str, float]] = {"weight_norms": {}, "grad_norms": {}}
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            found["weight_norms"][name] = parameter.norm().item()
            if parameter.grad is not None:
                found["grad_norms"][name] = parameter.grad.norm().item()
    return found


def jsonable(value: Any) -> Any:
    """Infinity and NaN as text, because JSON has neither."""
    if isinstance(value, dict):
        return {key: jsonable(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [jsonable(inner) for inner in value]
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
