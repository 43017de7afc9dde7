"""A recipe at a tiny size, as a program that can be killed: `python killed_job.py RECIPE OUT STEP`.

At its STEP-th training step (0: never) it sends itself SIGKILL, which nothing can catch: no handler runs, no
file is closed. It prints how many steps it made if it lives.
"""

import os
import signal
import sys
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundup.base.config import replace_path, to_dict
from groundup.base.log import Progress
from groundup.base.rundir import RunDir
from groundup.infer.sampling import SamplingParams
from groundup.recipes import chat_scores, chat_text, chat_training
from groundup.recipes.catalog import RECIPES

BASE = Path("base")  # where the run lies that `adapt` goes on from: that of the case "pretrain"
SMALL_MODEL = {"model.n_layer": 1, "model.n_head": 2, "model.n_embd": 16, "model.context_len": 16}
SETTINGS: dict[str, tuple[str, dict[str, Any]]] = {  # case: recipe, what differs from its defaults
    "pretrain": (
        "pretrain",
        {**SMALL_MODEL, "data.path": Path("poem.txt"), "batch_size": 4, "fit.steps": 30, "fit.eval_every": 7,
         "fit.save_every": 5, "device": "cpu"},
    ),
    "pretrain-everything-on": (
        "pretrain",
        {**SMALL_MODEL, "data.path": Path("poem.txt"), "batch_size": 2, "fit.steps": 24, "fit.eval_every": 6,
         "fit.save_every": 4, "device": "cpu", "model.dropout": 0.2, "optim.kind": "adamw",
         "fit.accumulate": 2, "fit.precision": "bfloat16", "fit.recompute": True, "fit.average": 0.9,
         "tokenizer.kind": "bpe", "tokenizer.vocab_size": 270, "schedule.kind": "cosine",
         "schedule.warmup": 5},
    ),
    "pretrain-by-size": (
        "pretrain-by-size",
        {"data.path": Path("poem.txt"), "size": 1, "context_len": 16, "vocab_size": 270, "rows": 1,
         "tokens_per_weight": 0.02, "device": "cpu"},
    ),
    "my-text": (
        "my-text",
        {"data.path": Path("poem.txt"), "model.n_layer": 1, "model.n_embd": 32, "model.context_len": 16,
         "fit.steps": 30, "fit.batch_size": 4, "fit.looks": 6, "fit.patience": 0, "device": "cpu"},
    ),
    "adapt": (
        "adapt",
        {"base": BASE, "data.path": Path("song.txt"), "fit.steps": 30, "fit.batch_size": 4, "fit.looks": 6,
         "fit.patience": 0, "replay": 0.25, "device": "cpu"},
    ),
    "zero-to-chat": (
        "zero-to-chat",
        {"workers": 1, "corpus.sources": ("stdlib-text",), "tokenizer.vocab_size": 300,
         "tokenizer.text_bytes": 20_000, "tokenizer.chats": 20, "model.n_layer": 1, "model.n_head": 2,
         "model.n_embd": 32, "model.context_len": 256, "pretrain.steps": 8, "pretrain.context_len": 32,
         "pretrain.batch_size": 2, "finetune.conversations": 40, "reinforce.steps": 4,
         "reinforce.grpo.prompts": 2, "reinforce.grpo.learn": 4, "reinforce.grpo.group": 4,
         "reinforce.grpo.max_tokens": 8, "reinforce.grpo.replay": 2, "reinforce.replay_conversations": 40,
         "reinforce.replay_tokens": 256, "scores.n": 4, "scores.n_addition": 4},
    ),
    "names": (
        "names",
        {"data.path": Path("names.txt"), "kind": "deep-mlp", "model": {"n_hidden": 8, "n_embd": 4},
         "fit.steps": 30, "fit.eval_every": 7, "fit.save_every": 5, "batch_size": 4},
    ),
    "gpt-ladder": (
        "gpt-ladder",
        {"data.path": Path("poem.txt"), "rung": "head", "batch_size": 2, "fit.steps": 30,
         "fit.eval_every": 7, "fit.save_every": 5},
    ),
    "digits-from-scratch": (
        "digits-from-scratch",
        {"data.path": Path("digits.csv"), "batch_size": 16, "steps": 24, "shift": 0, "eval_every": 12,
         "save_every": 5, "model.channels": (2, 4), "model.kernel": 3},
    ),
    "moons": ("moons", {"n": 12, "hidden": (4,), "steps": 12, "runner": "numpy"}),
    "scalar-gpt": (
        "scalar-gpt",
        {"data.source": "names", "data.held_out": 20, "model.context_len": 6, "model.n_head": 2,
         "model.n_embd": 4, "steps": 20, "samples": 3, "sample_every": 20, "runner": "numpy"},
    ),
}  # fmt: skip


def settings_of(case: str) -> tuple[str, Any]:
    recipe, changes = SETTINGS[case]
    made = RECIPES[recipe]()
    for path, value in changes.items():
        made = replace_path(made, path, value)
    return recipe, made


def write_texts() -> None:
    """What the recipes read, in the current folder."""
    Path("poem.txt").write_text("The cat sat on the mat,\nthe rat sat on the hat.\n" * 60)
    Path("song.txt").write_text("The rat has a hat, the cat has a mat.\n" * 80)
    Path("names.txt").write_text("".join(f"{a}{b}{c}\n" for a in "kmt" for b in "aeiou" for c in "lnr"))
    rng = np.random.Generator(np.random.PCG64(0))
    rows = (",".join(map(str, [*rng.integers(0, 256, 144), number % 10])) for number in range(200))
    Path("digits.csv").write_text("\n".join(rows) + "\n")


def shrink() -> None:
    """Little text to score, replies of a few tokens, no dialogues: the road, and not the driving."""
    chat_text.SCORED = 600
    chat_scores.GREEDY = SamplingParams(temperature=0, max_tokens=4)
    chat_training.dialogues_at_hand = lambda: []


def main(case: str, out: str, at: int) -> None:
    steps = 0
    advance = Progress.advance

    def counted(self: Progress, n: int = 1, **shown: Any) -> None:
        nonlocal steps
        advance(self, n, **shown)
        steps += "loss" in shown  # a training step, not a text that was tokenized
        if at and steps == at:
            os.kill(os.getpid(), signal.SIGKILL)

    Progress.advance = counted  # type: ignore[method-assign]
    torch.set_num_threads(1)
    shrink()
    recipe, settings = settings_of(case)
    opened = RunDir.open(
        Path(out), recipe=recipe, config=to_dict(settings), seed=settings.seed, console=False
    )
    settings.run(opened)
    print(steps)


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]))
