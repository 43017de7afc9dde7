"""How a server that speaks OpenAI's API behaves when its clients do not: twelve probes, and the attacks.

    python -m benchmarks.serving_probes http://127.0.0.1:8000 --model NAME --pid PID [--token T] [--out FILE]

Works against any server of that API, ours or a peer's; needs its process id, because the questions are what
a request costs: does the memory grow by a body that is refused, does the processor go on for a client that
left? Each probe answers ok or not, and in words what it saw. docs/serving.md has the tables and says how the
peers were started.

  slow_headers       half a header, then silence: the connection is closed within 10 seconds
  large_body         30 MB are refused, and the process has not grown by a quarter of it
  leaves_stream      the client of a stream leaves: the processor is idle within a step and 100 ms
  leaves_plain       the same where the answer was to come in one piece
  temperature, max_tokens, n     99, -5 and 1,000 are refused, as 4xx
  invalid_utf8, nesting, unknown_model      are refused, as 4xx
  stream_shape       chunks have id, object, model and index; the last word is [DONE]
  error_shape        an error is {"error": {message, type}} and tells nothing of the program

Does not: measure speed; serving.py does. Next: serving_attacks.py.
"""

import argparse
import json
import os
import platform
import re
import socket
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.raw_http import Target, exchange, request
from benchmarks.serving_attacks import chat, run
from groundup.base.errors import UserError
from groundup.base.files import write_json

CHAT = "/v1/chat/completions"
LARGE = 30_000_000  # bytes
STORY = "Write a very long story about a dragon, in twelve chapters."
LEAKS = re.compile(r"Traceback|File \"|\.py\b|site-packages|object at 0x|Error\(|torch\.|pydantic", re.I)


@dataclass(frozen=True)
class Seen:
    """What one probe found."""

    name: str
    ok: bool
    told: str


# ---- What a process costs -------------------------------------------------------------------------


