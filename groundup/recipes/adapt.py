"""Go on from a model that you have: a base learns a text of yours, and what it forgets is measured.

    base, text -> plan -> tokens -> before -> train -> after, report

The tokenizer is the base's. The rate is warmed up again, to a part of what it was, and decays again; some
rows of the old text are mixed in against forgetting. How well the model knows held-out text is measured
before and after, on the new text and on the old, on the same pieces.

Source: warming up and decaying again, and replay: Ibrahim et al. 2024, arXiv 2403.08763; how far to warm up:
        Gupta et al. 2023, arXiv 2308.04014. The defaults of peak and replay are in their spirit and were
        not swept here: what they gain and forget is measured in every run.
Next:   adapt_stages.py, the stages one by one; adapt_report.py, what was gained and forgotten.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass, field
from pathlib import Path

from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir
from groundup.recipes.my_text import OwnFitConfig
from groundup.recipes.own_text import OwnTextConfig
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

RATES = ("muon_lr", "embedding_lr", "head_lr", "gain_lr", "lr")


@dataclass(frozen=True)
class Adapt:
    """Go on training a model that you have, on a text of your own."""

    base: Path | None = None  # a run, a checkpoint in one, a GGUF file, a Hugging Face folder, or smollm2
    old: Path | None = None  # the run whose text the base learned, where the base does not lie in it
    minutes: float = 10.0  # for everything
    readings: float = 4.0  # of the new text at most: more teach less and less (arXiv 2305.16264)
    peak: float = 0.3  # of the rates of `optim`, which are those of a model that begins
    warmup: float = 0.05  # of the steps
    floor: float = 0.05  # of the peak that is left at the end
    replay: float = 0.1  # of the rows, from the old text
    seed: int = 1337
    device: str = "auto"
    data: OwnTextConfig = field(default_factory=lambda: OwnTextConfig(source=""))
    fit: OwnFitConfig = field(default_factory=OwnFitConfig)
    optim: OptimConfig = field(default_factory=OptimConfig)

    def __post_init__(self) -> None:
        for name in ("minutes", "readings", "peak"):
            if not 0 < getattr(self, name) < float("inf"):
                raise ConfigError(f"{name}={getattr(self, name)} is not possible. Choose a number above 0.")
        if not 0 <= self.replay < 1:
            raise ConfigError(f"replay={self.replay} is not a share of the rows. Choose from 0 to below 1.")
        if not 0 <= self.warmup < 1:
            raise ConfigError(f"warmup={self.warmup} is not a share of the steps. Choose from 0 to below 1.")

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        from groundup.recipes import adapt_stages

        if self.base is None:
            raise ConfigError(
                "adapt needs a model to go on from. Name its run: groundup run adapt --base RUN "
                "--data.path TEXT"
            )
        if self.data.path is None and not self.data.source:
            raise ConfigError(
                "adapt needs a text to learn. Name a file or a folder: --data.path TEXT (or, with "
                "--data.source, one of `groundup data list`)."
            )
        return adapt_stages.road(self, run_dir)

    def rates(self) -> OptimConfig:
        """The optimizer with every rate at its share."""
        scaled = {name: self.peak * getattr(self.optim, name) for name in RATES}
        return dataclasses.replace(self.optim, **scaled)

    def schedule(self) -> ScheduleConfig:
        """Up again in a straight line, and down in half a cosine."""
        assert self.fit.steps, "the plan fills it"
        return ScheduleConfig("cosine", warmup=round(self.warmup * self.fit.steps), floor=self.floor)

    def training(self) -> FitConfig:
        """The length and the looks of a recipe in which nothing is left open."""
        steps, precision = self.fit.steps, self.fit.precision
        assert steps and precision != "auto", "the plan fills these"
        every = max(1, steps // self.fit.looks)
        return FitConfig(
            steps=steps,
            eval_every=every,
            save_every=every,
            sample_every=max(1, steps // 2),
            patience=self.fit.patience,
            diagnose_every=self.fit.diagnose_every,
            precision=precision,
        )
