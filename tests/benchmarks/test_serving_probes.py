"""The probes: what they say of answers and of processes that are known."""

import json
import os
import socket
import threading

import pytest

from benchmarks.raw_http import Target
from benchmarks.serving_probes import (
    children,
    cpu_seconds,
    error_shape,
    invalid_utf8,
    main,
    memory_mb,
    refuses,
    slow_headers,
    stream_shape,
    told,
)  # fmt: skip

GOOD = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m",
        "choices": [{"index": 0, "delta": {"content": "a"}, "finish_reason": None}]}  # fmt: skip


@pytest.fixture
def answers():
    """A server that gives each connection this reply."""
    listener = socket.create_server(("127.0.0.1", 0))
    given = {"reply": b"", "hold": threading.Event()}

    def serve() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                connection.recv(65536)
                if given["reply"] is None:
                    given["hold"].wait(5)
                else:
                    connection.sendall(given["reply"])

    thread = threading.Thread(target=serve)
    thread.start()
    yield Target("127.0.0.1", listener.getsockname()[1], model="m"), given
    given["hold"].set()
    listener.shutdown(socket.SHUT_RDWR)
    listener.close()
    thread.join()


def stream(*events: object) -> bytes:
    lines = [f"data: {event if isinstance(event, str) else json.dumps(event)}\n\n" for event in events]
    return b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n" + "".join(lines).encode()


def test_a_stream_is_whole_or_its_holes_are_named(answers):
    target, given = answers
    given["reply"] = stream(GOOD, "[DONE]")
    assert stream_shape(target, 0).ok
    given["reply"] = stream({"choices": [{"delta": {"content": "a"}}]})
    seen = stream_shape(target, 0)
    assert not seen.ok and seen.told == "missing: [DONE], created, id, index, model, object"


@pytest.mark.parametrize(
    ("status", "body", "ok"),
    [
        (400, '{"error": {"message": "messages is missing", "type": "invalid_request_error"}}', True),
        (500, '{"error": {"message": "messages is missing", "type": "invalid_request_error"}}', False),
        (400, '{"detail": "no"}', False),
        (400, '{"error": {"message": "KeyError(1) in app.py", "type": "x"}}', False),
    ],
)
def test_an_error_has_its_shape_and_tells_nothing_of_the_program(answers, status, body, ok):
    target, given = answers
    given["reply"] = f"HTTP/1.1 {status} X\r\nContent-Length: {len(body)}\r\n\r\n{body}".encode()
    assert error_shape(target, 0).ok is ok


def test_a_refusal_is_a_4xx(answers):
    target, given = answers
    for status, ok in ((400, True), (200, False), (500, False)):
        given["reply"] = f"HTTP/1.1 {status} X\r\nContent-Length: 0\r\n\r\n".encode()
        assert refuses("n", {"n": 1000})(target, 0).ok is ok
        assert invalid_utf8(target, 0).ok is ok


def test_a_header_that_never_ends_is_cut_off_or_not(answers):
    target, given = answers
    assert slow_headers(target, 0, limit=0.2).ok
    given["reply"] = None
    assert not slow_headers(target, 0, limit=0.2).ok


def test_a_process_has_costs():
    before = cpu_seconds(os.getpid())
    while cpu_seconds(os.getpid()) == before:
        sum(range(10_000))
    assert memory_mb(os.getpid()) > 10 and children(os.getpid()) == []


def test_the_tables_count():
    text = told({"attacks": {"host": [1, 2], "path": [0, 3]}, "passed": ["host x"],
                 "probes": [{"name": "n", "ok": True, "told": "400"}]})  # fmt: skip
    assert "1 of 5" in text and "1 of 1 probes ok" in text and "passed: host x" in text


def test_bad_input_is_said(capsys):
    assert main(["http://127.0.0.1:9", "--model", "m", "--pid", "99999999"]) == 2
    assert "no process" in capsys.readouterr().err
    assert main(["http://127.0.0.1:9", "--model", "m", "--pid", str(os.getpid())]) == 2
    assert "--model and --token" in capsys.readouterr().err
