"""HTTP as bytes on a socket: what no client library would send, and what came back, unread.

    target = Target("127.0.0.1", 8000, token="secret", model="smollm2")
    reply = exchange(target, request(target, path="/v1/models", host="evil.example"))
    reply.statuses, reply.body

A client library repairs a request before it sends it: one Host, one Content-Length, a path without `..`. A
server must hold against those who do not, so the requests of serving_attacks.py are written here by hand.

Does not: follow redirects, speak TLS, decode compressed bodies.
Next:     serving_attacks.py, what is sent; serving_probes.py, what else a server must do.
"""

import re
import socket
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

STATUS = re.compile(rb"HTTP/1\.[01] (\d{3})")
Header = tuple[str, str]


@dataclass(frozen=True)
class Target:
    """A server that is running, and what a rightful client of it knows."""

    host: str
    port: int
    token: str = ""  # none: the server asks for none
    model: str = "model"

    @property
    def authority(self) -> str:
        """What belongs into Host."""
        return f"{self.host}:{self.port}"


@dataclass(frozen=True)
class Reply:
    """All that the server sent, and whether it closed the connection afterwards."""

    raw: bytes
    closed: bool
    seconds: float

    @property
    def statuses(self) -> list[int]:
        """The status of each response: a smuggled request brings a second one."""
        return [int(code) for code in STATUS.findall(self.raw)]

    @property
    def status(self) -> int:
        """The first status; 0 for a connection that was closed without a word."""
        return self.statuses[0] if self.statuses else 0

    @property
    def head(self) -> str:
        """Status line and headers of the first response, in lower case."""
        return self.raw.partition(b"\r\n\r\n")[0].decode("latin-1").lower()

    @property
    def body(self) -> bytes:
        """What follows the first response's headers; chunks keep their sizes."""
        return self.raw.partition(b"\r\n\r\n")[2]


def request(
    target: Target,
    *,
    method: str = "GET",
    path: str = "/v1/models",
    host: str | None = "",
    token: str | None = "",
    headers: Iterable[Header] = (),
    body: bytes = b"",
    version: str = "HTTP/1.1",
) -> bytes:
    """The bytes of a request. `host` and `token`: "" for the right one, None for none, else as given.

    Headers are sent as they are, latin-1, in order, after ours; a body brings its Content-Length, and
    Content-Type: application/json unless `headers` names another.
    """
    lines = [f"{method} {path} {version}"]
    if host is not None:
        lines.append(f"Host: {host or target.authority}")
    if token is not None and (token or target.token):
        lines.append(f"Authorization: Bearer {token or target.token}")
    more = list(headers)
    named = {name.strip().lower() for name, _ in more}
    if body and "content-length" not in named and "transfer-encoding" not in named:
        lines.append(f"Content-Length: {len(body)}")
    if body and "content-type" not in named:
        lines.append("Content-Type: application/json")
    lines += [f"{name}: {value}" for name, value in more]
    if "connection" not in named:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def exchange(target: Target, raw: bytes, *, patience: float = 2.0, after: float = 0.15) -> Reply:
    """Sends the bytes and reads until the server closes, or has answered and is silent for `after` seconds.

    Gives up after `patience` seconds without a byte. A refused connection is a Reply without a status.
    """
    began, received, closed = time.monotonic(), bytearray(), False
    try:
        with socket.create_connection((target.host, target.port), timeout=patience) as connection:
            with suppress(OSError):  # closed before all was sent: what it said first may still be there
                connection.sendall(raw)
            while True:
                connection.settimeout(after if whole(bytes(received)) else patience)
                piece = connection.recv(65536)
                if not piece:
                    closed = True
                    break
                received += piece
    except TimeoutError:
        pass
    except OSError:
        closed = True
    return Reply(bytes(received), closed, time.monotonic() - began)


def whole(raw: bytes) -> bool:
    """Is there at least one response with all of its body?

    >>> whole(b"HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\no"), whole(b"HTTP/1.1 204 No\\r\\n\\r\\n")
    (False, True)
    """
    head, separator, body = raw.partition(b"\r\n\r\n")
    if not separator:
        return False
    lower = head.lower()
    if b"transfer-encoding: chunked" in lower:
        return body.endswith(b"0\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", lower)
    if length:
        return len(body) >= int(length[1])
    return head.split(b" ")[1][:3] in (b"204", b"304")
