"""Your own text to a model of the right size for it, in the time that you give.

    text -> tokenizer -> plan -> tokens -> train -> report

The text is read as a stream, so it may be larger than the memory. The plan chooses what you left open: it
tries a few real steps of growing models on this machine and takes the largest that the law allows
(my_text_law.py). What it chose is written down, so the clock is asked once: a run that was stopped goes on
exactly, and `groundup run RUN/plan/chosen.toml` makes the same model on another day, bit for bit on one kind
of machine. Training ends early when the held-out loss no longer falls, and the best is kept.

Next: my_text_stages.py, the stages one by one; adapt.py, to go on from a model that you have.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir
from groundup.recipes.own_text import OwnTextConfig
from groundup.recipes.pretrain import DataConfig, ModelConfig, Pretrain
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

Precision = Literal["auto", "float32", "bfloat16"]


@dataclass(frozen=True)
class OwnTokenizerConfig:
    """How text becomes ids. None and "auto": chosen by the law."""

    kind: Literal["auto", "chars", "bpe"] = "auto"
    vocab_size: int | None = None  # of byte pairs


@dataclass(frozen=True)
class OwnModelConfig:
    """The shape of the transformer. None: chosen by the law; n_layer and n_embd come together."""

    n_layer: int | None = None
    n_embd: int | None = None
    n_head: int | None = None  # None: heads of 32 or 64 channels
    context_len: int | None = None
    dropout: float | None = None

    def __post_init__(self) -> None:
        if self.n_layer is not None and self.n_embd is not None:
            self.whole()

    def check(self) -> None:
        """Raise ConfigError if only a part of a shape is given. Not above: settings are made one by one."""
        given = {name: getattr(self, name) for name in ("n_layer", "n_embd", "n_head")}
        if (self.n_layer is None) != (self.n_embd is None) or (self.n_head and self.n_embd is None):
            has = ", ".join(f"model.{name}={value}" for name, value in given.items() if value is not None)
            raise ConfigError(
                f"{has} is only a part of a shape. Give model.n_layer and model.n_embd, with or without "
                "model.n_head, or none of them, and the law chooses."
            )

    def whole(self) -> ModelConfig:
        """Every choice made, checked; what is still open at its usual value."""
        given = {"context_len": 128} | {name: v for name, v in vars(self).items() if v is not None}
        if self.n_embd is not None and self.n_head is None:
            given["n_head"] = max(1, self.n_embd // (32 if self.n_embd < 256 else 64))
        return ModelConfig(**given)


@dataclass(frozen=True)
class OwnFitConfig:
    """How long, and how often to look. None: chosen for the time."""

    steps: int | None = None
    batch_size: int | None = None  # windows of context_len tokens a step
    looks: int = 20  # evaluations over the run
    patience: int = 5  # of them in a row without a new best, a quarter of the run, end it; 0: never
    diagnose_every: int = 0  # look inside the network in every so many steps (train/fit.py); 0: never
    precision: Precision = "auto"  # bfloat16 on a GPU that computes in it

    def __post_init__(self) -> None:
        for name in ("steps", "batch_size", "looks"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise ConfigError(f"{name}={value} is too small. Choose 1 or more.")
        for name in ("patience", "diagnose_every"):
            if getattr(self, name) < 0:
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose 0 or more; 0 is off.")


@dataclass(frozen=True)
class MyText:
    """Train a language model of the right size on your own text, in the time that you give."""

    minutes: float = 15.0  # for everything, from reading the text to the report
    seed: int = 1337
    device: str = "auto"
    data: OwnTextConfig = field(default_factory=OwnTextConfig)
    tokenizer: OwnTokenizerConfig = field(default_factory=OwnTokenizerConfig)
    model: OwnModelConfig = field(default_factory=OwnModelConfig)
    fit: OwnFitConfig = field(default_factory=OwnFitConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)

    def __post_init__(self) -> None:
        if not 0 < self.minutes < float("inf"):
            raise ConfigError(f"minutes={self.minutes} is no time to train. Choose above 0; 15 is usual.")

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        from groundup.recipes import my_text_stages

        self.model.check()
        return my_text_stages.road(self, run_dir)

    def training(self) -> Pretrain:
        """The training of a recipe in which nothing is left open, as `pretrain` does it."""
        steps, rows, precision = self.fit.steps, self.fit.batch_size, self.fit.precision
        assert steps and rows and precision != "auto" and self.model.n_layer, "the plan fills these"
        model = self.model.whole()
        every = max(1, steps // self.fit.looks)
        return Pretrain(
            seed=self.seed,
            device=self.device,
            data=DataConfig(source=self.data.source, path=self.data.path, held_out=self.data.held_out),
            model=model,
            batch_size=rows,
            fit=FitConfig(
                steps=steps,
                eval_every=every,
                save_every=every,
                sample_every=max(1, steps // 4),
                patience=self.fit.patience,
                diagnose_every=self.fit.diagnose_every,
                precision=precision,
            ),
            optim=self.optim,
            schedule=self.schedule,
            # A two-hundredth of what is trained on, forward only: all looks take 3 % of the time.
            eval_tokens=max(2_048, steps * rows * model.context_len // 200),
        )
