"""Training hygiene, claim by claim: what each switch of `fit` is worth on a small model, negatives included.

    python -m benchmarks.hygiene                     everything, about four minutes on one core
    python -m benchmarks.hygiene --only clip         one part, printed and not written

The courses that teach these switches say: clipping keeps a run from blowing up; mixed precision takes 40 %
less memory; activation checkpointing 50 % less; LayerScale is 30 % more stable; a range test finds the
learning rate; averaging weights helps; accumulation equals the large batch. Here each is a number: nats per
token, bytes of activations as counted tensor by tensor (train/memory.py), CPU time of one thread with the
contenders in turns. What "stable" means is said in hygiene_lab.py, beside the model and the text.

Does not: measure a GPU. There mixed precision is also faster; on a CPU that is a matter of its units.
Next: hygiene_lab.py; lessons/10_training_craft.py, which shows the same in small.
"""

import argparse
import platform
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

import torch

from benchmarks import hygiene_lab as lab
from benchmarks.hygiene_lab import Plan, Sweep, final, run, sweep
from benchmarks.result import Claim, Result, smaller_is_better, table, write
from groundup.base.device import describe_machine
from groundup.base.errors import UserError
from groundup.base.rundir import git_state
from groundup.train.average import Average
from groundup.train.fit import FitConfig, accumulate
from groundup.train.lr_range import LrRange, lr_range
from groundup.train.memory import StepMemory, step_memory
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.recompute import recomputed
from groundup.train.schedule import ScheduleConfig

NAME = "hygiene"
HOME = Path(__file__).resolve().parent.parent
RATES = (1e-3, 2e-3, 4e-3, 8e-3, 1.6e-2, 3.2e-2, 6.4e-2)
FACTORS = (0.1, 0.3, 1.0, 2.0, 4.0, 8.0, 16.0)  # on Muon's rates


@dataclass(frozen=True)
class Effort:
    """How much is measured; a test measures less."""

    steps: int = 100
    rates: tuple[float, ...] = RATES
    factors: tuple[float, ...] = FACTORS
    seeds: tuple[int, ...] = (0, 1)
    deep: int = 8  # layers, for LayerScale
    rounds: int = 9  # of timings


