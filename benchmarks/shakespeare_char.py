"""Tiny Shakespeare on a CPU against nanoGPT's own CPU recipe: how soon, how far, how fast.

    python -m benchmarks.shakespeare_char --peer DIR --data FILE     DIR: a nanoGPT checkout; FILE: input.txt

One repetition runs four commands, one after the other, each with all cores:

    peer    nanoGPT's train.py with the flags that its README gives for a CPU, 2,000 steps
    shape   the same shape, batch and optimizer trained by groundup, a few hundred steps: for tokens a second
    short   the preset shakespeare-char, so many steps that it ends just below the peer's loss
    long    the same preset, as many steps as fit into the time that the peer took

Times are from starting a command to the last weights it saves, imports and tokenizing included; the peer's
data files are made before its clock starts. Both models are scored by the same lines below, on the whole
held-out text in windows of 64 characters side by side. Every finished command is kept in --work, so a
measurement that was broken off goes on where it was.

Next: nanogpt.py, how the peer is run; result.py.
"""

import argparse
import json
import shutil
import statistics
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.nanogpt import (
    CONTEXT,
    PEER_STEPS,
    loss_of,
    prepare,
    run,
    run_peer,
    tokens_per_second,
    windows_loss,
)
from benchmarks.result import Claim, Result, bigger_is_better, smaller_is_better, table, write
from benchmarks.zero_to_chat import versions
from groundup.base.device import describe_machine, usable_cores
from groundup.base.errors import DataError, UserError
from groundup.base.files import read_json, read_text, write_json
from groundup.base.log import EventLog
from groundup.base.rundir import provenance
from groundup.weights import checkpoint

NAME = "shakespeare-char"
SHORT_STEPS = 240  # of the preset: ends below the peer's loss with some room
SHAPE_STEPS = 400
LEAVE = 0.90  # of the peer's time is planned for: the rest is for what varies from run to run
PEER = "nanoGPT, its README's recipe for a CPU"

SAME_SHAPE = f"""
recipe = "pretrain"
batch_size = 12
[tokenizer]
kind = "chars"
[model]
n_layer = 4
n_head = 4
n_embd = 128
context_len = {CONTEXT}
mlp = "gelu_erf"
norm = "layer"
norm_eps = 1e-5
position = "learned"
qk_norm = false
tie = true
init_std = 0.02
zero_init_out = false
[fit]
steps = {SHAPE_STEPS}
[optim]
kind = "adamw"
lr = 1e-3
betas = [0.9, 0.99]
eps = 1e-8
weight_decay = 0.1
[schedule]
kind = "cosine"
warmup = 100
floor = 0.1
"""


@dataclass(frozen=True)
class Repetition:
    """What one round of the four commands came to. Losses are nats a character."""

    peer_seconds: float
    peer_loss: float
    peer_rate: float  # tokens a second
    shape_rate: float
    short_seconds: float
    short_loss: float
    long_seconds: float
    long_loss: float
    long_steps: int
    cpu: dict[str, float]  # CPU seconds of each command


