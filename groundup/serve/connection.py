"""A connection that may not take for ever: uvicorn's HTTP/1.1, with a clock for headers and bodies.

uvicorn waits without end for a client that has begun a header (measured; docs/serving.md). Here headers must
be there within 10 seconds of the connection, or of the first byte of a next request, and a body within 30
more. A kept connection that has nothing to say is uvicorn's own affair (timeout_keep_alive).

Next: app.py.
"""

from __future__ import annotations

import asyncio

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

HEADER_S, BODY_S = 9.0, 30.0


class TimedProtocol(H11Protocol):
    """Closes a connection whose request does not come."""

    _clock: asyncio.TimerHandle | None = None
    _waits_for: str = ""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._wait_for("headers", HEADER_S)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        state = self.conn.their_state
        if state is h11.IDLE:
            if self.conn.trailing_data[0]:
                self._wait_for("headers", HEADER_S)
        elif state is h11.SEND_BODY:
            self._wait_for("body", BODY_S)
        else:
            self._stop()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self.conn.their_state is h11.IDLE:
            self._stop()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop()
        super().connection_lost(exc)

    def _wait_for(self, what: str, seconds: float) -> None:
        """A clock that runs on for the same thing: a byte a second does not wind it up again."""
        if self._waits_for != what:
            self._stop()
            self._waits_for, self._clock = what, self.loop.call_later(seconds, self._too_late)

    def _stop(self) -> None:
        if self._clock is not None:
            self._clock.cancel()
        self._clock, self._waits_for = None, ""

    def _too_late(self) -> None:
        self._clock = None
        self.transport.abort()
