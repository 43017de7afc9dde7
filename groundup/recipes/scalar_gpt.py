"""A language model made of scalars that learns names, by record and replay: microgpt, while you watch.

    read -> train -> report

Each name is one step: a mark, its letters, the mark again; the model learns which letter follows. Names of
one length share a recorded program, so after a dozen recordings a step is a loop over some ten thousand
numbers, and a thousand steps take seconds.

Source:   Karpathy 2026, microgpt: sizes, Adam with betas 0.85 and 0.99, the rate falling to 0 in a line.
Next:     pretrain.py, the same with tensors.
"""

from __future__ import annotations

import hashlib
import math
import random
import time
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np

from groundup.autograd.array import Array
from groundup.autograd.array_optim import AdamW
from groundup.autograd.pick import Index
from groundup.autograd.replay import Replay
from groundup.autograd.scalar_gpt import ScalarGPT, ScalarGPTConfig
from groundup.autograd.value import Value
from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, DataError, FetchError, GraphError, HashError
from groundup.base.files import write_json
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.base.seeds import derive, numpy_rng
from groundup.data.documents import documents
from groundup.data.sources import source
from groundup.evals.intervals import bootstrap_mean
from groundup.recipes.digits import STOPPED
from groundup.recipes.report_data import duration
from groundup.recipes.training_state import TrainingState, diverged, load_state
from groundup.tokenizer.chars import CharTokenizer
from groundup.train.interrupt import stop_on_signal

MARK = "<|bos|>"  # before and after each name


@dataclass(frozen=True)
class NamesData:
    """Which names, and how many are held out."""

    source: str = "course-names"  # a name from `groundup data list`; each document is one name
    fallback: str = "names"  # used, and said so, if `source` cannot be fetched; "": none
    held_out: int = 500

    def __post_init__(self) -> None:
        if self.held_out < 1:
            raise ConfigError(f"held_out={self.held_out} is too few. Hold out 1 name or more.")


@dataclass(frozen=True)
class ScalarModel:
    """Sizes, microgpt's by default: with 26 letters 4,192 parameters."""

    context_len: int = 16
    n_layer: int = 1
    n_head: int = 4
    n_embd: int = 16

    def __post_init__(self) -> None:
        ScalarGPTConfig(**vars(self))  # refuses what does not fit before anything is read


