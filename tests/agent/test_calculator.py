"""The calculator against Python's own fractions, and against everything that a model may write."""

import operator
import threading
import time
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.agent.calculator import Calculator, show
from groundup.agent.tool import Limits, ToolResult

CALC = Calculator()


def text(expression: str) -> str:
    return CALC.call(expression, Limits()).text


@st.composite
def expressions(draw, depth=3):
    """(what is written, its value by Python's own operators on Fraction; None where that divides by zero)."""
    if depth == 0 or draw(st.integers(0, 3)) == 0:
        whole = draw(st.integers(0, 999))
        places = draw(st.text("0123456789", max_size=3))
        return (
            (f"{whole}.{places}", Fraction(f"{whole}.{places or 0}"))
            if places
            else (str(whole), Fraction(whole))
        )
    if draw(st.integers(0, 4)) == 0:
        source, value = draw(expressions(depth=depth - 1))
        return f"-({source})", None if value is None else -value
    (left, a), (right, b) = draw(expressions(depth=depth - 1)), draw(expressions(depth=depth - 1))
    op = draw(st.sampled_from(["+", "-", "*", "/", "//", "%"]))
    source = f"({left}) {op} ({right})"
    if a is None or b is None or (b == 0 and op in ("/", "//", "%")):
        return source, None
    results = {"+": a + b, "-": a - b, "*": a * b}
    if b != 0:
        results |= {"/": a / b, "//": Fraction(a // b), "%": a % b}
    return source, results[op]


@settings(max_examples=300, deadline=None)
@given(expressions())
def test_agrees_with_fractions(pair):
    source, value = pair
    result = CALC.call(source, Limits(argument_chars=1000))
    assert result == (
        ToolResult.error("division by zero") if value is None else ToolResult(True, show(value))
    )


@settings(max_examples=200, deadline=None)
@given(
    st.integers(0, 99), st.integers(0, 99), st.integers(0, 99), st.lists(st.sampled_from("+-*"), min_size=2)
)
def test_binds_and_associates_as_python_does(a, b, c, ops):
    do = {"+": operator.add, "-": operator.sub, "*": operator.mul}
    first, second = do[ops[0]], do[ops[1]]
    later_binds_tighter = ops[1] == "*" and ops[0] != "*"
    value = first(a, second(b, c)) if later_binds_tighter else second(first(a, b), c)
    assert text(f"{a} {ops[0]} {b} {ops[1]} {c}") == str(value)


@settings(max_examples=200, deadline=None)
@given(st.fractions(max_denominator=10**6))
def test_what_is_shown_is_exact_or_says_that_it_is_not(number):
    shown = show(number)
    if shown.startswith("≈"):
        assert abs(Fraction(shown[1:]) - number) <= abs(number) * Fraction(1, 10**11)
        assert Fraction(shown[1:]) != number
    else:
        assert Fraction(shown) == number


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(max_size=60), st.text("0123456789.+-*/%()x^ ,", max_size=60)))
def test_nothing_that_a_model_writes_raises(argument):
    result = CALC.call(argument, Limits())
    assert result.ok != result.text.startswith("error: ")
    assert "\n" not in result.text


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("12 x 34", "408"), ("12X34", "408"), ("3×4", "12"), ("3·4", "12"), ("8÷2", "4"), ("9−4", "5"),
        ("2^10", "1024"), ("１２＋（３）", "15"), ("0 x 10", "0"), ("2x-3", "-6"), ("1\n+ 2", "3"),
        ("0.1+0.2", "0.3"), ("1/3*3", "1"), ("-5 % 3", "1"), ("5 // -2", "-3"), ("-2**2", "-4"),
        (".5*4.", "2"), ("2**-3", "0.125"), ("0**0", "1"), ("(-1)**-3", "-1"), ("1**99999999999", "1"),
        ("2**332", str(2**332)), ("0**2", "0"),
    ],
)  # fmt: skip
def test_writes_as_people_do(written, value):
    assert CALC.call(written, Limits()) == ToolResult(ok=True, text=value)


@pytest.mark.parametrize(
    ("written", "reason"),
    [
        ("1,234", "comma"), ("50%", "complete"), ("2(3)", "a sign is missing"), ("1e3", "'e'"),
        ("0x10", "hexadecimal"), ("", "empty"), ("  ", "empty"), ("()", "complete"), ("1 +", "complete"),
        ("2 3", "complete"), ("007", "complete"), ("3²", "'²'"), ("__import__('os')", "'_'"),
        ("1_000", "'_'"), ("\0", "arithmetic"), ("\ud800", "arithmetic"), ("7/0", "division by zero"),
        ("7%0", "division by zero"), ("0**-1", "division by zero"), ("2**0.5", "whole number"),
        ("1<2", "'<'"), ("~1", "'~'"), ("[1]", "'['"), ("1@2", "'@'"), ("1 if 1 else 2", "'i'"),
    ],
)  # fmt: skip
def test_says_why_not(written, reason):
    result = CALC.call(written, Limits())
    assert not result.ok and result.text.startswith("error: ") and reason in result.text


@pytest.mark.parametrize(
    "bomb",
    ["9**9**9", "9**9**9**9**9", "10**100", "0.1**101", "(1/3)**9999999", "2**333", "(10**99)*10",
     "*".join(["9" * 30] * 4), "9" * 101, "-" * 150 + "1"],
)  # fmt: skip
def test_is_bounded_by_size(bomb):
    start = time.perf_counter()
    assert not CALC.call(bomb, Limits()).ok
    assert time.perf_counter() - start < 0.5  # microseconds in truth; 9**9**9 taken would be minutes


def test_the_largest_legal_number_and_the_first_illegal_one():
    assert text("10**99 * 9") == str(9 * 10**99)
    assert "more than 100 digits" in text("10**99 * 10")
    assert "more than 2 digits" in Calculator(max_digits=2).call("50+50", Limits()).text


def test_limits_of_length_and_depth():
    assert text("+".join(["1"] * 100)) == "100"  # 199 characters, 100 levels
    assert "201 characters, more than 200" in text("1" * 201)
    for deep in ("(" * 5000 + "1" + ")" * 5000, "-" * 20000 + "1", "+".join(["1"] * 3000)):
        result = CALC.call(deep, Limits(argument_chars=10**6))
        assert not result.ok, "without the length limit the parser's and our own depth limits still hold"


def test_works_in_any_thread():
    results: list[ToolResult] = []
    threads = [
        threading.Thread(target=lambda: results.append(CALC.call("12*12", Limits()))) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == [ToolResult(ok=True, text="144")] * 8
