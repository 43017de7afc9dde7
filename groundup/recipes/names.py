"""A list of names to a model that makes up more: any model of the ladder, on any file of one item a line.

    train -> report

The first weights and all batches come from one stream of `seed`, as in the lectures: with 2147483647 they are
the lectures' own. The model is chosen by `kind`, its settings are those of its config, and what it reads
(windows or whole items) is what it says of itself. The test split is read only with `test = true`: choose by
dev, and look at test once.

Source:  the lectures "makemore" 1 to 5.
Next:    names_scores.py, what a loss is sure of; cli/compare.py, which puts runs side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.config import digest, to_dict
from groundup.base.errors import ConfigError
from groundup.base.files import write_json
from groundup.base.rundir import RunDir, Stage
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

if TYPE_CHECKING:
    from groundup.base.log import EventLog
    from groundup.data.names import Names
    from groundup.data.windows import Windows, Words
    from groundup.models.counts import Counts

STOPPED = "Stopped, and everything is saved. The same command carries on from there."
SAMPLES = 20


@dataclass(frozen=True)
class NamesData:
    """Which items: a file with one a line, or the course's names."""

    path: Path | None = None
    unique: bool = False  # keep each line once: data/names.py says what repeated lines do


@dataclass(frozen=True)
class NamesJob:
    """Train one model of the ladder on names."""

    seed: int = 2147483647  # the lectures'
    data: NamesData = field(default_factory=NamesData)
    kind: str = "bengio-mlp"  # a name in models/catalog.py
    model: dict[str, Any] = field(default_factory=dict)  # settings of its config that are not the default
    batch_size: int = 32
    fit: FitConfig = field(default_factory=lambda: FitConfig(steps=20_000, clip_norm=0.0, log_every=100))
    optim: OptimConfig = field(default_factory=lambda: OptimConfig(kind="sgd", lr=0.1))
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("step", decay=0.5, floor=0.1))
    test: bool = False  # read the test split at the end, too

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size={self.batch_size} is not allowed. Choose 1 or more.")

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        trained = learn(self, run_dir)
        return STOPPED if trained is None else report(self, run_dir, trained)


def learn(recipe: NamesJob, run_dir: RunDir) -> Stage | None:
    """The stage with the trained model; None if a signal stopped it, with everything saved."""
    import torch

    from groundup.data.names import read_names
    from groundup.models.catalog import build
    from groundup.models.counts import Counts

    names = read_names(recipe.data.path, unique=recipe.data.unique)
    own = {name: value for name, value in to_dict(recipe).items() if name not in ("data", "test")}
    stage = run_dir.stage("train", {**own, "items": digest({"train": names.train, "dev": names.dev})})
    if stage.done:
        return stage
    if names.empty or names.seen:
        run_dir.events.write(
            "note",
            text=f"{names.empty} empty lines were dropped, {names.repeated} lines repeat an earlier one, and "
            f"{names.seen} of the {len(names.dev):,} dev items are in train too (data.unique drops them).",
        )
    torch.manual_seed(recipe.seed)
    model: Any = build(recipe.kind, settings_of(recipe, names.tokenizer.vocab_size, names.longest))
    if isinstance(model, Counts):
        return count(model, names, stage)
    return train(model, names, stage, recipe=recipe, events=run_dir.events)


def count(model: Counts, names: Names, stage: Stage) -> Stage:
    """The table of counts: nothing to train."""
    from groundup.data.windows import examples
    from groundup.weights import checkpoint

    found = examples(names.train, names.tokenizer, model.config.context_len)
    model.learn(found.tokens_NK, found.targets_N)
    checkpoint.save(stage.dir / "last", model=model, tokenizer=names.tokenizer, step=0)
    stage.finish(best="last", parameters=model.counts_HV.numel())
    return stage


def train(model: Any, names: Names, stage: Stage, *, recipe: NamesJob, events: EventLog) -> Stage | None:
    """Train it by `fit`, as it reads: windows or whole items."""
    import torch

    from groundup.infer.items import write_items
    from groundup.infer.sampling import SamplingParams
    from groundup.recipes.names_scores import nats
    from groundup.train.by_hand import objective_for
    from groundup.train.fit import fit

    parameters = sum(p.numel() for p in model.parameters())

    def evaluate(net: Any) -> dict[str, float]:
        return {"loss": nats(net, names.dev, names.tokenizer).mean}

    def sample(net: Any) -> str:
        draws = torch.Generator().manual_seed(recipe.seed)
        written = write_items(net, 5, SamplingParams(max_tokens=50), draws)
        return " ".join(map(names.tokenizer.decode, written))

    result = fit(
        model, batches=batches_for(model, names, recipe.batch_size), objective=objective_for(model),
        optim=recipe.optim, schedule=recipe.schedule, config=recipe.fit, out=stage.dir, events=events,
        tokenizer=names.tokenizer, seed=recipe.seed, evaluate=evaluate, sample=sample, label="names",
    )  # fmt: skip
    if result.interrupted:
        return None
    # The last weights and not the best: that is what the lectures report, and nothing is chosen by dev.
    stage.finish(seconds=result.seconds, flops=result.flops, best=result.last.name, parameters=parameters)
    return stage


