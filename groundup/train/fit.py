"""The one training loop: batches to better weights, without losing any.

What differs between pretraining, fine-tuning and reinforcement learning is the data, the objective and which
weights move; the loop is the same. One step: sum the loss over the micro-batches, divide the gradient once by
the number of targets, clip, refuse the step if it is not finite, move, log. Between steps: save, evaluate,
show.

Exact resume: a batch is a pure function of its step, dropout is seeded anew in every step, and the checkpoint
holds weights, moments and counters. So a run that was killed and resumed ends in the same bits as one that
was not, on one kind of machine with a fixed number of threads.

Source: clipping: Pascanu et al. 2013, arXiv 1211.5063, algorithm 1.
Not here: many processes (parallel/), compiling.
Next:   journal.py, for what happens between steps; recompute.py, loss_scale.py and average.py, for what
        FitConfig can switch on.
"""

import dataclasses
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import reduce
from operator import add
from pathlib import Path
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor, nn

from groundup.base.config import to_dict
from groundup.base.device import side_by_side
from groundup.base.errors import ConfigError, DataError
from groundup.base.log import EventLog, Progress
from groundup.base.seeds import derive
from groundup.nn.batch_norm import BatchNorm
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.average import Average
from groundup.train.interrupt import stop_on_signal
from groundup.train.journal import FitResult, Gradient, Journal
from groundup.train.metrics import training_flops
from groundup.train.objective import Objective
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.recompute import recomputed
from groundup.train.schedule import ScheduleConfig, lr_scale


@dataclass(frozen=True)
class FitConfig:
    """How long, in what portions, how often to look: every so many steps; 0: only at start and end."""

    steps: int
    accumulate: int = 1  # micro-batches a step: a larger batch in the same memory
    clip_norm: float = 1.0  # largest norm of the gradient of the mean loss; 0: no limit. 1.0: GPT-3, nanoGPT
    eval_every: int = 0
    sample_every: int = 0
    save_every: int = 0
    log_every: int = 10
    # Micro-batches computed at the same time, each by a CPU thread of its own. The operations of a small
    # model are too short to be shared out: for 1 M weights two workers took
    # 191 ms a step where two threads in every operation took 233 (a prototype; docs/decisions/0003).
    workers: int = 1
    # Of activations; weights and moments stay float32. float16 (loss_scale.py) is for GPUs without bfloat16.
    precision: Literal["float32", "bfloat16", "float16"] = "float32"
    recompute: bool = False  # activations of a block are computed twice, not kept: memory for time
    # Decay of a running mean of the weights, such as 0.99: it is what is evaluated, sampled and kept as best.
    average: float = 0.0  # 0: none
    # Stop after so many evaluations in a row without a new best loss; 0: never. The best is kept in any case.
    # Close to the criterion UP of Prechelt 1998, "Early stopping, but when?".
    patience: int = 0
    # Look inside the network in the first step and in every so many (diagnostics.py); 0: never, at no cost.
    diagnose_every: int = 0

    def __post_init__(self) -> None:
        for name in ("steps", "accumulate", "workers", "log_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is too small. Choose 1 or more.")
        if self.accumulate % self.workers:
            raise ConfigError(
                f"accumulate={self.accumulate} micro-batches cannot be shared out evenly to "
                f"workers={self.workers}. Choose a multiple of it."
            )
        for name in ("clip_norm", "eval_every", "sample_every", "save_every", "patience", "diagnose_every"):
            if not getattr(self, name) >= 0:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 0 or more; 0 is off.")
        if self.diagnose_every and self.workers > 1:
            raise ConfigError(
                f"diagnose_every={self.diagnose_every} looks into one thread, and workers={self.workers} "
                "computes in several. Set workers=1."
            )
        if self.patience and not self.eval_every:
            raise ConfigError(
                f"patience={self.patience} counts evaluations, and eval_every=0 makes none. Set eval_every."
            )
        if not 0 <= self.average < 1:
            raise ConfigError(
                f"average={self.average} is not the weight of a running mean. Choose above 0 and below 1, "
                "such as 0.99, or 0 for none."
            )

    @property
    def identity(self) -> dict[str, Any]:
        """What of this makes a run the run that it is. How often we look, and who computes, does not; unless
        looking decides when to stop.
        """
        same = {name: getattr(self, name) for name in ("steps", "accumulate", "clip_norm", "precision")}
        looks = {"patience": self.patience, "eval_every": self.eval_every} if self.patience else {}
        return same | looks | ({"average": self.average} if self.average else {})


