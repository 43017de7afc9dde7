"""A server in a process of its own, and many clients in one loop: what serving.py measures with.

    with Served(model_folder) as server:
        streams = asyncio.run(together(server.target, [Ask(prompt, 64) for prompt in prompts]))

Clients speak HTTP on plain sockets and look at as little as they can: when the first event came, when the
last, how many tokens the server says it wrote. A client library would cost more than some servers do, on a
machine where both share two cores.

Does not: retry. A stream that breaks is an error of the run, not a slower stream. Next: serving.py.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import TracebackType

from benchmarks.raw_http import Target, exchange, request
from groundup.base.errors import UserError

HOME = Path(__file__).resolve().parent.parent
USAGE = re.compile(rb'"completion_tokens": ?(\d+)')


@dataclass(frozen=True)
class Ask:
    """What a client asks for."""

    prompt: str
    tokens: int
    stream: bool = True
    leaves_after: float | None = None  # seconds, after which it hangs up


@dataclass(frozen=True)
class Stream:
    """What it got."""

    status: int
    tokens: int
    first: float  # seconds from the request to the first event
    ended: float  # and to the end
    left: bool = False


class Served:
    """A server as a child, ready when the block is entered and gone when it is left."""

    def __init__(self, command: Sequence[str], *, port: int, env: dict[str, str] | None = None,
                 patience: float = 120, log: Path | None = None):  # fmt: skip
        self.command, self.patience, self.log = list(command), patience, log
        self.env = {**os.environ, "OMP_NUM_THREADS": "1", **(env or {})}
        self.target = Target("127.0.0.1", port)

    def __enter__(self) -> Served:
        out = self.log.open("wb") if self.log else subprocess.DEVNULL
        self.process = subprocess.Popen(self.command, stdout=out, stderr=subprocess.STDOUT, env=self.env)
        until = time.monotonic() + self.patience
        while not (reply := exchange(self.target, request(self.target))).status:
            if self.process.poll() is not None or time.monotonic() > until:
                self.__exit__(None, None, None)
                told = self.log.read_text(errors="replace")[-1500:] if self.log else ""
                raise UserError(f"The server did not start: {' '.join(self.command)}\n{told}")
            time.sleep(0.2)
        names = re.findall(rb'"id": ?"([^"]+)"', reply.body)
        self.target = replace(self.target, model=names[0].decode() if names else "model")
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:  # fmt: skip
        self.process.terminate()
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()

    @property
    def pid(self) -> int:
        """Of the server."""
        return self.process.pid


def ours(source: str | Path, *more: str, log: Path | None = None) -> Served:
    """`groundup serve`, on a port that is free."""
    port = free_port()
    command = [sys.executable, "-m", "groundup", "serve", str(source), "--port", str(port), *more]
    return Served(command, port=port, env={"PYTHONPATH": str(HOME)}, log=log)


def llama_cpp(packages: Path, gguf: Path, *, log: Path | None = None) -> Served:
    """llama-cpp-python's server from a folder that pip installed it into, one thread."""
    port = free_port()
    words = f"--model {gguf} --model_alias model --port {port} --host 127.0.0.1 --n_ctx 2048 --n_threads 1"
    path = os.pathsep.join([str(packages), os.environ.get("PYTHONPATH", "")])
    command = [sys.executable, "-m", "llama_cpp.server", *words.split(), "--n_threads_batch", "1"]
    return Served(command, port=port, env={"PYTHONPATH": path}, log=log)


def free_port() -> int:
    """One that nobody listens on, a moment ago."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


# ---- Clients --------------------------------------------------------------------------------------


async def together(target: Target, asks: Sequence[Ask]) -> list[Stream]:
    """All of them at once."""
    return list(await asyncio.gather(*(one(target, ask) for ask in asks)))


async def one(target: Target, ask: Ask) -> Stream:
    """One request, to its end or until the client leaves."""
    began = time.perf_counter()
    reader, writer = await asyncio.open_connection(target.host, target.port, limit=1 << 20)
    try:
        writer.write(written(target, ask))
        await writer.drain()
        try:
            status, first, received = await asyncio.wait_for(_read(reader, began), ask.leaves_after)
        except TimeoutError:
            return Stream(0, 0, 0.0, time.perf_counter() - began, left=True)
    finally:
        writer.close()
    counted = USAGE.findall(received)
    return Stream(status, int(counted[-1]) if counted else 0, first, time.perf_counter() - began)


async def _read(reader: asyncio.StreamReader, began: float) -> tuple[int, float, bytes]:
    """(status, seconds to the first piece of the body, the last 2,000 bytes)."""
    head = await reader.readuntil(b"\r\n\r\n")
    status, first, tail = int(head[9:12]), 0.0, b""
    while piece := await reader.read(1 << 16):
        first = first or time.perf_counter() - began
        tail = (tail + piece)[-2000:]
    return status, first, tail


def written(target: Target, ask: Ask) -> bytes:
    """The request of a completion, greedy; streams bring their usage."""
    body: dict[str, object] = {"model": target.model, "prompt": ask.prompt, "max_tokens": ask.tokens,
                               "temperature": 0}  # fmt: skip
    if ask.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    return request(target, method="POST", path="/v1/completions", body=json.dumps(body).encode())


def metrics(target: Target) -> dict[str, float]:
    """What /metrics says, summed over labels."""
    text = exchange(target, request(target, path="/metrics"), patience=10).raw.decode("utf-8", "replace")
    found: dict[str, float] = {}
    for name, value in re.findall(r"^([a-zA-Z_:][\w:]*)(?:\{[^}]*\})? ([-+.\deE]+)\r?$", text, flags=re.M):
        found[name] = found.get(name, 0.0) + float(value)
    return found


def memory_now_mb(pid: int) -> float:
    """What the process holds at this moment, in MB (Linux)."""
    return float(re.findall(r"VmRSS:\s+(\d+)", Path(f"/proc/{pid}/status").read_text())[0]) / 1000