def batches_for(model: Any, names: Names, batch_size: int) -> Windows | Words:
    """What the model reads, drawn from the stream that its first weights came from, which goes on there."""
    import torch

    from groundup.data.windows import Windows, Words

    stream = torch.default_generator
    if getattr(model, "reads", "prefixes") == "windows":
        return Windows(
            names.train, names.tokenizer, context_len=model.config.context_len,
            batch_size=batch_size, generator=stream,
        )  # fmt: skip
    return Words(
        names.train, names.tokenizer, batch_size=batch_size, generator=stream,
        context_len=getattr(model.config, "context_len", None),
    )  # fmt: skip


def settings_of(recipe: NamesJob, vocab_size: int, longest: int) -> dict[str, Any]:
    """The config of the model: what the recipe says, the alphabet, and a context that holds every item."""
    from groundup.models.catalog import MODELS, build

    settings = {"vocab_size": vocab_size, **recipe.model}
    if recipe.kind not in MODELS:
        build(recipe.kind, settings)  # says which there are
    config_class, model_class = MODELS[recipe.kind]
    known = {each.name for each in fields(config_class)}
    if "context_len" in known and getattr(model_class, "reads", "prefixes") == "prefixes":
        settings.setdefault("context_len", longest + 1)  # the start mark, and the longest item
    return settings


def report(recipe: NamesJob, run_dir: RunDir, trained: Stage) -> str:
    """The model as `model/` of the run and summary.json; returns what to tell the user."""
    import torch

    from groundup.base.seeds import numpy_rng
    from groundup.data.learned import from_path_or_source
    from groundup.data.names import SOURCE, read_names
    from groundup.infer.items import write_items
    from groundup.infer.sampling import SamplingParams
    from groundup.recipes.names_scores import nats
    from groundup.weights import checkpoint

    splits = ("train", "dev", "test") if recipe.test else ("train", "dev")
    stage = run_dir.stage("report", {"train": trained.digest, "splits": splits})
    if not stage.done:
        names = read_names(recipe.data.path, unique=recipe.data.unique)
        best = checkpoint.load(trained.dir / trained.record["best"], tokenizer=names.tokenizer)
        losses = {}
        for split in splits:
            found = nats(best.model, names.split(split), names.tokenizer)
            sure = found.interval(numpy_rng(recipe.seed, f"names/{split}"))
            losses[split] = {"value": sure.value, "low": sure.low, "high": sure.high, "n": len(found.nats_I)}
        draws = torch.Generator().manual_seed(recipe.seed)
        written = write_items(best.model, SAMPLES, SamplingParams(max_tokens=50), draws)
        summary = {
            "kind": recipe.kind,
            "parameters": trained.record["parameters"],
            "steps": best.step,
            "seconds": trained.seconds,
            "loss": losses,
            "samples": [names.tokenizer.decode(item) for item in written],
        }
        write_json(stage.dir / "summary.json", summary)
        found_in = trained.dir / trained.record["best"]
        checkpoint.copy(
            found_in,
            run_dir.path / "model",
            training=False,
            extra={"loss": losses, "writes": "items", "data": from_path_or_source(recipe.data.path, SOURCE)},
        )
        stage.finish(summary=summary)
    return in_words(run_dir, stage.record["summary"])


def in_words(run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person."""
    losses = ", ".join(
        f"{split} {each['value']:.4f} [{each['low']:.4f}, {each['high']:.4f}]"
        for split, each in summary["loss"].items()
    )
    return (
        f"{' '.join(summary['samples'][:10])}\n\n"
        f"{summary['kind']}: {summary['parameters']:,} parameters, {summary['steps']:,} steps, "
        f"{summary['seconds']:.1f} s\n"
        f"nats per character (95 % over items): {losses}\n"
        f"Next: groundup compare {run_dir.path} OTHER_RUN ..."
    )