class Batches(Protocol):
    """`batch(step)` gives a dataclass with `tokens_BT`; the objective knows what else is in it."""

    def batch(self, step: int, rank: int = 0) -> Any: ...


def fit(
    model: nn.Module,
    *,
    batches: Batches,
    objective: Objective,
    optim: OptimConfig,
    schedule: ScheduleConfig,
    config: FitConfig,
    out: Path,
    events: EventLog,
    tokenizer: Tokenizer,
    seed: int,
    evaluate: Callable[[nn.Module], dict[str, float]] | None = None,
    sample: Callable[[nn.Module], str] | None = None,
    flops_per_token: float | None = None,
    label: str = "",
) -> FitResult:
    """Train `model` in place for `config.steps` steps, or on from `out/last` if that is there.

    `evaluate` gives numbers to log, of which "loss" (lower is better) decides what is kept as `out/best`;
    `sample` gives a text to log. Both see the model in eval mode without gradients. `flops_per_token` is that
    of training, by default 6 per weight.

    It ends before `config.steps` when the loss has not fallen for `config.patience` evaluations. On SIGINT or
    SIGTERM the step is finished and saved and `interrupted` is True, also when no step was left; a second
    signal ends the process. Raises DivergedError, with evidence in `out/diverged.json`, and CheckpointError
    if `out/last` is damaged or of other settings. Seeds torch's global generator, from which dropout draws.
    """
    settings = to_dict({"optim": optim, "schedule": schedule, **config.identity, "seed": seed})
    flops_per_token = flops_per_token or training_flops(sum(p.numel() for p in model.parameters()), 1)
    optimizer = build_optimizer(model, optim)
    journal = Journal(
        model, optimizer, tokenizer, events, Path(out), label, settings, flops_per_token, evaluate, sample,
        average=Average(model, config.average) if config.average else None,
        rows=config.accumulate * batches.batch_size if hasattr(batches, "batch_size") else None,
    )  # fmt: skip
    at, moving = journal.resume(), optimizer.parameters
    progress = Progress(config.steps, label or "train", "step", initial=at.step)
    thrifty = recomputed(model, config.recompute)
    with stop_on_signal() as stop, workers(model, config) as share, thrifty, progress as bar:
        while True:
            stopping = stop.requested  # read once: a signal a moment later is saved in the next round
            between_steps(journal, config, stopping)
            if stopping or at.step == config.steps or journal.out_of_patience(config.patience):
                break
            started = time.perf_counter()
            scale = lr_scale(at.step, config.steps, schedule)
            with journal.looking_inside(config.diagnose_every):
                gradient = finite_gradient(
                    model, batches, objective,
                    config=config, seed=seed, journal=journal, share=share, moving=moving,
                )  # fmt: skip
            if not gradient.finite:
                raise journal.diverged(gradient, scale, batches)
            optimizer.step(scale)
            journal.looked_inside(gradient)
            optimizer.zero_grad()
            log = (at.step + 1) % config.log_every == 0 or at.step + 1 == config.steps
            journal.stepped(gradient, scale, time.perf_counter() - started, log=log)
            bar.advance(1, loss=gradient.loss)
    return journal.result(interrupted=stop.requested)  # also one that came during the last look


