"""Adding two two-digit numbers in the head: units, tens with the carry, the answer. No tool call.

    user       What is 47 + 85 in your head?
    assistant  7+5=12 4+8+1=13 132

The request is any addition of calculator.py with a marker ("without the calculator"), so the marker alone
decides between this and the tool. This is the skill that reinforcement learning improves: a reply can be
checked exactly.
"""

import random
import re
from dataclasses import dataclass

from groundup.data.skills import calculator_frames as sums
from groundup.data.skills.calculator import combine
from groundup.data.skills.columns_frames import MARKED, WHOLE, WHOLE_CHINESE
from groundup.data.skills.frames import CHINESE_SHARE, Part, chinese_phrase, fill, phrase
from groundup.data.skills.skill import Reply, calls_of, last_integer, text_of
from groundup.data.skills.split import Split, split_of_pair
from groundup.tokenizer.chat import Message

TOOL = re.compile(r"calculator|calc\b|tool", re.I)


def working(a: int, b: int) -> str:
    """The column addition, carried only where there is something to carry.

    >>> working(47, 85)
    '7+5=12 4+8+1=13 132'
    >>> working(47, 82)
    '7+2=9 4+8=12 129'
    """
    units = a % 10 + b % 10
    carry = "+1" if units > 9 else ""
    tens = a // 10 + b // 10 + (units > 9)
    return f"{a % 10}+{b % 10}={units} {a // 10}+{b // 10}{carry}={tens} {a + b}"


@dataclass(frozen=True)
class Pair:
    """Two numbers from 10 to 99 to add."""

    a: int
    b: int

    @property
    def expected(self) -> str:
        """The sum in digits."""
        return str(self.a + self.b)


class HeadAddition:
    """Additions that must not use the calculator."""

    name = "head_addition"

    def problems(self, rng: random.Random, split: Split, n: int) -> list[Pair]:
        """n pairs of the split, in either order."""
        return [self._problem(rng, split) for _ in range(n)]

    def _problem(self, rng: random.Random, split: Split) -> Pair:
        while True:
            pair = Pair(10 + int(rng.random() * 90), 10 + int(rng.random() * 90))
            if split_of_pair(pair.a, pair.b) == split:
                return pair

    def ask(self, problem: Pair, rng: random.Random, frames: Part = "train") -> str:
        """An addition with a marker that forbids the tool. In the text `a` always stands before `b`."""
        if rng.random() < CHINESE_SHARE:
            slots = {"a": str(problem.a), "b": str(problem.b)}
            return chinese_phrase(WHOLE_CHINESE.draw(rng, frames), slots, rng, part=frames)
        text = WHOLE.draw(rng, frames) if rng.random() < 0.5 else _marked(rng, frames)
        return phrase(_in_order(text), {"a": str(problem.a), "b": str(problem.b)}, rng, part=frames)

    def ask_plainly(self, problem: Pair, rng: random.Random, frames: Part = "train") -> str:
        """One short line, as `ask` words half of its requests, without what people put around it."""
        return fill(_in_order(WHOLE.draw(rng, frames)), {"a": str(problem.a), "b": str(problem.b)})

    def answer(self, problem: Pair, rng: random.Random) -> Reply:
        """The working, which ends in the answer."""
        return (working(problem.a, problem.b),)

    def score(self, problem: Pair, reply: Message) -> bool:
        """The last number is the sum, and no tool was called."""
        return not calls_of(reply) and last_integer(text_of(reply)) == problem.a + problem.b


def _in_order(text: str) -> str:
    """The wording with `{a}` before `{b}`."""
    if text.index("{a}") < text.index("{b}"):
        return text
    return text.replace("{a}", "{c}").replace("{b}", "{a}").replace("{c}", "{b}")


def _marked(rng: random.Random, part: Part) -> str:
    request = _addition(rng, "all" if part == "all" else "train")
    while TOOL.search(request):  # "use your calculator for 47 + 85, in your head" would be nonsense
        request = _addition(rng, "all" if part == "all" else "train")
    request = request.rstrip("?.! ")
    keeps_capital = request[:2] in ("I ", "I'")
    return fill(MARKED.draw(rng, part), {
        "q": request[0].upper() + request[1:],
        "r": request if keeps_capital else request[0].lower() + request[1:],
    })  # fmt: skip


def _addition(rng: random.Random, part: Part) -> str:
    u = rng.random()
    if u < 0.4:
        return combine(sums.CARRY, sums.SYMBOLIC["+"], rng, part)
    if u < 0.6:
        return combine(sums.CARRY, sums.WORDED["+"], rng, part)
    if u < 0.65:
        return combine(sums.CARRY_NOUN, sums.NOUN["+"], rng, part)
    if u < 0.7:
        return combine(sums.CARRY_VERB, sums.VERB["+"], rng, part)
    return sums.SYMBOLIC["+"].draw(rng, part)
