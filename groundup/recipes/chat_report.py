"""The end of zero-to-chat: what every stage found, as report.json, report.html and report.png; and chat.html,
the model as a page.

Nothing is measured here. Every number comes from a stage's record or from the event log.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from groundup.base.config import to_dict
from groundup.base.errors import CheckpointError
from groundup.base.files import write_atomic, write_json
from groundup.base.rundir import RunDir, Stage
from groundup.data.learned import from_sources, made_by_skills
from groundup.models.cost import parameters
from groundup.models.transformer import Transformer
from groundup.recipes import chat_training
from groundup.recipes.chat_scores import transcript
from groundup.recipes.report import write_report
from groundup.recipes.report_data import duration, quantity
from groundup.recipes.report_png import write_png
from groundup.tokenizer.protocol import Tokenizer
from groundup.train.metrics import curve
from groundup.weights.checkpoint import Checkpoint, Manifest
from groundup.weights.html_export import page

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat

Stages = dict[str, Stage]
# Skills as the report calls them, by their names in the exam.
SHOWN = {
    "calculator": "calculator",
    "spelling": "spelling",
    "counting": "counting",
    "famous": "famous",
    "identity": "identity",
    "known_facts": "known_facts",
    "false_refusal": "false_refusal",
    "unknown_facts": "unknown_refusal",
    "out_of_scope": "out_of_scope",
}
PAGE = "chat.html"
COMPARED = (*SHOWN, "head_addition")
CAN_DO = [
    "sums of numbers up to 999, with its calculator: What is 123 times 456?",
    "spelling and counting letters: How many r's are in strawberry?",
    "capitals, Shakespeare's characters, US presidents by number, and saying when it does not know",
    "two-digit addition without the calculator: Add 47 and 85 in your head.",
    "small talk in English and Chinese: 你会做什么？",
]


def write(
    recipe: ZeroToChat, run: RunDir, stages: Stages, model: Transformer, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Write the four files into the run directory; returns what report.json holds."""
    data = collect(recipe, run, stages, model, tokenizer)
    steps, extra = stages["reinforce"].record["steps"], told(stages, data)
    try:
        size = write_chat_page(run.path / PAGE, model, tokenizer, step=steps, extra=extra)
        data["page"] = {"file": PAGE, "bytes": size}
    except CheckpointError as error:
        data["notes"].append(f"There is no page to chat with. {error}")
    write_json(run.path / "report.json", data)
    write_report(run.path / "report.html", data)
    write_png(run.path / "report.png", data)
    return data


def told(stages: Stages, data: Mapping[str, Any]) -> dict[str, Any]:
    """What goes with the assistant wherever it goes: what it can do, what it learned from, its scores."""
    people = chat_training.dialogues_at_hand()
    return {
        "can_do": CAN_DO,
        "data": [
            *from_sources(stages["corpus"].record["sources"]),
            *made_by_skills(),
            *from_sources(sorted({dialogue.source for dialogue in people})),
        ],
        "scores": data["scores"],
    }


def write_chat_page(
    path: Path, model: Transformer, tokenizer: Tokenizer, *, step: int, extra: dict[str, Any]
) -> int:
    """The assistant as one page, in place of an older one; returns its bytes."""
    manifest = Manifest(
        kind="transformer",
        config=to_dict(model.config),
        step=step,
        tokenizer=tokenizer.fingerprint,
        files={},
        extra=extra,
    )
    text = page(Checkpoint(model, tokenizer, manifest))
    write_atomic(path, text)
    return len(text.encode())


def collect(
    recipe: ZeroToChat, run: RunDir, stages: Stages, model: Transformer, tokenizer: Tokenizer
) -> dict[str, Any]:
    """Everything that the report shows; see report_data.py for the shape."""
    before, after, control = (stages[name].record for name in ("scores_before", "scores", "scores_control"))
    bits, counted = stages["pretrain"].record["bits_per_byte"], stages["ngrams"].record["bits_per_byte"]
    best = min(counted, key=lambda name: counted[name]["all"])
    arms = {"rl_before": before, "rl_after": after, "rl_control": control}

    def scored(wording: str) -> dict[str, Any]:
        return {
            **{SHOWN[name]: after[wording][name] for name in SHOWN if name in after[wording]},
            **{name: record[wording]["head_addition"] for name, record in arms.items()},
        }

    return {
        "title": "From raw text to a chat model",
        "run": str(run.path),
        "seconds": sum(stage.seconds for stage in stages.values()),
        "stages": [
            {"name": name, "seconds": stage.seconds, "flops": stage.flops} for name, stage in stages.items()
        ],
        "scores": scored("trained"),
        "scores_untrained": scored("untrained"),
        "bits_per_byte": bits["all"],
        "bits_per_byte_by_source": bits,
        "ngram_bits_per_byte": counted[best]["all"],
        "ngrams": {name: found["all"] for name, found in counted.items()},
        "ngrams_by_source": counted,
        "curves": curves(run),
        "samples": [
            {"step": event["step"], "text": event["text"]}
            for event in latest(run)
            if event["kind"] == "sample" and event.get("label") == "pretrain"
        ],
        "transcript": transcript(model, tokenizer),
        "comparisons": comparisons(stages),
        "what": what(recipe, stages, model),
        "machine": machine(recipe),
        "notes": notes(recipe, stages, best),
    }


