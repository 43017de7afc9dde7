"""From a text to a model that continues it: read, tokenize, train, report.

    text -> tokenizer -> tokens -> train -> report

Each arrow is a stage of the run directory: it is skipped when nothing that it reads has changed, and training
that was stopped goes on from its last save. The finished model lies in `model/` of the run directory.

Used by the presets shakespeare-char, shakespeare-bpe and shakespeare-course (the course's text), gpt2-124m (a
corpus from the web) and my-text (yours); pretrain_by_size.py sets all of it with one dial.
Next: pretrain_stages.py, the stages one by one; zero_to_chat.py, which goes on to a chat model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir, Stage
from groundup.data.web import WebConfig
from groundup.models.transformer import TransformerConfig
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig


@dataclass(frozen=True)
class DataConfig:
    """Which text, and how much of it is held out to see what was learned and not memorised."""

    source: str = "tiny-shakespeare"  # a name from `groundup data list`
    fallback: str = "shakespeare"  # used, and said so, if `source` cannot be fetched; "": none
    path: Path | None = None  # a file or folder of your own, instead of a source
    web: WebConfig = field(default_factory=WebConfig)  # a corpus that is streamed, instead of either
    held_out: float = 0.1  # nanoGPT's share

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(
                f"held_out={self.held_out} is not a share of the text. Choose above 0 and below 1."
            )


@dataclass(frozen=True)
class TokenizerConfig:
    """How text becomes ids. "auto" takes characters for an alphabet of up to 256, else byte pairs."""

    kind: Literal["auto", "chars", "bpe"] = "auto"
    vocab_size: int = 512  # of byte pairs: small models learn short tokens best
    path: Path | None = None  # a tokenizer.json that was trained before, instead of training one


@dataclass(frozen=True)
class ModelConfig:
    """The shape of the transformer (models/transformer.py); its vocabulary is the tokenizer's."""

    n_layer: int = 4
    n_head: int = 4
    n_embd: int = 128
    context_len: int = 64
    mlp: Literal["swiglu", "gelu", "gelu_erf", "relu2"] = "relu2"
    norm: Literal["rms", "layer"] = "rms"
    position: Literal["rotary", "learned", "none"] = "rotary"
    qk_norm: bool = True
    bias: bool = False
    tie: bool = False
    dropout: float = 0.0
    norm_eps: float = 1e-6
    init_std: float | None = None  # None: 1/sqrt(fan-in); GPT-2's is 0.02
    zero_init_out: bool = True
    layer_scale: float | None = None  # on what a block adds, at first; its worth: docs/log.md

    def __post_init__(self) -> None:
        TransformerConfig(vocab_size=1, **vars(self))  # refuses what does not fit before anything is read


@dataclass(frozen=True)
class Pretrain:
    """Train a language model on a text."""

    seed: int = 1337
    device: str = "auto"
    data: DataConfig = field(default_factory=DataConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch_size: int = 12  # windows of context_len tokens in a micro-batch
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=2000, eval_every=250, sample_every=500, save_every=250)
    )
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    eval_tokens: int = 15_360  # of the held-out text, while training; at the end it is scored whole

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        return self.learn(run_dir, *self.prepare(run_dir))

    def prepare(self, run_dir: RunDir) -> tuple[Tokenizer, Stage, str]:
        """The tokenizer, the stage with the tokens, and what a sample begins with."""
        from groundup.recipes import pretrain_stages as stages
        from groundup.recipes import web_stages

        if self.data.web.dataset:
            tokenizer_stage, tokenizer = web_stages.train_tokenizer(self, run_dir)
            return tokenizer, web_stages.tokenize(self, run_dir, tokenizer, tokenizer_stage), "\n"
        text = stages.read(self.data, self.seed, run_dir)
        tokenizer_stage, tokenizer = stages.train_tokenizer(self, run_dir, text)
        return tokenizer, stages.tokenize(run_dir, text, tokenizer, tokenizer_stage), text.start

    def learn(self, run_dir: RunDir, tokenizer: Tokenizer, tokens_stage: Stage, start: str) -> str:
        """Train on the tokens, and report."""
        from groundup.recipes import pretrain_stages as stages

        train_stage = stages.train(self, run_dir, tokenizer, tokens_stage, start)
        if train_stage is None:
            return "Stopped, and everything is saved. The same command carries on from there."
        return stages.report(self, run_dir, tokenizer, tokens_stage, train_stage)

    def dry_run(self) -> str:
        """What `run` would build: shapes, cost, memory and whether it fits, a batch; nothing is fetched."""
        from groundup.recipes.dry_run import describe

        return describe(self)
