"""The stages of the recipe `my-text`, in order: each opens its stage, skips it if done, and returns it.

Next: my_text_plan.py, what is chosen; pretrain_stages.py, whose training this is; my_text_report.py.
"""

from __future__ import annotations

import dataclasses
import itertools
import time

import numpy as np

from groundup.base.config import from_dict, load_toml, to_dict, to_toml
from groundup.base.files import read_json, write_atomic, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.data.held_out import Survey
from groundup.recipes import pretrain_stages
from groundup.recipes.my_text import MyText, OwnTokenizerConfig
from groundup.recipes.my_text_law import vocabulary
from groundup.recipes.my_text_plan import Plan, TextFacts, complete
from groundup.recipes.my_text_report import report
from groundup.recipes.own_text import look_through, side, tokenize
from groundup.recipes.pretrain_stages import BOS
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.patterns import GPT2
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.train import train

TOKENIZER_TEXT = 4_000_000  # characters are enough to count pairs in; more text gives nearly the same merges
SAMPLE_TEXT = 200_000  # characters to measure with: how long a token is, and what encoding costs
STARTING = 5.0  # seconds that Python and the last picture take


def road(recipe: MyText, run_dir: RunDir) -> str:
    """Every stage in turn; returns what to tell the user."""
    _, found = look_through(recipe.data, recipe.seed, run_dir)
    tokenizer_stage, tokenizer = train_tokenizer(recipe, run_dir, found)
    chosen = plan(recipe, run_dir, found, tokenizer_stage, tokenizer)
    inputs = {"tokenizer": tokenizer_stage.digest}
    context_len = chosen.training().model.context_len
    tokens_stage = tokenize(chosen.data, run_dir, found, tokenizer, inputs=inputs, context_len=context_len)
    start = "\n" if "\n" in found.alphabet else found.alphabet[0]
    train_stage = pretrain_stages.train(chosen.training(), run_dir, tokenizer, tokens_stage, start)
    if train_stage is None:
        return "Stopped, and everything is saved. The same command carries on from there."
    return report(chosen, run_dir, tokenizer, tokens_stage, train_stage)


def train_tokenizer(recipe: MyText, run_dir: RunDir, found: Survey) -> tuple[Stage, Tokenizer]:
    """Characters of the whole text (so that none is unknown later), or byte pairs of the training part."""
    kind, vocab_size = _kind(recipe, found)
    inputs = {"text": found.digest, "keep": found.keep, "share": found.share, "seed": found.seed}
    stage = run_dir.stage("tokenizer", {**inputs, "kind": kind, "vocab_size": vocab_size})
    if not stage.done:
        specials = (BOS,) if found.documents > 1 else ()
        if kind == "chars":
            trained: Tokenizer = CharTokenizer(found.alphabet, specials)
        else:
            share = min(1.0, TOKENIZER_TEXT / found.train)
            texts = (text.text for text in side(recipe.data, found, "train", use=share))
            trained = train(texts, vocab_size=vocab_size, pattern=GPT2, specials=specials)
        trained.save(stage.dir / "tokenizer.json")
        stage.finish(vocab_size=trained.vocab_size, fingerprint=trained.fingerprint)
    return stage, load_tokenizer(stage.dir)


def _kind(recipe: MyText, found: Survey) -> tuple[str, int]:
    asked = recipe.tokenizer
    kind, size = vocabulary(found.train * found.bytes_per_character, len(found.alphabet))
    if asked.kind != "auto":
        kind = asked.kind
    elif asked.vocab_size is not None:
        kind = "bpe"
    return kind, (asked.vocab_size or size) if kind == "bpe" else len(found.alphabet)


# ---- The plan ------------------------------------------------------------------------------------


def plan(
    recipe: MyText, run_dir: RunDir, found: Survey, tokenizer_stage: Stage, tokenizer: Tokenizer
) -> MyText:
    """The recipe with nothing left open. What it chose is in `plan/chosen.toml`, and why in plan.json."""
    stage = run_dir.stage("plan", {"tokenizer": tokenizer_stage.digest, "recipe": recipe})
    if not stage.done:
        before = sum(
            read_json(run_dir.path / name / "stage.json")["seconds"] for name in ("text", "tokenizer")
        )
        facts = _facts(recipe, found, tokenizer)
        left = 60 * recipe.minutes - before - stage.elapsed - STARTING
        made = complete(recipe, facts, vocab_size=tokenizer.vocab_size, seconds=left)
        chosen = dataclasses.replace(made.recipe, tokenizer=_like(tokenizer))
        write_atomic(stage.dir / "chosen.toml", to_toml({"recipe": "my-text", **to_dict(chosen)}))
        write_json(stage.dir / "plan.json", made.to_dict())
        stage.finish(seconds_left=left, **made.to_dict())
        say(run_dir, made, found, facts)
    content = load_toml(stage.dir / "chosen.toml")
    content.pop("recipe")
    return from_dict(MyText, content, where=str(stage.dir / "chosen.toml"))


def _like(tokenizer: Tokenizer) -> OwnTokenizerConfig:
    """The setting that gives this tokenizer again from the same text."""
    if isinstance(tokenizer, CharTokenizer):
        return OwnTokenizerConfig("chars")
    return OwnTokenizerConfig("bpe", tokenizer.vocab_size)


def _facts(recipe: MyText, found: Survey, tokenizer: Tokenizer) -> TextFacts:
    """Measured on the first characters of the training part."""
    texts, taken = [], 0
    for passage in side(recipe.data, found, "train"):
        texts.append(passage.text[: SAMPLE_TEXT - taken])
        taken += len(texts[-1])
        if taken >= SAMPLE_TEXT:
            break
    began = time.perf_counter()
    ids = list(itertools.chain.from_iterable(tokenizer.encode(text) for text in texts))
    seconds = time.perf_counter() - began
    return TextFacts(np.array(ids), unique=found.train * len(ids) / taken, encode=seconds / len(ids))


def say(run_dir: RunDir, made: Plan, found: Survey, facts: TextFacts) -> None:
    """The plan in words, and what to know before one waits."""
    trial = made.chosen
    shape = f"{trial.n_layer} layers of {trial.n_embd} channels"
    pace = "" if trial.seconds_per_step is None else f", {1000 * trial.seconds_per_step:,.0f} ms each here"
    run_dir.events.write(
        "note",
        text=f"{found.characters:,} characters in {found.documents:,} document{'s' * (found.documents > 1)}, "
        f"about {facts.unique:,.0f} tokens to learn from; {found.held_out / found.characters:.0%} held out.\n"
        f"Chosen: {shape} ({trial.weights:,} weights and the embedding), {trial.steps:,} steps of "
        f"{trial.rows * made.recipe.training().model.context_len:,} tokens{pace}: the text is read "
        f"{trial.tokens / facts.unique:.2g} times, {trial.worth / trial.weights:.2g} tokens a weight.",
    )
    for text in made.warnings:
        run_dir.events.write("warning", text=text)
