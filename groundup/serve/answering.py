"""One request in the making: n answers, from ids to pieces of text, in the loop's own thread.

    answering = Answering(service, ask)
    async for pieces in answering:               [(which answer, Piece), ...] as they come
        ...
    answering.close()                            whoever stops earlier; blocks are free after the next step

A chat turn is the agent's (agent/conversation.py): with a tool of the server's it calls, reads and goes on.

Next: app.py, which sends the pieces.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from groundup.agent.calculator import Calculator
from groundup.agent.conversation import Called, Event, Returned, Text, Turn
from groundup.agent.tool import Limits, Toolbox
from groundup.infer.engine import Token
from groundup.infer.sampling import SamplingParams
from groundup.infer.stop_strings import TextUntil, Until
from groundup.serve.answers import Choice
from groundup.serve.ask import Ask
from groundup.serve.engine_thread import Ticket, Told
from groundup.serve.errors import ApiError, bad

if TYPE_CHECKING:
    from groundup.serve.app import Service

MOST_CALLS = 3  # of the server's own tools, in one reply


@dataclass
class Piece:
    """What one answer has more since the last time."""

    text: str = ""
    finish: str | None = None
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)


class Answering:
    """All answers to one request. Raises ApiError, UserError or Busy before anything is computed."""

    def __init__(self, service: Service, ask: Ask):
        self.service, self.ask = service, ask
        self.told = 0  # how often the engine has said something
        self.prompt = self._prompt()
        room = service.context_len - len(self.prompt)
        if room < 1 or (ask.max_tokens or 1) > room:
            asked = f" and max_tokens={ask.max_tokens}" if ask.max_tokens else ""
            raise bad(
                f"The prompt has {len(self.prompt)} tokens{asked}; this model reads "
                f"{service.context_len} in all. Shorten it.",
                code="context_length_exceeded",
            )
        stops = (
            tuple(sorted(service.layout.stops(service.tokenizer)))
            if ask.conversation and service.layout
            else ()
        )
        seed = random.SystemRandom().getrandbits(62) if ask.seed is None else ask.seed
        self.params = SamplingParams(ask.temperature, ask.top_k, ask.top_p, ask.min_p, ask.repetition_penalty,
                                     ask.max_tokens or room, stops, seed)  # fmt: skip
        self.choices = [Choice() for _ in range(ask.n)]
        self.queue: asyncio.Queue[Told] = asyncio.Queue()
        self.tickets: dict[int, Ticket] = {}
        self.toolbox = Toolbox((Calculator(),) if ask.tools else (), Limits())
        self.turns = [self._turn() for _ in range(ask.n)] if ask.conversation else []
        self.untils = [Until(ask.stop) for _ in range(ask.n)]
        self.texts = [TextUntil(service.tokenizer, ask.stop) for _ in range(ask.n)]
        service.thread.engine.check(self.prompt, self.params)
        try:
            for i in range(ask.n):
                self._submit(i, self.prompt, self.params, sample=i)
        except BaseException:
            self.close()
            raise

    async def __aiter__(self) -> AsyncIterator[list[tuple[int, Piece]]]:
        while any(choice.finish is None for choice in self.choices):
            told = [await self.queue.get()]
            self.told += 1
            while not self.queue.empty():
                told.append(self.queue.get_nowait())
            pieces = [(i, self._piece(i, tokens, finish)) for i, tokens, finish in told
                      if self.choices[i].finish is None]  # fmt: skip
            yield [
                (i, piece)
                for i, piece in pieces
                if piece.text or piece.finish or piece.told or piece.logprobs
            ]

    def close(self) -> None:
        """Cancels what has not ended."""
        for ticket in self.tickets.values():
            self.service.thread.cancel(ticket)

    def _prompt(self) -> list[int]:
        service, ask = self.service, self.ask
        if ask.conversation is not None:
            if service.layout is None:
                raise bad(f"{service.name} was never taught to chat. Use /v1/completions.", "model")
            return service.layout.prompt(service.tokenizer, ask.conversation)
        if isinstance(ask.prompt, list):
            return ask.prompt
        return service.tokenizer.encode(ask.prompt)

    def _turn(self) -> Turn:
        assert self.service.layout is not None, "_prompt has refused"
        calls = MOST_CALLS if self.ask.tools else 0
        return Turn(self.service.tokenizer, self.prompt, self.params, self.service.context_len, calls=calls,
                    layout=self.service.layout)  # fmt: skip

    def _submit(
        self, i: int, ids: list[int], params: SamplingParams, *, sample: int, again: bool = False
    ) -> None:
        self.tickets[i] = self.service.thread.submit(ids, params, tell=self.queue, key=i, sample=sample,
                                                     top=self.ask.top or 0, again=again)  # fmt: skip

    def _piece(self, i: int, tokens: list[Token], finish: str | None) -> Piece:
        choice, piece = self.choices[i], Piece()
        if finish == "failed":
            raise ApiError(500, "The engine has failed in the middle of this answer.")
        choice.tokens += len(tokens)
        if self.ask.top is not None:
            piece.logprobs = [self._logprob(token) for token in tokens]
        if self.turns:
            self._converse(i, tokens, finish, piece)
        else:
            piece.text = "".join(self.texts[i].push(token.id) for token in tokens)
            stopped = self.texts[i].stopped
            if finish is not None and not stopped:
                piece.text += self.texts[i].flush()
                stopped = self.texts[i].stopped
            piece.finish = "stop" if stopped else finish
        if piece.finish is not None:
            self.service.thread.cancel(self.tickets[i])
        choice.text += piece.text
        choice.finish = piece.finish
        choice.logprobs += piece.logprobs
        choice.told += piece.told
        return piece

    def _converse(self, i: int, tokens: list[Token], finish: str | None, piece: Piece) -> None:
        turn, until = self.turns[i], self.untils[i]
        self._read([event for token in tokens for event in turn.push(token.id)], until, piece)
        if until.stopped:
            piece.finish = "stop"
        elif finish is not None:
            self._read(turn.after_generating(self.toolbox), until, piece)
            if turn.finish is None and finish == "stop":  # a call was answered: the reply goes on
                params = replace(self.params, max_tokens=turn.tokens_left)
                self._submit(i, turn.ids, params, sample=i + turn.calls * self.ask.n, again=True)
            else:
                piece.text += until.flush()
                piece.finish = "length" if finish == "length" or turn.finish == "length" else "stop"

    def _read(self, events: list[Event], until: Until, piece: Piece) -> None:
        for event in events:
            if isinstance(event, Text):
                piece.text += until.push(event.text)
            elif isinstance(event, Called):
                piece.told.append({"call": {"name": event.call.name, "argument": event.call.argument}})
            elif isinstance(event, Returned):
                piece.told.append({"result": {"ok": event.result.ok, "text": event.result.text}})

    def _logprob(self, token: Token) -> dict[str, Any]:
        def one(id: int, logprob: float) -> dict[str, Any]:
            raw = self.service.tokenizer.bytes_of(id)
            return {
                "token": raw.decode("utf-8", "replace"),
                "logprob": max(logprob, -9999.0),
                "bytes": list(raw),
            }

        return one(token.id, token.logprob) | {
            "top_logprobs": [one(id, logprob) for id, logprob in token.top]
        }
