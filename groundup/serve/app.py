"""The server: routes, bodies, answers. One ASGI application without a framework, because it has six routes.

    POST /v1/chat/completions, /v1/completions     OpenAI's, whole or streamed
    GET  /v1/models                                the one that is loaded
    GET  /                                         the chat page: page.py
    GET  /healthz                                  200 while the engine works; public
    GET  /metrics                                  Prometheus

A client that leaves is noticed in both modes, for somebody listens while the answer is made; its sequences
are cancelled, and their blocks are free after the step that is under way. What is asked and said is written
to no log, and an error of ours tells its client nothing but that there was one.

Next: guard.py, who may ask; answering.py, how an answer is made; run.py, the process around it.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Any

from groundup.base.errors import UserError
from groundup.infer.engine import Engine, EngineConfig
from groundup.models.transformer import Transformer
from groundup.serve import ask as asking
from groundup.serve import page
from groundup.serve.answering import Answering
from groundup.serve.answers import DONE, Shape
from groundup.serve.engine_thread import Busy, EngineThread
from groundup.serve.errors import ApiError, bad
from groundup.serve.guard import Guard
from groundup.tokenizer.layouts import Layout
from groundup.tokenizer.protocol import Tokenizer

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]

MOST_BYTES = 1_000_000  # of a body
HEARTBEAT_S = 15.0
PAGE = page.files()
PUBLIC = (b"/healthz", *PAGE)
SAFE = [
    (b"content-security-policy", b"default-src 'none'; frame-ancestors 'none'"),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"cache-control", b"no-store"),
]


class Service:
    """A model, its tokenizer, how it converses, and the thread that computes."""

    def __init__(
        self, model: Transformer, tokenizer: Tokenizer, layout: Layout | None, *, name: str, guard: Guard,
        config: EngineConfig | None = None, most: int = 192,
    ):  # fmt: skip
        self.name, self.tokenizer, self.layout, self.guard, self.most = name, tokenizer, layout, guard, most
        self.make = lambda: Engine.of(model, config or EngineConfig())
        self.context_len = model.config.context_len
        self.counts: Counter[tuple[str, str]] = Counter()  # (path, status)
        self.routes: dict[bytes, tuple[str, Callable[[Scope, Receive, Send], Awaitable[None]]]] = {
            b"/healthz": ("GET", self._healthz),
            b"/metrics": ("GET", self._metrics),
            b"/v1/models": ("GET", self._models),
            b"/v1/chat/completions": ("POST", self._chat),
            b"/v1/completions": ("POST", self._text),
            **dict.fromkeys(PAGE, ("GET", self._page)),
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """ASGI."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
            return
        status = "500"

        async def sending(message: dict[str, Any]) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = str(message["status"])
            await send(message)

        try:
            await self._routed(scope, receive, sending)
        finally:
            path = scope["raw_path"] if scope["raw_path"] in self.routes else b"other"
            self.counts[path.decode(), status] += 1

    async def _routed(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            self.guard.check(scope)
            method, handler = self.routes.get(scope["raw_path"], ("", None))
            if handler is None:
                raise ApiError(404, "There is nothing here.")
            if scope["method"] != method:
                raise ApiError(405, f"Ask with {method}.")
            await handler(scope, receive, send)
        except ApiError as error:
            await _send(send, error.status, error.body())
        except Busy:
            busy = ApiError(429, "As many are waiting as may wait. Try again in a moment.")
            await _send(send, 429, busy.body(), [(b"retry-after", b"1")])
        except UserError as error:  # of the engine: a prompt that could never fit, an id that is none
            await _send(send, 400, bad(str(error)).body())
        except Exception:
            with suppress(RuntimeError):  # the answer may have begun
                await _send(send, 500, ApiError(500, "The server has made a mistake.").body())
            raise

    # ---- Answers ---------------------------------------------------------------------------------

    async def _chat(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = asking.read_json(await _body(scope, receive))
        await self._answer(asking.chat(content, model=self.name), Shape(True, self.name), receive, send)

    async def _text(self, scope: Scope, receive: Receive, send: Send) -> None:
        content = asking.read_json(await _body(scope, receive))
        await self._answer(asking.text(content, model=self.name), Shape(False, self.name), receive, send)

    async def _answer(self, ask: asking.Ask, shape: Shape, receive: Receive, send: Send) -> None:
        answering = Answering(self, ask)
        make = self._stream if ask.stream else self._whole
        work = asyncio.create_task(make(answering, shape, send))
        gone = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({work, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (work, gone):
                task.cancel()
            answering.close()
            with suppress(asyncio.CancelledError):
                await work

    async def _whole(self, answering: Answering, shape: Shape, send: Send) -> None:
        async for _ in answering:
            pass
        await _send(send, 200, shape.whole(answering.choices, len(answering.prompt)))

    async def _stream(self, answering: Answering, shape: Shape, send: Send) -> None:
        kind = [(b"content-type", b"text/event-stream; charset=utf-8"), (b"x-accel-buffering", b"no")]
        await send({"type": "http.response.start", "status": 200, "headers": [*kind, *SAFE]})
        head, n = shape.head(), len(answering.choices)
        beat = asyncio.create_task(_heartbeat(answering, send))
        try:
            if shape.chat:
                await _more(send, b"".join(shape.chunk(head, i, "", first=True) for i in range(n)))
            async for pieces in answering:
                await _more(send, b"".join(
                    shape.chunk(head, i, p.text, finish=p.finish, logprobs=p.logprobs, told=p.told)
                    for i, p in pieces))  # fmt: skip
            if answering.ask.usage:
                await _more(send, shape.last(head, answering.choices, len(answering.prompt)))
        except ApiError as error:  # the head has been sent: say it as an event
            await _more(send, b"data: " + error.body() + b"\n\n")
        finally:
            beat.cancel()
        await send({"type": "http.response.body", "body": DONE, "more_body": False})

    # ---- The others ------------------------------------------------------------------------------

    async def _page(self, scope: Scope, receive: Receive, send: Send) -> None:
        kind, content = PAGE[scope["raw_path"]]
        await _send(send, 200, content, policy=page.POLICY.encode(), kind=kind)

    async def _models(self, scope: Scope, receive: Receive, send: Send) -> None:
        about = {"id": self.name, "object": "model", "created": 0, "owned_by": "groundup"}
        await _send(send, 200, json.dumps({"object": "list", "data": [about]}).encode())

    async def _healthz(self, scope: Scope, receive: Receive, send: Send) -> None:
        well = self.thread.healthy
        await _send(send, 200 if well else 503, b'{"status": "ok"}' if well else b'{"status": "failed"}')

    async def _metrics(self, scope: Scope, receive: Receive, send: Send) -> None:
        stats, blocks = self.thread.engine.stats, self.thread.engine.blocks
        rows = [
            ("groundup_sequences_running", "gauge", "sequences that have not ended", self.thread.open),
            ("groundup_cache_blocks", "gauge", "blocks of the cache", len(blocks.refs)),
            ("groundup_cache_blocks_free", "gauge", "of these, free", blocks.free),
            ("groundup_steps_total", "counter", "steps of the engine", stats.steps),
            ("groundup_tokens_read_total", "counter", "tokens computed", stats.tokens_read),
            ("groundup_tokens_written_total", "counter", "tokens written", stats.tokens_written),
            (
                "groundup_tokens_reused_total",
                "counter",
                "tokens of prompts found in the cache",
                stats.tokens_reused,
            ),
            ("groundup_engine_failures_total", "counter", "steps that failed", self.thread.failures),
            ("groundup_preempted_total", "counter", "sequences that had to give way", stats.preempted),
        ]
        lines = [
            f"# HELP {name} {what}\n# TYPE {name} {kind}\n{name} {value}" for name, kind, what, value in rows
        ]
        lines.append("# HELP groundup_requests_total answers\n# TYPE groundup_requests_total counter")
        lines += [f'groundup_requests_total{{path="{path}",status="{status}"}} {count}'
                  for (path, status), count in sorted(self.counts.items())]  # fmt: skip
        await _send(send, 200, ("\n".join(lines) + "\n").encode(), kind=b"text/plain; version=0.0.4")

    async def _live(self, receive: Receive, send: Send) -> None:
        while True:
            message = await receive()
            if message["type"] == "lifespan.startup":
                self.thread = EngineThread(self.make, most=self.most)
                await send({"type": "lifespan.startup.complete"})
            else:
                await asyncio.to_thread(self.thread.close)
                await send({"type": "lifespan.shutdown.complete"})
                return


async def _body(scope: Scope, receive: Receive) -> bytes:
    """All of it, or a 413 as soon as it is too much: what was announced, and what has come."""
    announced = dict(scope["headers"]).get(b"content-length", b"0")
    body = bytearray()
    more = True
    while more:
        if int(announced) > MOST_BYTES or len(body) > MOST_BYTES:
            raise ApiError(413, f"A body may have {MOST_BYTES:,} bytes.")
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ApiError(400, "The body has not come.")
        body += message.get("body", b"")
        more = message.get("more_body", False)
    if len(body) > MOST_BYTES:
        raise ApiError(413, f"A body may have {MOST_BYTES:,} bytes.")
    return bytes(body)


async def _gone(receive: Receive) -> None:
    """Returns when the client has hung up."""
    while (await receive())["type"] != "http.disconnect":
        pass


async def _heartbeat(answering: Answering, send: Send) -> None:
    """Comments in a stream that is silent for long, so that no proxy takes silence for death."""
    while True:
        before = answering.told
        await asyncio.sleep(HEARTBEAT_S)
        if answering.told == before:
            await _more(send, b": still here\n\n")


async def _more(send: Send, body: bytes) -> None:
    if body:
        await send({"type": "http.response.body", "body": body, "more_body": True})


async def _send(
    send: Send, status: int, body: bytes, more: list[tuple[bytes, bytes]] | None = None, *,
    kind: bytes = b"application/json", policy: bytes = b"",
) -> None:  # fmt: skip
    """A whole response; a refusal closes the connection, for the rest of a body may still be on its way."""
    headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode()), *SAFE, *(more or ())]
    if policy:
        headers = [(name, policy if name == b"content-security-policy" else value) for name, value in headers]
    if status >= 400:
        headers.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
