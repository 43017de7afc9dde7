"""`groundup bench`: how fast a model writes on this machine, and how near that is to the machine's roof.

Next: infer/bench.py, what is measured and how.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import ConfigError
from groundup.base.files import write_json
from groundup.base.log import Progress

if TYPE_CHECKING:
    from groundup.infer.bench import Roof, Row, Timing
    from groundup.models.transformer import Transformer


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    if asked.rounds < 1:
        raise ConfigError(f"--rounds {asked.rounds} measures nothing. Choose 1 or more.")

    import torch

    from groundup.base.device import describe_machine, set_threads
    from groundup.infer.bench import measure_roof, step_bytes, summarised
    from groundup.weights.source import load_transformer

    threads = set_threads(asked.threads)
    model: Any = load_transformer(asked.model).model
    prompt_tokens, new_tokens = lengths(model.config.context_len, asked.prompt_tokens, asked.tokens)
    timings = measured(model, asked.batch, prompt_tokens, new_tokens, asked.rounds)
    roof = measure_roof(step_bytes(model, 1, 0))
    rows = [summarised(timings[batch], model, prompt_tokens, roof) for batch in asked.batch]
    about = {
        "model": Path(asked.model).name,
        "parameters": sum(parameter.numel() for parameter in model.parameters()),
        "bytes_of_a_step": step_bytes(model, 1, 0),
        "machine": describe_machine(),
        "threads": threads,
        "torch": str(torch.__version__),
        "prompt_tokens": prompt_tokens,
        "new_tokens": new_tokens,
        "rounds": asked.rounds,
    }
    print("\n".join(table(about, roof, rows)))
    if asked.out is not None:
        speeds = {**asdict(roof), "memory": roof.memory, "model": roof.model}
        write_json(asked.out, {**about, "roof": speeds, "rows": [asdict(row) for row in rows]})
        print(f"\nwritten to {asked.out}")
    if asked.plot is not None:
        from groundup.recipes.bench_figure import write_bench

        write_bench(asked.plot, about, roof, rows)
        print(f"drawn in {asked.plot}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup bench",
        description="Time to the first token, time per token, tokens a second over batch sizes, and the "
        "share of the speed at which this machine reads memory. Wall clock: let nothing else run.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("model", metavar="MODEL", help="a run, a GGUF file, a folder of Hugging Face's, or smollm2")
    add("--batch", type=sizes, default=[1, 2, 4, 8, 16, 32], metavar="N,N", help="rows (default: 1 to 32)")
    add("--prompt-tokens", type=int, metavar="N", help="default: 64, or half of the context")
    add("--tokens", type=int, metavar="N", help="new tokens of each row (default: 64, or what fits)")
    add("--rounds", type=int, default=5, metavar="N", help="the batch sizes take turns (default: 5)")
    add("--threads", type=int, metavar="N", help="default: as for every command")
    add("--out", type=Path, metavar="FILE.json", help="write every figure, with its unit in the name")
    add("--plot", type=Path, metavar="FILE", help="draw it: a .png or .svg")
    return parser


def sizes(text: str) -> list[int]:
    """Batch sizes from "1,8,32". Raises ArgumentTypeError.

    >>> sizes("1,8,32")
    [1, 8, 32]
    """
    parts = text.split(",")
    if not all(part.isdigit() and int(part) > 0 for part in parts) or len(set(parts)) < len(parts):
        raise argparse.ArgumentTypeError(
            f"{text!r} is no list of batch sizes. Write different whole numbers: 1,8,32."
        )
    return [int(part) for part in parts]


def lengths(context_len: int, prompt_tokens: int | None, new_tokens: int | None) -> tuple[int, int]:
    """(prompt tokens, new tokens), those asked for or those that fit. Raises ConfigError.

    >>> lengths(256, None, None), lengths(32, None, None), lengths(256, 200, None)
    ((64, 64), (16, 16), (200, 56))
    """
    from groundup.infer.bench import check_lengths

    prompt = min(64, context_len // 2) if prompt_tokens is None else prompt_tokens
    new = max(2, min(64, context_len - prompt)) if new_tokens is None else new_tokens
    check_lengths(context_len, prompt, new)
    return prompt, new


def measured(
    model: Transformer, batches: Sequence[int], prompt_tokens: int, new_tokens: int, rounds: int
) -> dict[int, list[Timing]]:
    """The timings of every batch size; they take turns, and a first round warms up."""
    from groundup.infer.bench import made_up_prompts, timed, writer

    write, found = writer(model), {batch: list[Any]() for batch in batches}
    prompts = {batch: made_up_prompts(model.config.vocab_size, batch, prompt_tokens) for batch in batches}
    with Progress((rounds + 1) * len(batches), "bench", "run") as bar:
        for turn in range(rounds + 1):
            for batch in batches:
                timing = timed(write, prompts[batch], new_tokens)
                if turn:
                    found[batch].append(timing)
                bar.advance(1, rows=batch)
    return found


def table(about: dict[str, Any], roof: Roof, rows: Sequence[Row]) -> Iterator[str]:
    """What the terminal shows."""
    yield (
        f"{about['model']}: {about['parameters']:,} parameters, {about['prompt_tokens']} tokens read, "
        f"{about['new_tokens']} written, {about['rounds']} rounds, {about['threads']} threads"
    )
    yield f"{about['machine']}, torch {about['torch']}"
    yield (
        f"memory: copy {roof.copy / 1e9:.1f} GB/s, triad {roof.triad / 1e9:.1f}, read {roof.read / 1e9:.1f}; "
        f"read {roof.bytes / 1e6:.1f} MB, as much as a step: {roof.read_small / 1e9:.1f} GB/s"
    )
    yield ""
    yield (
        f"{'rows':>4} {'first token':>12} {'per token':>12} {'p99':>9} {'tokens/s':>10} {'lowest':>8} "
        f"{'highest':>8} {'of memory':>10} {'of its roof':>12}"
    )
    for row in rows:
        rate, low, high = row.tokens_per_second
        yield (
            f"{row.batch:>4} {row.first[0] * 1e3:>9.2f} ms {row.token[0] * 1e3:>9.3f} ms "
            f"{row.p99 * 1e3:>6.2f} ms {rate:>10,.0f} {low:>8,.0f} {high:>8,.0f} "
            f"{row.share_of_memory:>10.0%} {row.share_of_roof:>12.0%}"
        )
