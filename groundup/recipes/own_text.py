"""A text of the user's own as a stage: looked through once, split, and written as tokens; never kept itself.

It is read as a stream, so it may be larger than the memory. What a later reading finds is compared with what
was counted first, so a text that changes meanwhile is noticed.

Next: my_text.py, which trains on it from the beginning; adapt.py, which goes on with a model that there is.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from groundup.base.errors import ConfigError, DataError
from groundup.base.files import read_json, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive
from groundup.data.documents import documents
from groundup.data.held_out import Survey, sides, survey
from groundup.data.learned import from_path_or_source
from groundup.data.passages import Passage, cut, passages_of
from groundup.data.read_text import fingerprint, read_passages
from groundup.data.shards import TokenShards, write_shards
from groundup.data.sources import source
from groundup.recipes.pretrain_stages import BOS
from groundup.tokenizer.protocol import Tokenizer

PIECE = 1 << 14  # characters: of a text that is too large for the time, pieces of this length are drawn


@dataclass(frozen=True)
class OwnTextConfig:
    """Which text, and how much of it is held out to see what was learned and not memorised."""

    path: Path | None = None  # a file or a folder, at any depth
    field: str = "text"  # of JSON Lines and Parquet: which one holds the text
    source: str = "stdlib-text"  # used without a path: a name from `groundup data list`
    held_out: float = 0.1  # nanoGPT's share
    use: float | None = (
        None  # share of the text to read, for one that is too large for the time; None: chosen
    )

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(
                f"held_out={self.held_out} is not a share of the text. Choose above 0 and below 1."
            )
        if self.use is not None and not 0 < self.use <= 1:
            raise ConfigError(f"use={self.use} is not a share of the text. Choose above 0, and at most 1.")


def read(config: OwnTextConfig) -> Iterator[Passage]:
    """The text as a stream of passages, in a fixed order."""
    if config.path is not None:
        return read_passages(config.path, config.field)
    return passages_of(documents(config.source))


def look_through(config: OwnTextConfig, seed: int, run_dir: RunDir) -> tuple[Stage, Survey]:
    """What is in the text and what of it is held out: one reading, kept for as long as no byte changes."""
    if config.path is None:
        source(config.source)  # an unknown name is refused before anything is opened
        text = survey(read(config), share=config.held_out, seed=0).digest
        identity = {"source": config.source, "text": text}
    else:
        identity = {"files": fingerprint(config.path), "field": config.field}
    stage = run_dir.stage("text", {**identity, "held_out": config.held_out, "seed": seed})
    if not stage.done:
        found = survey(read(config), share=config.held_out, seed=seed)
        write_json(stage.dir / "survey.json", asdict(found))
        stage.finish(documents=found.documents, characters=found.characters)
    return stage, Survey(**read_json(stage.dir / "survey.json"))


def side(config: OwnTextConfig, found: Survey, wanted: str, *, use: float = 1.0) -> Iterator[Passage]:
    """The passages of one side; or a share of its PIECEs, drawn by their names and so always the same."""
    for where, passage in sides(read(config), found):
        if where != wanted:
            continue
        if use >= 1:
            yield passage
            continue
        purpose = f"own-text/use/{passage.id}/{passage.number}"
        for piece in cut([passage.text], passage.id, size=PIECE):
            if derive(found.seed, purpose, step=piece.number) < use * 2**63:
                yield dataclasses.replace(piece, number=passage.number + piece.number)


def tokenize(
    config: OwnTextConfig,
    run_dir: RunDir,
    found: Survey,
    tokenizer: Tokenizer,
    *,
    inputs: Mapping[str, Any],
    context_len: int,
) -> Stage:
    """Shards of ids for both sides, made from `inputs` and the text.

    Raises DataError if one of them is shorter than a window: nothing could be learned, or nothing said of it.
    """
    use = 1.0 if config.use is None else config.use
    stage = run_dir.stage("tokens", {**inputs, "tokenizer": tokenizer.fingerprint, "use": use})
    if not stage.done:
        counts = {}
        for wanted in ("train", "held_out"):
            shards = write_shards(
                stage.dir / wanted,
                _ids(side(config, found, wanted, use=use), tokenizer),
                vocab_size=tokenizer.vocab_size,
                tokenizer_fingerprint=tokenizer.fingerprint,
            )
            counts[wanted] = len(shards.tokens)
        stage.finish(**counts, data=from_path_or_source(config.path, config.source))
    _check(TokenShards.open(stage.dir / "train"), context_len + 1, "to learn from")
    _check(
        TokenShards.open(stage.dir / "held_out"), context_len + 1, f"held out at held_out={config.held_out:g}"
    )
    return stage


def _ids(passages: Iterator[Passage], tokenizer: Tokenizer) -> Iterator[list[int]]:
    """One list for each passage: a token that a document begins, where there are several, and its text."""
    first = [tokenizer.special(BOS)] if BOS in tokenizer.specials else []
    for passage in passages:
        yield (first if passage.number == 0 else []) + tokenizer.encode(passage.text)


def _check(shards: TokenShards, window: int, what: str) -> None:
    if len(shards.tokens) < window:
        raise DataError(
            f"Only {len(shards.tokens):,} tokens are {what}, but one window needs context_len + 1 = "
            f"{window:,}. Give more text, another share to hold out, or a context_len of "
            f"{max(1, len(shards.tokens) - 1)} or less."
        )
