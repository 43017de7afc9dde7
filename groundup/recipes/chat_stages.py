"""The road of zero-to-chat: every stage in its order, from text to the report.

Next: chat_text.py and chat_training.py, the stages; chat_scores.py, the exam; chat_report.py, what is shown.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from groundup.base.rundir import RunDir, Stage
from groundup.recipes import chat_report, chat_scores
from groundup.recipes.chat_text import corpus, ngrams, tokenizer, tokens, words
from groundup.recipes.chat_training import (
    Stopped,
    assistant,
    control,
    finetune,
    pretrain,
    reinforce,
    trained_shapes,
)
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat


def road(recipe: ZeroToChat, run: RunDir) -> str:
    """All stages in order; what to tell the user. The assistant ends up in `model/` of the run directory."""
    try:
        return _road(recipe, run)
    except Stopped:
        return "Stopped, and everything is saved. The same command carries on from there."


def _road(recipe: ZeroToChat, run: RunDir) -> str:
    began, stages = time.monotonic(), dict[str, Stage]()
    stages["corpus"] = text = corpus(recipe, run)
    spoken, tok = tokenizer(recipe, run, text)
    stages["tokenizer"] = spoken
    stages["tokens"] = ids = tokens(run, text, spoken, tok)
    stages["ngrams"] = ngrams(run, text, ids, tok)
    stages["pretrain"] = base = pretrain(recipe, run, text, ids, tok)
    stages["finetune"] = tuned = finetune(recipe, run, text, spoken, base, tok)
    stages["reinforce"] = reinforced = reinforce(recipe, run, text, tuned, tok)
    stages["control"] = more = control(recipe, run, text, tuned, reinforced, tok)
    taught = {"scores_before": tuned, "scores": reinforced, "scores_control": more}
    if recipe.ablation:
        stages["ablation"] = scratch = finetune(recipe, run, text, spoken, None, tok, name="ablation")
        taught["scores_ablation"] = scratch
    # The exams come last: which wordings are untrained is known when all training is done.
    asked = trained_shapes(*taught.values())
    for name, of in taught.items():
        stages[name] = chat_scores.scores(
            recipe,
            run,
            of,
            assistant(recipe, tok, of),
            tok,
            name=name,
            words=words(text),
            trained_shapes=asked,
            whole=of is reinforced,
        )
    model = assistant(recipe, tok, reinforced)
    data = chat_report.write(recipe, run, stages, model, tok)
    took = time.monotonic() - began
    run.events.write("finished", seconds=took, stages=sum(stage.seconds for stage in stages.values()))
    checkpoint.copy(
        reinforced.dir / "last",
        run.path / "model",
        extra=chat_report.told(stages, data),
        training=False,
    )
    return chat_report.in_words(run, data)
