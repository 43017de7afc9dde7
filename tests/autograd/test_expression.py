"""Expressions as text: Python's own arithmetic is the oracle, and nothing else gets through."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.autograd.expression import FUNCTIONS, evaluate
from groundup.autograd.value import Value
from groundup.base.errors import GraphError


def result(text: str, **given: float) -> Value:
    return list(evaluate(text, given).values())[-1]


@pytest.mark.parametrize(
    "text",
    [
        "1 + 2*3 - 4/5",
        "-2**2",
        "(-2)**2",
        "2**-1",
        "8**(1/3)",
        "+3 - -4",
        "2**3 + .5e1",
        "-(1 + 2)*3",
        "1/2/4",
    ],
)
def test_numbers_follow_pythons_rules(text):
    assert math.isclose(result(text).data, eval(text), rel_tol=1e-14)


expressions = st.recursive(
    st.sampled_from(["a", "b", "2.5", "3"]),
    lambda inner: st.one_of(
        st.builds("({} {} {})".format, inner, st.sampled_from("+-*"), inner),
        st.builds("tanh({})".format, inner),
        st.builds("-{}".format, inner),
        st.builds("({})**2".format, inner),
    ),
    max_leaves=8,
)


@given(expressions)
def test_any_expression_has_pythons_value_and_the_slope_of_nearby_values(text):
    def python(a, b):
        return eval(text, {"tanh": math.tanh}, {"a": a, "b": b})

    value = evaluate(f"y = {text} + 0*a + 0*b", {"a": 0.3, "b": -0.7})
    assert math.isclose(value["y"].data, python(0.3, -0.7), rel_tol=1e-12, abs_tol=1e-12)
    value["y"].backward()
    slope = (python(0.3 + 1e-6, -0.7) - python(0.3 - 1e-6, -0.7)) / 2e-6
    assert math.isclose(value["a"].grad, slope, rel_tol=1e-3, abs_tol=1e-3 * (1 + abs(python(0.3, -0.7))))


def test_names_keep_their_order_and_are_labels():
    found = evaluate("a = 2\nb = a * 3; c = b\nmaximum(c, 1)")
    assert list(found) == ["a", "b", "c", ""]
    assert [value.label for value in found.values()] == ["a", "b", "c", ""]
    assert found["c"] is not found["b"] and found[""].data == 6


def test_the_functions_are_those_of_a_value():
    assert all(hasattr(Value, name) for name in FUNCTIONS)
    assert result("sigmoid(0) + relu(-1) + exp(0) + log(1) + tanh(0)").data == 1.5


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "The expression is empty"),
        ("a +", "is no expression: invalid syntax"),
        ("x1*w1", "'x1' has no value yet. Set it, as in x1 = 2; or give --x1 2"),
        ("alpha=1; alhpa*2", "Did you mean 'alpha'"),
        ("tahn(1)", "no function 'tahn'. Did you mean 'tanh'"),
        ("tanh(1, 2)", "tanh takes 1 argument"),
        ("maximum(1)", "maximum takes 2 argument"),
        ("a=1; a=2", "'a' has a value already"),
        ("tanh = 3", "'tanh' has a value already"),
        ("1 + 2; 3 + 4", "Only the last statement may be without a name"),
        ("a = b = 2", "is not understood"),
        ("a, b = 1, 2", "is not understood"),
        ("a += 1", "is not understood"),
        ("x = 2; x ** x", "exponent 'x' is not a number"),
        ("2 ** (1/0)", "exponent '1/0' is not a number"),
        ("log(0 - 1)", r"log\(-1.0\): the logarithm needs a number above 0"),
        ("1/0", "division by zero"),
        ("exp(1000)", "larger than any float"),
        ("(0-8) ** 0.5", "a negative base needs a whole exponent"),
        ("1e999", "inf|finite"),
        ("9" * 400, "larger than any float|more than 308 digits"),
        ("a\x00b", "cannot be read|is no expression"),
        ("(" * 5000 + "1" + ")" * 5000, "too many nested|cannot be read"),
        ("+".join(["1"] * 20_000), "nested too deeply|cannot be read"),
    ],
)
def test_what_cannot_be_computed_is_refused(text, says):
    with pytest.raises(GraphError, match=says):
        result(text).backward()


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')", "a=1; a.data", "a=1; a.__class__", "[1][0]", "(lambda: 1)()",
        "'a'", "import os", "True", "1j", "1 if 1 else 2", "1 < 2", "1 @ 2", "7 // 2", "7 % 2", "~1", "not 1",
        "tanh(x=1)", "tanh(*[1])", "[x for x in [1]]", "f'{1}'", "(a := 1)", "def f(): pass", "print(1)",
        "...", "while 1: 1", "del a", "await x",
    ],
)  # fmt: skip
def test_nothing_but_arithmetic_gets_through(text):
    with pytest.raises(GraphError, match=r"not understood|no function|no expression"):
        evaluate(text)


def test_a_number_that_nobody_uses_is_a_mistake():
    with pytest.raises(GraphError, match="'x2' is given a number, and the expression does not use it"):
        evaluate("x1 * 2", {"x1": 1.0, "x2": 2.0})
    with pytest.raises(GraphError, match="'a' has a value already"):
        evaluate("a = 1; a * 2", {"a": 1.0})
