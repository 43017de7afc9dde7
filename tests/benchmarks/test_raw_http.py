"""Requests as bytes: what is written is what was meant, and what comes back is read whole."""

import socket
import threading

from benchmarks.raw_http import Reply, Target, exchange, request, whole

TARGET = Target("127.0.0.1", 8000, token="secret", model="m")


def test_a_request_says_what_a_rightful_client_says_unless_told_otherwise():
    assert request(TARGET) == (
        b"GET /v1/models HTTP/1.1\r\nHost: 127.0.0.1:8000\r\nAuthorization: Bearer secret\r\n"
        b"Connection: close\r\n\r\n"
    )
    other = request(TARGET, host=None, token=None, headers=[("X", "1"), ("X", "2")], body=b"{}")
    assert b"Host" not in other and b"Authorization" not in other
    assert other.count(b"X: ") == 2 and b"Content-Length: 2\r\n" in other and other.endswith(b"\r\n\r\n{}")
    own = request(TARGET, headers=[("content-length", "9")], body=b"{}")
    assert own.lower().count(b"content-length") == 1


def test_a_reply_names_every_status_that_came():
    reply = Reply(b"HTTP/1.1 400 Bad\r\nA: B\r\n\r\nHTTP/1.1 200 OK\r\n\r\n{}", True, 0.1)
    assert reply.statuses == [400, 200] and reply.status == 400 and "a: b" in reply.head
    assert Reply(b"", True, 0.1).status == 0


def test_a_response_is_whole_when_its_own_length_says_so():
    assert whole(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    assert not whole(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok")
    assert whole(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n")
    assert not whole(b"HTTP/1.1 200 OK\r\n\r\nuntil it closes")
    assert not whole(b"HTTP/1.1 200")


def test_an_exchange_reads_to_the_end_and_survives_who_hangs_up():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        target = Target("127.0.0.1", listener.getsockname()[1])

        def serve() -> None:
            for answer in (b"HTTP/1.1 200 OK\r\n\r\nhello", b""):
                connection, _ = listener.accept()
                with connection:
                    connection.recv(65536)
                    connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        first, second = (exchange(target, request(target)) for _ in range(2))
        thread.join()
    assert first.statuses == [200] and first.body == b"hello" and first.closed
    assert second.status == 0 and second.closed
    refused = exchange(target, request(target))
    assert refused.status == 0 and refused.closed
