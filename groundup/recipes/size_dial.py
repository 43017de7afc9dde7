"""One dial: from a size to every number of a pretraining run, each by a law with its source.

The size N is the number of layers. Everything else follows.

    width          64 N, in N heads of 64: layers and width grow together (nanochat: 128 N was worse)
    vocabulary     V C ~ (weights of the blocks)^0.83, anchored at 32,768 for 12 layers; a power of two
    horizon        12 tokens for each weight of blocks and head
    batch          a straight line in logarithms between two measured optima, then ~ horizon^0.383
    Muon's rate    0.02 whatever the size: its steps have one length, whatever the width
    AdamW's rates  ~ width^-0.5
    weight decay   such that rate * decay * steps is the same in every run
    schedule       flat 40 %, then down

Letters: C width, V vocabulary, T context.
Source:  shape, horizon, width^-0.5, and the anchors at 12 layers (batch 2^19, rate 0.02, decay 0.28,
         vocabulary 2^15): nanochat, scripts/base_train.py, and its dev/LOG.md of January and February 2026.
         Vocabulary: Tao et al. 2024, arXiv 2407.13623 (non-vocabulary to vocabulary weights, exponent 0.83).
         Batch ~ horizon^0.383 whatever the width: Bergsma et al. 2025, arXiv 2505.13738.
         rate * decay * steps: Wang and Aitchison 2024, arXiv 2405.13698.
         The small anchor of the batch, and 0.02 there too, are our own: docs/log.md.
Does not: know your text. Repeating it more than four times teaches less and less (Muennighoff et al. 2023,
arXiv 2305.16264); pretrain_by_size.py says so.
Next:    pretrain_by_size.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from groundup.base.errors import ConfigError
from groundup.models.transformer import TransformerConfig
from groundup.recipes.memory_estimate import block_weights
from groundup.train.optim import OptimConfig

HEAD = 64  # channels of a head, and of width for each layer
TOKENS_PER_WEIGHT = 12.0
ANCHOR = 12  # layers at which nanochat measured what follows
ANCHOR_VOCABULARY, VOCABULARY_EXPONENT = 2**15, 0.83
ANCHOR_HORIZON = TOKENS_PER_WEIGHT * 110_100_480  # nanochat's count of weights without embedding, 12 layers
SMALL_HORIZON, SMALL_BATCH = 1e6, 2**10
ANCHOR_BATCH, BATCH_EXPONENT = 2**19, 0.383
ANCHOR_STEPS = round(ANCHOR_HORIZON / ANCHOR_BATCH)
MUON_LR = 0.02
TABLE_WIDTH = 128  # at which our rates of the tables (train/optim.py) were found
ANCHOR_DECAY = 0.28
LARGEST = 64  # beyond it the laws were tried by nobody whom we cite


@dataclass(frozen=True)
class Dial:
    """What a size comes to. Tokens are those of the whole run, `batch` those of a step."""

    n_layer: int
    n_embd: int
    n_head: int
    vocab_size: int
    context_len: int
    tokens: int
    batch: int
    steps: int
    optim: OptimConfig


def shape(size: int, *, vocab_size: int, context_len: int) -> TransformerConfig:
    """The transformer of a size."""
    check(size)
    return TransformerConfig(
        vocab_size=vocab_size, context_len=context_len, n_layer=size, n_head=size, n_embd=HEAD * size,
        mlp="relu2", zero_init_out=True,
    )  # fmt: skip


def check(size: int) -> None:
    """Raises ConfigError for a size that the laws do not reach."""
    if not 1 <= size <= LARGEST:
        raise ConfigError(
            f"size={size} is not on the dial. Choose the number of layers, from 1 to {LARGEST}: 2 is minutes "
            "on a CPU, 12 is as large as GPT-2."
        )


def dial(
    size: int,
    *,
    context_len: int,
    vocab_size: int | None = None,
    tokens_per_weight: float = TOKENS_PER_WEIGHT,
) -> Dial:
    """Everything that follows from a size. `vocab_size` None: by the law.

    >>> two, twelve = dial(2, context_len=256), dial(12, context_len=1024)
    >>> (two.n_embd, two.vocab_size, two.tokens, two.batch, two.steps)
    (128, 2048, 7876608, 6144, 1282)
    >>> (twelve.n_embd, twelve.vocab_size, round(twelve.tokens / 1e9, 2), twelve.batch, twelve.steps)
    (768, 32768, 1.32, 524288, 2520)
    """
    check(size)
    V = vocabulary(size) if vocab_size is None else vocab_size
    model = shape(size, vocab_size=V, context_len=context_len)
    wanted = tokens_per_weight * learning_weights(model)
    batch = batch_tokens(wanted, context_len)
    steps = max(1, round(wanted / batch))
    table = (model.n_embd / TABLE_WIDTH) ** -0.5
    base = OptimConfig()
    optim = OptimConfig(
        muon_lr=MUON_LR,
        embedding_lr=base.embedding_lr * table,
        head_lr=base.head_lr * table,
        weight_decay=weight_decay(steps),
    )
    return Dial(
        n_layer=size, n_embd=model.n_embd, n_head=size, vocab_size=V, context_len=context_len,
        tokens=steps * batch, batch=batch, steps=steps, optim=optim,
    )  # fmt: skip


def learning_weights(model: TransformerConfig) -> int:
    """The weights that a horizon is counted by: blocks and head; the embedding multiplies nothing.

    >>> learning_weights(shape(12, vocab_size=2**15, context_len=1024))  # nanochat says 110 M
    110120448
    """
    return block_weights(model) + model.vocab_size * model.n_embd


def vocabulary(size: int) -> int:
    """A power of two from 512 up: V C grows as the weights of the blocks to the power of 0.83.

    >>> [vocabulary(size) for size in (1, 2, 4, 8, 12, 24)]
    [1024, 2048, 8192, 16384, 32768, 65536]
    """
    blocks = (size / ANCHOR) ** 3  # N layers of 12 (64 N)^2 weights
    per_width = blocks**VOCABULARY_EXPONENT / (size / ANCHOR)
    return max(512, 2 ** round(math.log2(ANCHOR_VOCABULARY * per_width)))


def batch_tokens(horizon: float, context_len: int) -> int:
    """Tokens of a step: the law's, as 2 or 3 times a power of two of rows.

    >>> [batch_tokens(horizon, 1024) for horizon in (1e6, 5e7, 1.3215e9, 1e10)]
    [1024, 32768, 524288, 1048576]
    """
    if horizon <= ANCHOR_HORIZON:
        slope = math.log(ANCHOR_BATCH / SMALL_BATCH) / math.log(ANCHOR_HORIZON / SMALL_HORIZON)
        wanted = SMALL_BATCH * (horizon / SMALL_HORIZON) ** slope
    else:
        wanted = ANCHOR_BATCH * (horizon / ANCHOR_HORIZON) ** BATCH_EXPONENT
    rows = max(1.0, wanted / context_len)
    step = 2 ** max(0, math.floor(math.log2(rows)) - 1)  # two leading binary digits: easy to divide
    return max(1, round(rows / step)) * step * context_len


def weight_decay(steps: int) -> float:
    """nanochat's at its 12 layers, kept so that what the decay forgets is the same share of every run.

    >>> weight_decay(ANCHOR_STEPS), weight_decay(ANCHOR_STEPS // 2)
    (0.28, 0.56)
    """
    return round(ANCHOR_DECAY * ANCHOR_STEPS / steps, 4)
