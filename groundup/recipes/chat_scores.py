"""Examining the assistant: the whole exam on one checkpoint, as one stage, and a transcript to show.

Next: report.py, which draws the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from groundup.agent.calculator import Calculator
from groundup.agent.conversation import reply
from groundup.base.files import write_atomic
from groundup.base.log import Progress
from groundup.base.rundir import RunDir, Stage
from groundup.evals import skills as exam
from groundup.evals.intervals import wilson
from groundup.evals.task import Row, as_line, as_text, evaluate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer
from groundup.tokenizer.chat import Conversation, Message, user
from groundup.tokenizer.protocol import Tokenizer

if TYPE_CHECKING:
    from groundup.recipes.zero_to_chat import ZeroToChat

# The longest right answer, counting in a word of 16 letters, has 80 tokens.
GREEDY = SamplingParams(temperature=0, max_tokens=100)
BATCH = 150
TALK = (
    "Hello!", "Who are you?", "What is 123 times 456?", "How many r's are in strawberry?", "Spell raspberry.",
    "In which play does Ophelia appear?", "What is the capital of Zorvania?", "Add 47 and 85 in your head.",
    "你会做什么？", "Write me a poem about the sea.", "Thank you!",
)  # fmt: skip


def respond(model: Transformer, tokenizer: Tokenizer, conversations: list[Conversation]) -> Sequence[Message]:
    """The assistant's greedy replies, with its calculator."""
    return reply(model, tokenizer, conversations, tools=[Calculator()], params=GREEDY)


def glance(model: Transformer, tokenizer: Tokenizer) -> str:
    """A few requests and what the assistant says to them now, in one line."""
    asked = [Conversation((user(line),)) for line in TALK[:4]]
    return " | ".join(f"{c.messages[0].text} -> {as_text(r)}"
                      for c, r in zip(asked, respond(model, tokenizer, asked), strict=True))  # fmt: skip


def transcript(model: Transformer, tokenizer: Tokenizer, lines: Sequence[str] = TALK) -> list[dict[str, Any]]:
    """Each line asked afresh, and its reply, as JSON messages."""
    asked = [Conversation((user(line),)) for line in lines]
    replies = respond(model, tokenizer, asked)
    return [
        message for c, r in zip(asked, replies, strict=True) for message in c.add(r).to_dict()["messages"]
    ]


def scores(
    recipe: ZeroToChat,
    run: RunDir,
    of: Stage,
    model: Transformer,
    tokenizer: Tokenizer,
    *,
    name: str,
    words: Sequence[str],
    trained_shapes: set[str],
) -> Stage:
    """Every score of the model that stage `of` left; each question and reply goes to rows.jsonl."""
    config = recipe.scores
    stage = run.stage(name, {"model": of.digest, "config": config, "seed": recipe.seed})
    if stage.done:
        return stage
    untrained = exam.Untrained(config.split, trained_shapes)
    seed = recipe.seed + 1_000_003  # the exam draws problems that no training stream of this seed draws
    found: dict[str, dict[str, dict[str, float]]] = {"trained": {}, "untrained": {}}
    with Progress(len(exam.SKILLS) * 2 + len(exam.INTENTS) * 2 + 1, name, "task") as bar:

        def ask(key: str, wording: str, questions: Sequence[exam.Question]) -> tuple[Row, ...]:
            outcome = evaluate(
                exam.as_task(f"{key}/{wording}", questions),
                lambda batch: respond(model, tokenizer, batch),
                batch_size=BATCH,
            )
            found[wording][key] = outcome.summary()
            lines.extend(as_line(outcome.name, row) for row in outcome.rows)
            bar.advance(1)
            return outcome.rows

        lines: list[str] = []
        for wording in ("trained", "untrained"):
            for skill in exam.SKILLS:
                n = config.n_addition if skill == "head_addition" else config.n
                rows = ask(
                    skill,
                    wording,
                    exam.questions(
                        skill, wording, n, words=words, split=config.split, untrained=untrained, seed=seed
                    ),
                )
                if skill == "known_facts":
                    found[wording]["false_refusal"] = _share(row.note == "refused" for row in rows)
            talk: list[Row] = []
            for intent in exam.INTENTS:
                each = config.n // (2 if intent == "out_of_scope" else 2 * len(exam.ANSWERED_BY))
                both = [
                    q
                    for language in ("en", "zh")
                    for q in exam.small_talk(intent, language, wording, each, untrained=untrained, seed=seed)
                ]
                rows = ask(intent, wording, both)
                talk += rows if intent != "out_of_scope" else ()
            found[wording]["identity"] = _share(row.value == 1 for row in talk)
        ask("famous", "untrained", exam.famous())
    write_atomic(stage.dir / "rows.jsonl", "".join(lines))
    stage.finish(trained=found["trained"], untrained=found["untrained"], dropped_wordings=untrained.dropped)
    return stage


def _share(right: Iterable[bool]) -> dict[str, float]:
    """How many are true, with the Wilson interval: {value, low, high, n}."""
    each = list(right)
    interval = wilson(sum(each), len(each))
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(each)}