def cpu_seconds(pid: int) -> float:
    """Processor time that a process and its children have used, all threads (Linux)."""
    total = 0.0
    for one in [pid, *children(pid)]:
        with suppress(OSError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


def memory_mb(pid: int) -> float:
    """The most memory that a process and its children have held, in MB."""
    total = 0.0
    for one in [pid, *children(pid)]:
        with suppress(OSError):
            total += float(re.findall(r"VmHWM:\s+(\d+)", Path(f"/proc/{one}/status").read_text())[0]) / 1000
    return total


def children(pid: int) -> list[int]:
    """Processes that it started, and theirs."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with suppress(OSError):
            found += [int(word) for word in task.read_text().split()]
    return found + [grandchild for child in found for grandchild in children(child)]


def idle_after(pid: int, *, within: float, looks: float = 1.0) -> float:
    """The share of one processor that it uses for `looks` seconds, from `within` seconds from now."""
    time.sleep(within)
    before = cpu_seconds(pid)
    time.sleep(looks)
    return (cpu_seconds(pid) - before) / looks


# ---- The probes -----------------------------------------------------------------------------------


def slow_headers(target: Target, pid: int, *, limit: float = 10.0) -> Seen:
    """A client that has begun a request and says no more."""
    began = time.monotonic()
    with socket.create_connection((target.host, target.port), timeout=limit + 1) as connection:
        connection.sendall(f"GET /v1/models HTTP/1.1\r\nHost: {target.authority}\r\nX-Slow: ".encode())
        try:
            while connection.recv(4096):
                pass
            closed = True
        except TimeoutError:
            closed = False
        except OSError:
            closed = True
    seconds = time.monotonic() - began
    told = f"closed after {seconds:.1f} s" if closed else f"open after {seconds:.0f} s"
    return Seen("slow_headers", closed and seconds <= limit + 0.5, told)


def large_body(target: Target, pid: int, *, size: int = LARGE) -> Seen:
    """A body that is announced honestly, and sent."""
    before = memory_mb(pid)
    body = chat(target, user="x" * size)
    reply = exchange(target, request(target, method="POST", path=CHAT, body=body), patience=15)
    grown = max(0.0, memory_mb(pid) - before)
    refused = 400 <= reply.status < 500 or (reply.status == 0 and reply.closed)
    told = f"{reply.status or 'closed'}, {grown:.0f} MB more"
    return Seen("large_body", refused and grown < size / 4e6, told)


def leaves(target: Target, pid: int, *, stream: bool, tokens: int, step: float = 0.15) -> Seen:
    """A client that asks for much and goes away; one who stays shows before what that costs."""
    name = "leaves_stream" if stream else "leaves_plain"
    stayed = _asks_for_much(target, pid, stream=stream, tokens=tokens, stays=True, within=0.1 + step)
    quiet(pid, after_s=0.5)
    left = _asks_for_much(target, pid, stream=stream, tokens=tokens, stays=False, within=0.1 + step)
    told = f"{stayed:.0%} of a processor for who stays, {left:.0%} for who left"
    if stayed < 0.25:
        return Seen(name, False, f"{told}: too little work, so nothing was shown")
    return Seen(name, left < 0.1, told)


def _asks_for_much(
    target: Target, pid: int, *, stream: bool, tokens: int, stays: bool, within: float
) -> float:
    """The share of a processor that is used for a second, `within` after the client left, or would have."""
    body = chat(target, stream=stream, max_tokens=tokens, temperature=0.7,
                messages=[{"role": "user", "content": STORY}])  # fmt: skip
    with socket.create_connection((target.host, target.port), timeout=10) as connection:
        connection.sendall(request(target, method="POST", path=CHAT, body=body))
        time.sleep(0.5)
        if stays:
            return idle_after(pid, within=within)
    return idle_after(pid, within=within)


def refuses(name: str, fields: dict[str, object]) -> Callable[[Target, int], Seen]:
    """A probe: with these fields the request is answered with a 4xx."""

    def probe(target: Target, pid: int) -> Seen:
        return _refused(name, target, chat(target, **fields))

    return probe


def invalid_utf8(target: Target, pid: int) -> Seen:
    """Bytes that are no text, in a string."""
    return _refused("invalid_utf8", target, chat(target).replace(b'"hi"', b'"\xff\xfe\xc0\x80"'))


def nesting(target: Target, pid: int, *, depth: int = 20_000) -> Seen:
    """A list in a list in a list."""
    return _refused(
        "nesting", target, chat(target, user=0).replace(b": 0", b": " + b"[" * depth + b"]" * depth)
    )


def _refused(name: str, target: Target, body: bytes) -> Seen:
    reply = exchange(target, request(target, method="POST", path=CHAT, body=body), patience=20)
    return Seen(name, 400 <= reply.status < 500, str(reply.status or "no answer"))


def stream_shape(target: Target, pid: int) -> Seen:
    """A stream of three tokens, field by field."""
    body = chat(target, stream=True, max_tokens=3)
    reply = exchange(target, request(target, method="POST", path=CHAT, body=body), patience=20, after=1)
    events = re.findall(rb"^data: (.*?)\r?$", reply.raw, flags=re.M)
    missing = set() if events else {"any event"}
    if not events or events[-1] != b"[DONE]":
        missing.add("[DONE]")
    for event in events:
        if event != b"[DONE]":
            missing |= _missing(event)
    return Seen("stream_shape", not missing, f"missing: {', '.join(sorted(missing))}" if missing else "whole")


def _missing(event: bytes) -> set[str]:
    try:
        chunk = json.loads(event)
    except ValueError:
        return {"valid JSON"}
    lacking = {key for key in ("id", "object", "created", "model", "choices") if key not in chunk}
    for choice in chunk.get("choices", ()):
        lacking |= {key for key in ("index", "delta") if key not in choice}
    return lacking if chunk.get("object", "chat.completion.chunk") == "chat.completion.chunk" else {"object"}


def error_shape(target: Target, pid: int) -> Seen:
    """Three broken requests: is every answer OpenAI's error, and of the program not a word?"""
    wrong: list[str] = []
    for body in (b"{", chat(target, messages="hi"), chat(target, messages=[{"role": 5}])):
        reply = exchange(target, request(target, method="POST", path=CHAT, body=body), patience=20)
        text = reply.body.decode("utf-8", "replace")
        try:
            error = json.loads(text)["error"]
            shaped = isinstance(error["message"], str) and isinstance(error["type"], str)
        except (ValueError, KeyError, TypeError):
            shaped = False
        if leak := LEAKS.search(text):
            wrong.append(f"{reply.status} tells {leak[0]!r}")
        elif not shaped or not 400 <= reply.status < 500:
            wrong.append(f"{reply.status} {text[:40]!r}")
    return Seen("error_shape", not wrong, "; ".join(wrong) or "three of three")


def probes(target: Target, pid: int, *, tokens: int) -> list[Seen]:
    """All twelve, one after the other; those that a server may not survive come last."""
    asked: list[Callable[[Target, int], Seen]] = [
        stream_shape, error_shape, refuses("temperature", {"temperature": 99}),
        refuses("max_tokens", {"max_tokens": -5}), refuses("n", {"n": 1000}),
        refuses("unknown_model", {"model": "no-such-model"}), invalid_utf8,
        lambda t, p: leaves(t, p, stream=True, tokens=tokens),
        lambda t, p: leaves(t, p, stream=False, tokens=tokens),
        slow_headers, large_body, nesting,
    ]  # fmt: skip
    seen = []
    for probe in asked:
        quiet(pid)
        seen.append(probe(target, pid))
    return seen


def quiet(pid: int, patience: float = 120.0, after_s: float = 0.0) -> None:
    """Waits until the server has nothing to do, so that one probe does not spoil the next."""
    time.sleep(after_s)
    until = time.monotonic() + patience
    while time.monotonic() < until and idle_after(pid, within=0.0, looks=0.3) > 0.1:
        pass


# ---- The command ------------------------------------------------------------------------------------


def main(words: Sequence[str]) -> int:
    """Attack and probe one server; prints both tables."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.serving_probes", description="Attack and probe a server."
    )
    parser.add_argument("url", help="http://127.0.0.1:8000")
    parser.add_argument("--model", required=True, help="the name that it answers to")
    parser.add_argument("--pid", type=int, required=True, help="of the server's process")
    parser.add_argument("--token", default="", help="leave out where it asks for none")
    parser.add_argument("--tokens", type=int, default=2000, help="what a client asks for that will leave")
    parser.add_argument("--name", default="", help="of the server, for the file")
    parser.add_argument("--out", type=Path, metavar="FILE")
    asked = parser.parse_args(words)
    parts = urlsplit(asked.url)
    target = Target(parts.hostname or "", parts.port or 80, asked.token, asked.model)
    if not Path(f"/proc/{asked.pid}/stat").exists():
        print(f"benchmarks: there is no process {asked.pid}, or this is not Linux.", file=sys.stderr)
        return 2
    try:
        found = measure(target, asked.pid, tokens=asked.tokens)
    except (UserError, OSError) as error:
        print(f"benchmarks: {asked.url} cannot be probed: {error}", file=sys.stderr)
        return 2
    print(told(found))
    if asked.out:
        write_json(
            asked.out, {"server": asked.name or asked.url, "python": platform.python_version(), **found}
        )
    return 0


def measure(target: Target, pid: int, *, tokens: int) -> dict[str, object]:
    """{attacks: {family: [passed, of]}, passed: names, probes: [...]}."""
    honest = exchange(target, request(target, method="POST", path=CHAT, body=chat(target)), patience=30)
    if honest.status != 200:
        raise UserError(f"an honest request got {honest.status}, so the rest would say nothing. Check "
                        "--model and --token.")  # fmt: skip
    tried = run(target, at_once=2, patience=5)
    seen = probes(target, pid, tokens=tokens)
    families: dict[str, list[int]] = {}
    for attack, reply in tried:
        counts = families.setdefault(attack.family, [0, 0])
        counts[0] += attack.passed(reply)
        counts[1] += 1
    passed = [attack.name for attack, reply in tried if attack.passed(reply)]
    return {"attacks": families, "passed": passed, "probes": [asdict(one) for one in seen]}


def told(found: dict[str, object]) -> str:
    """Both tables for a terminal."""
    rows: list[str] = []
    families, probed = found["attacks"], found["probes"]
    assert isinstance(families, dict) and isinstance(probed, list), "measure made them"
    for family, (passed, of) in families.items():
        rows.append(f"  {family:<16} {passed:>3} of {of} attacks passed")
    rows.append(
        f"  {'all':<16} {sum(p for p, _ in families.values()):>3} of {sum(n for _, n in families.values())}"
    )
    rows += ["", *(f"  {one['name']:<16} {'ok ' if one['ok'] else 'NOT'}  {one['told']}" for one in probed)]
    rows.append(f"  {sum(one['ok'] for one in probed)} of {len(probed)} probes ok")
    return "\n".join([*rows, *_names(found["passed"])])


def _names(passed: object) -> Iterable[str]:
    assert isinstance(passed, list), "measure made it"
    return ["", "passed: " + ", ".join(passed[:20]) + (" ..." if len(passed) > 20 else "")] if passed else []


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
