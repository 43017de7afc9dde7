"""The lecture's road from the bigram to GPT, a rung at a time: each a model on the same text.

    text -> train -> report

`--rung` says which; its size, batch and rate are the lecture's and can be changed, so that each run differs
from the one before it in the one idea that its rung adds. What the lecture reached stands beside what came
out. The loss is that of the held-out text, read in windows side by side, all places counted alike; its
interval draws pieces of 1,024 characters again, because neighbouring characters are not independent.

Source:  Karpathy 2023, "Let's build GPT"; reference/08.toml holds its losses.
Next:    models/gpt_ladder.py, the rungs; cli/compare.py, which puts runs side by side.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from groundup.base.config import to_dict
from groundup.base.errors import ConfigError, DataError
from groundup.base.files import write_json
from groundup.base.rundir import RunDir, Stage
from groundup.recipes.pretrain import DataConfig
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

if TYPE_CHECKING:
    import numpy as np
    from torch import nn

    from groundup.recipes.pretrain_stages import Text
    from groundup.tokenizer.chars import CharTokenizer

STOPPED = "Stopped, and everything is saved. The same command carries on from there."
PIECE = 1024  # characters that are drawn together for the interval
WRITTEN = 400  # characters of a sample
LOOK = 40_000  # held-out characters that are scored on the way

Rung = Literal["bigram", "head", "heads", "think", "bare", "residual", "norm", "small"]
# What the lecture says of a rung, where it says it: the id in reference/08.toml.
PUBLISHED: dict[str, str] = {
    "bigram": "bigram.val_loss",
    "head": "ladder.head.val_loss",
    "heads": "ladder.heads.val_loss",
    "think": "ladder.think.val_loss",
    "residual": "ladder.residual.val_loss",
    "norm": "ladder.norm.val_loss",
    "small": "gpt.small.val_loss",
}


@dataclass(frozen=True)
class GPTLadderJob:
    """Train one rung of the lecture on a text, by characters."""

    seed: int = 1337  # the lecture's
    rung: Rung = "norm"
    data: DataConfig = field(default_factory=DataConfig)
    batch_size: int = 32  # windows: of 8 characters, and of 32 in "small"
    fit: FitConfig = field(
        default_factory=lambda: FitConfig(steps=5000, clip_norm=0.0, log_every=100, eval_every=500)
    )
    optim: OptimConfig = field(  # torch's defaults, as in the lecture
        default_factory=lambda: OptimConfig(
            kind="adamw", lr=1e-3, betas=(0.9, 0.999), eps=1e-8, weight_decay=0.01
        )
    )
    schedule: ScheduleConfig = field(default_factory=lambda: ScheduleConfig("constant"))

    def __post_init__(self) -> None:
        if self.batch_size < 1:
            raise ConfigError(f"batch_size={self.batch_size} is not allowed. Choose 1 or more.")

    @property
    def context_len(self) -> int:
        """Characters of a window."""
        return 32 if self.rung == "small" else 8

    def run(self, run_dir: RunDir) -> str:
        """Every stage in turn; returns what to tell the user."""
        from groundup.recipes import pretrain_stages

        text = pretrain_stages.read(self.data, self.seed, run_dir)
        trained = learn(self, run_dir, text)
        return STOPPED if trained is None else report(self, run_dir, text, trained)


def build(recipe: GPTLadderJob, vocab_size: int) -> nn.Module:
    """A fresh model of the rung."""
    from groundup.models.bigram import Bigram, BigramConfig
    from groundup.models.gpt_ladder import GPTLadder, rung

    if recipe.rung == "bigram":
        return Bigram(BigramConfig(vocab_size))
    return GPTLadder(rung(recipe.rung, vocab_size))


def ids_of(text: Text, tokenizer: CharTokenizer, *, context_len: int) -> dict[str, np.ndarray]:
    """The ids of "train" and of "dev", each one stream. Raises DataError if one does not fill a window."""
    import numpy as np

    found = {
        side: np.array(tokenizer.encode("\n\n".join(texts)))
        for side, texts in (("train", text.train), ("dev", text.held_out))
    }
    for side, ids in found.items():
        if len(ids) <= context_len:
            raise DataError(
                f"The {side} text has {len(ids)} characters, and a window needs {context_len + 1}. Give a "
                "longer text."
            )
    return found


def learn(recipe: GPTLadderJob, run_dir: RunDir, text: Text) -> Stage | None:
    """The stage with the trained rung; None if a signal stopped it, with everything saved."""
    import torch

    from groundup.base.seeds import torch_generator
    from groundup.data.batches import WindowBatches
    from groundup.tokenizer.chars import CharTokenizer
    from groundup.train.fit import fit
    from groundup.train.objective import cross_entropy

    own = {name: value for name, value in to_dict(recipe).items() if name != "data"}
    stage = run_dir.stage("train", {**own, "text": text.digest})
    if stage.done:
        return stage
    tokenizer = CharTokenizer.train("".join((*text.train, *text.held_out)))
    ids = ids_of(text, tokenizer, context_len=recipe.context_len)
    torch.manual_seed(recipe.seed)
    model = build(recipe, tokenizer.vocab_size)

    def evaluate(net: Any) -> dict[str, float]:
        return {"loss": float(nats(net, ids["dev"][:LOOK], recipe.context_len).mean())}

    result = fit(
        model,
        batches=WindowBatches(
            ids["train"], context_len=recipe.context_len, batch_size=recipe.batch_size, seed=recipe.seed
        ),
        objective=cross_entropy, optim=recipe.optim, schedule=recipe.schedule, config=recipe.fit,
        out=stage.dir, events=run_dir.events, tokenizer=tokenizer, seed=recipe.seed, evaluate=evaluate,
        sample=lambda net: write(net, tokenizer, 100, torch_generator(recipe.seed, "sample")), label="ladder",
    )  # fmt: skip
    if result.interrupted:
        return None
    parameters = sum(p.numel() for p in model.parameters())
    stage.finish(seconds=result.seconds, flops=result.flops, best=result.last.name, parameters=parameters)
    return stage


def nats(model: Any, ids: np.ndarray, context_len: int) -> np.ndarray:
    """nats_N of every id but the first, read in windows side by side."""
    import numpy as np
    import torch
    import torch.nn.functional as F

    from groundup.data.batches import IGNORED, windows_in_order

    found = []
    with torch.no_grad():
        for batch in windows_in_order(ids, context_len=context_len, batch_size=1024):
            logits_NV = model(batch.tokens_BT).flatten(0, 1).double()
            targets_N = batch.targets_BT.flatten()
            losses_N = F.cross_entropy(logits_NV, targets_N, ignore_index=IGNORED, reduction="none")
            found.append(losses_N[targets_N != IGNORED].numpy())
    return np.concatenate(found)


def write(model: Any, tokenizer: CharTokenizer, count: int, generator: Any) -> str:
    """A text of the model, from a line break on (or the first character), reading its last window."""
    import torch

    from groundup.infer.sampling import SamplingParams, sample

    first = tokenizer.encode("\n") if "\n" in tokenizer.characters else [0]
    ids, most = list(first), model.config.context_len
    with torch.no_grad():
        for _ in range(count):
            logits_1V = model(torch.tensor([ids[-most:]]))[:, -1]
            ids.append(int(sample(logits_1V, SamplingParams(), generator)[0]))
    return tokenizer.decode(ids[1:])


def report(recipe: GPTLadderJob, run_dir: RunDir, text: Text, trained: Stage) -> str:
    """The model as `model/` of the run and summary.json; returns what to tell the user."""
    from groundup.base.seeds import numpy_rng, torch_generator
    from groundup.recipes.names_scores import ItemNats
    from groundup.weights import checkpoint

    stage = run_dir.stage("report", {"train": trained.digest})
    if not stage.done:
        import numpy as np

        best = checkpoint.load(trained.dir / trained.record["best"])
        ids = ids_of(text, best.tokenizer, context_len=recipe.context_len)  # type: ignore[arg-type]
        losses = {}
        for side in ids:
            nats_N = nats(best.model, ids[side][: len(ids["dev"])], recipe.context_len)  # as much of train
            starts = np.arange(0, len(nats_N), PIECE)
            pieces = ItemNats(np.add.reduceat(nats_N, starts), np.diff([*starts, len(nats_N)]))
            sure = pieces.interval(numpy_rng(recipe.seed, f"gpt-ladder/{side}"))
            losses[side] = {"value": sure.value, "low": sure.low, "high": sure.high, "n": len(nats_N)}
        said = write(best.model, best.tokenizer, WRITTEN, torch_generator(recipe.seed, "sample"))  # type: ignore[arg-type]
        summary = {
            "kind": recipe.rung,
            "parameters": trained.record["parameters"],
            "steps": best.step,
            "seconds": trained.seconds,
            "loss": losses,
            "samples": [line[:24] for line in said.splitlines() if line.strip()][1:],
            "text": said,
        }
        write_json(stage.dir / "summary.json", summary)
        found_in = trained.dir / trained.record["best"]
        checkpoint.copy(
            found_in, run_dir.path / "model", extra={"loss": losses, "data": list(text.data)}, training=False
        )
        stage.finish(summary=summary)
    return in_words(recipe, run_dir, stage.record["summary"])


def in_words(recipe: GPTLadderJob, run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person."""
    from groundup.evals.reference import references

    losses = ", ".join(
        f"{side} {each['value']:.4f} [{each['low']:.4f}, {each['high']:.4f}]"
        for side, each in summary["loss"].items()
    )
    lines = [
        summary["text"].strip(), "",
        f"{recipe.rung}: {summary['parameters']:,} parameters, {summary['steps']:,} steps, "
        f"{summary['seconds']:.1f} s",
        f"nats per character (95 % over pieces of {PIECE:,}): {losses}",
    ]  # fmt: skip
    if recipe.rung in PUBLISHED:
        told = next(each for each in references("08") if each.id == PUBLISHED[recipe.rung])
        lines.append(f"the lecture, on Tiny Shakespeare ({told.settings}): {told.expected}")
    return "\n".join([*lines, f"Next: groundup compare {run_dir.path} OTHER_RUN ..."])