def latest(run: RunDir) -> list[dict[str, Any]]:
    """The events of the stages as they are now: not of a stage that was replaced when its inputs changed."""
    kept: list[dict[str, Any]] = []
    for event in run.events.read("train", "eval", "sample", "note"):
        if "replaced" in event:
            kept = [earlier for earlier in kept if earlier.get("label") != event["replaced"]]
        elif event["kind"] != "note":
            kept.append(event)
    return kept


def curves(run: RunDir) -> dict[str, list[tuple[int, float]]]:
    """Loss and reward over the steps, from the event log."""
    events = latest(run)
    return {
        "pretrain": curve(events, "train", "loss", "pretrain"),
        "pretrain_heldout": curve(events, "eval", "loss", "pretrain"),
        "sft": curve(events, "train", "loss", "finetune"),
        "rl_reward": curve(events, "train", "reward", "reinforce"),
    }


def comparisons(stages: Stages) -> list[dict[str, Any]]:
    """What reinforcement changed, beside as many seconds of more fine-tuning; and the ablation, if run."""

    def arm(name: str) -> dict[str, Any]:
        return {
            SHOWN.get(skill, skill): stages[name].record["trained"][skill]
            for skill in COMPARED
            if skill != "famous"
        }

    found = [{
        "title": "Reinforcement, or the same seconds of more fine-tuning?",
        "note": "Both start from the same fine-tuned model and take the same wall clock. Trained phrasings.",
        "arms": {
            "before": arm("scores_before"),
            "reinforced": arm("scores"),
            "more fine-tuning": arm("scores_control"),
        },
    }]  # fmt: skip
    if "scores_ablation" in stages:
        found.append({
            "title": "Do the chat skills need the pretraining?",
            "note": "The same fine-tuning, once from the base model and once from random weights.",
            "arms": {
                "from the base model": arm("scores_before"),
                "from random weights": arm("scores_ablation"),
            },
        })  # fmt: skip
    return found


def what(recipe: ZeroToChat, stages: Stages, model: Transformer) -> dict[str, Any]:
    """What was built, in numbers."""
    tuned = stages["finetune"].record
    return {
        "parameters": parameters(model.config),
        "layers x width": f"{model.config.n_layer} x {model.config.n_embd}",
        "vocabulary": model.config.vocab_size,
        "corpus bytes": stages["corpus"].record["bytes"],
        "corpus": ", ".join(stages["corpus"].record["sources"]),
        "pretraining tokens": stages["pretrain"].record["tokens"],
        "conversations": tuned["conversations"],
        "fine-tuning tokens, with padding": tuned["tokens"],
        "reinforcement steps": stages["reinforce"].record["steps"],
        "exam": f"{recipe.scores.split} set, seed {recipe.seed}",
    }


def machine(recipe: ZeroToChat) -> dict[str, Any]:
    """Where it ran: processor, cores, threads, versions. Never a host name."""
    name = platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        name = next(
            (line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if "model name" in line),
            name,
        )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    return {
        "processor": name,
        "cores": cores,
        "workers": recipe.workers,
        "python": platform.python_version(),
        "torch": torch.__version__,
    }


def notes(recipe: ZeroToChat, stages: Stages, best: str) -> list[str]:
    """What a reader should know before believing the numbers."""
    bits, counted = (
        stages["pretrain"].record["bits_per_byte"]["all"],
        stages["ngrams"].record["bits_per_byte"][best]["all"],
    )
    verdict = "loses to" if bits > counted else "beats"
    dropped = len(stages["scores"].record["dropped_wordings"])
    said = [
        f"The base model {verdict} the best of the n-grams ({best}: {counted:.3f} bits per byte; the model: "
        f"{bits:.3f}). The n-grams read all {quantity(stages['tokens'].record['train'])} training tokens, "
        f"the model {quantity(stages['pretrain'].record['tokens'])}.",
        f"Untrained phrasings: written apart; {dropped} of them occur in training too and were left out.",
        "FLOPs are those of training: sampling answers and exams are not counted.",
        "Intervals are 95 % Wilson intervals over questions, of one training run: another seed moves the "
        "scores too. Facts repeat (127 of them), so their true intervals are wider.",
    ]
    if missing := stages["corpus"].record["missing"]:
        said.append(f"The usual text could not be fetched, so this run read the Python manual: {missing}")
    if recipe.scores.split == "dev":
        said.append("These are scores on the development set, on which the data mix was chosen.")
    return said


def in_words(run: RunDir, data: dict[str, Any]) -> str:
    """The end of the run for a person: the score table in short, and how to talk to the result."""

    def line(label: str, key: str) -> str:
        trained, untrained = data["scores"].get(key), data["scores_untrained"].get(key)
        shown = [f"{100 * found['value']:5.1f} %" if found else "      -" for found in (trained, untrained)]
        return f"  {label:<38} {shown[0]}   {shown[1]}"

    rows = [
        line("sums, by calculator", "calculator"),
        line("spelling a word", "spelling"),
        line("counting a letter", "counting"),
        line("small talk, English and Chinese", "identity"),
        line("facts that it was taught", "known_facts"),
        line("says so when it does not know", "unknown_refusal"),
        line("anything else: says what it can do", "out_of_scope"),
        line("addition in the head, before RL", "rl_before"),
        line("addition in the head, after RL", "rl_after"),
    ]
    mailed = [f"To mail:      {run.path / PAGE}, the model as one page"] if "page" in data else []
    return "\n".join([
        "", f"  {'wording':<38} trained   untrained", *rows, "",
        f"From raw text to a chat model in {duration(data['seconds'])}.",
        f"The report:   {run.path / 'report.html'}", *mailed, f"Talk to it:   groundup chat {run.path}", "",
    ])  # fmt: skip
