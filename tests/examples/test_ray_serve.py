"""The Ray Serve deployment, run here: a replica behind Ray's own proxy, the same guard and answers."""

import json
import os
import socket

import pytest

from benchmarks.raw_http import Target, exchange, request
from benchmarks.serving_attacks import chat
from groundup.weights import checkpoint
from tests.serve.conftest import tiny_model


@pytest.mark.slow
@pytest.mark.may_skip
def test_a_replica_answers_streams_and_refuses(tmp_path, monkeypatch):
    ray = pytest.importorskip("ray", reason="pip install 'groundup[ray]'")
    serve = pytest.importorskip("ray.serve", reason="pip install 'groundup[ray]'")
    model, tokenizer = tiny_model()
    checkpoint.save(tmp_path / "tiny", model=model, tokenizer=tokenizer, step=0)
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    for name, value in {
        "GROUNDUP_MODEL": str(tmp_path / "tiny"),
        "GROUNDUP_HOSTS": f"127.0.0.1:{port}",
        "GROUNDUP_TOKEN": "a-long-secret-word",
        "RAY_USAGE_STATS_ENABLED": "0",
        "HOME": str(tmp_path),  # it keeps a token there
    }.items():
        monkeypatch.setenv(name, value)
    from examples.ray_serve import deployment

    ray.init(num_cpus=2, include_dashboard=False, configure_logging=False, object_store_memory=80_000_000)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": port})
        serve.run(deployment)
        target = Target("127.0.0.1", port, token=os.environ["GROUNDUP_TOKEN"], model="tiny")
        ask = request(target, method="POST", path="/v1/chat/completions", body=chat(target, max_tokens=5))
        answer = exchange(target, ask, patience=60)
        assert answer.status == 200 and b"chat.completion" in answer.raw
        streamed = request(target, method="POST", path="/v1/chat/completions", body=chat(target, stream=True))
        assert b"data: [DONE]" in exchange(target, streamed, patience=60, after=2).raw
        refused = {
            "no token": request(target, token=None),
            "foreign host": request(target, host="evil.example"),
            "foreign origin": request(target, headers=[("Origin", "http://evil.example")]),
        }
        statuses = {name: exchange(target, raw, patience=30).status for name, raw in refused.items()}
        assert statuses == {"no token": 401, "foreign host": 403, "foreign origin": 403}
        bad = request(target, method="POST", path="/v1/chat/completions", body=chat(target, temperature=99))
        told = exchange(target, bad, patience=30)
        assert told.status == 400 and json.loads(told.body)["error"]["param"] == "temperature"
    finally:
        serve.shutdown()
        ray.shutdown()
