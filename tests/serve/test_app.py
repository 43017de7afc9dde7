"""The server as its clients see it: OpenAI's own client, plain HTTP, clients that leave, load."""

import asyncio
import json
import socket
import threading
import time

import openai
import pytest

from benchmarks.raw_http import exchange, request
from benchmarks.serving_attacks import chat
from benchmarks.serving_load import Ask, metrics, together
from benchmarks.serving_probes import (
    error_shape,
    invalid_utf8,
    nesting,
    slow_headers,
    stream_shape,
)
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from tests.serve.conftest import running

HELLO = [{"role": "user", "content": "hello"}]
CHAT = "/v1/chat/completions"


def post(target, body):
    """The status of a completion."""
    raw = request(target, method="POST", path="/v1/completions", body=json.dumps(body).encode())
    return exchange(target, raw).status


@pytest.fixture
def client(served):
    with openai.OpenAI(
        base_url=f"http://{served.target.authority}/v1", api_key="none", max_retries=0
    ) as client:
        yield client


def test_the_official_client_lists_and_asks(client, served):
    assert [model.id for model in client.models.list()] == ["tiny"]
    answer = client.chat.completions.create(
        model="tiny", messages=HELLO, max_tokens=8, temperature=0, logprobs=True, top_logprobs=3, n=2, seed=1
    )
    assert len(answer.choices) == 2 and answer.choices[0].message.content == answer.choices[1].message.content
    assert answer.usage.completion_tokens <= 16 and answer.usage.prompt_tokens == len("hello") + 4
    entries = answer.choices[0].logprobs.content
    assert len(entries[0].top_logprobs) == 3 and entries[0].logprob == entries[0].top_logprobs[0].logprob


def test_a_stream_says_what_the_whole_answer_says_and_what_generate_writes(client, served):
    asked = {"model": "tiny", "prompt": "abc", "max_tokens": 40, "temperature": 0}
    whole = client.completions.create(**asked)
    chunks = list(client.completions.create(**asked, stream=True, stream_options={"include_usage": True}))
    assert "".join(chunk.choices[0].text for chunk in chunks if chunk.choices) == whole.choices[0].text
    assert chunks[-1].usage == whole.usage and whole.usage.completion_tokens == 40
    service = served.service
    made = generate(
        service.thread.engine.backend.model,
        [service.tokenizer.encode("abc")],
        SamplingParams(temperature=0, max_tokens=40),
    )
    assert whole.choices[0].text == service.tokenizer.decode(made[0].ids)


def test_a_seed_gives_the_same_answer_and_another_seed_another(client):
    def said(seed):
        return client.completions.create(model="tiny", prompt="x", max_tokens=20, seed=seed).choices[0].text

    assert said(1) == said(1) != said(2)


def test_a_stop_string_is_never_shown(client):
    asked = {"model": "tiny", "prompt": "abc", "max_tokens": 40, "temperature": 0}
    text = client.completions.create(**asked).choices[0].text
    stop = text[10:12]
    stopped = client.completions.create(**asked, stop=[stop]).choices[0]
    assert stopped.text == text[: text.index(stop)] and stopped.finish_reason == "stop"
    streamed = client.completions.create(**asked, stop=stop, stream=True)
    assert "".join(chunk.choices[0].text for chunk in streamed) == stopped.text


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"temperature": 99}, "temperature"),
        ({"temperature": "1"}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"top_p": 0}, "top_p"),
        ({"max_tokens": -5}, "max_tokens"),
        ({"max_tokens": 2**62}, "max_tokens"),
        ({"n": 1000}, "n"),
        ({"n": 1.5}, "n"),
        ({"stop": [""]}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"seed": 2**70}, "seed"),
        ({"stream": "yes"}, "stream"),
        ({"stream_options": {}}, "stream_options"),
        ({"logit_bias": {"1": 2}}, "logit_bias"),
        ({"tools": [{"type": "function"}]}, "tools"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"presence_penalty": 1}, "presence_penalty"),
        ({"model": "gpt-4"}, "model"),
        ({"model": None}, "model"),
        ({"temprature": 1}, "temprature"),
        ({"messages": []}, "messages"),
        ({"messages": "hi"}, "messages"),
        ({"messages": [{"role": "user"}]}, "messages[0]"),
        ({"messages": [{"role": "assistant", "content": "x"}]}, "messages"),
        ({"top_logprobs": 2}, "top_logprobs"),
        ({"messages": [{"role": "god", "content": "x"}]}, "messages[0]"),
        ({"user": "x" * 300}, "user"),
        ({"messages": [{"role": "user", "content": "\ud800"}]}, "messages[0]"),
        ({"groundup": {"tools": ["rm"]}}, "groundup"),
    ],
)
def test_what_is_out_of_range_is_refused_and_named(served, fields, param):
    reply = exchange(
        served.target, request(served.target, method="POST", path=CHAT, body=chat(served.target, **fields))
    )
    error = json.loads(reply.body)["error"]
    assert reply.status == 400 and error["param"] == param and error["type"] == "invalid_request_error"


