"""The stages of the recipe `adapt`, in order: each opens its stage, skips it if done, and returns it.

Next: adapt_report.py, what was gained and forgotten.
"""

from __future__ import annotations

import dataclasses
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from torch import nn

from groundup.base.config import from_dict, load_toml, to_dict, to_toml
from groundup.base.device import pick_device
from groundup.base.errors import ConfigError, DataError
from groundup.base.files import write_atomic, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive
from groundup.data.held_out import Survey
from groundup.data.learned import Learned, all_different, by_another
from groundup.data.replay import ReplayBatches
from groundup.data.shards import TokenShards
from groundup.evals.paired_bits import joined, pieces_of, score
from groundup.models.transformer import Transformer
from groundup.recipes.adapt import Adapt
from groundup.recipes.adapt_report import report
from groundup.recipes.calibrate import seconds_per_step
from groundup.recipes.my_text_law import tokens_in
from groundup.recipes.my_text_plan import GLANCE, LEAST_TOKENS, LOOKS_TOO, MARGIN, precise
from groundup.recipes.my_text_stages import SAMPLE_TEXT, STARTING
from groundup.recipes.own_text import look_through, side, tokenize
from groundup.recipes.pretrain_stages import sample
from groundup.recipes.size_dial import SMALL_BATCH, batch_tokens
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.fit import FitConfig, fit
from groundup.train.objective import cross_entropy
from groundup.weights import source

LOOKED_AT = 16_384  # tokens of each text, while it trains
SCORED = 131_072  # tokens of each text, before and after


@dataclass(frozen=True)
class Base:
    """The model to go on from, its tokenizer, and the tokens that it learned, if its run still has them."""

    model: Transformer
    tokenizer: Tokenizer
    digest: str
    old: Path | None  # a folder of tokens: train and held_out
    keeps: dict[str, Any] = field(default_factory=dict)  # of its manifest: how it is talked to, where it ends
    data: list[Learned] = field(default_factory=list)  # what it learned from

    @property
    def context_len(self) -> int:
        return self.model.config.context_len

    def tokens(self, wanted: str) -> np.ndarray:
        """The old text, or no tokens."""
        if self.old is None:
            return np.zeros(0, dtype=np.int64)
        return TokenShards.open(self.old / wanted, tokenizer_fingerprint=self.tokenizer.fingerprint).tokens


def road(recipe: Adapt, run_dir: RunDir) -> str:
    """Every stage in turn; returns what to tell the user."""
    base = load_base(recipe)
    text_stage, found = look_through(recipe.data, recipe.seed, run_dir)
    check_alphabet(base.tokenizer, found)
    chosen = plan(recipe, run_dir, found, base, text_stage)
    tokens_stage = tokenize(
        chosen.data, run_dir, found, base.tokenizer,
        inputs={"text": text_stage.digest}, context_len=base.context_len,
    )  # fmt: skip
    pieces = both_texts(base, tokens_stage, SCORED)
    before_stage = before(run_dir, base, tokens_stage, pieces)
    train_stage = train(
        chosen, run_dir, base, tokens_stage, "\n" if "\n" in found.alphabet else found.alphabet[0]
    )
    if train_stage is None:
        return "Stopped, and everything is saved. The same command carries on from there."
    return report(
        chosen,
        run_dir,
        train_stage,
        before_stage,
        pieces=pieces,
        tokenizer=base.tokenizer,
        keeps={**base.keeps, "data": all_different(base.data, tokens_stage.record.get("data", []))},
    )


def load_base(recipe: Adapt) -> Base:
    """The base, checked byte by byte. Raises CheckpointError; ConfigError if there is nothing to replay."""
    assert recipe.base is not None, "the recipe asks for it"
    path = recipe.base
    loaded = source.load_transformer(path, device=pick_device(recipe.device))
    assert isinstance(loaded.model, Transformer), "or it would have been refused"
    digest = source.digest(path)
    keeps = {key: value for key, value in loaded.manifest.extra.items() if key in ("chat", "stop", "bos")}
    extra = loaded.manifest.extra
    data = by_another(extra["source"]) if "source" in extra else extra.get("data", [])
    base = Base(loaded.model, loaded.tokenizer, digest, old_tokens(recipe.old or path), keeps, data)
    if base.old is None and (recipe.replay or recipe.old):
        raise ConfigError(
            f"The text that the base learned is not there: neither {recipe.old or path} nor a folder above "
            "it has the tokens of a run. Name its run with --old RUN, or go on without it: --replay 0, and "
            "what is forgotten cannot be measured."
        )
    return base


