"""`groundup generate`: continue a prompt with a model that was trained here, printing each word as it comes;
or a file of prompts, many at a time.

Next: generate_file.py, for the file; infer/engine.py, which both run on; chat.py, for models that were taught
to answer.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import ConfigError, UserError
from groundup.tokenizer.protocol import Tokenizer

if TYPE_CHECKING:
    from groundup.infer.engine import Engine
    from groundup.infer.sampling import SamplingParams
    from groundup.infer.speculate import Drafter
    from groundup.models.transformer import Transformer
    from groundup.weights.checkpoint import Checkpoint


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    if (asked.prompts is None) != (asked.out is None):
        raise ConfigError(
            "--prompts FILE and --out FILE belong together: give both, or --prompt for one text."
        )

    from groundup.base.device import pick_device, set_threads
    from groundup.cli.generate_file import continue_file
    from groundup.infer.engine import OFFLINE, Engine, EngineConfig
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.source import load_transformer

    params = SamplingParams(
        temperature=asked.temperature,
        top_k=asked.top_k,
        top_p=asked.top_p,
        min_p=asked.min_p,
        max_tokens=asked.max_tokens,
    )
    set_threads()
    device = pick_device(asked.device)
    trained = load_transformer(asked.model or asked.run, device=device)
    model = transformer(trained)
    params = replace(params, stop=tuple(trained.manifest.extra.get("stop", ())))
    drafter = _drafter(asked.draft, model)
    if asked.prompts is not None:
        engine = Engine.of(model, OFFLINE, drafter=drafter)
        done = continue_file(
            trained, engine, asked.prompts, asked.out, params=params, seed=asked.seed or 0, stops=asked.stop
        )
        print(done)
        return 0
    engine = Engine.of(model, EngineConfig(seed=asked.seed), drafter=drafter)
    stream(trained, engine, asked.prompt, params, stops=asked.stop)
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
    add(
        "--prompts",
        type=Path,
        metavar="FILE",
        help='JSON Lines, each with a "prompt" and settings of its own',
    )
    add("--out", type=Path, metavar="FILE", help="where their continuations go; a run cut off goes on there")
    add("--max-tokens", type=int, default=300, help="how many tokens to add (default: 300)")
    add("--temperature", type=float, default=0.8, help="0: the likeliest token, always (default: 0.8)")
    add("--top-k", type=int, default=0, help="choose among the K likeliest tokens (default: 0, all)")
    add(
        "--top-p", type=float, default=1.0, help="among the likeliest that hold this probability (default: 1)"
    )
    add("--min-p", type=float, default=0.0, help="among those this likely, relative to the likeliest (0)")
    add("--stop", action="append", default=[], metavar="TEXT", help="end before this text; may be repeated")
    add("--seed", type=int, help="the same seed gives the same text")
    add(
        "--draft",
        metavar="WHO",
        help="guess ahead, for the same text sooner: ngram, or a smaller model's RUN",
    )
    add("--device", default="auto", help="auto, cpu, cuda or mps (default: auto)")
    return parser


def transformer(trained: Checkpoint) -> Transformer:
    """Its model, or UserError if that is of a kind that the engine does not run."""
    from groundup.models.transformer import Transformer

    if not isinstance(trained.model, Transformer):
        raise UserError(
            f"A model of kind {trained.manifest.kind!r} cannot generate text here. Give a transformer."
        )
    return trained.model


def stream(
    trained: Checkpoint, engine: Engine, prompt: str, params: SamplingParams, *, stops: Sequence[str] = ()
) -> None:
    """Print the prompt and, token by token, what the model makes of it."""
    from groundup.infer.continuation import stream_on
    from groundup.infer.stop_strings import TextUntil

    text = TextUntil(trained.tokenizer, stops)

    def show(id: int) -> bool:
        print(text.push(id), end="", flush=True)
        return not text.stopped

    print(prompt, end="", flush=True)
    stream_on(engine, prompt_ids(trained, prompt), params, on_token=show)
    print(text.flush())


def prompt_ids(trained: Checkpoint, prompt: str) -> list[int]:
    """What the model reads for this prompt."""
    extra = trained.manifest.extra
    before = [extra["bos"]] if "bos" in extra else []
    return [*before, *trained.tokenizer.encode(prompt)] or [beginning(trained.tokenizer)]


def _drafter(who: str | None, model: Transformer) -> Drafter | None:
    from groundup.infer.speculate import ModelDrafter, NGramDrafter
    from groundup.weights.source import load_transformer

    if who is None:
        return None
    if who == "ngram":
        return NGramDrafter()
    small = load_transformer(who, device=model.embedding.weight.device)
    return ModelDrafter(transformer(small), vocab_size=model.config.vocab_size)


def beginning(tokenizer: Tokenizer) -> int:
    """The id that stands before a text: the mark of a new document, or a line break, or else the first id."""
    for mark in ("<|bos|>", "<|endoftext|>", "<|begin_of_text|>"):
        if mark in tokenizer.specials:
            return tokenizer.special(mark)
    return next((id for id in range(tokenizer.vocab_size) if tokenizer.bytes_of(id) == b"\n"), 0)