def test_other_refusals(served):
    target = served.target
    for path, body, told in (
        ("/v1/completions", {"model": "tiny", "prompt": "x", "suffix": "y"}, "fill in the middle"),
        ("/v1/completions", {"model": "tiny", "prompt": [999_999]}, "999999"),
        ("/v1/completions", {"model": "tiny", "prompt": ""}, "not empty"),
        ("/v1/completions", {"model": "tiny", "prompt": "x" * 5000}, "reads 4096"),
        ("/v1/completions", {"model": "tiny", "prompt": "x", "max_tokens": 4096}, "reads 4096"),
    ):
        reply = exchange(target, request(target, method="POST", path=path, body=json.dumps(body).encode()))
        assert reply.status == 400 and told in json.loads(reply.body)["error"]["message"]
    assert exchange(target, request(target, method="GET", path=CHAT)).status == 405
    assert exchange(target, request(target, path="/nothing")).status == 404
    for body in (b"", b"[]", b'{"a": NaN}', b"{"):
        sent = request(
            target,
            method="POST",
            path=CHAT,
            headers=[("Content-Length", str(len(body))), ("Content-Type", "application/json")],
        )
        assert exchange(target, sent + body).status == 400


def test_the_probes_are_content(served):
    for probe in (stream_shape, error_shape, invalid_utf8, nesting):
        assert probe(served.target, 0).ok, probe.__name__


@pytest.mark.slow
def test_slow_headers_are_cut_off_and_a_large_body_is_not_kept(served):
    assert slow_headers(served.target, 0).ok
    announced = [("Content-Length", "30000000"), ("Content-Type", "application/json")]
    head = request(served.target, method="POST", path=CHAT, headers=announced)
    assert exchange(served.target, head).status == 413  # before a byte of it has come
    chunks = request(
        served.target, method="POST", path=CHAT, headers=[("Transfer-Encoding", "chunked"), announced[1]]
    )
    assert (
        exchange(
            served.target, chunks + b"80000\r\n" + b" " * 0x80000 + b"\r\n80000\r\n" + b" " * 0x80000
        ).status
        == 413
    )


@pytest.mark.parametrize("stream", [True, False])
def test_who_leaves_costs_nothing_more(served, stream):
    before = served.service.thread.engine.stats.tokens_written
    with socket.create_connection((served.target.host, served.target.port)) as connection:
        body = json.dumps(
            {"model": "tiny", "prompt": "x", "max_tokens": 4000, "temperature": 0, "stream": stream}
        )
        connection.sendall(request(served.target, method="POST", path="/v1/completions", body=body.encode()))
        until = time.monotonic() + 10
        while served.service.thread.engine.stats.tokens_written < before + 3:
            assert time.monotonic() < until
            time.sleep(0.001)
    assert served.idle() and served.service.thread.engine.stats.tokens_written < before + 3900


def test_many_at_once_get_what_each_gets_alone(served):
    asks = [Ask(f"client {n}", 12, stream=bool(n % 2)) for n in range(24)]
    found = asyncio.run(together(served.target, asks))
    assert [(s.status, s.tokens) for s in found] == [(200, 12)] * 24 and served.idle()
    counted = metrics(served.target)
    assert counted["groundup_sequences_running"] == 0
    assert counted["groundup_cache_blocks"] == counted["groundup_cache_blocks_free"] > 0


def test_more_than_may_wait_are_told_to_come_back():
    with running(most=2) as server:
        found = asyncio.run(together(server.target, [Ask("x", 400) for _ in range(6)]))
        assert sorted({s.status for s in found}) == [200, 429]
        assert server.idle()


def test_an_engine_that_fails_is_replaced_and_says_nothing_of_itself(monkeypatch):
    failed = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failed.append(args.exc_value))
    with running() as server:

        def broken(chunks):
            raise ValueError("secret of the engine")

        asked = request(server.target, method="POST", path=CHAT, body=chat(server.target))
        health = request(server.target, path="/healthz")
        for _ in range(9):
            server.service.thread.engine.backend.run = broken
            reply = exchange(server.target, asked)
            assert reply.status == 500 and b"secret" not in reply.raw
        assert exchange(server.target, asked).status == 200 and exchange(server.target, health).status == 200
        server.service.thread.engine.backend.run = broken
        assert exchange(server.target, asked).status == 500
        assert exchange(server.target, health).status == 503 and exchange(server.target, asked).status == 429
        assert server.service.thread.open == 0
    assert [str(error) for error in failed] == ["secret of the engine"]


@pytest.mark.parametrize("field", ["temperature", "top_p", "min_p", "repetition_penalty"])
@pytest.mark.parametrize("value", [5e-324, 1e-300, 1e-9, 0.01, 0.1, 1, 2, 10, 1e29])
def test_no_number_that_is_taken_breaks_the_engine(served, field, value):
    body = {"model": "tiny", "prompt": "abc", "max_tokens": 3, field: value}
    reply = exchange(
        served.target,
        request(served.target, method="POST", path="/v1/completions", body=json.dumps(body).encode()),
    )
    assert reply.status in (200, 400)
    assert served.service.thread.failures == 0


def test_half_characters_are_refused(served):
    for fields in ({"prompt": "\ud800"}, {"prompt": "a", "stop": "\udfff"}, {"\ud800": 1, "prompt": "a"}):
        body = json.dumps({"model": "tiny", **fields}).encode()
        assert (
            exchange(
                served.target, request(served.target, method="POST", path="/v1/completions", body=body)
            ).status
            == 400
        )
