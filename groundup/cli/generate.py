"""`groundup generate`: continue a prompt with a model that was trained here, printing each word as it comes.

A model of names (or other items of one line) writes a list of them instead, each beginning with the prompt.

Next: infer/items.py, how it makes up items; infer/continuation.py, how it writes past its context; chat.py,
      for models that were taught to answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import UserError

if TYPE_CHECKING:
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.checkpoint import Checkpoint


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)

    from groundup.base.device import pick_device, set_threads
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.source import load

    params = SamplingParams(
        temperature=asked.temperature, top_k=asked.top_k, top_p=asked.top_p, max_tokens=asked.max_tokens
    )
    set_threads()
    trained = load(asked.model or asked.run, device=pick_device(asked.device))
    if trained.manifest.extra.get("writes") == "items":
        list_items(trained, asked.prompt, params, count=asked.count, seed=asked.seed)
        return 0
    stream(trained, asked.prompt, params, seed=asked.seed)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup generate", description="Continue a prompt with a trained model.", allow_abbrev=False
    )
    add = parser.add_argument
    which = parser.add_mutually_exclusive_group(required=True)
    which.add_argument(
        "run", type=Path, nargs="?", metavar="RUN", help="a finished run, or a checkpoint in one"
    )
    which.add_argument(
        "--model", metavar="SOURCE", help="a GGUF file, a folder of Hugging Face's, or smollm2"
    )
    add("--prompt", default="", help="how the text begins (default: the start of a document, or a new line)")
    add("--max-tokens", type=int, default=300, help="how many tokens to add (default: 300)")
    add("--count", type=int, default=20, help="how many names, of a model of names (default: 20)")
    add("--temperature", type=float, default=0.8, help="0: the likeliest token, always (default: 0.8)")
    add("--top-k", type=int, default=0, help="choose among the K likeliest tokens (default: 0, all)")
    add(
        "--top-p", type=float, default=1.0, help="among the likeliest that hold this probability (default: 1)"
    )
    add("--seed", type=int, help="the same seed gives the same text")
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    return parser


def list_items(
    trained: Checkpoint, prompt: str, params: SamplingParams, *, count: int, seed: int | None
) -> None:
    """Print `count` items that begin with the prompt, one a line."""
    import torch

    from groundup.infer.items import write_items

    if count < 1:
        raise UserError(f"--count {count} is not allowed. Choose 1 or more.")
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    start = tuple(trained.tokenizer.encode(prompt))
    for item in write_items(trained.model, count, params, generator, start=start):
        print(trained.tokenizer.decode(item))


def stream(trained: Checkpoint, prompt: str, params: SamplingParams, *, seed: int | None) -> None:
    """Print the prompt and, token by token, what the model makes of it."""
    import torch

    from groundup.infer.continuation import write_on
    from groundup.models.transformer import Transformer
    from groundup.tokenizer.layouts import beginning
    from groundup.tokenizer.stream import StreamDecoder

    if not isinstance(trained.model, Transformer):
        raise UserError(
            f"A model of kind {trained.manifest.kind!r} cannot continue a text here. Give a transformer, or "
            "a finished run of names-...; what a rung of gpt-ladder writes is in its report/summary.json."
        )
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    extra = trained.manifest.extra
    before = [extra["bos"]] if "bos" in extra else []
    ids = [*before, *trained.tokenizer.encode(prompt)] or [beginning(trained.tokenizer)]
    params = replace(params, stop=tuple(extra.get("stop", ())))
    decoder = StreamDecoder(trained.tokenizer)
    print(prompt, end="", flush=True)
    write_on(
        trained.model, ids, params, generator, on_token=lambda id: print(decoder.push(id), end="", flush=True)
    )
    print(decoder.flush())
