"""The claims of the engine: against transformers' `generate`, and against itself where a promise is its own.

    python -m benchmarks.inference                     needs: pip install transformers
    python -m benchmarks.inference --only gap prefix   some of it

Every number is CPU time of this process with one thread, contenders in turns, the median of its rounds; so
other jobs on the machine disturb it little. Random weights of 29 M parameters (Llama's shape, vocabulary
8,192) where only speed counts, the same in both libraries and with the same greedy ids; SmolLM2-135M where
what is said matters: whether guesses are right.

  fp32           one text, 64 new tokens, against `generate` with its cache
  aggregate      32 texts at once, 64 tokens each, against `generate` on a padded batch; and `mixed`, 16 to
                 128 tokens each, where a static batch waits for its longest
  gap            eight texts are written while a prompt of 1,000 tokens arrives: time from token to token
  prefix         time to the first token behind a system prompt of 1,000 tokens: read before, or not
  speculation    a list that is written again: n-gram lookup against none, the same ids

Does not: measure quality, int8 weights, HTTP, or transformers' own continuous batching.
"""

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from importlib.metadata import version
from pathlib import Path
from typing import Any

os.environ.setdefault(
    "OMP_NUM_THREADS", "1"
)  # before torch is imported: its threads are not part of the claim

import torch

from benchmarks.result import Claim, Result, bigger_is_better, smaller_is_better, table, write
from groundup.base.device import describe_machine
from groundup.base.errors import DataError, UserError
from groundup.base.rundir import git_state
from groundup.infer.engine import OFFLINE, Engine, EngineConfig
from groundup.infer.sampling import SamplingParams
from groundup.infer.speculate import NGramDrafter
from groundup.models.transformer import Transformer, TransformerConfig, llama
from groundup.weights.source import load_transformer

NAME = "inference"
HOME = Path(__file__).resolve().parent.parent
SHAPE = llama(vocab_size=8192, context_len=2048, n_layer=8, n_head=8, n_embd=512, tie=True)
LIST = "".join(f"{n}. {name}: ready\n" for n, name in enumerate(
    "apple banana cherry grape lemon mango olive peach plum quince".split(), 1))  # fmt: skip


@dataclass(frozen=True)
class Effort:
    """How much is measured: the defaults are what is published."""

    shape: TransformerConfig = SHAPE
    rounds: int = 5
    new_tokens: int = 64
    texts: int = 32
    long_prompt: int = 1_000


