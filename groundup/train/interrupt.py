"""Being asked to stop: finish the step, save, and only then go. Asked twice, go at once.

Ctrl-C sends SIGINT; a machine that is taken back, a container that is stopped and a job that runs out of time
send SIGTERM. Both mean the same here.
"""

import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@dataclass
class Stop:
    """True of `requested` once somebody asked; whoever runs a loop looks at it between two steps."""

    requested: bool = False


@contextmanager
def stop_on_signal() -> Iterator[Stop]:
    """Within the block a first SIGINT or SIGTERM sets `requested`; a second one ends the process.

    Python lets only the main thread set handlers: in any other this changes nothing, and the main thread's
    own handling of signals stays in force.
    """
    stop = Stop()
    if threading.current_thread() is not threading.main_thread():
        yield stop
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if stop.requested:
            signal.signal(number, signal.SIG_DFL)
            os.kill(os.getpid(), number)
        stop.requested = True
        # os.write, not print: a handler may run in the middle of another print to the same buffer.
        os.write(
            sys.__stderr__.fileno(), b"\nStopping after this step and saving. Once more to stop at once.\n"
        ) if sys.__stderr__ else None

    before = {number: signal.signal(number, handle) for number in SIGNALS}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
