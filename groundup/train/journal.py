"""What a training run keeps: its checkpoints, its log, its best weights, and evidence when it fails.

The loop (fit.py) makes steps; everything that happens between steps is here.
"""

import math
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from groundup.base.config import diff
from groundup.base.errors import CheckpointError, ConfigError, DivergedError
from groundup.base.files import recover, write_json
from groundup.base.log import EventLog
from groundup.tokenizer.protocol import Tokenizer
from groundup.train import evidence
from groundup.train.average import Average
from groundup.train.diagnosis import diagnose
from groundup.train.diagnostics import FILE, Probe
from groundup.train.loss_scale import LossScale
from groundup.train.metrics import peak_flops
from groundup.train.optim import Optimizer
from groundup.weights import checkpoint

MEAN = "mean|"  # before the name of a weight: its running mean, in the training state


@dataclass
class Gradient:
    """What one step's gradient came to; the gradient itself is in the weights' `.grad`, clipped."""

    loss: float  # nats per target, before the step
    norm: float  # before clipping
    tokens: int
    metrics: dict[str, float | Tensor] = field(default_factory=dict)
    losses: list[Tensor] = field(default_factory=list)  # sums, of each micro-batch
    clipped: float | None = None  # the norm after clipping, where that did anything
    divisor: float = 1.0  # targets times loss scale: from gradients of the scaled sum to those of the mean

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
    stale: int = 0  # evaluations since that one
    first_loss: float | None = None  # of the first step: what a rising loss is measured against


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
    average: Average | None = None  # what is evaluated, sampled and kept as best instead of the weights
    rows: int | None = None  # of a step, where micro-batches cut one order of rows into pieces; else None

    def __post_init__(self) -> None:
        if self.average and self.evaluate is None:
            raise ConfigError(
                f"average={self.average.decay} without an evaluation would be computed and never kept: the "
                "mean is what is evaluated and saved as best. Give an evaluation, or set average=0."
            )
        self.at = Position()
        self.loss_scale = LossScale()
        self.history: deque[evidence.Step] = deque(maxlen=50)
        self._warned = False
        self._probe: Probe | None = None
        self._saved_at = -1  # the step of `out/last`
        self._began = time.perf_counter()
        self._busy, self._tokens_logged = 0.0, 0
        self._peak = peak_flops(next(self.model.parameters()).device)

    def resume(self) -> Position:
        """Continue from `out/last`, or stay at step 0 if nothing was saved there."""
        recover(self.last)
        if self.last.exists():
            _, training = checkpoint.restore(self.last, model=self.model, tokenizer=self.tokenizer)
            self._check_same_run(training)
            tensors = {name: value for name, value in training.items() if isinstance(value, Tensor)}
            means = {name: tensors.pop(name) for name in list(tensors) if name.startswith(MEAN)}
            self.optimizer.load_state_dict(tensors)
            if self.average:
                self.average.load_state_dict({n.removeprefix(MEAN): mean for n, mean in means.items()})
            self.at = Position(**training["position"])
            self.loss_scale = LossScale(**training.get("loss_scale", {}))
            self._saved_at, self._tokens_logged = self.at.step, self.at.tokens
            self._began -= self.at.seconds
            self.events.write("resumed", label=self.label, step=self.at.step)
        return self.at

    def _check_same_run(self, saved: dict[str, Any]) -> None:
        """Raise CheckpointError if going on would give neither run; warn if it would give it to rounding."""
        there, here = dict(saved["settings"]), dict(self.settings)
        if self.rows is not None and saved.get("rows") == self.rows:
            there["accumulate"] = here["accumulate"]  # the same rows a step, in other portions
        if changes := diff(there, here):
            raise CheckpointError(
                f"{self.last} was trained with other settings ({'; '.join(changes)}), so going on "
                "would give neither run. Use the same settings, or choose a new run directory."
            )
        made = {"accumulate": saved["settings"].get("accumulate"), **saved.get("made_by", {})}
        now = {"accumulate": self.settings.get("accumulate"), **self._maker()}
        if changes := diff(made, {name: now[name] for name in made if name in now}):
            self.events.write(
                "warning",
                text=f"{self.last} was written under other conditions ({'; '.join(changes)}). Going on is "
                "right to rounding, but no longer equal bit for bit to the run without a stop.",
            )

    def _maker(self) -> dict[str, Any]:
        """What the last bits depend on beside the settings."""
        device = next(self.model.parameters()).device
        name = torch.cuda.get_device_name(device) if device.type == "cuda" else device.type
        return {
            "torch": str(torch.__version__),
            "device": name,
            "threads": torch.get_num_threads(),
            "vectors": torch.backends.cpu.get_cpu_capability(),
        }

    def stepped(self, gradient: Gradient, scale: float, seconds: float, *, log: bool) -> None:
        """Count a step that was taken, and write its numbers to the log if asked."""
        at = self.at
        if self.average:
            self.average.update(at.step)
        at.step, at.tokens = at.step + 1, at.tokens + gradient.tokens
        at.first_loss = gradient.loss if at.step == 1 else at.first_loss
        self._busy += seconds
        self.history.append(evidence.Step(at.step, gradient.loss, gradient.norm, scale))
        if not gradient.norm or gradient.loss > (at.first_loss or 0.0) + evidence.RISEN:  # else it is not
            self._warn_if_lost()
        if gradient.clipped is not None:
            self.events.write(
                "clip", label=self.label, step=at.step, grad_norm=gradient.norm, clipped_to=gradient.clipped
            )
        if log:
            rate = (at.tokens - self._tokens_logged) / self._busy
            self._busy, self._tokens_logged = 0.0, at.tokens
            numbers = {name: float(value) for name, value in gradient.metrics.items()}
            used = {} if self._peak is None else {"mfu": rate * self.flops_per_token / self._peak}
            self.events.write(
                "train", label=self.label, step=at.step, loss=gradient.loss, grad_norm=gradient.norm,
                lr_scale=scale, lr=self.optimizer.lr, tokens=at.tokens, tokens_per_second=rate,
                **used, **numbers,
            )  # fmt: skip

    def looking_inside(self, every: int) -> AbstractContextManager[Any]:
        """Watch the step at hand if a look is due: the first and every `every` steps; 0: never."""
        self._probe = None
        if not every or self.at.step % every:
            return nullcontext()
        self._probe = Probe(self.model)
        return self._probe.watching()

    def look_again(self) -> None:
        """Forget what was seen of a try at this step that overflowed."""
        if self._probe is not None:
            self._probe.layers.clear()

    def looked_inside(self, gradient: Gradient) -> None:
        """Write the look at the step that was just taken, while its gradient is still there.

        The first look is also told in words, because what it finds is there from the start.
        """
        if self._probe is None:
            return
        record = self._probe.record(
            loss=gradient.loss,
            step=self.at.step,
            divisor=gradient.divisor,
            vocab_size=self.tokenizer.vocab_size,
        )
        path = None if self.events.path is None else self.events.path.with_name(FILE)
        EventLog(path, console=False).write("diagnostics", label=self.label, **record)
        if self.at.step == 0:
            for illness in diagnose([record]):
                self.events.write("note", text=f"diagnosis: {illness}")

    def _warn_if_lost(self) -> None:
        if self._warned:
            return
        mean = evidence.risen(self.history, self.at.first_loss)
        if evidence.dead(self.history):
            self._warned = True
            self.events.write(
                "warning",
                text=f"The gradient of the last {evidence.LOOK_BACK} steps was exactly zero: nothing learns "
                "any more. A learning rate far too high does this. Stop it (Ctrl-C) and start a new run with "
                "a lower one; `groundup lr-find` looks for one.",
            )
        elif mean is not None:
            self._warned = True
            self.events.write(
                "warning",
                text=f"The loss of the last {evidence.LOOK_BACK} steps is {mean:.3g} on average and was "
                f"{self.at.first_loss:.3g} at the first: this run diverges. Stop it (Ctrl-C) and start a new "
                "one with a lower learning rate; `groundup lr-find` looks for one.",
            )

    def save(self) -> None:
        """Make `out/last` what a resumed run needs, unless it is so already."""
        if self._saved_at == self.at.step:
            return
        self.at.seconds = self.seconds
        means = self.average.state_dict() if self.average else {}
        training = {
            **self.optimizer.state_dict(),
            **{MEAN + name: mean for name, mean in means.items()},
            "position": asdict(self.at),
            "settings": self.settings,
            "loss_scale": asdict(self.loss_scale),
            "rows": self.rows,
            "made_by": self._maker(),
        }
        checkpoint.save(
            self.last, model=self.model, tokenizer=self.tokenizer, step=self.at.step, training=training
        )
        self._saved_at = self.at.step

    def look(self) -> None:
        """Evaluate, log, and keep the checkpoint as `out/best` if its loss is the lowest so far.

        Saved before it is evaluated, so that a bug in an evaluation costs no training.
        """
        if self.evaluate is None:
            return
        self.save()
        with looking(self.model), self._mean_in_place():
            numbers = self.evaluate(self.model)
        self.events.write("eval", label=self.label, step=self.at.step, **numbers)
        loss = numbers.get("loss")
        self.at.stale += 1
        if loss is not None and (self.at.best_loss is None or loss < self.at.best_loss):
            self.at.best_loss, self.at.best_step, self.at.stale = loss, self.at.step, 0
            self._keep_best({"evaluation": numbers})

    def out_of_patience(self, patience: int) -> bool:
        """Whether the last `patience` evaluations brought no new best loss; says so once. 0: never.

        What it counts is saved before each evaluation and counted again after a resumption, so a run that
        was killed anywhere stops where the uninterrupted one does.
        """
        if not patience or self.at.stale < patience:
            return False
        self.events.write(
            "note",
            text=f"Stopped early at step {self.at.step:,}: the held-out loss was lowest at step "
            f"{self.at.best_step or 0:,} and has not been as low in {patience} evaluations since.",
        )
        return True

    def _keep_best(self, extra: dict[str, Any]) -> None:
        if self.average is None:
            checkpoint.copy(self.last, self.out / "best", extra=extra)
            return
        with self._mean_in_place():  # for use, not for going on: no training state
            checkpoint.save(
                self.out / "best",
                model=self.model,
                tokenizer=self.tokenizer,
                step=self.at.step,
                extra={**extra, "average": self.average.decay},
            )

    def _mean_in_place(self) -> AbstractContextManager[None]:
        return self.average.in_place() if self.average else nullcontext()

    def show(self) -> None:
        """Log a text that the model writes now."""
        if self.sample is not None:
            with looking(self.model), self._mean_in_place():
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

    def diverged(self, gradient: Gradient, scale: float, batches: Any) -> DivergedError:
        """The error for a step that is not finite, its evidence written to `out/diverged.json`."""
        at, path = self.at, self.out / "diverged.json"
        parts = evidence.micro_batches(gradient.losses, at.step, batches)
        found = {
            "step": at.step,
            "loss": gradient.loss,
            "grad_norm": gradient.norm,
            "lr_scale": scale,
            "micro_batches": parts,
            **evidence.norms(self.model),
            "before": [step._asdict() for step in self.history],
            "settings": self.settings,
        }
        write_json(path, evidence.jsonable(found))
        self.events.write("diverged", label=self.label, step=at.step, loss=gradient.loss)
        return DivergedError(
            f"Step {at.step} was refused: its loss is {gradient.loss} and the norm of its gradient is "
            f"{gradient.norm}, and both must be finite. The last checkpoint, of step {self._saved_at}, is "
            f"unharmed. {evidence.verdict(self.history, at.first_loss, parts)} Its batches, the norms of "
            f"each weight and the {len(self.history)} steps before are in {path}."
        )


@contextmanager
def looking(model: nn.Module) -> Iterator[None]:
    """Eval mode and no gradients within the block, then training mode again."""
    model.eval()
    with torch.no_grad():
        yield
    model.train()