def main(words: Sequence[str]) -> int:
    """Measure, print the claims, and write them if they are all there."""
    parser = argparse.ArgumentParser(prog="benchmarks.inference", description="The engine's claims.")
    parser.add_argument("--only", choices=PARTS, nargs="+", metavar="PART", help=f"of {', '.join(PARTS)}")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        result = measure(asked.only or list(PARTS), Effort())
        print(table(result))
        if not asked.only or asked.out:
            print(f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def measure(parts: Sequence[str], effort: Effort) -> Result:
    """The claims of these parts, from one process with one thread."""
    torch.set_num_threads(1)
    git = git_state(HOME)
    claims: list[Claim] = []
    for part in parts:
        print(f"{part} ...", file=sys.stderr, flush=True)
        claims += PARTS[part](effort)
    versions = {"python": platform.python_version(), "torch": version("torch")}
    if {"fp32", "aggregate"} & set(parts):
        versions["transformers"] = version("transformers")
    return Result(
        name=NAME,
        machine=f"{describe_machine()}, 1 thread",
        versions=versions
        | ({"commit": f"{git['commit'][:12]}{'+' if git['changed'] else ''}"} if git else {}),
        date=date.today().isoformat(),
        claims=tuple(claims),
    )


# ---- Against transformers ------------------------------------------------------------------------


def one_text(effort: Effort) -> list[Claim]:
    """Tokens a second of one text, prompt included in the time."""
    model = built(effort)
    theirs = Peer(model)
    prompt = prompts(effort, 1)
    params = SamplingParams(temperature=0, max_tokens=effort.new_tokens)
    engine = Engine.of(model, EngineConfig(share_prefixes=False))
    ours_s, theirs_s, outcome = in_turns(
        effort, lambda: engine.complete(prompt, params), lambda: theirs.generate(prompt, effort.new_tokens)
    )
    same_ids([g.ids for g in outcome[0]], outcome[1])
    return [faster("fp32-vs-transformers", "one text, fp32", ours_s, theirs_s, effort.new_tokens, "same ids")]


def many_texts(effort: Effort) -> list[Claim]:
    """Tokens a second of all texts together."""
    model = built(effort)
    theirs = Peer(model)
    asked = prompts(effort, effort.texts)
    params = SamplingParams(temperature=0, max_tokens=effort.new_tokens)
    engine = Engine.of(model, OFFLINE)

    def ours() -> Any:
        engine.forget()
        return engine.complete(asked, params)

    ours_s, theirs_s, outcome = in_turns(effort, ours, lambda: theirs.generate(asked, effort.new_tokens))
    same_ids([g.ids for g in outcome[0]], outcome[1])
    total = effort.texts * effort.new_tokens
    note = "same ids; equal lengths, where a static batch is at its best"
    what = f"{effort.texts} texts, equally long"
    claims = [faster("aggregate-32-vs-transformers-static", what, ours_s, theirs_s, total, note)]
    low, high = effort.new_tokens // 4, effort.new_tokens * 2
    lengths = [low + (high - low) * i // (effort.texts - 1) for i in range(effort.texts)]

    def mixed() -> None:
        engine.forget()
        for prompt, length in zip(asked, lengths, strict=True):
            engine.add(prompt, SamplingParams(temperature=0, max_tokens=length))
        while engine.busy:
            engine.step()

    ours_s, theirs_s, _ = in_turns(effort, mixed, lambda: theirs.generate(asked, high))
    note = f"{low} to {high} new tokens a text; the static batch runs until the longest has ended"
    what = f"{effort.texts} texts of different lengths"
    id = "aggregate-32-mixed-vs-transformers-static"
    return [*claims, faster(id, what, ours_s, theirs_s, sum(lengths), note)]


class Peer:
    """transformers' Llama with the weights of ours."""

    def __init__(self, model: Transformer):
        try:
            import transformers
        except ImportError:
            raise DataError(
                "transformers is not installed: pip install transformers, or --only gap prefix"
            ) from None
        c = model.config
        config = transformers.LlamaConfig(
            vocab_size=c.vocab_size,
            hidden_size=c.n_embd,
            intermediate_size=c.mlp_hidden,
            num_hidden_layers=c.n_layer,
            num_attention_heads=c.n_head,
            num_key_value_heads=c.kv_heads,
            max_position_embeddings=c.context_len,
            rms_norm_eps=c.norm_eps,
            tie_word_embeddings=c.tie,
            bos_token_id=None,
            eos_token_id=None,
            pad_token_id=0,
        )
        self.model = transformers.LlamaForCausalLM(config).eval()
        self.model.load_state_dict(their_weights(model), strict=True)

    def generate(self, rows: list[list[int]], new_tokens: int) -> list[list[int]]:
        """Greedy; prompts padded on the left, as their documentation asks."""
        longest = max(map(len, rows))
        ids = torch.tensor([[0] * (longest - len(row)) + row for row in rows])
        mask = torch.tensor([[0] * (longest - len(row)) + [1] * len(row) for row in rows])
        with torch.inference_mode():
            made = self.model.generate(
                ids,
                attention_mask=mask,
                do_sample=False,
                max_new_tokens=new_tokens,
                min_new_tokens=new_tokens,
            )
        return made[:, longest:].tolist()


def their_weights(model: Transformer) -> dict[str, torch.Tensor]:
    """The weights of our Llama under their names."""
    weights, rows = model.state_dict(), model.fused_rows()
    found = {
        "model.embed_tokens.weight": weights["embedding.weight"],
        "lm_head.weight": weights["embedding.weight"],
        "model.norm.weight": weights["norm.weight"],
    }
    for layer in range(model.config.n_layer):
        mine, yours = f"blocks.{layer}", f"model.layers.{layer}"
        q, k, v = weights[f"{mine}.attention.qkv.weight"].split(rows[f"{mine}.attention.qkv.weight"])
        gate, up = weights[f"{mine}.mlp.gate_up.weight"].split(rows[f"{mine}.mlp.gate_up.weight"])
        found |= {
            f"{yours}.self_attn.q_proj.weight": q,
            f"{yours}.self_attn.k_proj.weight": k,
            f"{yours}.self_attn.v_proj.weight": v,
            f"{yours}.self_attn.o_proj.weight": weights[f"{mine}.attention.out.weight"],
            f"{yours}.mlp.gate_proj.weight": gate,
            f"{yours}.mlp.up_proj.weight": up,
            f"{yours}.mlp.down_proj.weight": weights[f"{mine}.mlp.down.weight"],
            f"{yours}.input_layernorm.weight": weights[f"{mine}.attention_norm.weight"],
            f"{yours}.post_attention_layernorm.weight": weights[f"{mine}.mlp_norm.weight"],
        }
    return found


# ---- Against itself ------------------------------------------------------------------------------


def gap(effort: Effort) -> list[Claim]:
    """The time of each step while a long prompt arrives, in medians of the steps when nothing does."""
    engine = Engine.of(built(effort), EngineConfig(share_prefixes=False))
    long = SamplingParams(temperature=0, max_tokens=effort.shape.context_len)
    quiet: list[float] = []
    busy: list[float] = []
    for _ in range(max(1, effort.rounds // 2)):
        writing = [engine.add(prompt, long) for prompt in prompts(effort, 8)]
        for _ in range(4):
            engine.step()
        quiet += [cpu(engine.step)[0] for _ in range(40)]
        arriving = engine.add(prompts(effort, 1, length=effort.long_prompt)[0], long)
        while arriving.made == 0:
            busy.append(cpu(engine.step)[0])
        for sequence in [*writing, arriving]:
            engine.cancel(sequence)
        engine.step()
    median = statistics.median(quiet)
    p99 = sorted(busy)[min(len(busy) - 1, int(0.99 * len(busy)))]
    note = f"8 texts; p99 over the median without: smaller is better; {len(busy)} steps with it"
    what = f"token to token while {effort.long_prompt:,} tokens arrive"
    return [Claim("gap.p99-in-medians", what, "medians", p99 / median, n=len(busy), note=note)]


def prefix(effort: Effort) -> list[Claim]:
    """CPU seconds to the first token behind a long system prompt, in the cache against not."""
    engine = Engine.of(built(effort))
    system = prompts(effort, 1, length=effort.long_prompt)[0]
    first = SamplingParams(temperature=0, max_tokens=1)
    hits, misses = [], []
    for i in range(effort.rounds):
        engine.forget()
        misses.append(cpu(lambda i=i: engine.complete([[*system, i, 1, 2, 3]], first))[0])
        hits.append(cpu(lambda i=i: engine.complete([[*system, i + 99, 4, 5, 6]], first))[0])
    hit, miss = statistics.median(hits), statistics.median(misses)
    return [
        Claim(
            "prefix.first-token",
            f"first token behind {effort.long_prompt:,} tokens read before",
            "CPU s",
            hit,
            miss,
            smaller_is_better(hit, miss),
            effort.rounds,
            (min(hits), max(hits)),
            "the same engine, not read before",
            "interval: all rounds",
        )
    ]


def speculation(effort: Effort) -> list[Claim]:
    """SmolLM2 writes a list again, with and without n-gram lookup."""
    trained = load_transformer("smollm2")
    assert isinstance(trained.model, Transformer)
    ids = trained.tokenizer.encode(f"{LIST}\nThe same list again:\n{LIST[:30]}")
    params = SamplingParams(temperature=0, max_tokens=effort.new_tokens)
    plain = Engine.of(trained.model, EngineConfig(max_running=1))
    guessing = Engine.of(trained.model, EngineConfig(max_running=1), drafter=NGramDrafter())
    plain.complete([ids], params), guessing.complete([ids], params)  # the prompt is in the cache of both
    with_s, without_s, outcome = in_turns(
        effort, lambda: guessing.complete([ids], params), lambda: plain.complete([ids], params)
    )
    same_ids([outcome[0][0].ids], [outcome[1][0].ids])
    share = guessing.stats.accepted / max(1, guessing.stats.drafted)
    note = f"SmolLM2-135M, fp32, one text, greedy, same ids; {share:.0%} of the guesses were right"
    what, peer = "n-gram lookup on a list that is repeated", "the same engine without"
    return [faster("speculation.ngram", what, with_s, without_s, effort.new_tokens, note, peer=peer)]


# ---- How it is measured --------------------------------------------------------------------------


def built(effort: Effort) -> Transformer:
    """The model of this effort, with the same random weights every time."""
    torch.manual_seed(0)
    return Transformer(effort.shape).eval()


def prompts(effort: Effort, count: int, *, length: int = 0) -> list[list[int]]:
    """So many prompts of random ids: of 24 to 40 tokens, or of that length."""
    generator = torch.Generator().manual_seed(count + length)
    V = effort.shape.vocab_size
    return [torch.randint(1, V, (length or 24 + i % 17,), generator=generator).tolist() for i in range(count)]


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    """(CPU seconds, what came back)."""
    start = time.process_time()
    made = work()
    return time.process_time() - start, made


def in_turns(
    effort: Effort, ours: Callable[[], Any], theirs: Callable[[], Any]
) -> tuple[list[float], list[float], tuple[Any, Any]]:
    """CPU seconds of each round of both, and what both made. Before the rounds each runs once."""
    outcome = (ours(), theirs())
    rounds = [(cpu(ours)[0], cpu(theirs)[0]) for _ in range(effort.rounds)]
    return [a for a, _ in rounds], [b for _, b in rounds], outcome


def faster(
    id: str,
    what: str,
    ours: list[float],
    theirs: list[float],
    tokens: int,
    note: str,
    *,
    peer: str = "transformers generate",
) -> Claim:
    """Tokens a CPU second of both."""
    mine, yours = tokens / statistics.median(ours), tokens / statistics.median(theirs)
    spread = (tokens / max(ours), tokens / min(ours))
    ratio, note = bigger_is_better(mine, yours), f"{note}; interval: all rounds"
    return Claim(id, what, "tokens/CPU s", mine, yours, ratio, len(ours), spread, peer, note)


def same_ids(ours: list[list[int]], theirs: list[list[int]]) -> None:
    """Raises DataError if two libraries with the same weights do not say the same."""
    if ours != theirs:
        wrong = sum(a != b for a, b in zip(ours, theirs, strict=True))
        raise DataError(
            f"{wrong} of {len(ours)} texts differ: what is timed is not the same work. Nothing is claimed."
        )


PARTS: dict[str, Callable[[Effort], list[Claim]]] = {
    "fp32": one_text,
    "aggregate": many_texts,
    "gap": gap,
    "prefix": prefix,
    "speculation": speculation,
}

if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
