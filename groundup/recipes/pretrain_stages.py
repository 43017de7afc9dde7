"""The stages of the recipe `pretrain`, in order: each opens its stage, skips it if done, and returns it.

A stage's inputs are the settings it reads and the digests of the stages it reads; what it leaves is in its
folder and in its record.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import nn

from groundup.base.device import pick_device
from groundup.base.errors import DataError, FetchError, HashError
from groundup.base.files import write_atomic, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive, torch_generator
from groundup.data.batches import WindowBatches
from groundup.data.documents import Document, documents
from groundup.data.learned import Learned, from_file, from_sources
from groundup.data.read_text import read_path
from groundup.data.shards import TokenShards, write_shards
from groundup.data.sources import source
from groundup.data.split import split_of
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.infer.continuation import write_on
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.recipes.memory_estimate import memory_there, refuse, training_need
from groundup.recipes.report_data import CHARTS, duration
from groundup.recipes.report_png import draw_curves
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.load import load as load_tokenizer
from groundup.tokenizer.patterns import GPT2
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.train import train as train_byte_pairs
from groundup.train.fit import fit
from groundup.train.metrics import curve
from groundup.train.objective import cross_entropy
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from groundup.recipes.pretrain import DataConfig, Pretrain, TokenizerConfig

BOS = "<|bos|>"  # before each document, where there are several
WHOLE_DOCUMENTS = 20  # from so many documents on, whole ones are held out; below, the end of the text


@dataclass(frozen=True)
class Text:
    """The documents to learn from and those held out, and a digest of both."""

    train: Sequence[str]
    held_out: Sequence[str]
    digest: str
    data: tuple[Learned, ...] = ()  # what it is, for the card of the model

    @property
    def start(self) -> str:
        """What a sample begins with: a line break, or the first character of a text that has none."""
        return "\n" if any("\n" in text for text in self.train) else self.train[0][0]


def read(config: DataConfig, seed: int, run_dir: RunDir) -> Text:
    """The text of a recipe, split. Raises DataError if there is too little of it to hold anything out."""
    found, data = _documents(config, run_dir)
    if len(found) >= WHOLE_DOCUMENTS:
        shares = {"train": 1 - config.held_out, "held_out": config.held_out}
        sides = [split_of(document.id, seed, shares) for document in found]
        train, held_out = (
            [d.text for d, where in zip(found, sides, strict=True) if where == side] for side in shares
        )
    else:
        train, held_out = _cut([document.text for document in found], config.held_out)
    if not train or not held_out:
        raise DataError(
            f"Of {len(found)} documents none is left to {'hold out' if train else 'learn from'} at "
            f"held_out={config.held_out}. Give more text, or another share."
        )
    digest = hashlib.sha256(repr((train, held_out)).encode()).hexdigest()
    return Text(train, held_out, digest, tuple(data))


def _documents(config: DataConfig, run_dir: RunDir) -> tuple[list[Document], list[Learned]]:
    if config.path is not None:
        return list(read_path(config.path)), from_file(config.path)
    source(config.source)  # an unknown name is refused, not replaced
    try:
        return list(documents(config.source)), from_sources([config.source])
    except HashError:
        raise
    except FetchError as error:
        if not config.fallback:
            raise
        run_dir.events.write("warning", text=f"{error} Going on with {config.fallback} instead.")
        return list(documents(config.fallback)), from_sources([config.fallback])


def _cut(texts: list[str], share: float) -> tuple[list[str], list[str]]:
    """The texts without the last `share` of all their characters, and that end.

    >>> _cut(["abcd", "efghij"], 0.2)
    (['abcd', 'efgh'], ['ij'])
    """
    keep = int(sum(map(len, texts)) * (1 - share))
    train, held_out = [], []
    for text in texts:
        train.append(text[:keep])
        held_out.append(text[max(0, keep) :])
        keep -= len(text)
        keep = max(0, keep)
    return [text for text in train if text], [text for text in held_out if text]


# ---- Tokens --------------------------------------------------------------------------------------


def train_tokenizer(recipe: Pretrain, run_dir: RunDir, text: Text) -> tuple[Stage, Tokenizer]:
    """Characters of the whole text (so that none is unknown later), or byte pairs of the training part."""
    config = recipe.tokenizer
    stage = run_dir.stage("tokenizer", {"text": text.digest, **what_makes(config)})
    if not stage.done:
        specials = (BOS,) if len(text.train) > 1 else ()
        alphabet = sorted(set().union(*text.train, *text.held_out))
        if config.path is None and (
            config.kind == "chars" or (config.kind == "auto" and len(alphabet) <= 256)
        ):
            trained: Tokenizer = CharTokenizer("".join(alphabet), specials)
        else:
            trained = make_tokenizer(config, text.train, specials=specials)
        trained.save(stage.dir / "tokenizer.json")
        stage.finish(vocab_size=trained.vocab_size, fingerprint=trained.fingerprint)
    return stage, load_tokenizer(stage.dir)


def what_makes(config: TokenizerConfig) -> dict[str, Any]:
    """The settings that a tokenizer is made from; one that is named counts by what it does."""
    if config.path is None:
        return asdict(config)
    return {"fingerprint": load_tokenizer(config.path).fingerprint}


def make_tokenizer(config: TokenizerConfig, texts: Iterable[str], *, specials: Sequence[str]) -> Tokenizer:
    """The tokenizer that was trained before, if one is named, else byte pairs of these texts."""
    if config.path is not None:
        return load_tokenizer(config.path)
    return train_byte_pairs(texts, vocab_size=config.vocab_size, pattern=GPT2, specials=specials)


def tokenize(run_dir: RunDir, text: Text, tokenizer: Tokenizer, tokenizer_stage: Stage) -> Stage:
    """Shards of ids, one for the training text and one for what is held out."""
    stage = run_dir.stage("tokens", {"text": text.digest, "tokenizer": tokenizer_stage.digest})
    if not stage.done:
        first = [tokenizer.special(BOS)] if BOS in tokenizer.specials else []
        counts = {}
        for side, texts in (("train", text.train), ("held_out", text.held_out)):
            shards = write_shards(
                stage.dir / side,
                (first + tokenizer.encode(document) for document in texts),
                vocab_size=tokenizer.vocab_size,
                tokenizer_fingerprint=tokenizer.fingerprint,
            )
            counts[side] = len(shards.tokens)
        stage.finish(**counts, data=list(text.data))
    return stage


# ---- Training ------------------------------------------------------------------------------------


def train(
    recipe: Pretrain, run_dir: RunDir, tokenizer: Tokenizer, tokens_stage: Stage, start: str
) -> Stage | None:
    """The trained model, best and last, in the stage's folder. None if a signal stopped it."""
    stage = run_dir.stage("train", {"tokens": tokens_stage.digest, **what_trains(recipe)})
    if stage.done:
        return stage
    context_len = recipe.model.context_len
    tokens, held_out = (TokenShards.open(tokens_stage.dir / side).tokens for side in ("train", "held_out"))
    _refuse_if_nothing_is_held_out(recipe.data.held_out, len(held_out), len(tokens))
    batches = WindowBatches(
        tokens, context_len=context_len, batch_size=recipe.batch_size, seed=derive(recipe.seed, "batches")
    )
    config, device = transformer_config(recipe, tokenizer.vocab_size), pick_device(recipe.device)
    need = training_need(config, rows=recipe.batch_size, optim=recipe.optim, fit=recipe.fit)
    refuse(
        need, memory_there(device), what="This training",
        todo="Lower batch_size and raise fit.accumulate as much, set fit.recompute, or take a smaller model.",
    )  # fmt: skip
    torch.manual_seed(derive(recipe.seed, "init"))
    model = Transformer(config).to(device)

    def evaluate(net: nn.Module) -> dict[str, float]:
        scores = [
            bits_per_byte(net, piece, tokenizer, context_len, stride=context_len)
            for piece in spread(held_out, recipe.eval_tokens)
        ]
        nats = sum(score.nats for score in scores)
        return {
            "loss": nats / sum(score.tokens for score in scores),
            "bits_per_byte": nats / math.log(2) / sum(score.bytes for score in scores),
        }

    result = fit(
        model,
        batches=batches,
        objective=cross_entropy,
        optim=recipe.optim,
        schedule=recipe.schedule,
        config=recipe.fit,
        out=stage.dir,
        events=run_dir.events,
        tokenizer=tokenizer,
        seed=recipe.seed,
        evaluate=evaluate,
        sample=lambda net: sample(net, tokenizer, start, recipe.seed),
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
        parameters=sum(p.numel() for p in model.parameters()),
    )
    return stage