def between_steps(journal: Journal, config: FitConfig, stopping: bool) -> None:
    """Save, evaluate, show: whatever is due now. Before a stop only save."""
    step = journal.at.step
    if stopping or _due(step, config.save_every, config.steps):
        journal.save()
    if not stopping and _due(step, config.eval_every, config.steps):
        journal.look()
    if not stopping and _due(step, config.sample_every, config.steps):
        journal.show()


def _due(step: int, every: int, steps: int) -> bool:
    """Whether what is done every so many steps is done now. At the start, so that a full disk or a bug in an
    evaluation is found at once and not in an hour; and at the end.
    """
    return step in (0, steps) or (every > 0 and step % every == 0)


Share = Callable[[Callable[[int], Any], Iterable[int]], Iterable[Any]]  # map, or the map of a pool of threads


def finite_gradient(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    *,
    config: FitConfig,
    seed: int,
    journal: Journal,
    share: Share,
    moving: Sequence[Tensor],
) -> Gradient:
    """The gradient of the step at hand; in float16 once more, at half the loss scale, until it is finite.

    What is returned may still not be: then it is not the scale's fault.
    """
    step, scaling = journal.at.step, journal.loss_scale
    while True:
        seed_dropout(moving[0].device, derive(seed, "dropout", step=step))
        factor = scaling.value if config.precision == "float16" else 1.0
        gradient = accumulate(
            model, batches, objective,
            config=config, step=step, share=share, loss_scale=factor, moving=moving,
        )  # fmt: skip
        if gradient.finite:
            scaling.held()
        elif factor > 1 and scaling.overflowed():
            journal.events.write("loss_scale", label=journal.label, step=step, value=scaling.value)
            journal.optimizer.zero_grad()
            journal.look_again()
            continue
        return gradient


def seed_dropout(device: torch.device, seed: int) -> None:
    """Seed the stream that dropout draws from, on this device.

    `torch.manual_seed` visits every device there might be, which costs 0.7 ms: twice a step of a small model.
    """
    torch.default_generator.manual_seed(seed)
    if device.type != "cpu":
        torch.get_device_module(device).manual_seed(seed)


def accumulate(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    *,
    config: FitConfig,
    step: int,
    share: Share = map,
    loss_scale: float = 1.0,
    moving: Sequence[Tensor] | None = None,
) -> Gradient:
    """The gradient of one step: summed over its micro-batches, divided once by all their targets, clipped.

    `moving` are the weights that are not frozen: whoever makes many steps has them at hand, and to look for
    them in all modules takes as long as a matrix product of a small model.
    """
    moving = [p for p in model.parameters() if p.requires_grad] if moving is None else moving
    if not model.training:
        model.train()

    def portion(micro: int) -> Portion:
        return micro_gradient(
            model, batches, objective,
            config=config, micro=micro, moving=moving, loss_scale=loss_scale, alone=share is map,
        )  # fmt: skip

    parts = []
    for part in share(portion, range(step * config.accumulate, (step + 1) * config.accumulate)):
        parts.append(part)
        for parameter, found in zip(moving, part.gradient, strict=False):  # none to add after `backward`
            parameter.grad = found if parameter.grad is None else parameter.grad.add_(found)
    gradients = [parameter.grad for parameter in moving if parameter.grad is not None]
    device = moving[0].device
    loss_sum = reduce(add, (part.loss_sum for part in parts))
    count = torch.as_tensor(reduce(add, (part.count for part in parts)), dtype=torch.float32, device=device)
    torch._foreach_div_(gradients, count if loss_scale == 1 else count * loss_scale)
    norms = torch._foreach_norm(gradients)
    total, targets, *sizes = _numbers(loss_sum, count, *norms)
    size = math.hypot(*sizes)
    if not targets:
        raise DataError(
            f"No place in the batch of step {step} has a target: it teaches nothing. Check its mask."
        )
    clips = size > config.clip_norm > 0 and math.isfinite(size)  # a bad gradient would spread it to all
    if clips:
        norm = torch.linalg.vector_norm(torch.stack(norms))
        torch.nn.utils.clip_grads_with_norm_(moving, config.clip_norm, norm, foreach=True)
    return Gradient(
        total / targets, size, sum(part.tokens for part in parts), _means([part.metrics for part in parts]),
        losses=[part.loss_sum for part in parts], clipped=config.clip_norm if clips else None,
        divisor=targets * loss_scale,
    )  # fmt: skip


