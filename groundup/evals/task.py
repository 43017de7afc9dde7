"""A task: questions whose answers can be scored; and a loop that asks them all and says how sure it is.

A task does not know the model and the loop does not know the task: `respond` turns a batch of conversations
into one reply each (a closure over `agent.conversation.reply` for a model; a person or another program may
answer as well). Every question and answer can be written to a JSON Lines file, worst first read: a score that
nobody looked into is not a result.

Next: skills.py, the tasks of the chat model; intervals.py, for what the interval means.
"""

import json
import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

import numpy as np

from groundup.base.files import write_atomic
from groundup.evals.intervals import Interval, bootstrap_mean, wilson
from groundup.tokenizer.chat import Call, Conversation, Message, Result

Example = TypeVar("Example")
Respond = Callable[[list[Conversation]], Sequence[Message]]


@dataclass(frozen=True)
class Score:
    """How good one reply is, from 0 to 1, with a word on why for the person who reads the rows."""

    value: float
    note: str = ""

    def __post_init__(self) -> None:
        if not 0 <= self.value <= 1:  # also refuses nan
            raise ValueError(f"a score of {self.value} is outside 0 to 1. Scale it.")


@dataclass(frozen=True)
class Task(Generic[Example]):
    """`examples`, how each becomes a conversation that ends with a question, and how a reply is scored."""

    name: str
    examples: tuple[Example, ...]
    prompt: Callable[[Example], Conversation]
    score: Callable[[Example, Message], Score]


@dataclass(frozen=True)
class Row:
    """One question, its reply as text (calls and results in brackets), and its score."""

    index: int
    question: str
    reply: str
    value: float
    note: str


@dataclass(frozen=True)
class Outcome:
    """The mean score with its 95 % interval: Wilson where every score is 0 or 1, else the bootstrap."""

    name: str
    value: float
    low: float
    high: float
    n: int
    seconds: float
    rows: tuple[Row, ...]

    @property
    def failures(self) -> tuple[Row, ...]:
        """Every row short of full marks, worst first."""
        return tuple(sorted((row for row in self.rows if row.value < 1), key=lambda row: row.value))

    def summary(self) -> dict[str, float | int]:
        """What a report keeps: {value, low, high, n}."""
        return {"value": self.value, "low": self.low, "high": self.high, "n": self.n}

    def __str__(self) -> str:
        """In percent: `calculator 99.0 [97.1, 99.7] n=300`."""
        return f"{self.name} {Interval(self.value, self.low, self.high)} n={self.n}"


def evaluate(
    task: Task[Example],
    respond: Respond,
    *,
    batch_size: int = 64,
    rows_path: Path | None = None,
    seed: int = 0,
) -> Outcome:
    """Ask every example once, `batch_size` conversations at a time, and score the replies.

    `seconds` is wall clock of asking and scoring. `seed` draws only the bootstrap, which scores between 0 and
    1 need. With `rows_path` every row is written there as a JSON line, atomically, at the end. Raises
    ValueError for a task without examples, and when `respond` does not answer every conversation.
    """
    if not task.examples:
        raise ValueError(f"the task {task.name!r} has no examples, so it has no score. Give it at least one.")
    start = time.perf_counter()
    rows: list[Row] = []
    for first in range(0, len(task.examples), batch_size):
        examples = task.examples[first : first + batch_size]
        prompts = [task.prompt(example) for example in examples]
        replies = respond(prompts)
        if len(replies) != len(prompts):
            raise ValueError(
                f"{task.name}: {len(prompts)} prompts but {len(replies)} replies. Answer each, in order."
            )
        for example, prompt, reply in zip(examples, prompts, replies, strict=True):
            score = task.score(example, reply)
            rows.append(Row(len(rows), as_text(prompt.messages[-1]), as_text(reply), score.value, score.note))
    seconds = time.perf_counter() - start
    interval = of_scores([row.value for row in rows], seed=seed)
    if rows_path is not None:
        write_atomic(rows_path, "".join(as_line(task.name, row) for row in rows))
    return Outcome(task.name, interval.value, interval.low, interval.high, len(rows), seconds, tuple(rows))


def of_scores(values: Sequence[float], *, seed: int = 0) -> Interval:
    """The mean of scores with its 95 % interval.

    >>> print(of_scores([1, 1, 0, 1]))
    75.0 [30.1, 95.4]
    >>> of_scores([0.5, 0.25]).value
    0.375
    """
    if all(value in (0, 1) for value in values):
        return wilson(int(math.fsum(values)), len(values))
    return bootstrap_mean(values, np.random.default_rng(seed))


def as_text(message: Message) -> str:
    """A message as a person reads it, a call and its result in one pair of brackets.

    >>> as_text(Message("assistant", ("It is ", Call("calc", "6*7"), Result("42"), "42.")))
    'It is [calc 6*7 -> 42]42.'
    """
    pieces: list[str] = []
    for i, part in enumerate(message.parts):
        match part:
            case Call(name, argument):
                answered = i + 1 < len(message.parts)  # a Result is all that may follow a Call
                pieces.append(f"[{name} {argument}" + ("" if answered else "]"))
            case Result(text):
                pieces.append(f" -> {text}]")
            case _:
                pieces.append(part)
    return "".join(pieces)


def as_line(task: str, row: Row) -> str:
    """One row of the JSON Lines file."""
    fields: dict[str, Any] = {"task": task, "index": row.index, "value": row.value, "note": row.note}
    return json.dumps(fields | {"question": row.question, "reply": row.reply}, ensure_ascii=False) + "\n"
