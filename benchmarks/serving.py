"""The claims of the server: HTTP against the engine alone, a peer, waiting, leaving, idling, going on.

    python -m benchmarks.serving                     ours alone
    python -m benchmarks.serving --peer DIR          DIR: pip install --target DIR 'llama-cpp-python[server]'
    python -m benchmarks.serving --only soak --minutes 30
    python -m benchmarks.serving --probes ours.json theirs.json       of serving_probes.py, as claims

One model of 29 M random weights (Llama's shape, 8,192 ids of a tokenizer learnt from this code), float32, one
thread for the arithmetic, the server in its own process. Contenders in turns, medians.

  http      32 streams of 128 tokens at once, through HTTP, and the same by an engine in this process
  peer      streams of 64 tokens, and the same from llama-cpp-python's server, the same weights as GGUF f32
  first     time to the first token for 32 clients who ask again as soon as they are answered
  idle      1,000 connections open at once, each of which has asked something; one more wants an answer
  leaves    from a hang-up until every block is free again, as /metrics says it, streaming and not
  soak      clients who come, are refused and leave at random: blocks and memory afterwards

Does not: measure what is said, or a machine with a GPU.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import random
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported

import torch

from benchmarks.result import Claim, Result, bigger_is_better, table, write
from benchmarks.serving_load import (
    HOME,
    Ask,
    Served,
    Stream,
    llama_cpp,
    memory_now_mb,
    metrics,
    one,
    ours,
    together,
    written,
)  # fmt: skip
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.files import read_json
from groundup.base.rundir import git_state
from groundup.infer.engine import Engine, EngineConfig
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, llama
from groundup.tokenizer import chat
from groundup.tokenizer.train import train
from groundup.weights import checkpoint
from groundup.weights.gguf_export import write_file

NAME = "serving"
BUSY = "groundup_sequences_running"  # gauges of /metrics
FREE, BLOCKS = "groundup_cache_blocks_free", "groundup_cache_blocks"


@dataclass(frozen=True)
class Effort:
    """How much is measured: the defaults are what is published."""

    rounds: int = 7
    streams: int = 32
    tokens: int = 128
    asks: int = 8  # of each client, one after the other
    connections: int = 1_000
    leavers: int = 20
    minutes: float = 5.0
    layers: int = 8
    width: int = 512


@dataclass(frozen=True)
class Bench:
    """Where the model lies, and who is asked."""

    folder: Path
    effort: Effort
    peer: Path | None

    @property
    def model(self) -> Path:
        return self.folder / "bench-29m"

    def served(self, *more: str) -> Served:
        return ours(self.model, *more, log=self.folder / "server.log")


def main(words: Sequence[str]) -> int:
    """Measure, print the claims, and write them if they are all there."""
    parser = argparse.ArgumentParser(prog="benchmarks.serving", description="The server's claims.")
    parser.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--peer", type=Path, metavar="DIR", help="with llama-cpp-python[server] in it")
    parser.add_argument("--minutes", type=float, default=Effort.minutes, help="of the soak")
    parser.add_argument("--probes", type=Path, nargs="+", default=[], metavar="FILE")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        if asked.peer is None and "peer" in (asked.only or ()):
            raise UserError("the part `peer` needs --peer DIR.")
        parts = asked.only or [part for part in PARTS if part != "peer" or asked.peer]
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(Path(folder), Effort(minutes=asked.minutes), asked.peer)
            result = measure(parts, bench, asked.probes)
        print(table(result))
        if not asked.only or asked.out:
            print(f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(parts: Sequence[str], bench: Bench, probes: Sequence[Path] = ()) -> Result:
    """The claims of these parts."""
    torch.set_num_threads(1)
    git = git_state(HOME)
    build(bench)
    claims = [claim for path in probes for claim in probed(path)]
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        claims += PARTS[part](bench)
    versions = {"python": platform.python_version(), "torch": version("torch"), "uvicorn": version("uvicorn")}
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions=versions
        | ({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


def build(bench: Bench) -> None:
    """Random weights and a tokenizer, as a checkpoint that a server can load."""
    texts = [path.read_text(encoding="utf-8") for path in sorted((HOME / "groundup").rglob("*.py"))]
    tokenizer = train(texts, vocab_size=8192, specials=chat.SPECIALS)
    e = bench.effort
    shape = llama(vocab_size=tokenizer.vocab_size, context_len=2048, n_layer=e.layers, n_head=e.width // 64,
                  n_embd=e.width, tie=True)  # fmt: skip
    torch.manual_seed(0)
    checkpoint.save(bench.model, model=Transformer(shape).eval(), tokenizer=tokenizer, step=0)


def prompts(count: int, *, seed: int) -> list[str]:
    """Texts of some twenty tokens that share nothing."""
    draw = random.Random(seed)
    return [" ".join(f"{draw.getrandbits(20):x}" for _ in range(5)) for _ in range(count)]


# ---- Throughput -----------------------------------------------------------------------------------


def http(bench: Bench) -> list[Claim]:
    """Tokens a second through HTTP and without."""
    loaded = checkpoint.load(bench.model)
    assert isinstance(loaded.model, Transformer), "build wrote one"
    engine = Engine.of(loaded.model, EngineConfig())
    through, alone = [], []
    with bench.served() as server:
        for turn in range(bench.effort.rounds + 1):  # the first one warms both up
            texts = prompts(bench.effort.streams, seed=turn)
            through.append(_speed(server, texts, bench.effort.tokens))
            alone.append(
                _engine_speed(engine, [loaded.tokenizer.encode(t) for t in texts], bench.effort.tokens)
            )
    note = f"{bench.effort.streams} streams of {bench.effort.tokens} tokens, greedy, busy machine"
    return [
        _compared(
            "http-vs-engine", "32 streams through HTTP", through[1:], alone[1:], "the engine alone", note
        )
    ]


def peer(bench: Bench) -> list[Claim]:
    """The same streams from a peer's server."""
    assert bench.peer is not None, "main asks for it"
    gguf = bench.folder / "model.gguf"
    write_file(checkpoint.load(bench.model), gguf, dtype="f32")
    mine, theirs = [], []
    log = bench.folder / "peer.log"
    with bench.served() as server, llama_cpp(bench.peer, gguf, log=log) as other:
        for turn in range(min(3, bench.effort.rounds) + 1):
            texts = prompts(bench.effort.streams, seed=turn)
            mine.append(_speed(server, texts, bench.effort.tokens // 2))
            theirs.append(_speed(other, texts, bench.effort.tokens // 2, stream=False))
    note = "the same weights, float32; its server answers one at a time; whole answers, not streams, there"
    name = f"llama-cpp-python {_version_in(bench.peer)}"
    return [_compared("http-vs-llama-cpp", "32 streams through HTTP", mine[1:], theirs[1:], name, note)]


def _speed(server: Served, texts: Sequence[str], tokens: int, *, stream: bool = True) -> float:
    began = time.perf_counter()
    found = asyncio.run(together(server.target, [Ask(text, tokens, stream) for text in texts]))
    seconds = time.perf_counter() - began
    _all_whole(found)
    return sum(each.tokens for each in found) / seconds


def _engine_speed(engine: Engine, prompt_ids: Sequence[list[int]], tokens: int) -> float:
    engine.forget()
    began, made = time.perf_counter(), engine.stats.tokens_written
    for ids in prompt_ids:
        engine.add(ids, SamplingParams(temperature=0, max_tokens=tokens))
    while engine.busy:
        engine.step()
    return (engine.stats.tokens_written - made) / (time.perf_counter() - began)


def _all_whole(found: Sequence[Stream]) -> None:
    wrong = [each for each in found if each.status != 200 or not each.tokens]
    if wrong:
        raise DataError(f"{len(wrong)} of {len(found)} streams broke: {wrong[0]}")


def _compared(id: str, what: str, mine: list[float], theirs: list[float], name: str, note: str) -> Claim:
    """The medians; the spread is that of our own rounds, and the note has the rounds' own ratios."""
    a, b = statistics.median(mine), statistics.median(theirs)
    each = sorted(x / y for x, y in zip(mine, theirs, strict=True))
    ratio, spread = bigger_is_better(a, b), (min(mine), max(mine))
    return Claim(id=id, what=what, unit="tokens/s", ours=a, theirs=b, ratio=ratio, n=len(mine), spread=spread,
                 peer=name, note=f"{note}; ratio of each round {each[0]:.2f} to {each[-1]:.2f}")  # fmt: skip


def _version_in(folder: Path) -> str:
    found = sorted(folder.glob("llama_cpp_python-*.dist-info"))
    return found[-1].name.split("-")[1].removesuffix(".dist") if found else ""


# ---- Waiting --------------------------------------------------------------------------------------


def first(bench: Bench) -> list[Claim]:
    """Time to the first token while 32 clients keep the engine busy."""
    e = bench.effort

    async def client(server: Served, n: int) -> list[Stream]:
        texts = prompts(e.asks, seed=1000 + n)
        return [await one(server.target, Ask(text, e.tokens // 4)) for text in texts]

    async def everybody(server: Served) -> list[Stream]:
        lists = await asyncio.gather(*(client(server, n) for n in range(e.streams)))
        return [each for found in lists for each in found[1:]]  # not all at the same moment, as the first are

    with bench.served() as server:
        asyncio.run(together(server.target, [Ask(text, 4) for text in prompts(4, seed=1)]))
        found = asyncio.run(everybody(server))
    _all_whole(found)
    times = sorted(1e3 * each.first for each in found)
    note = f"{e.streams} clients, each asks again when answered; the ends are those of all"
    spread = (times[0], times[-1])
    return [
        Claim("first-token.median", "time to the first token under load", "ms", statistics.median(times),
              n=len(times), spread=spread, note=note),
        Claim("first-token.p99", "time to the first token under load, 99 of 100", "ms",
              times[max(0, round(0.99 * len(times)) - 1)], n=len(times), spread=spread, note=note),
    ]  # fmt: skip


def idle(bench: Bench) -> list[Claim]:
    """How many connections that do nothing are held while one is answered."""

    async def hold(server: Served) -> tuple[int, float]:
        hello = f"GET /healthz HTTP/1.1\r\nHost: {server.target.authority}\r\n\r\n".encode()
        held = []
        for _ in range(bench.effort.connections):
            reader, writer = await asyncio.open_connection(server.target.host, server.target.port)
            writer.write(hello)
            held.append((reader, writer))
        answered = [await reader.readuntil(b"\r\n\r\n") for reader, _ in held]
        asked = await one(server.target, Ask("hello", 8))
        _all_whole([asked])
        still = sum(
            a.startswith(b"HTTP/1.1 200") and not r.at_eof() for a, (r, _) in zip(answered, held, strict=True)
        )
        for _, writer in held:
            writer.close()
        return still, asked.first

    with bench.served() as server:
        before = memory_now_mb(server.pid)
        still, seconds = asyncio.run(hold(server))
        grown = max(0.0, memory_now_mb(server.pid) - before)
    note = f"each asked for /healthz and stays; a completion meanwhile began after {1e3 * seconds:.0f} ms"
    note += f"; {grown:.0f} MB more"
    return [Claim("idle-connections", "connections held at once", "connections", still, n=1, note=note)]


# ---- Leaving --------------------------------------------------------------------------------------


def leaves(bench: Bench) -> list[Claim]:
    """Milliseconds from a hang-up until the engine is idle and every block free."""
    claims = []
    with bench.served() as server:
        step = 1e3 / (_speed(server, prompts(1, seed=5), 64))
        for stream in (True, False):
            taken = sorted(_left(server, stream) for _ in range(bench.effort.leavers))
            name = "stream" if stream else "plain"
            note = f"polled every 2 ms; a step is about {step:.0f} ms; the ends are those of all"
            claims.append(Claim(f"leaves.{name}", f"from a hang-up to free blocks, {name}", "ms",
                                statistics.median(taken), n=len(taken), spread=(taken[0], taken[-1]),
                                note=note))  # fmt: skip
    return claims


def _left(server: Served, stream: bool) -> float:
    import socket

    with socket.create_connection((server.target.host, server.target.port)) as connection:
        connection.sendall(written(server.target, Ask(prompts(1, seed=9)[0], 1500, stream)))
        until = time.perf_counter() + 20
        while not metrics(server.target).get(BUSY):
            if time.perf_counter() > until:
                raise DataError(f"/metrics never said that {BUSY} is more than 0. Is that gauge there?")
        time.sleep(0.1)
    began = time.perf_counter()
    while (now := metrics(server.target)).get(BUSY) or now[FREE] != now[BLOCKS]:
        if time.perf_counter() - began > 30:
            raise DataError("30 seconds after its client left, a reply was still being written.")
        time.sleep(0.002)
    return 1e3 * (time.perf_counter() - began)


# ---- Going on -------------------------------------------------------------------------------------


def soak(bench: Bench) -> list[Claim]:
    """Clients at random for some minutes; then nothing may be left of them."""
    counts = {"whole": 0, "left": 0, "refused": 0, "errors": 0}
    memory: list[float] = []

    async def visitor(server: Served, n: int, until: float) -> None:
        draw = random.Random(n)
        while time.monotonic() < until:
            leaves_after = draw.choice([None, None, 0.001, 0.05, draw.random(), 2 * draw.random()])
            tokens = draw.choice([1, 8, 64, 200, -1])  # -1 is refused
            ask = Ask(prompts(1, seed=draw.getrandbits(30))[0] * draw.choice([1, 1, 1, 20]), tokens,
                      draw.random() < 0.7, leaves_after)  # fmt: skip
            try:
                found = await one(server.target, ask)
            except (OSError, asyncio.IncompleteReadError):
                counts["errors"] += 1
                continue
            kind = "left" if found.left else "whole" if found.status == 200 else "refused"
            counts["errors" if found.status >= 500 and found.status != 503 else kind] += 1

    async def watched(server: Served) -> None:
        until = time.monotonic() + 60 * bench.effort.minutes
        visitors = [asyncio.create_task(visitor(server, n, until)) for n in range(24)]
        while time.monotonic() < until:
            await asyncio.sleep(min(10.0, 6 * bench.effort.minutes))
            memory.append(memory_now_mb(server.pid))
        await asyncio.gather(*visitors)

    with bench.served() as server:
        asyncio.run(watched(server))
        time.sleep(3)
        now = metrics(server.target)
    if counts["errors"]:
        raise DataError(f"the soak saw {counts['errors']} errors: {counts}")
    third = max(1, len(memory) // 3)
    early, late = statistics.median(memory[third : 2 * third] or memory), statistics.median(memory[-third:])
    visits = sum(counts.values())
    note = f"{bench.effort.minutes:g} minutes, 24 clients at once: {counts['whole']} served, "
    note += f"{counts['left']} left, {counts['refused']} refused, no error"
    return [
        Claim("soak.leaked-blocks", "blocks that nobody gave back", "blocks", now[BLOCKS] - now[FREE],
              n=visits, note=note),
        Claim("soak.memory-growth", "memory of the last third less that of the second", "MB", late - early,
              n=len(memory), note=f"{late:.0f} MB at the end"),
    ]  # fmt: skip


# ---- What serving_probes.py found ---------------------------------------------------------------


def probed(path: Path) -> list[Claim]:
    """Its counts, as claims."""
    found = read_json(path)
    name = str(found["server"]).lower().replace(" ", "-")
    passed, of = (sum(pair[i] for pair in found["attacks"].values()) for i in (0, 1))
    seen = found["probes"]
    failed = [f"{one['name']} ({one['told']})" for one in seen if not one["ok"]]
    return [
        Claim(f"attacks.{name}", f"attacks that passed, {name}", "attacks", passed, n=of,
              note=", ".join(f"{family} {p} of {n}" for family, (p, n) in found["attacks"].items())),
        Claim(f"probes.{name}", f"probes that are ok, {name}", "probes", sum(one["ok"] for one in seen),
              n=len(seen), note=f"not: {'; '.join(failed)}" if failed else "all"),
    ]  # fmt: skip


PARTS: dict[str, Callable[[Bench], list[Claim]]] = {
    "http": http, "peer": peer, "first": first, "idle": idle, "leaves": leaves, "soak": soak,
}  # fmt: skip


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
