"""`groundup generate`: continue a prompt with a model that was trained here, printing each word as it comes.

Next: infer/continuation.py, how it writes past its context; chat.py, for models that were taught to answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import UserError
from groundup.tokenizer.protocol import Tokenizer

if TYPE_CHECKING:
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.checkpoint import Checkpoint


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)

    from groundup.base.device import pick_device, set_threads
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.source import load_transformer

    params = SamplingParams(
        temperature=asked.temperature, top_k=asked.top_k, top_p=asked.top_p, max_tokens=asked.max_tokens
    )
    set_threads()
    trained = load_transformer(asked.model or asked.run, device=pick_device(asked.device))
    stream(trained, asked.prompt, params, seed=asked.seed, trace=asked.trace)
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
    add("--temperature", type=float, default=0.8, help="0: the likeliest token, always (default: 0.8)")
    add("--top-k", type=int, default=0, help="choose among the K likeliest tokens (default: 0, all)")
    add(
        "--top-p", type=float, default=1.0, help="among the likeliest that hold this probability (default: 1)"
    )
    add("--seed", type=int, help="the same seed gives the same text")
    add(
        "--trace",
        type=Path,
        metavar="FILE.jsonl",
        help="write how sure it was of each token; `groundup plot FILE.jsonl` draws it",
    )
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    return parser


def stream(
    trained: Checkpoint, prompt: str, params: SamplingParams, *, seed: int | None, trace: Path | None = None
) -> None:
    """Print the prompt and, token by token, what the model makes of it; write a trace of it if asked to."""
    import torch

    from groundup.infer.continuation import write_on
    from groundup.infer.trace import Tracer
    from groundup.models.transformer import Transformer
    from groundup.tokenizer.stream import StreamDecoder

    if not isinstance(trained.model, Transformer):
        raise UserError(
            f"A model of kind {trained.manifest.kind!r} cannot generate text here. Give a transformer."
        )
    generator = torch.Generator()
    generator.seed() if seed is None else generator.manual_seed(seed)
    extra = trained.manifest.extra
    before = [extra["bos"]] if "bos" in extra else []
    ids = [*before, *trained.tokenizer.encode(prompt)] or [beginning(trained.tokenizer)]
    params = replace(params, stop=tuple(extra.get("stop", ())))
    decoder = StreamDecoder(trained.tokenizer)
    tracer = None
    if trace is not None:
        tracer = Tracer(trained.model, trained.tokenizer, params, prompt=ids)

    def hear(id: int) -> None:
        if tracer is not None:
            tracer.after(id)
        print(decoder.push(id), end="", flush=True)

    print(prompt, end="", flush=True)
    write_on(trained.model, ids, params, generator, on_token=hear)
    print(decoder.flush())
    if tracer is not None and trace is not None:
        tracer.write(trace)


def beginning(tokenizer: Tokenizer) -> int:
    """The id that stands before a text: the mark of a new document, or a line break, or else the first id."""
    for mark in ("<|bos|>", "<|endoftext|>", "<|begin_of_text|>"):
        if mark in tokenizer.specials:
            return tokenizer.special(mark)
    return next((id for id in range(tokenizer.vocab_size) if tokenizer.bytes_of(id) == b"\n"), 0)
