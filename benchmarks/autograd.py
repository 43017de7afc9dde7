"""The claims of the autograd floor: scalars against micrograd and against PyTorch.

    python -m benchmarks.autograd --peer DIR         DIR: a checkout of github.com/karpathy/micrograd

Every number is CPU time of this process, one thread, contenders in turns. The moons demo runs its 100 steps
in five blocks of twenty, every engine the same steps from the same weights: a block's cost is the median of
its steps, an engine's the mean over the blocks (ours gets cheaper while the network learns, because what is
dead is not walked). micrograd is one run too: in each block three steps with Python's collector as shipped,
of which the first is not timed, the rest with the collector off and its garbage collected between the steps,
untimed. What was in memory before is frozen, so that nobody's collector walks over the imports.

At the end all engines must have the loss that the notebook prints, or nothing is claimed.

Next: autograd_engines.py, the contenders; autograd_digits.py, the array engine.
"""

import argparse
import gc
import hashlib
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before NumPy is imported: its threads are not part of the claim

import torch

import groundup.autograd.nn as our_nn
import groundup.autograd.value as our_engine
from benchmarks import autograd_engines as engines
from benchmarks.result import Claim, Result, smaller_is_better, table, write
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.rundir import git_state
from groundup.data.documents import documents

NAME = "autograd"
HOME = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Effort:
    """How much is measured; a test measures less."""

    blocks: int = 5
    block: int = 20  # steps of the moons demo
    shipped: int = 3  # of these, with the collector as shipped
    gpt_runs: int = 5
    gpt_steps: int = 1000
    compile_runs: int = 3


