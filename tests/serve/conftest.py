"""A server of a tiny real model, in a thread of this process, on a port of its own."""

import contextlib
import threading
import time
from dataclasses import dataclass, replace

import pytest
import torch
import uvicorn

from benchmarks.raw_http import Target
from groundup.infer.engine import EngineConfig
from groundup.models.transformer import Transformer, qwen3
from groundup.serve.app import PUBLIC, Service
from groundup.serve.guard import Guard
from groundup.serve.run import listen, server
from groundup.tokenizer import chat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.layouts import OWN


@dataclass
class Running:
    service: Service
    target: Target
    uvicorn: uvicorn.Server
    thread: threading.Thread

    def idle(self, patience=10.0):
        """Waits until nothing is being written; are all blocks free?"""
        until = time.monotonic() + patience
        while self.service.thread.engine.busy or self.service.thread.open:
            assert time.monotonic() < until, "the engine goes on"
            time.sleep(0.005)
        return self.service.thread.engine.blocks.free == len(self.service.thread.engine.blocks.refs)


def tiny_model(context_len=4096):
    tokenizer = BytePairTokenizer([], specials=chat.SPECIALS)
    torch.manual_seed(0)
    model = Transformer(
        qwen3(
            vocab_size=tokenizer.vocab_size,
            context_len=context_len,
            n_layer=1,
            n_head=2,
            n_kv_head=1,
            n_embd=32,
        )
    ).eval()
    for parameter in model.parameters():
        parameter.data += 0.2 * torch.randn_like(parameter)  # else it would say one token for ever
    return model, tokenizer


@contextlib.contextmanager
def running(token="", most=192, **config):
    model, tokenizer = tiny_model()
    listener = listen("127.0.0.1", 0)
    port = listener.getsockname()[1]
    guard = Guard.of(port, token=token, public=PUBLIC)
    service = Service(
        model, tokenizer, OWN, name="tiny", guard=guard, most=most, config=EngineConfig(cache_mb=64, **config)
    )
    http = server(service)
    thread = threading.Thread(target=http.run, kwargs={"sockets": [listener]})
    thread.start()
    target = Target("127.0.0.1", port, token=token, model="tiny")
    while not http.started:
        assert thread.is_alive(), "the server did not start"
        time.sleep(0.01)
    try:
        yield Running(service, target, http, thread)
    finally:
        http.should_exit = True
        thread.join(30)
        assert not thread.is_alive()


@pytest.fixture(scope="package")
def served():
    with running() as server:
        yield server


@pytest.fixture(scope="package")
def guarded():
    with running(token="a-long-secret-word") as server:
        yield server


def without_token(target):
    return replace(target, token="")