def what_trains(recipe: Pretrain) -> dict[str, Any]:
    """The settings that make a training the one that it is.

    In what portions a step is computed, where, and how often somebody looks is none of them: with those
    changed a training goes on, to rounding (train/journal.py), and is not begun again.
    """
    fit = {name: value for name, value in recipe.fit.identity.items() if name != "accumulate"}
    return {
        "seed": recipe.seed,
        "model": recipe.model,
        "rows": recipe.batch_size * recipe.fit.accumulate,
        "fit": fit,
        "optim": recipe.optim,
        "schedule": recipe.schedule,
        "eval_tokens": recipe.eval_tokens,
    }


def _refuse_if_nothing_is_held_out(share: float, held_out: int, tokens: int) -> None:
    if held_out < 2:
        raise DataError(
            f"At held_out={share} only {held_out} of {tokens + held_out:,} tokens are held out, and the "
            "first is never predicted. Give more text, or a larger share."
        )


def transformer_config(recipe: Pretrain, vocab_size: int) -> TransformerConfig:
    """The recipe's model with the tokenizer's vocabulary."""
    return TransformerConfig(vocab_size=vocab_size, **asdict(recipe.model))


def spread(tokens: np.ndarray, wanted: int, pieces: int = 16) -> list[np.ndarray]:
    """About `wanted` tokens as pieces from all over the text, because its beginning may be an easy part.

    >>> [piece.tolist() for piece in spread(np.arange(12), 6, pieces=3)]
    [[0, 1], [4, 5], [8, 9]]
    """
    if len(tokens) <= wanted or wanted < 2 * pieces:
        return [tokens[: max(2, wanted)]]
    starts = [len(tokens) * piece // pieces for piece in range(pieces)]
    return [tokens[start : start + wanted // pieces] for start in starts]


def sample(model: nn.Module, tokenizer: Tokenizer, start: str, seed: int, *, length: int = 200) -> str:
    """What the model makes of a start, with the same random numbers every time: samples can be compared."""
    assert isinstance(model, Transformer), "this recipe trains no other model"
    params = SamplingParams(temperature=0.8, max_tokens=length)
    ids = write_on(model, tokenizer.encode(start), params, torch_generator(seed, "sample"))
    return tokenizer.decode(ids)


# ---- Report --------------------------------------------------------------------------------------


def report(
    recipe: Pretrain, run_dir: RunDir, tokenizer: Tokenizer, tokens_stage: Stage, train_stage: Stage
) -> str:
    """The best model as `model/` of the run, summary.json and loss.png; returns what to tell the user."""
    stage = run_dir.stage("report", {"train": train_stage.digest})
    if not stage.done:
        trained = train_stage.record
        best = checkpoint.load(
            train_stage.dir / trained["best"], device=pick_device(recipe.device), tokenizer=tokenizer
        )
        held_out = TokenShards.open(tokens_stage.dir / "held_out").tokens
        context_len = recipe.model.context_len
        plain = bits_per_byte(best.model, held_out, tokenizer, context_len, stride=context_len)
        score = bits_per_byte(best.model, held_out, tokenizer, context_len)
        samples = (event for event in run_dir.events.read("sample") if event.get("label") == "train")
        summary = {
            "step": best.step,
            "parameters": trained["parameters"],
            "tokens": trained["tokens"],
            "seconds": train_stage.seconds,
            "flops": train_stage.flops,
            "held_out_loss": plain.loss,  # in windows side by side, as nanoGPT's: to compare with other runs
            "bits_per_byte": {"value": score.value, "low": score.low, "high": score.high, "n": score.bytes},
            "samples": [{"step": event["step"], "text": event["text"]} for event in samples],
        }
        write_json(stage.dir / "summary.json", summary)
        draw_losses(run_dir, stage.dir / "loss.png")
        checkpoint.copy(
            train_stage.dir / trained["best"],
            run_dir.path / "model",
            extra={
                "bits_per_byte": summary["bits_per_byte"],
                "data": tokens_stage.record.get("data", []),
            },
            training=False,
        )
        stage.finish(summary=summary)
    return in_words(run_dir, stage.record["summary"])


def draw_losses(run_dir: RunDir, path: Path) -> None:
    """The training and the held-out loss over the steps."""
    from matplotlib.figure import Figure  # half a second to import

    events = list(run_dir.events.read("train", "eval"))
    curves = {
        "pretrain": curve(events, "train", "loss", "train"),
        "pretrain_heldout": curve(events, "eval", "loss", "train"),
    }
    figure = Figure(figsize=(8, 5), dpi=100, layout="constrained")
    draw_curves(figure.subplots(), CHARTS[0], {"curves": curves})
    buffer = BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    write_atomic(path, buffer.getvalue())


def in_words(run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person: what it came to, and what to do with it."""
    bits = summary["bits_per_byte"]
    margin = f" (95 %: {bits['low']:.3f} to {bits['high']:.3f})" if bits["low"] is not None else ""
    last = summary["samples"][-1]["text"] if summary["samples"] else ""
    return (
        f"{last}\n\n"
        f"{summary['parameters']:,} weights saw {summary['tokens']:,} tokens in "
        f"{duration(summary['seconds'])}.\n"
        f"Held-out text: {summary['held_out_loss']:.4f} nats per token, {bits['value']:.3f} bits per byte"
        f"{margin}.\n"
        f"Curve and samples: {run_dir.path / 'report'}. The model: {run_dir.path / 'model'}, best at step "
        f'{summary["step"]:,}.\nNext: groundup generate {run_dir.path} --prompt "..."'
    )
