"""The claims about training a tokenizer: against rustbpe, gigatoken and Hugging Face's tokenizers.

    python -m benchmarks.tokenizer_train

Times are CPU seconds of the process, all its threads together, one thread each, contenders in turns; medians.
The text of the time claims is 17 MB of prose that nobody tuned the trainer on (it was tuned on manuals and
message catalogues in many languages). Memory is measured in a process for each contender, on 64 MB of that
prose and of Python source: the peak above what held the text before the training began.

Nothing is claimed unless rustbpe and gigatoken learn our tokens, all of them in our order. What our compiled
code costs when first used is a claim of its own, and in none of the others.

Next: tokenizer_trainers.py, the contenders and the text.
"""

import argparse
import hashlib
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

from benchmarks.autograd import say
from benchmarks.result import Claim, Result, smaller_is_better, table, write
from benchmarks.tokenizer_trainers import CONTENDERS, PEERS, get_ready, prose, quiet
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.rundir import git_state
from groundup.tokenizer.fast_train import count_pieces
from groundup.tokenizer.patterns import CL100K

NAME = "tokenizer-train"
HOME = Path(__file__).resolve().parent.parent


@dataclass(frozen=True)
class Effort:
    """How much is measured; a test measures less."""

    vocab_size: int = 32_000
    rounds: int = 5
    characters: int | None = None  # of each text of the prose; None is all
    megabytes: float = 64
    processes: int = 3
    first_uses: int = 3


