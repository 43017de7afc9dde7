"""The clients of the load: what they count is what was sent, and who leaves has left."""

import asyncio
import sys

import pytest

from benchmarks.raw_http import Target
from benchmarks.serving_load import Ask, Served, free_port, metrics, one, together, written
from groundup.base.errors import UserError

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
EVENTS = [b'data: {"choices":[{"text":"a"}]}\n\n', b'data: {"usage":{"completion_tokens":7}}\n\n',
          b"data: [DONE]\n\n"]  # fmt: skip


def served(pieces, pause, ask, count=1):
    """What `count` clients get from a server that sends these pieces, and how many connections it lost."""
    lost = []

    async def answer(reader, writer):
        await reader.readuntil(b"\r\n\r\n")
        try:
            for piece in pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(pause)
        except ConnectionError:
            lost.append(True)
        writer.close()

    async def run():
        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
        async with server:
            found = await together(target, [ask] * count)
            await asyncio.sleep(2 * pause)
        return found

    return asyncio.run(run()), lost


def test_a_stream_is_counted_by_what_the_server_says_it_wrote():
    found, _ = served([HEAD, *EVENTS], 0.005, Ask("hi", 7), count=3)
    assert [(s.status, s.tokens, s.left) for s in found] == [(200, 7, False)] * 3
    assert all(0 < s.first < s.ended for s in found)


def test_who_leaves_has_left():
    (found,), _ = served([HEAD, *EVENTS * 50], 0.01, Ask("hi", 7, leaves_after=0.05))
    assert found.left and found.tokens == 0


def test_a_request_asks_for_usage_where_it_streams():
    target = Target("127.0.0.1", 1, model="m")
    assert b"include_usage" in written(target, Ask("hi", 3))
    assert b"stream" not in written(target, Ask("hi", 3, stream=False))


def test_a_server_that_does_not_start_says_what_it_said(tmp_path):
    command = [sys.executable, "-c", "print('no model here'); raise SystemExit(2)"]
    with (
        pytest.raises(UserError, match="no model here"),
        Served(command, port=free_port(), log=tmp_path / "log"),
    ):
        pass


def test_metrics_are_summed_over_their_labels():
    body = b'# HELP x\nrequests_total{path="a"} 2\nrequests_total{path="b"} 3\nblocks_free 1.5e3\n'
    reply = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    async def run():
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(reply)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            target = Target("127.0.0.1", server.sockets[0].getsockname()[1])
            return await asyncio.to_thread(metrics, target)

    assert asyncio.run(run()) == {"requests_total": 5.0, "blocks_free": 1500.0}


def test_a_refusal_is_no_stream():
    refused = b"HTTP/1.1 429 Too Many\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"

    async def run():
        async def answer(reader, writer):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(refused)
            writer.close()

        server = await asyncio.start_server(answer, "127.0.0.1", 0)
        async with server:
            return await one(Target("127.0.0.1", server.sockets[0].getsockname()[1]), Ask("hi", 1))

    assert asyncio.run(run()).status == 429
