"""What my-text came to: how well the best model knows text that it has not seen, and how much better its own.

The gap between the two is what was learned by heart. Both are scored in the same windows, so it is the
model's and not the method's.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from groundup.base.device import pick_device
from groundup.base.files import read_json, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.data.shards import TokenShards
from groundup.evals.bits_per_byte import BitsPerByte, bits_per_byte
from groundup.recipes.pretrain_stages import draw_losses, spread
from groundup.recipes.report_data import duration
from groundup.tokenizer.protocol import Tokenizer
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from groundup.recipes.my_text import MyText

STAGES = ("text", "tokenizer", "plan", "tokens", "train", "report")
BY_HEART = 0.1  # a gap of more than a tenth of the held-out score is worth a sentence


def report(
    recipe: MyText, run_dir: RunDir, tokenizer: Tokenizer, tokens_stage: Stage, train_stage: Stage
) -> str:
    """The best model as `model/` of the run, summary.json and loss.png; returns what to tell the user."""
    stage = run_dir.stage("report", {"train": train_stage.digest})
    if not stage.done:
        trained = train_stage.record
        best = checkpoint.load(
            train_stage.dir / trained["best"], device=pick_device(recipe.device), tokenizer=tokenizer
        )
        context_len = recipe.training().model.context_len
        # A twentieth of what was trained on, forward only: some per cent of the time.
        wanted = max(8_192, trained["tokens"] // 20)

        def tokens(side: str) -> np.ndarray:
            return np.concatenate(spread(TokenShards.open(tokens_stage.dir / side).tokens, wanted))

        def scored(side: str, stride: int) -> BitsPerByte:
            return bits_per_byte(best.model, tokens(side), tokenizer, context_len, stride=stride)

        own, other = scored("train", context_len), scored("held_out", context_len)
        score = scored("held_out", max(1, context_len // 2))
        samples = (event for event in run_dir.events.read("sample") if event.get("label") == "train")
        summary = {
            "step": best.step,
            "steps_taken": trained["step"],
            "steps_planned": recipe.fit.steps,
            "parameters": trained["parameters"],
            "tokens": trained["tokens"],
            "readings": trained["tokens"] / tokens_stage.record["train"],
            "held_out_loss": other.loss,
            "train_loss": own.loss,
            "bits_per_byte": {"value": score.value, "low": score.low, "high": score.high},
            "gap_bits_per_byte": other.value - own.value,
            "train_bits_per_byte": own.value,
            "scored_tokens": other.tokens,
            "samples": [{"step": e["step"], "text": e["text"]} for e in samples],
        }
        checkpoint.copy(
            train_stage.dir / trained["best"],
            run_dir.path / "model",
            extra={
                "bits_per_byte": summary["bits_per_byte"],
                "data": tokens_stage.record.get("data", []),
            },
            training=False,
        )
        draw_losses(run_dir, stage.dir / "loss.png")
        write_json(stage.dir / "summary.json", summary)
        stage.finish(held_out_loss=other.loss)
    return in_words(run_dir, recipe, read_json(stage.dir / "summary.json"))


def in_words(run_dir: RunDir, recipe: MyText, summary: dict[str, Any]) -> str:
    """The end of the run for a person: what it came to, and what to do with it."""
    bits = summary["bits_per_byte"]
    margin = f" (95 %: {bits['low']:.3f} to {bits['high']:.3f})" if bits["low"] is not None else ""
    last = summary["samples"][-1]["text"] if summary["samples"] else ""
    seconds = sum(read_json(run_dir.path / name / "stage.json")["seconds"] for name in STAGES)
    early = ""
    if summary["steps_taken"] < summary["steps_planned"]:
        steps = f"{summary['steps_taken']:,} of {summary['steps_planned']:,}"
        early = f" It stopped early, at step {steps}: the held-out loss no longer fell."
    return (
        f"{last}\n\n"
        f"{summary['parameters']:,} weights saw {summary['tokens']:,} tokens, the text "
        f"{summary['readings']:.2g} times, in {duration(seconds)} "
        f"({recipe.minutes:g} min were given).{early}\n"
        f"Held-out text: {summary['held_out_loss']:.4f} nats per token, {bits['value']:.3f} bits per byte"
        f"{margin}.\n"
        f"{gap_in_words(summary)}\n"
        f"Curve and samples: {run_dir.path / 'report'}. The model: {run_dir.path / 'model'}, best at step "
        f"{summary['step']:,}. What was chosen, to do it again: {run_dir.path / 'plan' / 'chosen.toml'}.\n"
        f'Next: groundup generate {run_dir.path} --prompt "..."'
    )


def gap_in_words(summary: dict[str, Any]) -> str:
    """How much better it knows its own text, and what that means."""
    own, gap = summary["train_bits_per_byte"], summary["gap_bits_per_byte"]
    other = own + gap
    said = (
        f"Its own text: {own:.3f} against {other:.3f} bits per byte in the same windows, a gap of {gap:.3f}."
    )
    if not math.isfinite(gap) or gap <= BY_HEART * other:
        return said + " What it learned holds for text that it has not seen."
    return said + " Part of its text it knows by heart: more text would help, a larger model would not."
