"""What a training run keeps: its checkpoints, its log, its best weights, and evidence when it fails.

The loop (fit.py) makes steps; everything that happens between steps is here.
"""

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundup.base.config import diff
from groundup.base.errors import CheckpointError, UserError
from groundup.base.files import recover, write_json
from groundup.base.log import EventLog
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.metrics import peak_flops
from groundup.train.optim import Optimizer
from groundup.weights import checkpoint


class DivergedError(UserError):
    """A loss or gradient was not finite. The step was not taken."""


@dataclass
class Gradient:
    """What one step's gradient came to; the gradient itself is in the weights' `.grad`, clipped."""

    loss: float  # nats per target, before the step
    norm: float  # before clipping
    tokens: int
    metrics: dict[str, float | Tensor] = field(default_factory=dict)

    @property
    def finite(self) -> bool:
        return math.isfinite(self.loss) and math.isfinite(self.norm)


@dataclass(frozen=True)
class FitResult:
    """What a run came to. `seconds`, `tokens` and `flops` are sums over all its resumptions."""

    step: int
    seconds: float
    tokens: int
    flops: float
    interrupted: bool
    best: Path  # the checkpoint with the lowest evaluated loss, or the last one if nothing was evaluated
    last: Path
    best_loss: float | None = None


@dataclass
class Position:
    """Where a run stands: all that a resumed run must know beside weights and moments."""

    step: int = 0  # steps done
    tokens: int = 0
    seconds: float = 0.0  # evaluation and saving included
    best_loss: float | None = None
    best_step: int | None = None


@dataclass
class Journal:
    """The record of one run in the folder `out`. `evaluate` and `sample` may be None."""

    model: nn.Module
    optimizer: Optimizer
    tokenizer: Tokenizer
    events: EventLog
    out: Path
    label: str
    settings: dict[str, Any]  # what must be the same for a resumed run to be the same run
    flops_per_token: float
    evaluate: Callable[[nn.Module], dict[str, float]] | None
    sample: Callable[[nn.Module], str] | None

    def __post_init__(self) -> None:
        self.at = Position()
        self._saved_at = -1  # the step of `out/last`
        self._began = time.perf_counter()
        self._busy, self._tokens_logged = 0.0, 0
        self._peak = peak_flops(next(self.model.parameters()).device)

    def resume(self) -> Position:
        """Continue from `out/last`, or stay at step 0 if nothing was saved there."""
        recover(self.last)
        if self.last.exists():
            _, training = checkpoint.restore(self.last, model=self.model, tokenizer=self.tokenizer)
            if changes := diff(training["settings"], self.settings):
                raise CheckpointError(
                    f"{self.last} was trained with other settings ({'; '.join(changes)}), so going on "
                    "would give neither run. Use the same settings, or choose a new run directory."
                )
            self.optimizer.load_state_dict({k: v for k, v in training.items() if isinstance(v, Tensor)})
            self.at = Position(**training["position"])
            self._saved_at, self._tokens_logged = self.at.step, self.at.tokens
            self._began -= self.at.seconds
            self.events.write("resumed", label=self.label, step=self.at.step)
        return self.at

    def stepped(self, gradient: Gradient, scale: float, seconds: float, *, log: bool) -> None:
        """Count a step that was taken, and write its numbers to the log if asked."""
        at = self.at
        at.step, at.tokens = at.step + 1, at.tokens + gradient.tokens
        self._busy += seconds
        if log:
            rate = (at.tokens - self._tokens_logged) / self._busy
            self._busy, self._tokens_logged = 0.0, at.tokens
            numbers = {name: float(value) for name, value in gradient.metrics.items()}
            used = {} if self._peak is None else {"mfu": rate * self.flops_per_token / self._peak}
            self.events.write(
                "train", label=self.label, step=at.step, loss=gradient.loss, grad_norm=gradient.norm,
                lr_scale=scale, tokens=at.tokens, tokens_per_second=rate, **used, **numbers,
            )  # fmt: skip

    def save(self) -> None:
        """Make `out/last` what a resumed run needs, unless it is so already."""
        if self._saved_at == self.at.step:
            return
        self.at.seconds = self.seconds
        checkpoint.save(
            self.last,
            model=self.model,
            tokenizer=self.tokenizer,
            step=self.at.step,
            training={**self.optimizer.state_dict(), "position": asdict(self.at), "settings": self.settings},
        )
        self._saved_at = self.at.step

    def look(self) -> None:
        """Evaluate, log, and keep the checkpoint as `out/best` if its loss is the lowest so far.

        Saved before it is evaluated, so that a bug in an evaluation costs no training.
        """
        if self.evaluate is None:
            return
        self.save()
        with looking(self.model):
            numbers = self.evaluate(self.model)
        self.events.write("eval", label=self.label, step=self.at.step, **numbers)
        loss = numbers.get("loss")
        if loss is not None and (self.at.best_loss is None or loss < self.at.best_loss):
            self.at.best_loss, self.at.best_step = loss, self.at.step
            checkpoint.copy(self.last, self.out / "best", extra={"evaluation": numbers})

    def show(self) -> None:
        """Log a text that the model writes now."""
        if self.sample is not None:
            with looking(self.model):
                self.events.write("sample", label=self.label, step=self.at.step, text=self.sample(self.model))

    @property
    def seconds(self) -> float:
        """Wall clock over all resumptions."""
        return time.perf_counter() - self._began

    @property
    def last(self) -> Path:
        """The checkpoint of the last save."""
        return self.out / "last"

    @property
    def best(self) -> Path:
        """The checkpoint with the lowest evaluated loss, or the last one if none was evaluated."""
        return self.last if self.at.best_step is None else self.out / "best"

    def result(self, *, interrupted: bool) -> FitResult:
        """The run as the caller of `fit` sees it."""
        at = self.at
        return FitResult(
            step=at.step,
            seconds=self.seconds,
            tokens=at.tokens,
            flops=at.tokens * self.flops_per_token,
            interrupted=interrupted,
            best=self.best,
            last=self.last,
            best_loss=at.best_loss,
        )

    def diverged(self, gradient: Gradient, scale: float) -> DivergedError:
        """The error for a step that is not finite, its evidence written to `out/diverged.json`."""
        norms = {n: p.grad.norm().item() for n, p in self.model.named_parameters() if p.grad is not None}
        evidence = {
            "step": self.at.step,  # which names the batches: they are a pure function of it
            "loss": gradient.loss,
            "grad_norm": gradient.norm,
            "lr_scale": scale,
            "grad_norms": norms,
            "settings": self.settings,
        }
        write_json(self.out / "diverged.json", _jsonable(evidence))
        self.events.write("diverged", label=self.label, step=self.at.step)
        return DivergedError(
            f"Step {self.at.step} was refused: its loss is {gradient.loss} and the norm of its gradient is "
            f"{gradient.norm}, and both must be finite. The last checkpoint, of step {self._saved_at}, is "
            f"unharmed; the gradient norm of each weight is in {self.out / 'diverged.json'}. Start a new run "
            "with a lower learning rate or a longer warm-up."
        )


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients within the block, then training mode again."""
    model.eval()
    with torch.no_grad():
        yield
    model.train()


def _jsonable(value: Any) -> Any:
    """Infinity and NaN as text, because JSON has neither."""
    if isinstance(value, dict):
        return {key: _jsonable(inner) for key, inner in value.items()}
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value
