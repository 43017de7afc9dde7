"""What my-text chooses here and now: the law, asked with the speed of this machine.

From the bottom of the ladder a few real steps of each shape are timed, until one is too large for what it
could read. Nothing is guessed further up than that, so the choice costs some seconds.

Next: my_text_stages.py, which writes the choice down.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch

from groundup.base.device import pick_device, pick_dtype
from groundup.models.cost import parameters
from groundup.models.transformer import TransformerConfig
from groundup.recipes.calibrate import seconds_per_step
from groundup.recipes.memory_estimate import USABLE, memory_there, refuse, training_need
from groundup.recipes.my_text import MyText, OwnModelConfig, Precision
from groundup.recipes.my_text_law import LADDER, MOST_READINGS, fits, smallest_text, tokens_in, worth
from groundup.recipes.size_dial import SMALL_BATCH, TOKENS_PER_WEIGHT, batch_tokens, learning_weights
from groundup.train.fit import FitConfig

LOOKS_TOO = 1.12  # looks, saves and the final scores take about an eighth as long as the steps
GLANCE = 0.02  # of the time may be spent on trying a shape
MARGIN = 1.2  # more text than the plan reads: its tokens were estimated
LEAST_TOKENS = (
    200_000  # of a large text are read in any case: a tenth of it is held out, and must say something
)
FEW_STEPS = 200  # below that a run has hardly begun


@dataclass(frozen=True)
class TextFacts:
    """What the plan must know of the text: a sample of ids, its tokens to learn from, the cost of one."""

    sample: np.ndarray
    unique: float  # tokens to learn from, estimated
    encode: float  # seconds a token


@dataclass(frozen=True)
class Trial:
    """One shape as it did here. `weights` are those that are multiplied: without the embedding."""

    n_layer: int
    n_embd: int
    weights: int
    rows: int
    seconds_per_step: float | None  # None: the number of steps was given, and nothing was timed
    steps: int
    tokens: float
    worth: float
    fits: bool


@dataclass(frozen=True)
class Plan:
    """The recipe with nothing left open, what was tried for it, and what the user should know."""

    recipe: MyText
    trials: list[Trial]
    warnings: list[str]

    @property
    def chosen(self) -> Trial:
        """The trial whose shape was taken."""
        width, layers = self.recipe.model.n_embd, self.recipe.model.n_layer
        return next(t for t in self.trials if (t.n_layer, t.n_embd) == (layers, width))

    def to_dict(self) -> dict[str, Any]:
        """For the record of the stage."""
        return {"trials": [vars(trial) for trial in self.trials], "warnings": self.warnings}


def complete(recipe: MyText, text: TextFacts, *, vocab_size: int, seconds: float) -> Plan:
    """The recipe with everything chosen that was left open. `seconds` are left for encoding and training.

    Raises ConfigError if a shape that was asked for, or the smallest one, does not fit into the memory.
    """
    device = pick_device(recipe.device)
    recipe = _with(recipe, "fit", precision=precise(recipe.fit.precision, recipe.device))
    taken: tuple[MyText, Trial] | None = None
    trials: list[Trial] = []
    for model in _shapes(recipe.model):
        asked = dataclasses.replace(recipe, model=model)
        shape = TransformerConfig(vocab_size=vocab_size, **vars(model.whole()))
        rows = recipe.fit.batch_size or max(1, SMALL_BATCH // shape.context_len)
        if taken is None:
            _refuse_if_too_large(asked, shape, rows, device)
        elif not _fits_memory(asked, shape, rows, device):
            break
        tried = _try(asked, shape, rows, text, seconds=seconds, device=device)
        trials.append(tried)
        if taken is not None and not tried.fits:
            break
        taken = asked, tried
        if not tried.fits:
            break
    assert taken is not None, "the first shape is taken or refused"
    chosen, trial = taken
    chosen = _with(chosen, "fit", steps=trial.steps, batch_size=trial.rows)
    if chosen.data.use is None:
        use = max(MARGIN * trial.tokens, LEAST_TOKENS) / text.unique
        chosen = _with(chosen, "data", use=min(1.0, round(use, 6)))
    return Plan(chosen, trials, _warnings(recipe, chosen, trial, text))


def precise(asked: Precision, device: str) -> Literal["float32", "bfloat16"]:
    """The precision that was asked for; "auto" is bfloat16 where the device computes in it."""
    if asked != "auto":
        return asked
    return "bfloat16" if pick_dtype("auto", pick_device(device)) == torch.bfloat16 else "float32"


def _shapes(model: OwnModelConfig) -> list[OwnModelConfig]:
    """The shape that was asked for, or those of the ladder, with nothing in them left open."""
    if model.n_layer is not None:
        return [OwnModelConfig(**{name: getattr(model.whole(), name) for name in vars(model)})]
    return [
        OwnModelConfig(
            n_layer=rung.n_layer,
            n_embd=rung.n_embd,
            n_head=rung.n_head,
            context_len=model.context_len or rung.context_len,
            dropout=model.dropout or 0.0,
        )
        for rung in LADDER
    ]


def _fits_memory(recipe: MyText, shape: TransformerConfig, rows: int, device: torch.device) -> bool:
    there = memory_there(device)
    need = training_need(shape, rows=rows, optim=recipe.optim, fit=_fit(recipe))
    return there is None or need.peak <= USABLE * there


def _refuse_if_too_large(recipe: MyText, shape: TransformerConfig, rows: int, device: torch.device) -> None:
    need = training_need(shape, rows=rows, optim=recipe.optim, fit=_fit(recipe))
    what = f"A model of {parameters(shape):,} weights with batches of {rows} x {shape.context_len} tokens"
    todo = "Choose a smaller model.n_embd, model.n_layer or fit.batch_size."
    refuse(need, memory_there(device), what=what, todo=todo)


def _try(
    recipe: MyText,
    shape: TransformerConfig,
    rows: int,
    text: TextFacts,
    *,
    seconds: float,
    device: torch.device,
) -> Trial:
    """What this shape could read in the time; timed only if the number of steps is open.

    Batches begin at `rows` and grow to what the law wants for so much reading, as far as they fit.
    """
    weights = learning_weights(shape)
    steps, per_step = recipe.fit.steps, None
    while steps is None:
        per_step = seconds_per_step(
            shape, text.sample, batch_size=rows, optim=recipe.optim, config=_fit(recipe), device=device,
            most_seconds=GLANCE * seconds,
        )  # fmt: skip
        per_token = LOOKS_TOO * per_step / (rows * shape.context_len)
        tokens = tokens_in(max(seconds, 0.0), step=per_token, encode=text.encode, unique=text.unique)
        tokens = min(tokens, MOST_READINGS * text.unique)
        wanted = batch_tokens(tokens, shape.context_len) // shape.context_len
        while wanted > rows and not _fits_memory(recipe, shape, wanted, device):
            wanted //= 2
        if recipe.fit.batch_size is None and wanted > rows:
            rows = wanted
        else:
            steps = max(1, int(tokens / (rows * shape.context_len)))
    tokens = float(steps * rows * shape.context_len)
    return Trial(
        n_layer=shape.n_layer,
        n_embd=shape.n_embd,
        weights=weights,
        rows=rows,
        seconds_per_step=per_step,
        steps=steps,
        tokens=tokens,
        worth=worth(min(tokens, MOST_READINGS * text.unique), text.unique),
        fits=fits(weights, tokens, text.unique),
    )


def _fit(recipe: MyText) -> FitConfig:
    precision = recipe.fit.precision
    assert precision != "auto", "resolved above"
    return FitConfig(steps=1, precision=precision)


def _with(recipe: MyText, section: str, **values: Any) -> MyText:
    return dataclasses.replace(recipe, **{section: dataclasses.replace(getattr(recipe, section), **values)})


def _warnings(asked: MyText, chosen: MyText, trial: Trial, text: TextFacts) -> list[str]:
    """What a person should know before they wait, in sentences."""
    found = []
    if text.unique < smallest_text():
        found.append(
            f"This text is too small to learn a language from: {text.unique:,.0f} tokens, and even the "
            f"smallest model, of {trial.weights:,} weights, wants {smallest_text():,.0f} or more. It will be "
            "learned by heart in part; training stops when that begins. More text of the same kind helps "
            "more than anything else."
        )
    if asked.fit.steps is None and trial.steps < FEW_STEPS:
        found.append(
            f"{asked.minutes:g} min are enough for only {trial.steps:,} steps here: the model will have "
            "hardly begun. Give it more with --minutes."
        )
    if asked.model.n_layer is not None and not trial.fits:
        found.append(
            f"This model is larger than the law advises. For each of its {trial.weights:,} weights it reads "
            f"what is worth {trial.worth / trial.weights:.1f} fresh tokens, and {TOKENS_PER_WEIGHT:g} are "
            "advised. A smaller one, or more time, would do better."
        )
    return found