def main(words: Sequence[str]) -> int:
    """Measure everything, print the claims and write them."""
    parser = argparse.ArgumentParser(prog="benchmarks.autograd", description="The autograd floor, as claims.")
    parser.add_argument("--peer", type=Path, required=True, metavar="DIR", help="a checkout of micrograd")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        result = measure(asked.peer, Effort())
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(peer: Path, effort: Effort) -> Result:
    """Every claim, from one process."""
    torch.set_num_threads(1)
    engine, nn = engines.micrograd(peer)
    source = hashlib.sha256((peer / "micrograd" / "engine.py").read_bytes()).hexdigest()[:12]
    git = git_state(HOME)
    claims = [
        *moons_claims(engine, nn, effort),
        *gpt_claims(effort),
        *compile_claims(effort),
    ]
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "numba", "torch")},
            "micrograd": f"engine.py sha256 {source}",
            **({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        },
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


# ---- timing ----


def cpu(action: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """CPU seconds of this process, and what the action returned."""
    began = time.process_time()
    found = action(*arguments)
    return time.process_time() - began, found


def timed(contender: Any, steps: range, *, collector: bool, sweep: bool = False) -> tuple[list[float], float]:
    """CPU seconds of each step, and the last loss; `sweep` collects garbage between the steps, untimed."""
    (gc.enable if collector else gc.disable)()
    seconds, loss = [], 0.0
    for k in steps:
        spent, loss = cpu(contender.step, k)
        seconds.append(spent)
        if sweep:
            gc.collect()
    gc.enable()
    return seconds, loss


def spread(blocks: list[float]) -> tuple[float, float]:
    return min(blocks), max(blocks)


# ---- moons ----


def moons_claims(engine: Any, nn: Any, effort: Effort) -> list[Claim]:
    """Our scalars, eager and replayed, against micrograd and tensors."""
    theirs = engines.ValueMoons(engine, nn)
    ours_on, ours_off = (engines.ValueMoons(our_engine, our_nn) for _ in range(2))
    tensors, replay = engines.TorchMoons(), engines.ReplayMoons()
    engines.compile_replay()
    gc.collect()
    gc.freeze()
    blocks: dict[str, list[float]] = {name: [] for name in "shipped off eager eager_off replay torch".split()}
    losses: dict[str, float] = {}
    recording = total = 0.0
    for number in range(effort.blocks):
        steps = range(number * effort.block, (number + 1) * effort.block)
        shipped, _ = timed(theirs, steps[: effort.shipped], collector=True)
        gc.collect()
        off, losses["micrograd"] = timed(theirs, steps[effort.shipped :], collector=False, sweep=True)
        eager, losses["eager"] = timed(ours_on, steps, collector=True)
        eager_off, losses["eager, collector off"] = timed(ours_off, steps, collector=False)
        replayed, losses["replay"] = timed(replay, steps, collector=True)
        tensor, losses["torch"] = timed(tensors, steps, collector=True)
        total += sum(replayed)
        recording += (
            sum(replayed[:2]) if number == 0 else 0.0
        )  # the second call checks what the first recorded
        for name, seconds in (
            ("shipped", shipped[1:]), ("off", off), ("eager", eager), ("eager_off", eager_off),
            ("replay", replayed[2:]), ("torch", tensor),
        ):  # fmt: skip
            blocks[name].append(1e3 * statistics.median(seconds))
        say(f"moons, block {number + 1} of {effort.blocks}: " + told(blocks))
    gc.unfreeze()
    agree(losses, complete=effort.blocks * effort.block == engines.STEPS)

    def claim(id: str, what: str, mine: str, other: str, peer: str, note: str = "") -> Claim:
        ours, their = (statistics.mean(blocks[name]) for name in (mine, other))
        return Claim(
            id, what, "CPU ms a step", ours, theirs=their, ratio=smaller_is_better(ours, their),
            n=effort.blocks, spread=spread(blocks[mine]), peer=peer,
            note=f"mean of {effort.blocks} blocks' medians, spread: lowest and highest block{note}",
        )  # fmt: skip

    stock, stock_off = "micrograd as shipped", "micrograd, collector off"
    tensors_64 = "PyTorch tensors, float64, 1 thread"
    few = f"; micrograd: {effort.shipped - 1} timed steps a block"
    excluded = "; recording is moons-replay.recording"
    whole = statistics.mean(blocks["shipped"]) * effort.blocks * effort.block / 1e3
    return [
        claim("moons-eager-vs-micrograd", "moons, eager Value", "eager", "shipped", stock, few),
        claim("moons-eager-vs-micrograd.gc-off", "the same, collector off", "eager_off", "off", stock_off),
        claim("moons-replay-vs-micrograd", "moons, replay", "replay", "shipped", stock, few + excluded),
        claim("moons-replay-vs-micrograd.gc-off", "moons, replay", "replay", "off", stock_off, excluded),
        claim("moons-replay-vs-torch", "moons, replay", "replay", "torch", tensors_64, excluded),
        Claim(
            "moons-replay.recording", "moons, recording and both checks", "CPU s", recording, n=1,
            note="Numba was loaded; replay.first-use-warm says what that costs",
        ),
        Claim(
            "moons-replay.whole-run", "moons, 100 steps with recording", "CPU s", total, theirs=whole,
            ratio=smaller_is_better(total, whole), n=1, peer=stock,
            note="micrograd: its cost a step, times the steps",
        ),
    ]  # fmt: skip


def agree(losses: dict[str, float], *, complete: bool) -> None:
    """DataError unless all engines have the same loss, which after 100 steps is the notebook's."""
    expected = engines.LAST_LOSS if complete else losses["micrograd"]
    wrong = {name: loss for name, loss in losses.items() if abs(loss - expected) > 1e-9 * abs(expected)}
    if wrong:
        raise DataError(f"the last loss should be {expected}, and is {wrong}. Nothing is claimed.")


# ---- scalar GPT, compilation ----


def gpt_claims(effort: Effort) -> list[Claim]:
    """A GPT of 4,192 scalars, from nothing."""
    names = [document.text for document in documents("course-names")]
    random.Random(0).shuffle(names)
    seconds = []
    for run in range(effort.gpt_runs):
        spent, loss = cpu(engines.train_scalar_gpt, names, effort.gpt_steps)
        seconds.append(spent)
        say(f"scalar GPT, run {run + 1} of {effort.gpt_runs}: {spent:.2f} CPU s, loss {loss:.3f}")
    return [
        Claim(
            "scalar-gpt", f"scalar GPT, 4,192 parameters, {effort.gpt_steps:,} steps with recording", "CPU s",
            statistics.median(seconds), n=len(seconds), spread=spread(seconds),
            note=f"median, fastest, slowest run; Numba was loaded; last 100 losses {loss:.3f} nats",
        )
    ]  # fmt: skip


FIRST_USE = """
import time; began = time.process_time()
from groundup.autograd.replay import Replay
from groundup.autograd.value import Value
imported = time.process_time()
w = Value(1.0)
Replay(lambda x: w * x, parameters=[w], runner="numba")(2.0)
print(time.process_time() - imported)
"""


def compile_claims(effort: Effort) -> list[Claim]:
    """What the first recorded function of a process costs, without and with compiled code in the cache."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(effort.compile_runs):
        with tempfile.TemporaryDirectory() as cache:
            for kind in found:
                done = subprocess.run(
                    [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=True, cwd=HOME,
                    env={**os.environ, "NUMBA_CACHE_DIR": cache},
                )  # fmt: skip
                found[kind].append(float(done.stdout))
    return [
        Claim(
            f"replay.first-use-{kind}", f"first replay of a process, {what}", "CPU s",
            statistics.median(found[kind]), n=effort.compile_runs, spread=spread(found[kind]),
            note="Numba's import included; median, lowest and highest",
        )
        for kind, what in (("cold", "nothing compiled yet"), ("warm", "compiled code in the cache"))
    ]  # fmt: skip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def told(blocks: dict[str, list[float]]) -> str:
    return ", ".join(f"{name} {found[-1]:.3g} ms" for name, found in blocks.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
