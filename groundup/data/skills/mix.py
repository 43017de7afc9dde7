"""The training set: all skills, weighted, some of them joined into longer conversations.

Example i is a pure function of (seed, i): any part of the set can be made again alone, in any order, on any
machine. The weights are numbers of examples, not of tokens. Next: groundup/data/packing.py, which puts
conversations into batches.
"""

import random
from bisect import bisect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import accumulate
from typing import Any

from groundup.base.errors import ConfigError
from groundup.base.seeds import python_rng
from groundup.data.skills.calculator import Calculator
from groundup.data.skills.columns import HeadAddition
from groundup.data.skills.facts import KnownFacts, UnknownFacts
from groundup.data.skills.frames import Part
from groundup.data.skills.scope import OutOfScope
from groundup.data.skills.skill import Skill
from groundup.data.skills.smalltalk import SmallTalk, Talk
from groundup.data.skills.spelling import Counting, Spelling
from groundup.data.skills.split import Split
from groundup.data.skills.words import invented_words
from groundup.tokenizer.chat import Conversation, Message, assistant, user

MULTI_TURN = "multi_turn"


@dataclass(frozen=True)
class MixConfig:
    """Share of each skill among the conversations of one exchange, and of longer conversations among all."""

    calculator: float = 0.16
    spelling: float = 0.11
    counting: float = 0.22
    known_facts: float = 0.15
    unknown_facts: float = 0.09
    small_talk: float = 0.10
    out_of_scope: float = 0.07
    head_addition: float = 0.10
    multi_turn: float = 0.09
    invented_words: float = 0.05  # as many invented words as this share of the caller's words
    chinese: float = 0.40  # share of small talk that is Chinese; out of scope three quarters of it

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if value < 0:
                raise ConfigError(f"{field.name}={value} is negative. A share is 0 or more.")
        if not any(getattr(self, name) for name in SKILLS):
            raise ConfigError(
                f"All weights are 0. Give at least one of {', '.join(SKILLS)} a positive weight."
            )
        if self.multi_turn > 1 or self.chinese > 1:
            raise ConfigError("multi_turn and chinese are shares of a whole: at most 1.")


SKILLS = (
    "calculator", "spelling", "counting", "known_facts", "unknown_facts", "small_talk", "out_of_scope",
    "head_addition",
)  # fmt: skip


@dataclass(frozen=True)
class Example:
    """A conversation of one skill, or of several ("multi_turn"); `expected` belongs to the last reply."""

    conversation: Conversation
    skill: str
    expected: str | None
    problems: tuple[Any, ...]


def skills(words: Sequence[str], config: MixConfig | None = None) -> dict[str, Skill]:
    """Every skill by name; spelling and counting draw from `words`."""
    chinese = (config or MixConfig()).chinese
    all_skills: tuple[Skill, ...] = (
        Calculator(), Spelling(words), Counting(words), KnownFacts(), UnknownFacts(), SmallTalk(chinese),
        OutOfScope(chinese * 0.75), HeadAddition(),
    )  # fmt: skip
    return {skill.name: skill for skill in all_skills}


@dataclass(frozen=True)
class Mix:
    """A training set that is never stored: `mix[i]` makes example i."""

    seed: int
    config: MixConfig
    words: tuple[str, ...]
    split: Split = "train"
    frames: Part = "train"

    @cached_property
    def _skills(self) -> dict[str, Skill]:
        count = int(len(self.words) * self.config.invented_words)
        extra = invented_words(python_rng(self.seed, "skills.words"), count)
        return skills((*self.words, *extra), self.config)

    @cached_property
    def _cumulative(self) -> list[float]:
        return list(accumulate(getattr(self.config, name) for name in SKILLS))

    def __getitem__(self, i: int) -> Example:
        rng = python_rng(self.seed, "skills", step=i)
        if rng.random() < self.config.multi_turn:
            return self._longer(rng)
        name = self._pick(rng)
        messages, problem = self._exchange(name, rng)
        return Example(Conversation(messages), name, problem.expected, (problem,))

    def _pick(self, rng: random.Random) -> str:
        return SKILLS[bisect(self._cumulative, rng.random() * self._cumulative[-1])]

    def _exchange(
        self, name: str, rng: random.Random, problem: Any = None
    ) -> tuple[tuple[Message, Message], Any]:
        skill = self._skills[name]
        if problem is None:
            (problem,) = skill.problems(rng, self.split, 1)
        return (user(skill.ask(problem, rng, self.frames)), assistant(*skill.answer(problem, rng))), problem

    def _longer(self, rng: random.Random) -> Example:
        """Two or three exchanges; often a greeting first, the same skill again, or thanks or goodbye last."""
        plan: list[tuple[str, Any]] = []
        if rng.random() < 0.25:
            plan.append(("small_talk", Talk("greeting", "zh" if rng.random() < 0.2 else "en")))
        first = self._pick(rng)
        plan.append((first, None))
        if rng.random() < 0.5:
            plan.append((first if rng.random() < 0.4 else self._pick(rng), None))
        if len(plan) < 2 or (len(plan) < 3 and rng.random() < 0.3):
            ending = Talk(
                "thanks" if rng.random() < 0.65 else "goodbye", "zh" if rng.random() < 0.2 else "en"
            )
            plan.append(("small_talk", ending))
        messages: list[Message] = []
        problems = []
        for name, fixed in plan:
            exchange, problem = self._exchange(name, rng, fixed)
            messages += exchange
            problems.append(problem)
        return Example(Conversation(tuple(messages)), MULTI_TURN, problems[-1].expected, tuple(problems))


def conversations(
    seed: int,
    count: int,
    config: MixConfig,
    words: Sequence[str],
    *,
    split: Split = "train",
    frames: Part = "train",
) -> list[Example]:
    """The first `count` examples of the set that the seed, the mix and the words define."""
    return list(stream(seed, count, config, words, split=split, frames=frames))


def stream(
    seed: int,
    count: int,
    config: MixConfig,
    words: Sequence[str],
    *,
    split: Split = "train",
    frames: Part = "train",
) -> Iterator[Example]:
    """The same, one at a time."""
    mix = Mix(seed, config, tuple(words), split, frames)
    return (mix[i] for i in range(count))
