"""The same server as a Ray Serve deployment: replicas on one machine or many, behind Ray's own HTTP proxy.

    pip install 'groundup[serve,ray]'        then, in the folder of this repository:
    GROUNDUP_MODEL=runs/zero-to-chat GROUNDUP_HOSTS=localhost:8000 serve run examples.ray_serve:deployment

Each replica is a whole server with an engine of its own; Ray chooses which of them a request goes to, starts
new ones where one dies, and passes a client's hanging up on. The guard checks what Ray's proxy passes on: so
GROUNDUP_HOSTS must name the proxy, as it stands in Host, and GROUNDUP_TOKEN the token that clients send.

What is not the same: Ray's proxy reads the request first, so the clock for headers and the limits on framing
are the proxy's; keep it behind one that you trust. A body's limit, the token, Host and Origin hold.

Next: docs/serving.md. Not here: a model in pieces over several machines; for that there is vLLM.
"""

from __future__ import annotations

import os
from typing import Any

from ray import serve

from groundup.base.errors import CheckpointError, ConfigError


def service() -> Any:
    """The server of one replica, as the environment describes it."""
    from groundup.serve.app import PUBLIC, Service
    from groundup.serve.guard import Guard
    from groundup.weights.imported import layout_of
    from groundup.weights.source import load_transformer

    source = os.environ.get("GROUNDUP_MODEL", "")
    if not source:
        raise ConfigError("GROUNDUP_MODEL is not set. Name a run, a GGUF file or smollm2.")
    checkpoint = load_transformer(source)
    try:
        layout = layout_of(checkpoint)
    except CheckpointError:
        layout = None
    hosts = [host for host in os.environ.get("GROUNDUP_HOSTS", "").split(",") if host]
    guard = Guard.of(8000, token=os.environ.get("GROUNDUP_TOKEN", ""), public=PUBLIC, hosts=hosts)
    name = os.environ.get("GROUNDUP_NAME", os.path.basename(os.path.abspath(source)))
    model: Any = checkpoint.model  # load_transformer says so
    return Service(model, checkpoint.tokenizer, layout, name=name, guard=guard)


@serve.deployment(max_ongoing_requests=192, ray_actor_options={"num_cpus": 1})
@serve.ingress(service)
class Replica:
    """One server; Ray starts as many as `num_replicas` says."""


deployment = Replica.bind()