def main(words: Sequence[str]) -> int:
    """Measure, print the claims and write them."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.shakespeare_char", description="Against nanoGPT, on a CPU."
    )
    parser.add_argument("--peer", type=Path, required=True, metavar="DIR", help="a nanoGPT checkout")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="Tiny Shakespeare, input.txt"
    )
    parser.add_argument("-n", type=int, default=3, help="repetitions (default 3, some six minutes each)")
    parser.add_argument("--work", type=Path, default=Path("runs/bench-shakespeare"), metavar="DIR")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        bench = Bench(asked.peer, asked.data, asked.work)
        found = [bench.repetition(number) for number in range(asked.n)]
        result = result_of(found)
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


class Bench:
    """The commands of a measurement, each run once and kept in `work`."""

    def __init__(self, peer: Path, data: Path, work: Path, *, peer_steps: int = PEER_STEPS):
        self.data, self.work, self.peer_steps = data.resolve(), work.resolve(), peer_steps
        text = read_text(self.data)
        self.nanogpt = prepare(peer.resolve(), self.work / "nanogpt", text)
        ids = np.fromfile(self.nanogpt / "data" / "shakespeare_char" / "val.bin", dtype="<u2")
        self.held_out = ids.astype(np.int64)
        write_json(self.work / "about.json", provenance(NAME, seed=1337))
        (self.work / "same-shape.toml").write_text(SAME_SHAPE, encoding="utf-8")

    def repetition(
        self, number: int, *, short: int = SHORT_STEPS, tell: Callable[[str], None] = print
    ) -> Repetition:
        """One round; what of it was measured before is read."""
        folder = self.work / f"repetition-{number + 1}"
        folder.mkdir(parents=True, exist_ok=True)

        def once(name: str, measure: Callable[[], dict[str, Any]]) -> dict[str, Any]:
            kept = folder / f"{name}.json"
            if not kept.exists():
                tell(f"repetition {number + 1}: {name} ...")
                write_json(kept, measure())
            found = read_json(kept)
            tell(f"repetition {number + 1}: {name:<6} {json.dumps(found)}")
            return found

        peer = once("peer", lambda: self.peer(folder / "peer"))
        shape = once("shape", lambda: self.ours(folder / "shape", str(self.work / "same-shape.toml")))
        quick = once("short", lambda: self.ours(folder / "short", NAME, "--fit.steps", str(short)))
        if quick["loss"] > peer["loss"]:
            raise DataError(
                f"After {short} steps the loss is {quick['loss']:.4f}, above the peer's {peer['loss']:.4f}: "
                "there is no time to its loss. Raise SHORT_STEPS and delete the short runs."
            )
        steps = self.steps_in(LEAVE * peer["seconds"], quick, short)
        far = once("long", lambda: self.ours(folder / "long", NAME, "--fit.steps", str(steps)))
        if far["seconds"] > peer["seconds"]:
            raise DataError(
                f"The long run took {far['seconds']:.1f} s, more than the peer's {peer['seconds']:.1f} s: "
                f"the machine was not quiet. Delete {folder} and measure again."
            )
        return Repetition(
            peer["seconds"], peer["loss"], peer["rate"], shape["rate"], quick["seconds"], quick["loss"],
            far["seconds"], far["loss"], far["steps"],
            {"peer": peer["cpu"], "short": quick["cpu"], "long": far["cpu"]},
        )  # fmt: skip

    def peer(self, folder: Path) -> dict[str, Any]:
        """nanoGPT's recipe, timed and scored."""
        timed = run_peer(self.nanogpt, folder, steps=self.peer_steps)
        model = loss_of(self.nanogpt, folder / "ckpt.pt", self.held_out)
        return {
            "seconds": timed.seconds,
            "cpu": timed.cpu,
            "loss": model,
            "rate": tokens_per_second(timed.log),
        }

    def ours(self, folder: Path, preset: str, *flags: str) -> dict[str, Any]:
        """`groundup run` with these settings, timed until its last weights are saved, and scored."""
        shutil.rmtree(folder, ignore_errors=True)  # of a measurement that was broken off
        command = [
            sys.executable,
            "-m",
            "groundup",
            "run",
            preset,
            "--data.path",
            str(self.data),
            "--device",
            "cpu",
        ]
        timed = run([*command, *flags, "--out", str(folder)], folder.with_suffix(".log"))
        events = list(EventLog(folder / "events.jsonl").read("eval", "train"))
        last = max(event["time"] for event in events if event["kind"] == "eval")
        trained = [event for event in events if event["kind"] == "train"]
        return {
            "seconds": last - timed.began,
            "cpu": timed.cpu,
            "loss": windows_loss(checkpoint.load(folder / "model").model.eval(), self.held_out),
            "rate": statistics.median(event["tokens_per_second"] for event in trained[1:]),
            "steps": trained[-1]["step"],
            "stepping": trained[-1]["time"] - trained[0]["time"],  # seconds of all steps but the first ten
        }

    @staticmethod
    def steps_in(seconds: float, quick: dict[str, Any], short: int) -> int:
        """How many steps fit into so many seconds, to tens, going by the short run."""
        each = quick["stepping"] / (short - 10)
        return int((seconds - (quick["seconds"] - short * each)) / each) // 10 * 10


def result_of(found: Sequence[Repetition]) -> Result:
    """The repetitions as claims: medians, and the range of ours."""
    about = provenance(NAME, seed=1337)
    cpu = {name: statistics.median(r.cpu[name] for r in found) for name in found[0].cpu}

    def claim(
        id: str, what: str, unit: str, ours: str, theirs: str, ratio: Callable[..., float], note: str
    ) -> Claim:
        values = [getattr(r, ours) for r in found]
        mine, peers = statistics.median(values), statistics.median(getattr(r, theirs) for r in found)
        return Claim(
            id, what, unit, mine, theirs=peers, ratio=ratio(mine, peers), n=len(found),
            spread=(min(values), max(values)), peer=PEER, note=f"median and range of {len(found)}; {note}",
        )  # fmt: skip

    losses = f"{statistics.median(r.short_loss for r in found):.3f}"
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, {usable_cores()} threads",
        versions={name: str(version) for name, version in versions(about).items() if version},
        date=date.today().isoformat(),
        claims=(
            claim(
                "time-to-peer-loss", "seconds to nanoGPT's final loss (ratio: ours / theirs)", "s",
                "short_seconds", "peer_seconds", bigger_is_better,
                f"ours ends at {losses}; CPU seconds {cpu['short']:.0f} against {cpu['peer']:.0f}",
            ),
            claim(
                "val-loss-in-peer-time", "held-out loss in nanoGPT's time, whole split", "nats a character",
                "long_loss", "peer_loss", smaller_is_better,
                f"{statistics.median(r.long_steps for r in found):.0f} steps in "
                f"{statistics.median(r.long_seconds for r in found):.0f} s",
            ),
            claim(
                "tokens-per-second-same-shape", "training speed: 4 x 128, 12 x 64 tokens a step, AdamW",
                "tokens/s", "shape_rate", "peer_rate", bigger_is_better, "medians over steps",
            ),
        ),
    )  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
