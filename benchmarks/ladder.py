"""Training steps a second of the classic ladder: our `fit` against the course's own code.

    OMP_NUM_THREADS=1 python -m benchmarks.ladder --peer DIR

DIR is a checkout of github.com/karpathy/nn-zero-to-hero.

The peer is what the lectures' notebooks do in their training cells: they are read from the notebooks and run,
never copied. Ours is `fit` as `groundup run names-mlp` calls it, with everything that it does for a step and
the notebooks do not: norm and refusal of a bad gradient, seeded dropout, log, exact resumption. Only what it
does at the start and the end (a checkpoint each) is left out, by clocks inside the run.

Both begin with the same weights and see the same rows, and their losses are compared before anything is
timed: a faster step that learns something else would be no claim. They take turns; what counts is CPU time of
this process, and the ratio is the median of the rounds' ratios.

Next: wavenet.py, the lecture's whole run.
"""

from __future__ import annotations

import argparse
import json
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median
from typing import Any

import torch
import torch.nn.functional as F

from benchmarks.result import Claim, Result, table, write
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.files import read_json
from groundup.base.log import EventLog
from groundup.data.names import Names, read_names
from groundup.data.windows import Windows, examples
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.wavenet import WaveNet, WaveNetConfig
from groundup.train.by_hand import objective_for
from groundup.train.fit import FitConfig, fit
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

ROUNDS, STEPS = 9, 400
CHECK = 10  # steps until the losses are compared; rounding grows fast at the first lecture's rate
SEED = 2147483647  # the lectures', of the weights; that of the rows is 1
LECTURES = Path("lectures", "makemore")


@dataclass(frozen=True)
class Rung:
    """A model of ours, and where its twin is: the cells that hold `begins` (in order) and the loop's."""

    id: str
    what: str
    notebook: str
    begins: tuple[str, ...]
    loop: str
    context_len: int
    build: Callable[[], torch.nn.Module]


def _seeded() -> torch.Generator:
    return torch.Generator().manual_seed(SEED)


RUNGS = (
    Rung(
        "mlp", "Bengio's MLP, 11,897 weights", "makemore_part2_mlp.ipynb",
        ("C = torch.randn((27, 10)", "p.requires_grad = True", "lossi = []"), "for i in range(200000)", 3,
        lambda: BengioMLP(BengioMLPConfig(27, start="plain"), generator=_seeded()),
    ),
    Rung(
        "batchnorm", "the MLP with BatchNorm, 12,097 weights", "makemore_part3_bn.ipynb",
        ("bnmean_running = torch.zeros",), "hpreact = embcat @ W1", 3,
        lambda: BengioMLP(BengioMLPConfig(27, norm="batch"), generator=_seeded()),
    ),
    Rung(
        "wavenet", "WaveNet, 76,579 weights", "makemore_part5_cnn1.ipynb",
        ("class FlattenConsecutive", "model = Sequential"), "max_steps = 200000", 8,
        lambda: WaveNet(WaveNetConfig(), generator=_seeded()),
    ),
)  # fmt: skip


def main(words: Sequence[str]) -> int:
    """Time, print and write the claims."""
    parser = argparse.ArgumentParser(prog="benchmarks.ladder", description="Training steps a second.")
    parser.add_argument("--peer", type=Path, required=True, metavar="DIR")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    parser.add_argument("--steps", type=int, default=STEPS, help="of a round")
    parser.add_argument("--only", choices=[rung.id for rung in RUNGS])
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    try:
        names = read_names()
        rungs = [rung for rung in RUNGS if asked.only in (None, rung.id)]
        claims = tuple(claim(rung, asked.peer, names, asked.rounds, asked.steps) for rung in rungs)
        result = Result(
            "ladder", f"{describe_machine()}, 1 thread",
            {"python": platform.python_version(), "torch": torch.__version__},
            date.today().isoformat(), claims,
        )  # fmt: skip
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def claim(rung: Rung, peer: Path, names: Names, rounds: int, steps: int) -> Claim:
    """Steps a second of both, in turns. Raises DataError if they do not learn the same."""
    ours, theirs = our_trainer(rung, names), peer_trainer(rung, peer, names)
    # The peer first: `fit` seeds the global stream in every step, and a notebook draws its rows from it. And
    # one step more, because `ours` makes one more than it counts.
    losses = theirs(CHECK + 1)[0], ours(CHECK)[0]
    if abs(losses[0] - losses[1]) > 1e-3:
        raise DataError(
            f"{rung.id}: after {CHECK} steps on the same rows theirs loses {losses[0]:.5f} and ours "
            f"{losses[1]:.5f}. That is not one network: nothing was timed."
        )
    seconds = [(ours(steps)[1], theirs(steps)[1]) for _ in range(rounds)]
    ratios = sorted(their / our for our, their in seconds)
    mine = steps / median(our for our, _ in seconds)
    return Claim(
        f"{rung.id}.steps", f"training steps of {rung.what}, batches of 32", "steps a CPU second", mine,
        theirs=mine / median(ratios), ratio=median(ratios), n=rounds,
        spread=(steps / max(our for our, _ in seconds), steps / min(our for our, _ in seconds)),
        peer=rung.notebook,
        note=f"ratio: median of {rounds} rounds of {steps} steps in turns, which ran from {ratios[0]:.2f} to "
        f"{ratios[-1]:.2f}; spread: slowest and fastest round of ours",
    )  # fmt: skip


