"""The process around the server: where it listens, its limits, how it ends.

SIGTERM or Ctrl-C: no new connections; streams that are under way have 20 seconds to end, then they are
cancelled. A second signal ends at once.

Next: cli/serve.py.
"""

from __future__ import annotations

import errno
import logging
import socket

import uvicorn

from groundup.base.errors import UserError
from groundup.serve.app import Service
from groundup.serve.connection import TimedProtocol

CONNECTIONS = 2_000  # at once; of these most may be idle
LOOPBACK = ("127.0.0.1", "localhost", "::1")


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there. UserError where that cannot be."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
    except OSError as error:
        listener.close()
        if error.errno == errno.EADDRINUSE:
            raise UserError(f"Port {port} is in use on {host}. Choose another with --port.") from None
        raise UserError(f"Nobody can listen on {host}:{port} here: {error.strerror or error}.") from None
    listener.listen(2048)
    return listener


def server(service: Service) -> uvicorn.Server:
    """What runs it: `server(service).run(sockets=[listen(...)])`."""
    allow_connections()
    logging.getLogger("uvicorn.error").setLevel(logging.ERROR)  # "invalid request" is no news
    config = uvicorn.Config(
        service, http=TimedProtocol, ws="none", lifespan="on", log_level="error", access_log=False,
        server_header=False, proxy_headers=False, limit_concurrency=CONNECTIONS, timeout_keep_alive=75,
        timeout_graceful_shutdown=20, h11_max_incomplete_event_size=32_768,
    )  # fmt: skip
    return uvicorn.Server(config)


def allow_connections() -> None:
    """As many open files as the connections need, where the system lets a process raise its own limit."""
    try:
        import resource
    except ImportError:  # not on Windows
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = CONNECTIONS + 500
    if soft != resource.RLIM_INFINITY and soft < wanted:
        most = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))
