"""The first stages of the recipe `pretrain` where the text is a stream: to tokens, without keeping the text.

    first megabytes -> tokenizer;  the whole stream -> tokens (on disk) -> train -> report

The text itself is never kept. Both stages read the stream from its beginning, and the second, which may take
a day, goes on where it was cut off.

Next: pretrain_stages.py, from `train` on.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from groundup.base.errors import ConfigError
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.data.growing import CHUNK, Stream, collect
from groundup.data.learned import from_web
from groundup.data.shards import dtype_for
from groundup.data.split import split_of
from groundup.data.web import WebDocuments, encoder
from groundup.recipes.memory_estimate import gigabytes
from groundup.recipes.pretrain_stages import BOS, make_tokenizer, what_makes
from groundup.tokenizer.load import load
from groundup.tokenizer.protocol import Tokenizer

if TYPE_CHECKING:
    from groundup.recipes.pretrain import DataConfig, Pretrain


def train_tokenizer(
    recipe: Pretrain, run_dir: RunDir, stream: Callable[[], Stream] | None = None
) -> tuple[Stage, Tokenizer]:
    """The tokenizer of the training side's first megabytes. `stream` opens the stream afresh."""
    data, config = recipe.data, recipe.tokenizer
    if config.kind != "bpe" and config.path is None:
        raise ConfigError(
            f'tokenizer.kind = "{config.kind}" wants to see all characters of the text, and a stream is '
            'never there as a whole. Choose "bpe", or name a trained tokenizer with --tokenizer.path.'
        )
    inputs = {"web": which(data), "seed": recipe.seed, "bytes": data.web.tokenizer_bytes}
    inputs |= what_makes(config)
    stage = run_dir.stage("tokenizer", inputs)
    if not stage.done:
        texts = _beginning(data, recipe.seed, (stream or (lambda: WebDocuments(data.web)))())
        made = make_tokenizer(config, texts, specials=(BOS,))
        made.save(stage.dir / "tokenizer.json")
        stage.finish(vocab_size=made.vocab_size, fingerprint=made.fingerprint)
    return stage, load(stage.dir)


def tokenize(
    recipe: Pretrain,
    run_dir: RunDir,
    tokenizer: Tokenizer,
    tokenizer_stage: Stage,
    stream: Callable[[], Stream] | None = None,
) -> Stage:
    """Shards of the stream's ids, as many as asked for. Raises ConfigError if the disk has no room."""
    data, web = recipe.data, recipe.data.web
    inputs = {
        "web": which(data),
        "seed": recipe.seed,
        "tokens": web.tokens,
        "tokenizer": tokenizer_stage.digest,
    }
    stage = run_dir.stage("tokens", inputs)
    if stage.done:
        return stage
    held_out = max(1, int(web.tokens * data.held_out))
    size = (web.tokens + held_out) * dtype_for(tokenizer.vocab_size).itemsize
    if (free := shutil.disk_usage(stage.dir).free) < size:
        raise ConfigError(
            f"{web.tokens:,} tokens take {gigabytes(size)}, and the disk of {stage.dir} has "
            f"{gigabytes(free)} free. Choose another folder with --out, or fewer with --data.web.tokens."
        )
    first = [tokenizer.special(BOS)] if BOS in tokenizer.specials else []
    file = tokenizer_stage.dir / "tokenizer.json"
    with (
        encoder(tokenizer, file, processes=web.processes, first=first) as encode,
        Progress(web.tokens, "tokenize", "token") as bar,
    ):
        sides = collect(
            stage.dir,
            (stream or (lambda: WebDocuments(web)))(),
            encode=encode,
            side_of=lambda document_id: side(document_id, data, recipe.seed),
            most={"train": web.tokens, "held_out": held_out},
            vocab_size=tokenizer.vocab_size,
            tokenizer_fingerprint=tokenizer.fingerprint,
            tell=lambda tokens: bar.advance(tokens - bar.done),
        )
    counts = {name: len(shards.tokens) for name, shards in sides.items()}
    stage.finish(**counts, data=from_web(web.dataset, web.subset))
    return stage


def side(document_id: str, data: DataConfig, seed: int) -> str:
    """Which side a document is on: a matter of its id, so that the tokenizer sees none that is held out."""
    return split_of(document_id, seed, {"train": 1 - data.held_out, "held_out": data.held_out})


def which(data: DataConfig) -> dict[str, object]:
    """What of the settings says which documents these are: not how many, and not who tokenizes."""
    same = asdict(replace(data.web, tokens=1, tokenizer_bytes=1, processes=1))
    return {**same, "held_out": data.held_out}


def _beginning(data: DataConfig, seed: int, stream: Stream) -> Iterator[str]:
    """The first texts of the training side, until they have the bytes that a tokenizer is trained on."""
    left = data.web.tokenizer_bytes
    while left > 0 and (documents := stream.take(CHUNK)):
        for document in documents:
            if left > 0 and side(document.id, data, seed) == "train":
                left -= len(document.text.encode("utf-8", errors="replace"))
                yield document.text