Trainer = Callable[[int], tuple[float, float]]  # steps -> the last loss, CPU seconds


def peer_trainer(rung: Rung, peer: Path, names: Names) -> Trainer:
    """The notebook's own cells: its weights, then its loop as often as asked."""
    path = peer / LECTURES / rung.notebook
    if not path.is_file():
        raise DataError(f"{peer} holds no {LECTURES / rung.notebook}. Give a checkout of nn-zero-to-hero.")
    cells = ["".join(cell["source"]) for cell in read_json(path)["cells"] if cell["cell_type"] == "code"]
    data = examples(names.train, names.tokenizer, rung.context_len)
    space: dict[str, Any] = {"torch": torch, "F": F, "print": lambda *words: None}
    space |= {"vocab_size": 27, "block_size": rung.context_len, "Xtr": data.tokens_NK, "Ytr": data.targets_N}
    torch.manual_seed(SEED)  # the fifth lecture's cells draw from the global stream
    for mark in rung.begins:
        exec(compile(_cell(cells, mark, path), str(path), "exec"), space)
    loop = _cell(cells, rung.loop, path).replace("200000", "STEPS")
    code = compile(loop, str(path), "exec")
    torch.manual_seed(1)
    space.get("g", torch.default_generator).manual_seed(1)

    def train(steps: int) -> tuple[float, float]:
        space["STEPS"] = steps
        began = time.process_time()
        exec(code, space)
        return float(space["loss"].item()), time.process_time() - began

    return train


def _cell(cells: Sequence[str], mark: str, path: Path) -> str:
    found = next((cell for cell in cells if mark in cell), None)
    if found is None:
        raise DataError(f"{path} has no cell with {mark!r}: it is another version of the notebook.")
    return found


class Clocked:
    """Batches that note the CPU time at which the first step and the last one were asked for."""

    def __init__(self, batches: Windows, offset: int, last: int):
        self.batches, self.offset, self.last, self.marks = batches, offset, last, [0.0, 0.0]

    def batch(self, step: int, rank: int = 0) -> Any:
        if step in (0, self.last):
            self.marks[step > 0] = time.process_time()
        return self.batches.batch(self.offset + step)


def our_trainer(rung: Rung, names: Names) -> Trainer:
    """`fit` with the settings of the presets, on with the same weights and rows from call to call."""
    model = rung.build()
    objective = objective_for(model)  # as recipes/names.py
    rows = torch.Generator().manual_seed(1)
    batches = Windows(
        names.train, names.tokenizer, context_len=rung.context_len, batch_size=32, generator=rows
    )
    done = 0

    def train(steps: int) -> tuple[float, float]:
        nonlocal done
        # One step more, which is not counted: the clock stops when it begins.
        clocked = Clocked(batches, done, steps)
        with tempfile.TemporaryDirectory() as folder:
            events = EventLog(Path(folder) / "events.jsonl", console=False)
            fit(
                model, batches=clocked, objective=objective, optim=OptimConfig(kind="sgd", lr=0.1),
                schedule=ScheduleConfig("constant"),
                config=FitConfig(steps=steps + 1, clip_norm=0.0, log_every=100),
                out=Path(folder) / "fit", events=events, tokenizer=names.tokenizer, seed=SEED,
            )  # fmt: skip
            logged = [json.loads(line) for line in (events.path or Path()).read_text().splitlines()]
        done += steps + 1
        return [e["loss"] for e in logged if e["kind"] == "train"][-1], clocked.marks[1] - clocked.marks[0]

    return train


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
