"""Examining the assistant: the whole exam on one checkpoint, as one stage, and a transcript to show.

Next: report.py, which draws the table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from groundup.agent.calculator import Calculator
from groundup.agent.conversation import reply
from groundup.base.config import digest
from groundup.base.device import side_by_side
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
    whole: bool = True,
) -> Stage:
    """Every score of the model that stage `of` left; each question and reply goes to rows.jsonl.

    An exam that is not `whole` asks in trained wording only, except for addition: enough to compare with.
    """
    config = recipe.scores
    untrained = exam.Untrained(config.split, trained_shapes)
    stage = run.stage(
        name,
        {
            "model": of.digest,
            "config": config,
            "decoding": GREEDY,
            "untrained": digest({"skills": untrained.skills, "intents": untrained.intents}),
            "seed": recipe.seed,
            "whole": whole,
        },
    )
    if stage.done:
        return stage
    # The exam draws problems that no training stream of this seed draws.
    papers = list(_papers(recipe, untrained, words=words, seed=recipe.seed + 1_000_003))
    if not whole:
        papers = [paper for paper in papers if paper[0] == "head_addition" or paper[1] == "trained"]
    replies = _answered(model, tokenizer, papers, workers=recipe.workers, label=name)
    found: dict[str, dict[str, dict[str, float]]] = {"trained": {}, "untrained": {}}
    lines: list[str] = []
    talk: dict[exam.Wording, list[Row]] = {"trained": [], "untrained": []}
    for key, wording, questions in papers:
        outcome = evaluate(
            exam.as_task(f"{key}/{wording}", questions), lambda batch: list(islice(replies, len(batch)))
        )
        found[wording][key] = outcome.summary()
        lines.extend(as_line(outcome.name, row) for row in outcome.rows)
        if key == "known_facts":
            found[wording]["false_refusal"] = _share(row.note == "refused" for row in outcome.rows)
        if key in exam.ANSWERED_BY:
            talk[wording] += outcome.rows
    for wording, rows in talk.items():
        if rows:
            found[wording]["identity"] = _share(row.value == 1 for row in rows)
    write_atomic(stage.dir / "rows.jsonl", "".join(lines))
    stage.finish(trained=found["trained"], untrained=found["untrained"], dropped_wordings=untrained.dropped)
    return stage


Paper = tuple[str, exam.Wording, Sequence[exam.Question]]  # a task of the exam, its wording, its questions


def _papers(
    recipe: ZeroToChat, untrained: exam.Untrained, *, words: Sequence[str], seed: int
) -> Iterator[Paper]:
    """The whole exam; the same for every model of a run."""
    config = recipe.scores
    for skill in exam.SKILLS:
        n = config.n_addition if skill == "head_addition" else config.n
        for wording in exam.WORDINGS:
            yield (
                skill,
                wording,
                exam.questions(
                    skill, wording, n, words=words, split=config.split, untrained=untrained, seed=seed
                ),
            )
    for intent in exam.INTENTS:
        # A little more than a half, or than a tenth: some lines are left out because training has them too,
        # and fewer were written in Chinese.
        each = 2 * config.n // 3 if intent == "out_of_scope" else 3 * config.n // (5 * len(exam.ANSWERED_BY))
        each = max(1, each)
        for wording in exam.WORDINGS:
            both = [
                question
                for language in ("en", "zh")
                for question in exam.small_talk(
                    intent, language, wording, each, untrained=untrained, seed=seed
                )
            ]
            yield intent, wording, both
    yield "famous", "trained", exam.famous()


def _answered(
    model: Transformer, tokenizer: Tokenizer, papers: Sequence[Paper], *, workers: int, label: str
) -> Iterator[Message]:
    """The reply to every question, in order; so many batches at a time, of questions of one kind mostly, for
    a batch costs as its longest reply.
    """
    asked = [Conversation((user(q.text),)) for _, _, questions in papers for q in questions]
    model.eval()  # here, because `generate` would switch it back under another worker's feet
    with Progress(len(asked), label, "question") as bar, side_by_side(workers) as share:

        def answer(first: int) -> Sequence[Message]:
            replies = respond(model, tokenizer, asked[first : first + BATCH])
            bar.advance(len(replies))
            return replies

        return chain.from_iterable(share(answer, range(0, len(asked), BATCH)))


def _share(right: Iterable[bool]) -> dict[str, float]:
    """How many are true, with the Wilson interval: {value, low, high, n}."""
    each = list(right)
    interval = wilson(sum(each), len(each))
    return {"value": interval.value, "low": interval.low, "high": interval.high, "n": len(each)}
