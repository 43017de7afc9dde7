"""One thread owns the engine; coroutines ask it and are told.

    ticket = thread.submit(ids, params, tell=queue, key=0)       in the loop; raises Busy
    key, tokens, finish = await queue.get()                      once a step; finish is None until the end
    thread.cancel(ticket)                                        its blocks are free after the next step

What comes in waits in an inbox that is emptied between two steps. What a step wrote goes out with one wake-up
of the loop for all clients together: a wake-up a token would cost more than small models do.

If a step fails nothing that the engine holds can be trusted: everybody is told `failed`, and an empty engine
takes its place, so that one request cannot take the server from all others. After ten failures it stays down,
and `healthy` says so.

Not here: text. Next: app.py.
"""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from collections.abc import Callable
from collections.abc import Sequence as Ids
from dataclasses import dataclass
from typing import Any

from groundup.infer.engine import Engine, Token
from groundup.infer.sampling import SamplingParams
from groundup.infer.sequence import Sequence

Told = tuple[int, list[Token], str | None]
MOST_FAILURES = 10


class Busy(Exception):
    """As many are waiting as may wait."""


@dataclass(eq=False)
class Ticket:
    """Somebody's place."""

    tell: asyncio.Queue[Told]
    key: int
    sequence: Sequence | None = None
    over: bool = False


News = tuple[Ticket, list[Token], str | None]


class EngineThread:
    """An engine for the coroutines of the loop in which it was made."""

    def __init__(self, make: Callable[[], Engine], *, most: int = 192):
        self.engine, self.make, self.most, self.failures = make(), make, most, 0
        self.loop = asyncio.get_running_loop()
        self.open = 0  # tickets that have not ended; the loop's own
        self.healthy = True
        self._inbox: queue.SimpleQueue[tuple[str, Any, Any]] = queue.SimpleQueue()
        self._tickets: dict[Sequence, Ticket] = {}  # the thread's own
        self._thread = threading.Thread(target=self._work, name="engine", daemon=True)
        self._thread.start()

    def submit(
        self, ids: Ids[int], params: SamplingParams, *, tell: asyncio.Queue[Told], key: int = 0,
        sample: int = 0, top: int = 0, again: bool = False,
    ) -> Ticket:  # fmt: skip
        """A place for these ids. `again`: a reply that goes on is not turned away. Raises Busy, UserError."""
        if not self.healthy or (self.open >= self.most and not again):
            raise Busy
        self.engine.check(ids, params)
        ticket = Ticket(tell, key)
        self.open += 1
        self._inbox.put(("add", ticket, (tuple(ids), params, sample, top)))
        return ticket

    def cancel(self, ticket: Ticket) -> None:
        """Ends it, if it has not ended."""
        if not ticket.over:
            self._inbox.put(("cancel", ticket, None))

    def close(self) -> None:
        """Ends the thread after the step that it is in."""
        self._inbox.put(("close", None, None))
        self._thread.join(timeout=30)

    # ---- The thread ------------------------------------------------------------------------------

    def _work(self) -> None:
        while self._take_in():
            try:
                self._step()
            except Exception:
                logging.getLogger("groundup.serve").exception("the engine failed")
                self.failures += 1
                told: list[News] = [(ticket, [], "failed") for ticket in self._tickets.values()]
                self._tickets.clear()
                well = self.failures < MOST_FAILURES
                if well:
                    self.engine = self.make()
                self._send(told, healthy=well)
                if not well:
                    raise

    def _take_in(self) -> bool:
        """Reads the inbox, asleep while there is nothing to do; False to end."""
        while not self._inbox.empty() or not self.engine.busy:
            what, ticket, more = self._inbox.get()
            if what == "close":
                return False
            if what == "add":
                ids, params, sample, top = more
                ticket.sequence = self.engine.add(ids, params, sample=sample, top=top)
                self._tickets[ticket.sequence] = ticket
            elif ticket.sequence in self._tickets:  # not if its engine has failed
                self.engine.cancel(ticket.sequence)
        return True

    def _step(self) -> None:
        news: dict[Ticket, tuple[list[Token], list[str]]] = {}
        for event in self.engine.step():
            tokens, ends = news.setdefault(self._tickets[event.sequence], ([], []))
            if isinstance(event, Token):
                tokens.append(event)
            else:
                ends.append(event.finish)
                del self._tickets[event.sequence]
        if news:
            self._send(
                [(ticket, tokens, ends[0] if ends else None) for ticket, (tokens, ends) in news.items()]
            )

    def _send(self, news: list[News], healthy: bool = True) -> None:
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self._hand_out, news, healthy)

    def _hand_out(self, news: list[News], healthy: bool) -> None:
        self.healthy = healthy
        for ticket, tokens, finish in news:
            if finish is not None and not ticket.over:
                ticket.over = True
                self.open -= 1
            ticket.tell.put_nowait((ticket.key, tokens, finish))
