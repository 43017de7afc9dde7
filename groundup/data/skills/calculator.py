"""Sums by tool call: the model copies the operands into `calc`, the engine computes, the model repeats.

    user       What is 12 times 34?
    assistant  <call>calc 12*34<result>408<done>That is 408.

Add, subtract (below zero too) and multiply whole numbers of one to three digits. The wordings are in
calculator_frames.py.
Does not divide: a quotient need not be whole.
Next: columns.py, the same sums without the tool.
"""

import random
import re
from dataclasses import dataclass
from functools import cache
from typing import Literal

from groundup.data.skills import calculator_frames as table
from groundup.data.skills.frames import CHINESE_SHARE, Frames, Part, chinese_phrase, phrase
from groundup.data.skills.skill import Reply, calls_of, last_integer, text_of
from groundup.data.skills.split import Split, split_of_number, split_of_operands
from groundup.tokenizer.chat import Call, Message, Result

Operator = Literal["+", "-", "*"]
OPERATORS: tuple[Operator, ...] = ("+", "-", "*")


@dataclass(frozen=True)
class Sum:
    """a op b."""

    a: int
    op: Operator
    b: int

    @property
    def value(self) -> int:
        """The exact result.

        >>> Sum(12, "-", 34).value
        -22
        """
        return {"+": self.a + self.b, "-": self.a - self.b, "*": self.a * self.b}[self.op]

    @property
    def expected(self) -> str:
        """The result in digits."""
        return str(self.value)

    @property
    def expression(self) -> str:
        """What the tool is asked.

        >>> Sum(12, "*", 34).expression
        '12*34'
        """
        return f"{self.a}{self.op}{self.b}"


class Calculator:
    """Requests for a sum and the tool call that answers them."""

    name = "calculator"

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Sum]:
        """n sums; operands of one, two or three digits, every held-out problem with a reserved operand."""
        return [self._problem(rng, split) for _ in range(n)]

    def _problem(self, rng: random.Random, split: Split) -> Sum:
        op = OPERATORS[int(rng.random() * 3)]
        while True:
            a, b = _operand(rng, split), _operand(rng, split)
            if split_of_operands(a, b) == split:
                return Sum(a, op, b)

    def ask(self, problem: Sum, rng: random.Random, frames: Part = "train") -> str:
        """The sum as a request: an expression in a carrier, or a story.

        In sums and products the operand named first is `a`, so that the call always copies in reading order.
        """
        chinese = rng.random() < CHINESE_SHARE
        text = _draw_chinese(problem.op, rng, frames) if chinese else _draw(problem.op, rng, frames)
        if problem.op != "-" and text.index("{b}") < text.index("{a}"):
            text = text.replace("{a}", "{c}").replace("{b}", "{a}").replace("{c}", "{b}")
        if text[0].islower() and rng.random() < 0.6:
            text = text[0].upper() + text[1:]
        say = chinese_phrase if chinese else phrase
        return say(text, {"a": str(problem.a), "b": str(problem.b)}, rng, part=frames)

    def answer(self, problem: Sum, rng: random.Random) -> Reply:
        """The call, the engine's result, and one short sentence."""
        return Call("calc", problem.expression), Result(problem.expected), f"That is {problem.value}."

    def score(self, problem: Sum, reply: Message) -> bool:
        """The tool was asked the right expression, and the last number of the text is the result.

        In a sum or a product either order of the operands is right.
        """
        wanted = {problem.expression}
        if problem.op != "-":
            wanted.add(f"{problem.b}{problem.op}{problem.a}")
        asked = [re.sub(r"\s", "", call.argument) for call in calls_of(reply) if call.name == "calc"]
        return any(a in wanted for a in asked) and last_integer(text_of(reply)) == problem.value


@cache
def _numbers(split: Split) -> tuple[tuple[int, ...], ...]:
    """The operands of one, two and three digits that a problem of the split may use."""
    allowed = [n for n in range(1000) if split_of_number(n) in ("train", split)]
    digits = tuple(n for n in allowed if n < 10)
    two = tuple(n for n in allowed if 10 <= n < 100)  # a held-out pair may consist of training numbers
    three = tuple(n for n in allowed if n >= 100 and split_of_number(n) == split)
    return digits, two, three


def _operand(rng: random.Random, split: Split) -> int:
    digits, two, three = _numbers(split)
    u = rng.random()
    numbers = digits if u < 0.2 else two if u < 0.65 else three
    return numbers[int(rng.random() * len(numbers))]


def _draw(op: Operator, rng: random.Random, part: Part) -> str:
    u = rng.random()
    if u < 0.13:
        return table.STORY[op].draw(rng, part)
    kinds: tuple[tuple[Frames, Frames], ...] = (
        (table.CARRY_SYMBOLIC, table.SYMBOLIC[op]),
        (table.CARRY, table.SYMBOLIC[op]),
        (table.CARRY, table.WORDED[op]),
        (table.CARRY_NOUN, table.NOUN[op]),
        (table.CARRY_VERB, table.VERB[op]),
    )
    carry, expression = kinds[0 if u < 0.31 else 1 if u < 0.58 else 2 if u < 0.79 else 3 if u < 0.89 else 4]
    return combine(carry, expression, rng, part)


def _draw_chinese(op: Operator, rng: random.Random, part: Part) -> str:
    inner = table.SYMBOLIC[op] if rng.random() < 0.35 else table.WORDED_CHINESE[op]
    return combine(table.CARRY_CHINESE, inner, rng, part)


def combine(carry: Frames, inner: Frames, rng: random.Random, part: Part) -> str:
    """A carrier with its hole filled; for "dev" the carrier, the filling or both are held out."""
    outer_part: Part = part
    inner_part: Part = part
    if part == "dev":
        outer_part, inner_part = (("dev", "train"), ("train", "dev"), ("dev", "dev"))[int(rng.random() * 3)]
    return carry.draw(rng, outer_part).replace("{x}", inner.draw(rng, inner_part))
