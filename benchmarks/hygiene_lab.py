"""The small trainings that benchmarks/hygiene.py compares: one text, one model, short runs, many rates.

The model is the course's (pre-norm LayerNorm, learned positions, GELU, biases, one matrix for embedding and
head) with AdamW, because the claims are about that kind of model; 32 channels wide, so that a run takes
seconds. A run reads 4 % of the text at most, so every batch is new, and the mean training loss of its last
steps is a fair estimate of the loss on unseen text.

Stability is two numbers over a sweep of learning rates:

- the *largest rate that trains*: that ends less than NEAR nats above the best of the sweep;
- *rate sensitivity*: how much loss a wrong rate costs, the mean over the rates of min(loss, first loss) less
  the best loss. Wortsman et al. 2023, arXiv 2309.14322, eq. 1.

Next: hygiene.py.
"""

from __future__ import annotations

import math
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import torch

from groundup.data.batches import WindowBatches
from groundup.data.documents import documents
from groundup.models.transformer import Transformer, gpt2
from groundup.tokenizer.chars import CharTokenizer
from groundup.train.fit import FitConfig, accumulate
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.schedule import ScheduleConfig, lr_scale

SOURCE = "tiny-shakespeare"
T, B = 32, 8  # places of a window, windows of a batch
NEAR = 0.3  # nats: a rate that ends further above the best does not train
LAST = 15  # steps whose mean loss is "the loss" of a run
WARMUP = ScheduleConfig("wsd", warmup=10, decay=0.4)
LLAMA: dict[str, Any] = {  # other parts than the course's, for what was chosen on those
    "norm": "rms", "position": "rotary", "mlp": "swiglu", "qk_norm": True, "bias": False, "tie": False,
    "init_std": None, "zero_init_out": True,
}  # fmt: skip


@cache
def corpus() -> tuple[np.ndarray, np.ndarray, int]:
    """(ids to learn from, ids held out, size of the alphabet) of the text, one character a token."""
    text = "\n".join(document.text for document in documents(SOURCE))
    tokenizer = CharTokenizer.train(text)
    ids = np.array(tokenizer.encode(text), dtype=np.int64)
    cut = int(0.9 * len(ids))
    return ids[:cut], ids[cut:], tokenizer.vocab_size


def model(seed: int, **choices: Any) -> Transformer:
    """Fresh weights; the same for the same seed and shape."""
    torch.manual_seed(seed)
    shape = {"context_len": T, "n_layer": 4, "n_head": 2, "n_embd": 32, **choices}
    return Transformer(gpt2(vocab_size=corpus()[2], **shape))


def batches(seed: int, size: int = B, context_len: int = T) -> WindowBatches:
    """Windows of the training part."""
    return WindowBatches(corpus()[0], context_len=context_len, batch_size=size, seed=seed)


def held_out_loss(net: Transformer) -> float:
    """Nats a token on 64 windows of the held-out part."""
    window = WindowBatches(corpus()[1], context_len=T, batch_size=64, seed=99).batch(0)
    net.eval()
    with torch.no_grad():
        total, count, _ = cross_entropy(net, window)
    net.train()
    return float(total / count)


@dataclass(frozen=True)
class Plan:
    """What a run is, but for its seed and rate."""

    steps: int
    clip_norm: float = 1.0
    precision: Any = "float32"
    kind: Any = "adamw"
    schedule: ScheduleConfig = WARMUP
    objective: Any = cross_entropy

    def optim(self, rate: float) -> OptimConfig:
        """AdamW at this rate; with Muon its own rates times this factor."""
        if self.kind == "adamw":
            return OptimConfig("adamw", lr=rate)
        base = OptimConfig()
        rates = ("muon_lr", "embedding_lr", "head_lr", "gain_lr")
        return OptimConfig("muon", **{name: rate * getattr(base, name) for name in rates})


def run(
    net: Transformer,
    plan: Plan,
    *,
    rate: float,
    seed: int,
    after: Callable[[int], None] = lambda step: None,
) -> list[float]:
    """Train in place; the loss before every step. A loss that is not finite ends the run. `after(step)`."""
    optimizer = build_optimizer(net, plan.optim(rate))
    data = batches(seed)
    config = FitConfig(plan.steps, clip_norm=plan.clip_norm, precision=plan.precision)
    losses: list[float] = []
    for step in range(plan.steps):
        gradient = accumulate(net, data, plan.objective, config=config, step=step)
        losses.append(gradient.loss)
        if not gradient.finite:
            break
        optimizer.step(lr_scale(step, plan.steps, plan.schedule))
        optimizer.zero_grad()
        after(step)
    return losses


def final(losses: Sequence[float]) -> float:
    """The loss of a run: of its last steps, and no worse than its first, which a lost run is counted as."""
    if not math.isfinite(losses[-1]):
        return losses[0]
    return min(statistics.fmean(losses[-LAST:]), losses[0])


@dataclass(frozen=True)
class Sweep:
    """The loss of a run at each rate, for each seed: losses[seed][rate]."""

    rates: tuple[float, ...]
    losses: tuple[tuple[float, ...], ...]
    first: float

    @property
    def best(self) -> float:
        """The lowest loss, of the mean over the seeds."""
        return min(self.means)

    @property
    def best_rate(self) -> float:
        """Where that is."""
        return self.rates[self.means.index(self.best)]

    @property
    def means(self) -> list[float]:
        """Mean over the seeds at each rate."""
        return [statistics.fmean(column) for column in zip(*self.losses, strict=True)]

    def sensitivities(self) -> list[float]:
        """Rate sensitivity of each seed, in nats."""
        return [statistics.fmean(row) - min(row) for row in self.losses]

    def largest_rates(self) -> list[float]:
        """The largest rate that trains, of each seed."""
        return [
            max(rate for rate, loss in zip(self.rates, row, strict=True) if loss < min(row) + NEAR)
            for row in self.losses
        ]


def sweep(plan: Plan, rates: Sequence[float], seeds: Sequence[int], **choices: Any) -> Sweep:
    """A run at every rate for every seed."""
    rows = []
    first = math.nan
    for seed in seeds:
        row = []
        for rate in rates:
            losses = run(model(seed, **choices), plan, rate=rate, seed=seed)
            first = losses[0]
            row.append(final(losses))
        rows.append(tuple(row))
    return Sweep(tuple(rates), tuple(rows), first)


def seconds(tasks: dict[str, Callable[[], Any]], rounds: int) -> dict[str, list[float]]:
    """CPU seconds of each task, round-robin, after one round that does not count."""
    found: dict[str, list[float]] = {name: [] for name in tasks}
    for turn in range(rounds + 1):
        for name, task in tasks.items():
            began = time.process_time()
            task()
            if turn:
                found[name].append(time.process_time() - began)
    return found
