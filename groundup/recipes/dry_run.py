"""What a run of the recipe `pretrain` would build, without building it: shapes, cost, memory, one batch.

The shapes come from the real model on torch's `meta` device, where tensors have a shape and no numbers. The
batch comes from the real loader, in the real size, over the language reference inside every Python instead of
the run's own text: so nothing is fetched, and what stands between a text and a batch has run once.

Next: memory_estimate.py; cli/run.py, whose --dry-run prints this.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch

from groundup.base.device import pick_device
from groundup.base.errors import DataError
from groundup.data.batches import Batch, WindowBatches
from groundup.data.documents import documents
from groundup.data.shards import write_shards
from groundup.models.cost import flops_per_token, parameters
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.recipes.memory_estimate import USABLE, gigabytes, memory_there, training_need
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.load import load

if TYPE_CHECKING:
    from groundup.recipes.pretrain import Pretrain

UNSEEN = 256  # the vocabulary assumed where only the text can tell: more than any text that "auto" spells
FIXTURE = 300  # the vocabulary of the fixture's own byte pairs: training a larger one would be the slow part


def describe(recipe: Pretrain) -> str:
    """The plan of a run, for a person."""
    vocab_size, why = vocabulary(recipe)
    config = TransformerConfig(vocab_size=vocab_size, **vars(recipe.model))
    batch = first_batch(recipe)
    step = batch.tokens_BT.numel() * recipe.fit.accumulate
    tokens = step * recipe.fit.steps
    cost = flops_per_token(config, config.context_len)
    device = pick_device(recipe.device)
    need = training_need(config, rows=recipe.batch_size, optim=recipe.optim, fit=recipe.fit)
    free = memory_there(device)
    fits = free is None or need.peak <= USABLE * free
    room = "unknown" if free is None else f"{gigabytes(free)} free{'' if fits else ': IT DOES NOT FIT'}"
    rows, T = batch.tokens_BT.shape
    return "\n".join(
        [
            *shapes(config),
            "",
            f"vocabulary   {vocab_size:,}{why}",
            f"parameters   {parameters(config):,}",
            f"batch        {step:,} tokens a step: {recipe.fit.accumulate} x {rows} rows x {T}",
            f"horizon      {recipe.fit.steps:,} steps, {tokens:,} tokens, "
            f"{tokens / parameters(config):.3g} a parameter",
            f"arithmetic   {cost:.4g} FLOPs a token, forward and backward; {cost * tokens:.4g} in all",
            f"memory       {need} on {device}; {room}",
            f"loader       one batch of {rows} x {T} tokens and as many targets, from the fixture's text",
        ]
    )


def vocabulary(recipe: Pretrain) -> tuple[int, str]:
    """How many ids the run will have, and a remark where that is not known yet."""
    config = recipe.tokenizer
    if config.path is not None:
        return load(config.path).vocab_size, f" (of {config.path})"
    if config.kind == "bpe":
        return config.vocab_size, ""
    return UNSEEN, " (assumed: the text decides how many characters there are)"


def shapes(config: TransformerConfig) -> Iterator[str]:
    """Every kind of weight with its shape, and how many there are: `blocks.*` stands for all blocks."""
    with torch.device("meta"):
        model = Transformer(config)
    seen: Counter[tuple[str, tuple[int, ...]]] = Counter()
    for name, weight in model.named_parameters():
        parts = ["*" if part.isdigit() else part for part in name.split(".")]
        seen[".".join(parts), tuple(weight.shape)] += 1
    for (name, shape), times in seen.items():
        many = f"  x {times}" if times > 1 else ""
        yield f"{name:<32} {' x '.join(map(str, shape))}{many}"


def first_batch(recipe: Pretrain) -> Batch:
    """Batch 0 of the run's own size, from the fixture's text through tokenizer, shards and loader."""
    texts = [document.text for document in islice(documents("stdlib-text"), 40)]
    tokenizer = BytePairTokenizer.train(texts[:4], vocab_size=FIXTURE)
    with tempfile.TemporaryDirectory(prefix="groundup-dry-run-") as folder:
        shards = write_shards(
            Path(folder) / "shards",
            (tokenizer.encode(text) for text in texts),
            vocab_size=tokenizer.vocab_size,
            tokenizer_fingerprint=tokenizer.fingerprint,
        )
        tokens = shards.tokens[:]  # read before the folder goes
    context_len = recipe.model.context_len
    if len(tokens) <= context_len:
        raise DataError(
            f"The fixture of the dry run has {len(tokens):,} tokens, fewer than one window of "
            f"context_len={context_len:,}. Choose a shorter context to try the loader."
        )
    batches = WindowBatches(tokens, context_len=context_len, batch_size=recipe.batch_size, seed=recipe.seed)
    return batches.batch(0)
