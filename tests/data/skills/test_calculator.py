"""The request names the operands in reading order, the call copies them, the score accepts nothing else."""

import random
import re

import pytest

from groundup.agent.calculator import Calculator as Engine
from groundup.agent.tool import Limits
from groundup.data.skills.calculator import Calculator, Sum
from groundup.data.skills.columns import HeadAddition, Pair, working
from groundup.tokenizer.chat import Call, Result, assistant

SKILL = Calculator()


def test_the_result_taught_is_what_the_engine_answers():
    rng = random.Random(0)
    for problem in SKILL.problems(rng, "train", 300):
        call, result, text = SKILL.answer(problem, rng)
        assert isinstance(call, Call) and isinstance(result, Result) and isinstance(text, str)
        answered = Engine().call(call.argument, Limits())
        assert answered.ok and answered.text == result.text == problem.expected
        assert text == f"That is {result.text}."


@pytest.mark.parametrize("part", ["train", "dev", "all"])
def test_both_operands_stand_in_the_request_in_reading_order(part):
    rng = random.Random(1)
    for op in "+-*":
        problem = Sum(417, op, 238)
        for _ in range(700):
            text = SKILL.ask(problem, rng, part)
            places = [m.group() for m in re.finditer(r"417|238", text)]
            assert sorted(places) == ["238", "417"], text
            if op != "-":
                assert places == ["417", "238"], text


def test_some_subtractions_name_the_smaller_number_first():
    texts = [SKILL.ask(Sum(417, "-", 238), random.Random(i)) for i in range(300)]
    assert any(text.index("238") < text.index("417") for text in texts)


def test_score():
    problem = Sum(12, "*", 34)
    right = assistant(Call("calc", "12*34"), Result("408"), "That is 408.")
    assert SKILL.score(problem, right)
    assert SKILL.score(problem, assistant(Call("calc", "34 * 12"), Result("408"), "That is 408."))
    assert not SKILL.score(problem, assistant("That is 408."))  # no call
    assert not SKILL.score(problem, assistant(Call("calc", "12*33"), Result("396"), "That is 408."))
    assert not SKILL.score(problem, assistant(Call("calc", "12*34"), Result("408"), "12 * 34 = 409."))
    assert not SKILL.score(problem, assistant(Call("other", "12*34"), Result("408"), "408"))


def test_score_of_a_difference_below_zero_minds_order_and_sign():
    problem = Sum(12, "-", 34)
    assert SKILL.score(problem, assistant(Call("calc", "12-34"), Result("-22"), "12 - 34 = -22."))
    assert not SKILL.score(problem, assistant(Call("calc", "34-12"), Result("22"), "12 - 34 = -22."))
    assert not SKILL.score(problem, assistant(Call("calc", "12-34"), Result("-22"), "12 - 34 = 22."))


def test_the_column_working_is_right_for_every_pair():
    for a in range(10, 100):
        for b in range(10, 100):
            units, tens, total = working(a, b).split()
            assert int(total) == a + b
            for step in (units, tens):
                left, right = step.split("=")
                assert sum(map(int, left.split("+"))) == int(right)
            assert int(units.split("=")[1]) % 10 == (a + b) % 10
            assert int(tens.split("=")[1]) == (a + b) // 10


def test_head_addition_asks_for_no_tool_and_its_score_forbids_one():
    skill, rng = HeadAddition(), random.Random(2)
    problem = Pair(47, 85)
    for part in ("train", "dev"):
        for _ in range(500):
            text = skill.ask(problem, rng, part)
            assert re.search(r"47.*85", text, re.S), text
    assert skill.score(problem, assistant(*skill.answer(problem, rng)))
    assert not skill.score(problem, assistant("7+5=12 4+8+1=13 131"))
    assert not skill.score(problem, assistant(Call("calc", "47+85"), Result("132"), "132"))


def test_the_marker_alone_decides_between_tool_and_head():
    """No request of the calculator forbids the tool; nearly every one of head addition does, or says how."""
    forbids = re.compile(
        r"head|mental|by hand|without|w/o|wo calc|no calc|no tool|don.?t|do not|not use|never|may not|column|"
        r"yourself|on your own|mind|paper|memory|manual|brain|aided|assisted|cheat|alone|broken|off|gone|"
        r"dead|forbidden|not allowed|banned|no .*calculator|lost|forgot|broke|under|below|carry|hand|heart|"
        r"think|ones|units|school|instead|aside|away|down|can.t|must not|算",
        re.I,
    )
    rng = random.Random(3)
    hinted = [HeadAddition().ask(Pair(47, 85), rng) for _ in range(1000)]
    plain = [SKILL.ask(Sum(417, "+", 238), rng) for _ in range(1000)]
    assert sum(bool(forbids.search(t)) for t in hinted) > 970  # the rest are slips of the finger
    clear = re.compile(
        r"in your head|mentally|without (the|a) calculator|no calculator|by hand|心算|不用计算器", re.I
    )
    assert not [t for t in plain if clear.search(t)]