def old_tokens(path: Path) -> Path | None:
    """The folder `tokens` of the run in which the checkpoint lies, at most three levels up."""
    for folder in (path, *path.absolute().parents[:3]):
        if all((folder / "tokens" / wanted / "manifest.json").is_file() for wanted in ("train", "held_out")):
            return folder / "tokens"
    return None


def check_alphabet(tokenizer: Tokenizer, found: Survey) -> None:
    """Raise DataError if the base reads characters and the text has others."""
    if not isinstance(tokenizer, CharTokenizer):
        return
    if strange := sorted(set(found.alphabet) - set(tokenizer.characters)):
        shown = ", ".join(f"{c!r} (U+{ord(c):04X})" for c in strange[:8])
        raise DataError(
            f"The base reads {len(tokenizer.characters)} characters, and this text has {len(strange)} more: "
            f"{shown}{', ...' if len(strange) > 8 else ''}. Take them out of the text, or go on from a base "
            "that reads byte pairs, which knows every text."
        )


# ---- The plan ------------------------------------------------------------------------------------


def plan(recipe: Adapt, run_dir: RunDir, found: Survey, base: Base, text_stage: Stage) -> Adapt:
    """The recipe with nothing left open; what it chose is in `plan/chosen.toml`."""
    stage = run_dir.stage("plan", {"text": text_stage.digest, "base": base.digest, "recipe": recipe})
    if not stage.done:
        began = time.perf_counter()
        ids, characters = _first_ids(recipe, found, base.tokenizer)
        encode = (time.perf_counter() - began) / len(ids)
        unique = found.train * len(ids) / characters
        left = 60 * recipe.minutes - text_stage.seconds - stage.elapsed - STARTING
        fitted = dataclasses.replace(recipe.fit, precision=precise(recipe.fit.precision, recipe.device))
        chosen = dataclasses.replace(recipe, fit=fitted)
        steps, rows = _length(chosen, base, np.array(ids), seconds=left, unique=unique, encode=encode)
        chosen = dataclasses.replace(chosen, fit=dataclasses.replace(fitted, steps=steps, batch_size=rows))
        fresh = steps * rows * base.context_len * (1 - recipe.replay)
        if recipe.data.use is None:
            use = min(1.0, round(max(MARGIN * fresh, LEAST_TOKENS) / unique, 6))
            chosen = dataclasses.replace(chosen, data=dataclasses.replace(recipe.data, use=use))
        write_atomic(stage.dir / "chosen.toml", to_toml({"recipe": "adapt", **to_dict(chosen)}))
        stage.finish(steps=steps, batch_size=rows, readings=fresh / unique)
        run_dir.events.write(
            "note",
            text=f"{found.characters:,} characters in {found.documents:,} document"
            f"{'s' * (found.documents > 1)}, about {unique:,.0f} tokens to learn from.\nChosen: {steps:,} "
            f"steps of {rows * base.context_len:,} tokens; the new text is read {fresh / unique:.2g} times.",
        )
    content = load_toml(stage.dir / "chosen.toml")
    content.pop("recipe")
    return from_dict(Adapt, content, where=str(stage.dir / "chosen.toml"))


def _first_ids(recipe: Adapt, found: Survey, tokenizer: Tokenizer) -> tuple[list[int], int]:
    """The ids of the first characters of the training part, and how many characters they are."""
    ids: list[int] = []
    taken = 0
    for passage in side(recipe.data, found, "train"):
        text = passage.text[: SAMPLE_TEXT - taken]
        ids += tokenizer.encode(text)
        taken += len(text)
        if taken >= SAMPLE_TEXT:
            break
    return ids, taken