def main(words: Sequence[str]) -> int:
    """Measure everything, print the claims and write them."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.tokenizer_train", description="Training a tokenizer, as claims."
    )
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        result = measure(Effort())
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(effort: Effort) -> Result:
    """Every claim."""
    get_ready()
    git = git_state(HOME)
    texts = [text[: effort.characters] for text in prose()]
    claims = [
        *speed_claims(texts, effort),
        *thread_claims(texts, effort),
        *memory_claims(effort),
        *first_use_claims(effort),
    ]
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "numba", *PEERS)},
            **({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        },
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


# ---- Speed ---------------------------------------------------------------------------------------


def speed_claims(texts: list[str], effort: Effort) -> list[Claim]:
    """All contenders in one process, in turns."""
    seconds: dict[str, list[float]] = {name: [] for name in CONTENDERS}
    tokens: dict[str, list[bytes]] = {}
    given = {name: prepare(texts) for name, (_, prepare) in CONTENDERS.items()}
    for number in range(effort.rounds):
        for name, (train, _) in CONTENDERS.items():
            with quiet():
                began = time.process_time()
                tokens[name] = train(given[name], effort.vocab_size)
                seconds[name].append(time.process_time() - began)
        told = ", ".join(f"{name} {found[-1]:.2f} s" for name, found in seconds.items())
        say(f"training, round {number + 1} of {effort.rounds}: {told}")
    agree({name: hashlib.sha256(b"\0".join(found)).hexdigest() for name, found in tokens.items()})
    size = sum(len(text.encode()) for text in texts) / 1e6
    digest = hashlib.sha256("\0".join(texts).encode()).hexdigest()[:12]
    what = f"{size:.1f} MB of prose to {effort.vocab_size:,} ids"
    note = f"median, fastest, slowest; sotu and shakespeare, sha256 {digest}"
    spreads = {name: (min(found), max(found)) for name, found in seconds.items()}

    def claim(id: str, peer: str, mine: str, split: str, same: str) -> Claim:
        our, their = statistics.median(seconds[mine]), statistics.median(seconds[peer])
        return Claim(
            id, f"{what}, split as {split}", "CPU s", our, theirs=their, ratio=smaller_is_better(our, their),
            n=effort.rounds, spread=spreads[mine], peer=peer, note=f"{note}; {same}",
        )  # fmt: skip

    equal = "all tokens equal, in order"
    return [
        claim("train-32k-vs-rustbpe", "rustbpe", "ours-cl100k", "cl100k", equal),
        claim("train-32k-vs-gigatoken", "gigatoken", "ours-gpt2", "gpt2", equal),
        claim("train-32k-vs-hf", "hugging-face", "ours-gpt2", "gpt2", "it breaks ties otherwise"),
    ]


def agree(hashes: dict[str, Any]) -> None:
    """DataError unless rustbpe and gigatoken learned our tokens."""
    for mine, peer in (("ours-cl100k", "rustbpe"), ("ours-gpt2", "gigatoken")):
        if peer in hashes and hashes[mine] != hashes[peer]:
            raise DataError(f"{peer} learned other tokens than ours. Nothing is claimed.")


def thread_claims(texts: list[str], effort: Effort) -> list[Claim]:
    """Splitting and counting, which threads share; the merges are done by one. Wall time."""
    seconds: dict[int, list[float]] = {1: [], 2: []}
    for _ in range(effort.rounds):
        for threads, found in seconds.items():
            began = time.perf_counter()
            count_pieces(iter(texts), CL100K, threads=threads)
            found.append(time.perf_counter() - began)
    two, one = statistics.median(seconds[2]), statistics.median(seconds[1])
    return [
        Claim(
            "train-count-2-threads", "splitting and counting, 2 threads", "s", two, theirs=one,
            ratio=smaller_is_better(two, one), n=effort.rounds, spread=(min(seconds[2]), max(seconds[2])),
            peer="1 thread", note="wall time; median, fastest, slowest",
        )
    ]  # fmt: skip


# ---- Memory, first use ---------------------------------------------------------------------------


def memory_claims(effort: Effort) -> list[Claim]:
    """Each contender in processes of its own; none where there is no /proc."""
    if not Path("/proc/self/clear_refs").exists():
        say("memory: only measured on Linux")
        return []
    found: dict[str, list[dict[str, Any]]] = {
        "ours-cl100k": [],
        "rustbpe": [],
        "ours-gpt2": [],
        "gigatoken": [],
    }
    for number in range(effort.processes):
        for name, runs in found.items():
            runs.append(_alone(name, effort))
        told = ", ".join(f"{name} {runs[-1]['megabytes']:.0f} MB" for name, runs in found.items())
        say(f"memory, round {number + 1} of {effort.processes}: {told}")
    agree({name: runs[-1]["tokens"] for name, runs in found.items()})
    claims = []
    for what, unit, key in (("memory", "MB", "megabytes"), ("time", "CPU s", "seconds")):
        for mine, peer in (("ours-cl100k", "rustbpe"), ("ours-gpt2", "gigatoken")):
            mines = [run[key] for run in found[mine]]
            our, their = statistics.median(mines), statistics.median(run[key] for run in found[peer])
            claims.append(
                Claim(
                    f"train-64mb-{what}-vs-{peer}", f"{effort.megabytes:g} MB to {effort.vocab_size:,} ids",
                    unit, our, theirs=their, ratio=smaller_is_better(our, their), n=len(mines),
                    spread=(min(mines), max(mines)), peer=peer,
                    note="prose and Python source; one process a run; median, lowest, highest"
                    + ("; peak above what held the text" if what == "memory" else ""),
                )
            )  # fmt: skip
    return claims


def _alone(name: str, effort: Effort) -> dict[str, Any]:
    command = ["-m", "benchmarks.tokenizer_trainers", name, str(effort.megabytes), str(effort.vocab_size)]
    done = subprocess.run([sys.executable, *command], capture_output=True, text=True, cwd=HOME, check=False)
    if done.returncode:
        raise DataError(f"{name} did not finish in a process of its own: {done.stderr[-500:]}")
    answer: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return answer


FIRST_USE = """
import time; began = time.process_time()
from groundup.tokenizer import fast_train
from groundup.tokenizer.patterns import CL100K
merger = fast_train.Merger(fast_train.count_pieces(["ab ab"], None), 1)
fast_train.train_merges(fast_train.count_pieces(["ab ab"], CL100K), 1)
merger._make_room()
print(time.process_time() - began)
"""


def first_use_claims(effort: Effort) -> list[Claim]:
    """What the first compiled training of a process costs, without and with compiled code in the cache."""
    found: dict[str, list[float]] = {"cold": [], "warm": []}
    for _ in range(effort.first_uses):
        with tempfile.TemporaryDirectory() as cache:
            for runs in found.values():
                done = subprocess.run(
                    [sys.executable, "-c", FIRST_USE], capture_output=True, text=True, check=True, cwd=HOME,
                    env={**os.environ, "NUMBA_CACHE_DIR": cache},
                )  # fmt: skip
                runs.append(float(done.stdout))
    return [
        Claim(
            f"train.first-use-{kind}", f"first compiled training of a process, {what}", "CPU s",
            statistics.median(found[kind]), n=effort.first_uses, spread=(min(found[kind]), max(found[kind])),
            note="imports of NumPy and Numba included; median, lowest and highest",
        )
        for kind, what in (("cold", "nothing compiled yet"), ("warm", "compiled code in the cache"))
    ]  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