class Portion(NamedTuple):
    """What one micro-batch gave."""

    loss_sum: Tensor
    count: Any  # of its targets
    tokens: int
    metrics: dict[str, Any]
    gradient: Sequence[Tensor]  # empty if it was added to the weights' `.grad` already


def micro_gradient(
    model: nn.Module,
    batches: Batches,
    objective: Objective,
    *,
    config: FitConfig,
    micro: int,
    moving: Sequence[Tensor],
    loss_scale: float,
    alone: bool,
) -> Portion:
    """The gradient of the sum over one micro-batch; `alone` if no other thread computes one meanwhile."""
    device = moving[0].device
    batch = _on(device, batches.batch(micro))
    tokens = batch.tokens_BT.numel()
    width = getattr(torch, config.precision)
    # An objective may know its gradient without autograd (by_hand.py); then no layer is there to look into.
    own = getattr(objective, "gradients", None)
    if own is not None and width == torch.float32 and not config.diagnose_every:
        loss_sum, count, gradient = own(batch, moving)
        return Portion(loss_sum, count, tokens, {}, gradient)
    with torch.autocast(device.type, width) if width != torch.float32 else nullcontext():
        loss_sum, count, metrics = objective(model, batch)
    scaled = loss_sum if loss_scale == 1 else loss_sum * loss_scale
    if alone:
        scaled.backward()
        return Portion(loss_sum.detach(), count, tokens, metrics, ())
    # Workers must not add to one `.grad` at a time: each brings its own, and they are summed in order.
    gradient = torch.autograd.grad(scaled, moving, materialize_grads=True)
    return Portion(loss_sum.detach(), count, tokens, metrics, gradient)


def _numbers(*scalars: Tensor) -> list[float]:
    """Their values, all at once. The one place where the CPU waits for the device, because
    a bad step can only be refused before it is taken.
    """
    if scalars[0].is_cpu:  # nothing to wait for: three times as fast
        return [scalar.item() for scalar in scalars]
    return torch.stack(scalars).tolist()


def _means(metrics: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """The mean of each metric over the micro-batches that report it."""
    values = defaultdict(list)
    for numbers in metrics:
        for name, number in numbers.items():
            values[name].append(number)
    return {name: sum(each) / len(each) for name, each in values.items()}


@contextmanager
def workers(model: nn.Module, config: FitConfig) -> Iterator[Share]:
    """`map` for one worker; for more, that of a pool of threads, which keeps order and so the sum's bits."""
    if config.workers == 1:
        yield map
        return
    if getattr(getattr(model, "config", None), "dropout", 0):
        raise ConfigError(
            f"workers={config.workers} with dropout would draw from one stream in an order that no seed "
            "fixes. Set dropout=0, or workers=1."
        )
    if any(isinstance(module, BatchNorm) for module in model.modules()):
        raise ConfigError(
            f"workers={config.workers} with BatchNorm would change its running statistics in an order that "
            "nothing fixes. Set workers=1."
        )
    with side_by_side(config.workers) as share:
        yield share


def _on(device: torch.device, batch: Any) -> Any:
    """The batch with its tensors on `device`."""
    if batch.tokens_BT.device == device:
        return batch
    fields = {field.name: getattr(batch, field.name) for field in dataclasses.fields(batch)}
    moved = {n: v.to(device, non_blocking=True) for n, v in fields.items() if isinstance(v, Tensor)}
    return dataclasses.replace(batch, **moved)