def main(words: Sequence[str]) -> int:
    """Measure, print the claims, and write them if they are all there."""
    parser = argparse.ArgumentParser(prog="benchmarks.hygiene", description="Training hygiene, as claims.")
    parser.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        result = measure(asked.only or list(PARTS), Effort())
        print(table(result))
        if not asked.only or asked.out:
            print(f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(parts: Sequence[str], effort: Effort) -> Result:
    """The claims of these parts, from one process with one thread."""
    torch.set_num_threads(1)
    git = git_state(HOME)
    claims: list[Claim] = []
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        claims += PARTS[part](effort)
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions={
            "python": platform.python_version(),
            "torch": version("torch"),
            **({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        },
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


# ---- stability ----


def stability(name: str, what: str, peer: str, ours: Sweep, theirs: Sweep) -> list[Claim]:
    """Three claims of a switch: best loss, largest rate that trains, rate sensitivity."""
    n, note = len(ours.losses), f"mean of {len(ours.losses)} seeds; spread: lowest and highest seed"

    def claim(id: str, words: str, unit: str, mine: list[float], other: list[float], bigger: bool) -> Claim:
        a, b = statistics.fmean(mine), statistics.fmean(other)
        ratio = a / b if bigger else b / a
        return Claim(
            f"{name}.{id}", f"{what}: {words}", unit, a, theirs=b, ratio=ratio, n=n,
            spread=(min(mine), max(mine)), peer=peer, note=note,
        )  # fmt: skip

    bests = [[min(row) for row in each.losses] for each in (ours, theirs)]
    return [
        claim("best-loss", "loss at the best rate", "nats", *bests, bigger=False),
        claim(
            "largest-rate", f"largest rate within {lab.NEAR} nats of the best", "rate",
            ours.largest_rates(), theirs.largest_rates(), bigger=True,
        ),
        claim(
            "sensitivity", "mean loss above the best over all rates", "nats",
            ours.sensitivities(), theirs.sensitivities(), bigger=False,
        ),
    ]  # fmt: skip


def clip(effort: Effort) -> list[Claim]:
    """Gradient clipping at norm 1: over all rates, and after one gradient that is far too large."""
    plan = Plan(effort.steps)
    with_it, without = (
        sweep(each, effort.rates, effort.seeds) for each in (plan, replace(plan, clip_norm=0.0))
    )
    rate = without.best_rate
    hit = {
        name: [outlier(replace(plan, clip_norm=norm), rate, seed) for seed in effort.seeds]
        for name, norm in (("with", 1.0), ("without", 0.0))
    }
    ours, theirs = (statistics.fmean(hit[name]) for name in ("with", "without"))
    return [
        *stability("clip", "clipping at norm 1", "no clipping, same runs otherwise", with_it, without),
        Claim(
            "clip.outlier", "loss of a run in which one gradient was 1,000 times too large", "nats",
            ours, theirs=theirs, ratio=smaller_is_better(ours, theirs), n=len(effort.seeds),
            spread=(min(hit["with"]), max(hit["with"])), peer="no clipping, same runs otherwise",
            note=f"half-way, at rate {rate:g}; without the outlier {without.best:.3f}",
        ),
        Claim(
            "clip.acts", "share of the steps in which clipping acts, at the best rate", "share",
            acting(plan, with_it.best_rate, effort.seeds), n=effort.steps * len(effort.seeds),
        ),
    ]  # fmt: skip


def outlier(plan: Plan, rate: float, seed: int) -> float:
    """The loss of a run whose objective is a thousand times too large in one step half-way."""
    calls: list[int] = []

    def objective(net: Any, batch: Any) -> Any:
        calls.append(1)
        loss, count, metrics = cross_entropy(net, batch)
        return loss * (1000.0 if len(calls) == plan.steps // 2 else 1.0), count, metrics

    return final(run(lab.model(seed), replace(plan, objective=objective), rate=rate, seed=seed))


def acting(plan: Plan, rate: float, seeds: Sequence[int]) -> float:
    """In which share of the steps the gradient's norm is above the limit."""
    acted = []
    for seed in seeds:
        net, data = lab.model(seed), lab.batches(seed)
        optimizer = build_optimizer(net, plan.optim(rate))
        for step in range(plan.steps):
            gradient = accumulate(net, data, cross_entropy, config=FitConfig(plan.steps), step=step)
            acted.append(gradient.clipped is not None)
            optimizer.step(lab.lr_scale(step, plan.steps, plan.schedule))
            optimizer.zero_grad()
    return statistics.fmean(acted)


def layer_scale(effort: Effort) -> list[Claim]:
    """LayerScale at 0.1, the paper's value for up to 18 layers, in a deep and narrow model."""
    plan = Plan(int(0.8 * effort.steps))
    plain, scaled = (
        sweep(plan, effort.rates, effort.seeds, n_layer=effort.deep, layer_scale=scale)
        for scale in (None, 0.1)
    )
    what = f"LayerScale 0.1, {effort.deep} layers"
    return stability("layer-scale", what, "none, same runs otherwise", scaled, plain)


# ---- memory ----


def activations(forward: Callable[[], torch.Tensor]) -> StepMemory:
    """Bytes of activations of a step whose gradients have their place already."""
    forward().backward()
    return step_memory(forward)


def forward_of(precision: str, *, n_layer: int = 4, rows: int = 16) -> tuple[Any, Callable[[], torch.Tensor]]:
    """A model of 64 channels over windows of 64, and a function that gives its loss."""
    net = lab.model(0, n_layer=n_layer, n_embd=64, context_len=64)
    batch = lab.batches(0, size=rows, context_len=64).batch(0)
    width = getattr(torch, precision)

    def forward() -> torch.Tensor:
        with torch.autocast("cpu", width, enabled=width != torch.float32):
            loss, count, _ = cross_entropy(net, batch)
        return loss / count

    return net, forward


def saved(name: str, what: str, peer: str, ours: StepMemory, theirs: StepMemory) -> Claim:
    """A claim about the peak of activations."""
    return Claim(
        f"{name}.peak-bytes", what, "bytes", ours.peak, theirs=theirs.peak,
        ratio=smaller_is_better(ours.peak, theirs.peak), n=1, peer=peer,
        note=f"{1 - ours.peak / theirs.peak:.0%} less; kept for the backward pass "
        f"{1 - ours.kept / theirs.kept:.0%} less; weights, gradients and moments not counted",
    )  # fmt: skip


def costs(name: str, what: str, peer: str, found: dict[str, list[float]]) -> Claim:
    """A claim about time: {"ours": seconds, "theirs": seconds} of interleaved rounds."""
    ours, theirs = (1e3 * statistics.median(found[key]) for key in ("ours", "theirs"))
    spread = (1e3 * min(found["ours"]), 1e3 * max(found["ours"]))
    return Claim(
        f"{name}.time", what, "CPU ms", ours, theirs=theirs, ratio=smaller_is_better(ours, theirs),
        n=len(found["ours"]), spread=spread, peer=peer, note="forward and backward; median, fastest, slowest",
    )  # fmt: skip


def precision(effort: Effort) -> list[Claim]:
    """bfloat16 activations over float32 weights: memory, time and loss."""
    peer = "float32"
    forwards = {name: forward_of(name)[1] for name in ("bfloat16", "float32")}
    memory = {name: activations(forward) for name, forward in forwards.items()}
    timed = lab.seconds({n: lambda f=f: f().backward() for n, f in forwards.items()}, effort.rounds)
    losses = {
        name: [
            final(run(lab.model(seed), Plan(effort.steps, precision=name), rate=4e-3, seed=seed))
            for seed in effort.seeds
        ]
        for name in forwards
    }
    ours, theirs = (statistics.fmean(losses[name]) for name in ("bfloat16", "float32"))
    return [
        saved("bfloat16", "bfloat16: peak of activations", peer, memory["bfloat16"], memory["float32"]),
        costs(
            "bfloat16", "bfloat16: a step without the optimizer", peer,
            {"ours": timed["bfloat16"], "theirs": timed["float32"]},
        ),
        Claim(
            "bfloat16.loss", f"bfloat16: loss after {effort.steps} steps", "nats", ours, theirs=theirs,
            ratio=smaller_is_better(ours, theirs), n=len(effort.seeds),
            spread=(min(losses["bfloat16"]), max(losses["bfloat16"])), peer=peer,
        ),
    ]  # fmt: skip


def recompute(effort: Effort) -> list[Claim]:
    """Activation checkpointing: memory and time, and gradients that are the same bits."""
    claims = []
    for n_layer in (4, 12):
        net, forward = forward_of("float32", n_layer=n_layer)
        memory, gradients, tasks = {}, {}, {}
        for on in (False, True):

            def task(on: bool = on, net: Any = net, forward: Any = forward) -> None:
                with recomputed(net, on):
                    forward().backward()

            with recomputed(net, on):
                memory[on] = activations(forward)
            net.zero_grad()
            task()
            gradients[on] = [p.grad.clone() for p in net.parameters()]
            tasks["ours" if on else "theirs"] = task
        same = all(torch.equal(a, b) for a, b in zip(gradients[False], gradients[True], strict=True))
        name, words = f"recompute.{n_layer}-layers", f"recomputed activations, {n_layer} layers"
        equal = "gradients equal bit for bit" if same else "gradients NOT equal"
        memory_claim = saved(name, f"{words}: peak of activations", "all kept", memory[True], memory[False])
        claims.append(replace(memory_claim, note=f"{memory_claim.note}; {equal}"))
        timed = lab.seconds(tasks, effort.rounds)
        claims.append(costs(name, f"{words}: a step without the optimizer", "all kept", timed))
    return claims


# ---- learning rate, averages, accumulation ----


def range_test(effort: Effort) -> list[Claim]:
    """What a whole run loses at the rate that a range test suggests, against the best of a sweep.

    On a model like Llama's, for on the GPT of the other parts the rule of three quarters was chosen.
    """
    claims = []
    for kind, rates in (("adamw", effort.rates), ("muon", effort.factors)):
        known = sweep(Plan(effort.steps, kind=kind), rates, effort.seeds, **lab.LLAMA)
        found = [look(kind, seed, effort.steps) for seed in effort.seeds]
        rules = {
            "three-quarters": [each.suggestion for each in found],
            "steepest": [each.steepest for each in found],
            "tenth-of-lowest": [each.lowest / 10 for each in found],
        }
        for rule, chosen in rules.items():
            lost = [at(known, rate) - known.best for rate in chosen]
            claims.append(
                Claim(
                    f"lr-find.{kind}.{rule}", f"{kind} at the rate of the rule {rule!r}: loss above the best",
                    "nats", statistics.fmean(lost), n=len(lost), spread=(min(lost), max(lost)),
                    note=f"rates {', '.join(f'{rate:.2g}' for rate in chosen)}; best of {len(rates)} rates "
                    f"{known.best_rate:g} ({known.best:.3f} nats); read off the sweep between two rates",
                )
            )  # fmt: skip
    return claims


def look(kind: str, seed: int, steps: int) -> LrRange:
    """A range test over the rates of the sweep and beyond."""
    optim = OptimConfig("adamw", lr=1e-2) if kind == "adamw" else OptimConfig("muon")
    found = lr_range(
        lab.model(seed, **lab.LLAMA), batches=lab.batches(seed), objective=cross_entropy, optim=optim,
        config=FitConfig(steps), seed=seed,
    )  # fmt: skip
    return scaled(found, 1e-2 if kind == "adamw" else 1.0)


def scaled(found: LrRange, rate: float) -> LrRange:
    """The test with rates instead of factors, where factor 1 is `rate`."""
    return LrRange(tuple(factor * rate for factor in found.factors), found.losses)


def at(known: Sweep, rate: float) -> float:
    """The mean loss of a sweep at a rate between its own, on the straight line over the logarithm."""
    rates, losses = torch.tensor(known.rates).log(), known.means
    x = float(torch.tensor(rate).log().clamp(rates[0], rates[-1]))
    above = next(i for i in range(1, len(rates)) if x <= float(rates[i]) + 1e-9)
    share = (x - float(rates[above - 1])) / float(rates[above] - rates[above - 1])
    return losses[above - 1] + share * (losses[above] - losses[above - 1])


def average(effort: Effort) -> list[Claim]:
    """A running mean of the weights behind a constant and a decayed learning rate, on held-out text."""
    claims = []
    steps = 2 * effort.steps
    for kind in ("constant", "decayed"):
        schedule = ScheduleConfig("constant", warmup=10) if kind == "constant" else lab.WARMUP
        plain, mean = [], []
        for seed in effort.seeds:
            net = lab.model(seed)
            ema = Average(net, decay=0.95)
            run(net, Plan(steps, schedule=schedule), rate=4e-3, seed=seed, after=ema.update)
            plain.append(lab.held_out_loss(net))
            with ema.in_place():
                mean.append(lab.held_out_loss(net))
        ours, theirs = statistics.fmean(mean), statistics.fmean(plain)
        claims.append(
            Claim(
                f"average.{kind}", f"mean of the weights (decay 0.95), {kind} rate: held-out loss", "nats",
                ours, theirs=theirs, ratio=smaller_is_better(ours, theirs), n=len(effort.seeds),
                spread=(min(mean), max(mean)), peer="the last weights of the same runs",
                note=f"after {steps} steps at rate 0.004",
            )
        )  # fmt: skip
    return claims


def accumulation(effort: Effort) -> list[Claim]:
    """A batch of 32 rows at once and as four of 8: gradients, memory, time."""
    nets = {parts: lab.model(0) for parts in (1, 4)}
    data = {parts: lab.batches(0, size=32 // parts) for parts in nets}

    def task(parts: int) -> None:
        accumulate(
            nets[parts], data[parts], cross_entropy,
            config=FitConfig(1, accumulate=parts, clip_norm=0.0), step=0,
        )  # fmt: skip
        gradients[parts] = [p.grad for p in nets[parts].parameters()]
        nets[parts].zero_grad()

    gradients: dict[int, list[Any]] = {}
    timed = lab.seconds({"ours": lambda: task(4), "theirs": lambda: task(1)}, effort.rounds)
    apart = [
        float((a - b).norm() / b.norm())
        for a, b in zip(gradients[4], gradients[1], strict=True)
        if b.norm() > 0
    ]
    memory = {
        parts: activations(lambda parts=parts: cross_entropy(nets[parts], data[parts].batch(0))[0])
        for parts in nets
    }
    words = "32 rows as four micro-batches of 8"
    return [
        Claim(
            "accumulate.difference", f"{words}: gradient apart from that of 32 at once", "share",
            max(apart), n=len(apart),
            note="norm of the difference over the norm, of the worst weight; float32 rounds at 6e-8",
        ),
        saved("accumulate", f"{words}: peak of activations", "32 at once", memory[4], memory[1]),
        costs("accumulate", f"{words}: a gradient", "32 at once", timed),
    ]  # fmt: skip


PARTS: dict[str, Callable[[Effort], list[Claim]]] = {
    "clip": clip,
    "precision": precision,
    "recompute": recompute,
    "layer-scale": layer_scale,
    "lr-find": range_test,
    "average": average,
    "accumulate": accumulation,
}


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
