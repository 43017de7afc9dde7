import math
import re

import numpy as np
import pytest
import torch

from groundup.evals import exercise
from groundup.evals.exercise import (
    Case,
    Exercise,
    ExerciseError,
    check,
    compare,
    compare_with,
    exercises,
    find,
)

WITH_EXERCISES = [number for number in (f"{n:02}" for n in range(1, 24)) if exercises(number)]


def an_exercise(reference=lambda x: x * 2, *, outputs=(), x=None) -> Exercise:
    """An exercise of one case; the answer is to double."""
    given = torch.arange(3.0) if x is None else x
    return Exercise("double", "Twice x.", reference, lambda: [Case("three", (given,))], outputs)


def only(mine, asked: Exercise | None = None) -> exercise.Verdict:
    (verdict,) = compare_with(asked or an_exercise(), mine)
    return verdict


def test_the_three_verdicts_are_those_of_the_lecture():
    assert only(lambda x: x + x) == exercise.Verdict("double, three", True, True, 0.0)
    near = only(lambda x: x * (2 + 1e-6))
    assert (near.exact, near.approximate) == (False, True) and 0 < near.max_difference < 1e-5
    far = only(lambda x: x * 2.001)
    assert (far.exact, far.approximate) == (False, False)
    assert far.max_difference == pytest.approx(0.002, rel=1e-3)


@pytest.mark.parametrize(
    ("mine", "told"),
    [
        (lambda x: None, "returns None"),
        (lambda x: (2 * x)[:2], r"shape is \[2\], expected \[3\]"),
        (lambda x: 2 * x / 0, "3 of its 3 numbers are nan or infinite"),
        (lambda x: "six", "it is a str, expected numbers"),
    ],
)
def test_what_cannot_be_compared_says_why(mine, told):
    verdict = only(mine)
    assert not verdict.approximate and re.search(told, str(verdict)) and math.isinf(verdict.max_difference)


def test_an_infinite_answer_is_right_where_ours_is():
    masked = an_exercise(lambda x: torch.tensor([1.0, -torch.inf]))
    assert only(lambda x: torch.tensor([1.0, -torch.inf]), masked).exact
    assert not only(lambda x: torch.tensor([-torch.inf, -torch.inf]), masked).approximate
    assert "nan" in only(lambda x: torch.tensor([1.0, torch.nan]), masked).problem


def test_arrays_numbers_and_texts_are_compared_too():
    assert only(lambda x: np.array([0.0, 2.0, 4.0])).exact
    assert only(lambda x: 6, an_exercise(lambda x: 6.0)).exact
    words = an_exercise(lambda x: ["a", "b"])
    assert only(lambda x: ["a", "b"], words).exact
    assert "expected ['a', 'b']" in only(lambda x: ["a"], words).problem


def test_several_outputs_are_named():
    two = an_exercise(lambda x: (x, x.sum()), outputs=("dx", "dsum"))
    first, second = compare_with(two, lambda x: (x, x.mean()))
    assert first.exact and not second.approximate and second.what.endswith("dsum")
    assert "returns a Tensor, expected 2: dx, dsum" in str(only(lambda x: x, two))
    as_dict = an_exercise(lambda x: {"a": x, "b": x})
    found = compare_with(as_dict, lambda x: {"a": x})
    assert [v.problem for v in found] == ["", "missing"]


def test_a_function_may_change_its_inputs_and_harms_only_itself():
    x = torch.ones(3)
    assert only(lambda x: x.mul_(2), an_exercise(x=x)).exact
    assert torch.equal(x, torch.ones(3))


def test_what_a_function_raises_says_where_and_with_which_inputs():
    def mine(x):
        return x @ torch.ones(2)

    with pytest.raises(ExerciseError, match=r"test_exercise\.py, line \d+\. The inputs are a tensor \[3\]"):
        compare_with(an_exercise(), mine)


def test_an_exercise_without_a_case_is_our_bug():
    with pytest.raises(ValueError, match="no case"):
        compare_with(Exercise("e", "t", lambda: 1, tuple), lambda: 1)


def test_names_that_are_not_there_name_those_that_are(capsys):
    with pytest.raises(ExerciseError, match="Did you mean 'dlogits'"):
        find("05.dlogit")
    with pytest.raises(ExerciseError, match=r"such as 05\.dlogits"):
        find("99.x")
    assert check("05.dlogits", find("05.dlogits").reference)
    assert "exact: True" in capsys.readouterr().out


@pytest.mark.parametrize("number", WITH_EXERCISES)
def test_every_exercise_is_deterministic_solved_by_its_answer_and_not_by_nothing(number):
    """The reference passes, exactly and twice; a function that gives zeros back does not."""
    names = [each.name for each in exercises(number)]
    assert len(set(names)) == len(names)
    for each in exercises(number):
        assert all(verdict.exact for verdict in compare_with(each, each.reference)), each.name

        def nothing(*arguments, each=each):
            return spoiled(each.reference(*arguments))

        assert not any(verdict.approximate for verdict in compare_with(each, nothing)), each.name


def spoiled(value):
    """The same shape, and wrong in every output."""
    if isinstance(value, dict):
        return {name: spoiled(inner) for name, inner in value.items()}
    if isinstance(value, tuple | list):
        return type(value)(spoiled(inner) for inner in value)
    return f"not {value}" if isinstance(value, str) else value + 1


def test_there_are_exercises():
    assert "05" in WITH_EXERCISES and len(exercises("05")) >= 10 and not exercises("99")


def test_an_empty_tensor_is_nothing_to_differ_in():
    (verdict,) = compare("e", torch.ones(0), torch.ones(0), an_exercise())
    assert verdict.exact
