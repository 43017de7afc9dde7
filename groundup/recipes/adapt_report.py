"""What adapting came to: how much better the new text is known, and how much of the old was forgotten.

Both are differences on the same pieces of held-out text (evals/paired_bits.py), so a change is seen that two
separate intervals would hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from groundup.base.device import pick_device
from groundup.base.files import read_json, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.evals.bits_per_byte import BitsPerByte
from groundup.evals.paired_bits import Change, change, joined, score
from groundup.recipes.curves_figure import save
from groundup.recipes.report_data import duration
from groundup.recipes.report_png import COLOURS, INK, LINE, SOFT, tidy
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.metrics import curve
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from groundup.recipes.adapt import Adapt

STAGES = ("text", "plan", "tokens", "before", "train", "report")
NAMES = {"new": "New text", "old": "Old text"}


def report(
    recipe: Adapt,
    run_dir: RunDir,
    train_stage: Stage,
    before_stage: Stage,
    *,
    pieces: Mapping[str, list[np.ndarray]],
    tokenizer: Tokenizer,
    keeps: Mapping[str, Any],
) -> str:
    """The best model as `model/` of the run, summary.json and report.png; returns what to tell the user."""
    stage = run_dir.stage("report", {"train": train_stage.digest, "before": before_stage.digest})
    if not stage.done:
        trained = train_stage.record
        best = checkpoint.load(
            train_stage.dir / trained["best"], device=pick_device(recipe.device), tokenizer=tokenizer
        )
        context_len = best.config["context_len"]
        then = read_json(before_stage.dir / "scores.json")
        texts: dict[str, Any] = {}
        for name, of in pieces.items():
            before, after = (
                [BitsPerByte(**s) for s in then[name]],
                score(best.model, of, tokenizer, context_len),
            )
            texts[name] = {
                "before": asdict(joined(before)),
                "after": asdict(joined(after)),
                "change": asdict(change(before, after)),
                "pieces": len(of),
            }
        samples = (event for event in run_dir.events.read("sample") if event.get("label") == "train")
        summary: dict[str, Any] = {
            "step": best.step,
            "steps_taken": trained["step"],
            "steps_planned": recipe.fit.steps,
            "parameters": trained["parameters"],
            "tokens": trained["tokens"],
            "replay": recipe.replay,
            "texts": texts,
            "samples": [{"step": e["step"], "text": e["text"]} for e in samples],
        }
        checkpoint.copy(
            train_stage.dir / trained["best"],
            run_dir.path / "model",
            extra={
                **keeps,
                "bits_per_byte": {name: found["after"]["value"] for name, found in texts.items()},
            },
            training=False,
        )
        write_json(stage.dir / "summary.json", summary)
        write_picture(run_dir, summary, stage.dir / "report.png")
        stage.finish(**{name: found["change"]["value"] for name, found in texts.items()})
    return in_words(run_dir, read_json(stage.dir / "summary.json"))


def in_words(run_dir: RunDir, summary: dict[str, Any]) -> str:
    """The end of the run for a person: what was gained, what was forgotten, and what to do with it."""
    seconds = sum(read_json(run_dir.path / name / "stage.json")["seconds"] for name in STAGES)
    last = summary["samples"][-1]["text"] if summary["samples"] else ""
    saw = f"{summary['parameters']:,} weights saw {summary['tokens']:,} tokens"
    early = ""
    if summary["steps_taken"] < summary["steps_planned"]:
        steps = f"{summary['steps_taken']:,} of {summary['steps_planned']:,}"
        early = f" It stopped early, at step {steps}: the held-out loss no longer fell."
    texts = summary["texts"]
    changes = [_change_in_words(NAMES[name], texts[name]) for name in NAMES if name in texts]
    return (
        f"{last}\n\n"
        f"{saw}, {summary['replay']:.0%} of them from the old text, in {duration(seconds)}.{early}\n"
        + "\n".join(changes)
        + "\n"
        f"{forgetting_in_words(summary)}\n"
        f"Picture and samples: {run_dir.path / 'report'}. The model: {run_dir.path / 'model'}, best at step "
        f"{summary['step']:,}.\n"
        f'Next: groundup generate {run_dir.path} --prompt "..."'
    )


def _change_in_words(name: str, found: dict[str, Any]) -> str:
    moved = found["change"]
    limits = "" if moved["low"] is None else f" (95 %: {moved['low']:+.3f} to {moved['high']:+.3f})"
    return (
        f"{name}, held out: {found['before']['value']:.3f} -> {found['after']['value']:.3f} bits per byte, "
        f"{moved['value']:+.3f}{limits}."
    )


def forgetting_in_words(summary: dict[str, Any]) -> str:
    """What the change on the old text means, and what forgets less."""
    if "old" not in summary["texts"]:
        return "What it forgot was not measured: the text that the base learned is not there (--old RUN)."
    moved = Change(**summary["texts"]["old"]["change"])
    if not moved.is_clear:
        return "Of the old text it forgot nothing that could be measured."
    if moved.value < 0:
        return "It knows the old text better than before, too."
    more = min(0.5, max(0.1, 2 * summary["replay"]))
    return (
        "That much of the old text it forgot. A lower --peak or more --replay "
        f"(such as {more:g}) forgets less."
    )


def write_picture(run_dir: RunDir, summary: dict[str, Any], path: Path) -> None:
    """Both texts over the steps, and before and after."""
    events = list(run_dir.events.read("eval"))
    fields = {"new": "bits_per_byte", "old": "old_bits_per_byte"}
    curves = {name: curve(events, "eval", field, "train") for name, field in fields.items()}

    def draw(figure: Figure) -> None:
        over_steps, bars = figure.subplots(1, 2, width_ratios=(1.7, 1))
        tidy(over_steps, "Held-out text while it trains")
        tidy(bars, "Before and after")
        for row, (name, found) in enumerate(summary["texts"].items()):
            colour = COLOURS[0] if name == "new" else COLOURS[1]
            if curves[name]:
                x, y = zip(*curves[name], strict=True)
                over_steps.plot(x, y, color=colour, marker="o", ms=4, lw=1.8, label=NAMES[name].lower())
                over_steps.axhline(y[0], color=colour, lw=1, ls=":")
            for offset, when, alpha in ((-0.2, "before", 0.45), (0.2, "after", 1.0)):
                value, low, high = (found[when][key] for key in ("value", "low", "high"))
                bars.barh(row + offset, value, height=0.36, color=colour, alpha=alpha)
                if low is not None:
                    bars.plot([low, high], [row + offset] * 2, color=INK, lw=1.4, solid_capstyle="butt")
                right = value if high is None else high
                bars.text(right, row + offset, f" {when} {value:.3f}", va="center", color=INK)
        over_steps.set_xlabel("step")
        over_steps.set_ylabel("bits per byte")
        over_steps.grid(axis="y", color=LINE)
        if over_steps.lines:
            over_steps.legend(frameon=False, labelcolor=SOFT)
        bars.set_yticks(range(len(summary["texts"])), [NAMES[name] for name in summary["texts"]])
        bars.set_xlabel("bits per byte, with 95 % interval")
        longest = max(of[when]["value"] for of in summary["texts"].values() for when in ("before", "after"))
        bars.set_xlim(0, 1.45 * longest)  # room for the figures
        bars.invert_yaxis()

    save(path, (12, 4.6), draw)
