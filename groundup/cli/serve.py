"""`groundup serve`: a model behind an API that speaks OpenAI's language.

On this machine alone nobody is asked for a token unless there is one. Beyond it a token is always asked for:
the one in GROUNDUP_TOKEN or --token-file, or one that is made up and printed.

Next: serve/app.py.
"""

import argparse
import os
import secrets
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from groundup.base.errors import CheckpointError, UserError
from groundup.base.files import read_text


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = parser().parse_args(words)
    try:
        import uvicorn  # noqa: F401
    except ImportError:
        raise UserError("`groundup serve` needs uvicorn: pip install 'groundup[serve]'.") from None
    from groundup.base.device import pick_device, set_threads
    from groundup.infer.engine import EngineConfig
    from groundup.serve.app import PUBLIC, Service
    from groundup.serve.guard import Guard
    from groundup.serve.run import LOOPBACK, listen, server
    from groundup.weights.imported import layout_of
    from groundup.weights.source import load_transformer

    token, made_up = read_token(asked.token_file, beyond=asked.host not in LOOPBACK)
    listener = listen(asked.host, asked.port)
    set_threads()
    checkpoint = load_transformer(asked.model, device=pick_device(asked.device))
    try:
        layout = layout_of(checkpoint)
    except CheckpointError:
        layout = None
    port = listener.getsockname()[1]
    guard = Guard.of(port, token=token, public=PUBLIC, hosts=asked.allow_host)
    name = asked.name or Path(asked.model).resolve().name
    model: Any = checkpoint.model  # load_transformer says so
    service = Service(model, checkpoint.tokenizer, layout, name=name, guard=guard,
                      config=EngineConfig(cache_mb=asked.cache_mb), most=asked.max_open)  # fmt: skip
    shown = f"[{asked.host}]" if ":" in asked.host else asked.host
    print(f"{name} at http://{shown}:{port}/v1" + ("" if layout else " (completions only)"), flush=True)
    if made_up:
        print(f"token: {token}", flush=True)
    server(service).run(sockets=[listener])
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's own words."""
    out = argparse.ArgumentParser(prog="groundup serve", description="A model behind OpenAI's API.")
    out.add_argument(
        "model", metavar="RUN", help="a run, a GGUF file, a folder of Hugging Face's, or smollm2"
    )
    out.add_argument("--host", default="127.0.0.1", help="where to listen (%(default)s)")
    out.add_argument("--port", type=int, default=8000, help="0: any that is free (%(default)s)")
    out.add_argument("--name", help="what clients call the model (default: the folder's name)")
    out.add_argument(
        "--token-file", type=Path, metavar="FILE", help="a file with the token that clients send"
    )
    out.add_argument("--allow-host", action="append", default=[], metavar="NAME[:PORT]",
                     help="a name under which it is reached, as in Host; may be repeated")  # fmt: skip
    out.add_argument(
        "--max-open",
        type=int,
        default=192,
        help="answers in the making at once; more get a 429 (%(default)s)",
    )
    out.add_argument("--cache-mb", type=int, default=512, help="memory for keys and values (%(default)s)")
    out.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (%(default)s)")
    return out


def read_token(file: Path | None, *, beyond: bool) -> tuple[str, bool]:
    """(the token, or "" for none; whether it was made up just now)."""
    token = read_text(file).strip() if file else os.environ.get("GROUNDUP_TOKEN", "").strip()
    if file and not token:
        raise UserError(f"{file} holds no token. Write one into it: openssl rand -hex 32 > {file}")
    if token and (len(token) < 16 or not token.isascii() or not token.isprintable() or " " in token):
        raise UserError(
            "A token has at least 16 letters, digits or signs and no blank: openssl rand -hex 32."
        )
    return (secrets.token_urlsafe(32), True) if beyond and not token else (token, False)