@dataclass(frozen=True)
class ScalarGPTJob:
    """Train a GPT of scalars on names."""

    seed: int = 1337
    data: NamesData = field(default_factory=NamesData)
    model: ScalarModel = field(default_factory=ScalarModel)
    steps: int = 1000  # of one name each
    lr: float = 0.01
    betas: tuple[float, float] = (0.85, 0.99)
    temperature: float = 0.5
    samples: int = 20
    sample_every: int = 250  # five names each time, and a save
    runner: Literal["auto", "numba", "numpy", "python"] = "auto"

    def __post_init__(self) -> None:
        for name in ("steps", "samples", "sample_every"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is too small. Choose 1 or more.")
        fine = 0 < self.lr < math.inf and 0 < self.temperature < math.inf
        if not fine or not all(0 <= beta < 1 for beta in self.betas):
            raise ConfigError(
                f"lr={self.lr}, temperature={self.temperature}, betas={self.betas}: choose lr and "
                "temperature above 0, betas from 0 to below 1."
            )

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        names = read(self.data, run_dir)
        job = Job(self, names)
        trained = learn(job, run_dir)
        return STOPPED if trained is None else report(job, run_dir, trained)


def read(config: NamesData, run_dir: RunDir) -> list[str]:
    """The names, each once, in the order of the source. DataError if there are too few."""
    source(config.source)  # an unknown name is refused, not replaced
    try:
        found = [document.text for document in documents(config.source)]
    except HashError:
        raise
    except FetchError as error:
        if not config.fallback:
            raise
        run_dir.events.write("warning", text=f"{error} Going on with {config.fallback} instead.")
        found = [document.text for document in documents(config.fallback)]
    names = list(dict.fromkeys(name for name in found if name))
    if len(names) <= config.held_out:
        raise DataError(f"{len(names)} names are too few to hold {config.held_out} out. Hold out fewer.")
    return names


class Job:
    """What the stages share: the names on both sides, the tokenizer, the model and its recorded functions."""

    def __init__(self, recipe: ScalarGPTJob, names: list[str]):
        self.recipe, self.names = recipe, set(names)
        order = numpy_rng(recipe.seed, "split").permutation(len(names))
        self.held_out = [names[i] for i in order[: recipe.data.held_out]]
        self.train = [names[i] for i in order[recipe.data.held_out :]]
        self.digest = hashlib.sha256(repr((self.train, self.held_out)).encode()).hexdigest()
        self.tokenizer = CharTokenizer.train("".join(names), specials=(MARK,))
        self._epoch, self._order = -1, np.zeros(0, np.int64)
        # A Replay owns the numbers of its model, so the one that writes names has a model of its own.
        learner, writer = self.model(), self.model()
        self.loss = Replay(learner.loss, parameters=learner.parameters(), runner=recipe.runner)

        def all_logits(tokens: list[Index]) -> list[Value]:
            return [logit for row in writer(tokens) for logit in row]

        self.logits = Replay(all_logits, parameters=writer.parameters(), runner=recipe.runner)

    def model(self) -> ScalarGPT:
        """The model with its first weights."""
        config = ScalarGPTConfig(vocab_size=self.tokenizer.vocab_size, **vars(self.recipe.model))
        return ScalarGPT(config, random.Random(derive(self.recipe.seed, "init")))

    def tokens(self, name: str) -> list[Index]:
        """The mark, the letters, the mark; cut to what the context holds."""
        mark = self.tokenizer.special(MARK)
        ids = [mark, *self.tokenizer.encode(name), mark]
        return [Index(id) for id in ids[: self.recipe.model.context_len + 1]]

    def name_of(self, step: int) -> str:
        """Which name is learned in a step: a pure function of it, each once an epoch."""
        epoch, place = divmod(step, len(self.train))
        if epoch != self._epoch:
            order = numpy_rng(self.recipe.seed, "order", step=epoch).permutation(len(self.train))
            self._epoch, self._order = epoch, order
        return self.train[self._order[place]]

    def write_names(self, parameters: np.ndarray, count: int, rng: np.random.Generator) -> list[str]:
        """`count` names letter by letter, each drawn from softmax(logits / temperature).

        One program for the whole context serves for every length, because the future cannot change the past.
        """
        self.logits.parameters = parameters
        mark, context_len = self.tokenizer.special(MARK), self.recipe.model.context_len
        names = []
        for _ in range(count):
            ids = [mark]
            while len(ids) <= context_len:
                padded = ids + [mark] * (context_len - len(ids))
                logits_TV = self.logits.forward([Index(id) for id in padded]).reshape(context_len, -1)
                powers_V = logits_TV[len(ids) - 1] / self.recipe.temperature
                shares_V = np.exp(powers_V - powers_V.max())
                drawn = int(np.searchsorted(np.cumsum(shares_V), rng.random() * shares_V.sum(), side="right"))
                drawn = min(drawn, len(shares_V) - 1)  # rounding may leave the sum below the draw
                if drawn == mark:
                    break
                ids.append(drawn)
            names.append(self.tokenizer.decode(ids[1:]))
        return names


def learn(job: Job, run_dir: RunDir) -> Stage | None:
    """The stage with the trained parameters; None if a signal stopped it, with everything saved."""
    recipe, loss_of = job.recipe, job.loss
    own = {name: value for name, value in to_dict(recipe).items() if name not in ("data", "samples")}
    stage = run_dir.stage("train", {"names": job.digest, **own})
    if stage.done:
        return stage
    start = load_state(stage.dir)
    if start.step:
        loss_of.parameters = start.arrays["parameters"]
    weights = Array(loss_of.parameters)
    optimizer = AdamW([weights], betas=recipe.betas, weight_decay=0.0)
    if start.step:
        optimizer.load_state({name.removeprefix("optimizer."): a for name, a in start.arrays.items()})
    began = time.monotonic() - start.seconds

    with stop_on_signal() as stop, Progress(recipe.steps, "names", "step", initial=start.step) as bar:
        for step in range(start.step, recipe.steps):
            rate, name = recipe.lr * (1 - step / recipe.steps), job.name_of(step)
            try:
                loss = loss_of(job.tokens(name))
            except GraphError as error:
                arrays = {"parameters": weights.data}
                raise diverged(stage.dir, error, step=step, lr=rate, batch=name, arrays=arrays) from None
            weights.grad = loss_of.gradient
            optimizer.step(rate)
            loss_of.parameters = weights.data
            done = step + 1
            run_dir.events.write("train", step=done, loss=loss, label="names")
            bar.advance(1, loss=loss)
            look = done % recipe.sample_every == 0 or done == recipe.steps
            stopping = stop.requested  # read once: a signal a moment later is for the next step
            if look or stopping:
                arrays = {f"optimizer.{name}": array for name, array in optimizer.state().items()}
                arrays["parameters"] = weights.data
                TrainingState(arrays, done, time.monotonic() - began).save(stage.dir)
            if look:
                told = job.write_names(weights.data, 5, numpy_rng(recipe.seed, "sample"))
                run_dir.events.write("sample", step=done, text=" ".join(told), label="names")
            if stopping and done < recipe.steps:
                return None
    stage.finish(seconds=time.monotonic() - began, parameters=weights.size)
    return stage


def report(job: Job, run_dir: RunDir, trained: Stage) -> str:
    """summary.json, names.txt and loss.png in `report/` of the run; returns what to tell the user."""
    from groundup.recipes.scratch_png import draw_losses

    recipe = job.recipe
    inputs = {"train": trained.digest, "samples": recipe.samples, "temperature": recipe.temperature}
    stage = run_dir.stage("report", inputs)
    if not stage.done:
        parameters = load_state(trained.dir).arrays["parameters"]
        job.loss.parameters = parameters
        losses = [float(job.loss.forward(job.tokens(name))[0]) for name in job.held_out]
        held_out = bootstrap_mean(losses, numpy_rng(recipe.seed, "bootstrap"))
        names = job.write_names(parameters, recipe.samples, numpy_rng(recipe.seed, "names"))
        (stage.dir / "names.txt").write_text("\n".join(names) + "\n", encoding="utf-8")
        draw_losses(run_dir.events, "names", "nats per letter", stage.dir / "loss.png")
        summary = {
            "held_out_loss": {
                "value": held_out.value, "low": held_out.low, "high": held_out.high, "n": len(losses)
            },
            "names": names,
            "already_real": sum(name in job.names for name in names),
            "parameters": trained.record["parameters"],
            "steps": recipe.steps,
            "seconds": trained.seconds,
        }  # fmt: skip
        write_json(stage.dir / "summary.json", summary)
        stage.finish(summary=summary)
    return in_words(run_dir, stage.record["summary"])


def in_words(run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person."""
    loss = summary["held_out_loss"]
    share = f"{summary['already_real']} of its {len(summary['names'])} names exist"
    return (
        f"{' '.join(summary['names'])}\n\n"
        f"{summary['parameters']:,} scalars after {summary['steps']:,} names in "
        f"{duration(summary['seconds'])}: {loss['value']:.3f} nats a letter\n(95 %: {loss['low']:.3f} to "
        f"{loss['high']:.3f}) on {loss['n']} names that it never saw. {share}.\n"
        f"Curve and names: {run_dir.path / 'report'}"
    )
