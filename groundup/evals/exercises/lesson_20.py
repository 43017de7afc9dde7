"""Exercises of lesson 20: bytes that wait for more, a Host header, the steps of a batch."""

from collections.abc import Iterator, Sequence

from groundup.evals.exercise import Case, Exercise


def held_back(data: bytes) -> int:
    """Bytes at the end that are the beginning of a character."""
    for back in range(1, min(3, len(data)) + 1):
        first = data[-back]
        if first & 0xC0 != 0x80:
            needs = 4 if first >= 0xF0 else 3 if first >= 0xE0 else 2 if first >= 0xC0 else 1
            return back if needs > back else 0
    return 0


def host_allowed(host: str, port: int) -> bool:
    """One of this machine's own names, with this port."""
    return host.lower() in {f"localhost:{port}", f"127.0.0.1:{port}", f"[::1]:{port}"}


def steps_for(lengths: Sequence[int], places: int) -> int:
    """Steps until the last text has ended."""
    busy_until = [0] * places
    for length in lengths:
        busy_until[busy_until.index(min(busy_until))] += length
    return max(busy_until)


def _bytes_cases() -> Iterator[Case]:
    text = "aß你🙂".encode()
    for end in range(len(text) + 1):
        yield Case(f"the first {end} bytes of aß你🙂", (text[:end],))


def _host_cases() -> Iterator[Case]:
    for host in (
        "localhost:8000", "LOCALHOST:8000", "127.0.0.1:8000", "[::1]:8000", "localhost", "localhost:80",
        "localhost:80000", "localhost.evil.example:8000", "evil.example", "localhost:8000@evil.example",
        "xlocalhost:8000", "localhost:8000, evil.example", "",
    ):  # fmt: skip
        yield Case(f"Host: {host}", (host, 8000))


def _steps_cases() -> Iterator[Case]:
    yield Case("four texts, two places", ([5, 3, 8, 2], 2))
    yield Case("four texts, one place", ([5, 3, 8, 2], 1))
    yield Case("four texts, nine places", ([5, 3, 8, 2], 9))
    yield Case("nine texts, three places", ([9, 1, 1, 1, 9, 2, 2, 7, 4], 3))


EXERCISES = (
    Exercise(
        "held_back",
        "How many bytes at the end of valid UTF-8 are the beginning of a character that is not whole yet.",
        held_back,
        _bytes_cases,
        hint="10xxxxxx is never a first byte; look back at most three",
        rtol=0.0,
    ),
    Exercise(
        "host_allowed",
        "True for a Host header that names this machine (localhost, 127.0.0.1, [::1]) with this port.",
        host_allowed,
        _host_cases,
        hint="compare the whole, not its beginning",
        rtol=0.0,
    ),
    Exercise(
        "steps_for",
        "Steps in which an engine with so many places writes texts of these lengths, the next taken in as "
        "soon as one ends.",
        steps_for,
        _steps_cases,
        hint="for each place, until when it is busy",
        rtol=0.0,
    ),
)