def _length(
    recipe: Adapt, base: Base, ids: np.ndarray, *, seconds: float, unique: float, encode: float
) -> tuple[int, int]:
    """Steps and rows: what was asked for, else what the time and the text allow."""
    device, T = pick_device(recipe.device), base.context_len
    assert recipe.fit.precision != "auto", "the plan fills it"
    config = FitConfig(steps=1, precision=recipe.fit.precision)
    rows = recipe.fit.batch_size or max(1, SMALL_BATCH // T)
    if recipe.fit.steps is not None:
        return recipe.fit.steps, rows
    per_step = seconds_per_step(
        base.model.config, ids, batch_size=rows, optim=recipe.optim, config=config, device=device,
        most_seconds=GLANCE * seconds,
    )  # fmt: skip
    fresh = 1 - recipe.replay  # of the tokens that are read
    per_token = LOOKS_TOO * per_step / (rows * T) / fresh
    new = tokens_in(max(seconds, 0.0), step=per_token, encode=encode, unique=unique)
    tokens = min(new, recipe.readings * unique) / fresh
    if recipe.fit.batch_size is None:
        rows = max(rows, min(8 * rows, batch_tokens(tokens, T) // T))
    return max(1, int(tokens / (rows * T))), rows


# ---- Training ------------------------------------------------------------------------------------

Texts = dict[str, list[np.ndarray]]  # "new" and, if it is there, "old": pieces of held-out text


def both_texts(base: Base, tokens_stage: Stage, most: int) -> Texts:
    """Pieces of what is held out of the new text and of the old one."""
    held_out = {"new": TokenShards.open(tokens_stage.dir / "held_out").tokens, "old": base.tokens("held_out")}
    return {
        name: pieces_of(tokens, most=most, context_len=base.context_len)
        for name, tokens in held_out.items()
        if len(tokens) > 1
    }


def before(run_dir: RunDir, base: Base, tokens_stage: Stage, pieces: Texts) -> Stage:
    """What the base knows of either text."""
    shapes = {name: [len(piece) for piece in of] for name, of in pieces.items()}
    stage = run_dir.stage("before", {"tokens": tokens_stage.digest, "base": base.digest, "pieces": shapes})
    if not stage.done:
        scores = {
            name: score(base.model, of, base.tokenizer, base.context_len) for name, of in pieces.items()
        }
        write_json(stage.dir / "scores.json", {name: list(map(asdict, of)) for name, of in scores.items()})
        stage.finish(**{name: joined(of).value for name, of in scores.items()})
    return stage


def train(recipe: Adapt, run_dir: RunDir, base: Base, tokens_stage: Stage, start: str) -> Stage | None:
    """The adapted model, best and last, in the stage's folder. None if a signal stopped it."""
    rows, config = recipe.fit.batch_size, recipe.training()
    assert rows is not None, "the plan fills it"
    own = {
        k: v for k, v in to_dict(recipe).items() if k not in ("base", "old", "data", "minutes", "readings")
    }
    stage = run_dir.stage("train", {"tokens": tokens_stage.digest, "base": base.digest, **own})
    if stage.done:
        return stage
    new = TokenShards.open(tokens_stage.dir / "train").tokens
    batches = ReplayBatches(
        new, base.tokens("train") if recipe.replay else new, share=recipe.replay,
        context_len=base.context_len, batch_size=rows, seed=derive(recipe.seed, "batches"),
    )  # fmt: skip
    glances = both_texts(base, tokens_stage, LOOKED_AT)

    def evaluate(net: nn.Module) -> dict[str, float]:
        found = {
            name: joined(score(net, of, base.tokenizer, base.context_len)) for name, of in glances.items()
        }
        numbers = {"loss": found["new"].loss, "bits_per_byte": found["new"].value}
        return numbers | ({"old_bits_per_byte": found["old"].value} if "old" in found else {})

    result = fit(
        base.model,
        batches=batches,
        objective=cross_entropy,
        optim=recipe.rates(),
        schedule=recipe.schedule(),
        config=config,
        out=stage.dir,
        events=run_dir.events,
        tokenizer=base.tokenizer,
        seed=recipe.seed,
        evaluate=evaluate,
        sample=lambda net: sample(net, base.tokenizer, start, recipe.seed),
        label="train",
    )
    if result.interrupted:
        return None
    stage.finish(
        seconds=result.seconds,
        flops=result.flops,
        step=result.step,
        tokens=result.tokens,
        best=result.best.name,
        parameters=sum(p.numel() for p in base.model.parameters()),
    )
    return stage
