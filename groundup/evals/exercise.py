"""Exercises of the course: your function beside ours, on the same inputs.

A lesson that has exercises declares them in `groundup/evals/exercises/lesson_NN.py`, which holds nothing but
reference functions and one tuple:

    def dlogits(logits_NV, targets_N): ...                      # the answer, or an import of it

    def _cases():                                               # inputs, the same in every run
        g = torch.Generator().manual_seed(1)
        yield Case("32 rows of 27", (torch.randn(32, 27, generator=g), torch.randint(27, (32,), generator=g)))

    EXERCISES = (
        Exercise("dlogits", "The gradient of the mean cross-entropy with respect to the logits.", dlogits,
                 _cases, hint="softmax minus one-hot, over N"),
    )

A cell of the lesson then says `assert check("05.dlogits", my_dlogits)`, and a learner who writes a file of
their own says `groundup lesson check 05 my_backward.py`, or `groundup lesson exercises 05` for the tasks.
Each case is given as a copy: a function that changes its inputs harms nobody but itself.

Three verdicts, those of the lecture on backpropagation: exact (the same bits), approximate (as torch.allclose
has it: 1e-8 + 1e-5 of the value, or the exercise's own `rtol` and `atol`), and the largest difference.
Approximate passes: another order of the same sums has other last bits.

Next: answers.py, a learner's file.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import inspect
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.base.errors import UserError, suggest

Number = bool | int | float | Tensor | np.ndarray | np.generic


class ExerciseError(UserError):
    """An answer that cannot be compared: not importable, not there, of another shape, not finite."""


@dataclass(frozen=True)
class Case:
    """One set of inputs, and in a few words what is special about it."""

    told: str
    arguments: tuple[Any, ...]


@dataclass(frozen=True)
class Exercise:
    """A function to write. `name` is what the learner calls it; `outputs` names several results."""

    name: str
    task: str
    reference: Callable[..., Any]
    cases: Callable[[], Iterable[Case]]
    outputs: tuple[str, ...] = ()
    hint: str = ""
    rtol: float = 1e-5
    atol: float = 1e-8

    @property
    def signature(self) -> str:
        """How the function is called: `dlogits(logits_NV, targets_N)`."""
        return f"{self.name}({', '.join(inspect.signature(self.reference).parameters)})"


@dataclass(frozen=True)
class Verdict:
    """How one output of one case compares. `problem` says why it cannot, and is empty otherwise."""

    what: str
    exact: bool
    approximate: bool
    max_difference: float
    problem: str = ""

    def __str__(self) -> str:
        if self.problem:
            return f"{self.what:<28} {self.problem}"
        return (
            f"{self.what:<28} exact: {self.exact!s:<5}  approximate: {self.approximate!s:<5}  "
            f"max difference: {self.max_difference:.2g}"
        )


def check(name: str, mine: Callable[..., Any]) -> bool:
    """Whether `mine` solves the exercise called "NN.name"; prints a line for each output of each case.

    >>> def my_dlogits(logits_NV, targets_N):
    ...     return logits_NV.softmax(1)                       # and now?
    >>> check("05.dlogits", my_dlogits)
    dlogits, 32 rows of 27       exact: False  approximate: False  max difference: 0.38
    dlogits, large logits        exact: False  approximate: False  max difference: 1
    False
    """
    verdicts = compare_with(find(name), mine)
    for verdict in verdicts:
        print(verdict)
    return all(verdict.approximate for verdict in verdicts)


def exercises(number: str) -> tuple[Exercise, ...]:
    """The exercises of a lesson by its two digits; none where it has no file of them."""
    name = f"groundup.evals.exercises.lesson_{number}"
    if importlib.util.find_spec(name) is None:
        return ()
    return importlib.import_module(name).EXERCISES


def find(name: str) -> Exercise:
    """The exercise called "NN.name", such as "05.dlogits"; ExerciseError names those that are there."""
    number, _, short = name.partition(".")
    there = {exercise.name: exercise for exercise in exercises(number.zfill(2))}
    if not there:
        raise ExerciseError(
            f"{name!r} is not an exercise: lesson {number!r} has none. A name is the lesson's two digits and "
            "that of the function, such as 05.dlogits."
        )
    if short not in there:
        raise ExerciseError(
            f"Lesson {number} has no exercise {short!r}.{suggest(short, there)} It has: {', '.join(there)}."
        )
    return there[short]


def compare_with(exercise: Exercise, mine: Callable[..., Any]) -> list[Verdict]:
    """`mine` beside the reference, case by case. What it raises becomes an ExerciseError."""
    found: list[Verdict] = []
    for case in exercise.cases():
        expected = exercise.reference(*copy.deepcopy(case.arguments))
        try:
            answer = mine(*copy.deepcopy(case.arguments))
        except Exception as error:
            raise ExerciseError(_told(exercise, case, error)) from error
        found += compare(f"{exercise.name}, {case.told}", answer, expected, exercise)
    if not found:
        raise ValueError(f"The exercise {exercise.name!r} has no case. Give it one.")
    return found


def compare(what: str, answer: Any, expected: Any, exercise: Exercise) -> list[Verdict]:
    """One Verdict for each output: numbers by their difference, everything else by equality."""
    if isinstance(expected, Mapping) or (isinstance(expected, tuple) and exercise.outputs):
        return _compare_each(what, answer, expected, exercise)
    if answer is None:
        return [_refused(what, "it returns None: is its `return` missing?")]
    if not isinstance(expected, Number):
        same = type(answer) is type(expected) and answer == expected
        if same:
            return [Verdict(what, True, True, 0.0)]
        return [_refused(what, f"{_short(answer)}, expected {_short(expected)}")]
    if not isinstance(answer, Number):
        return [_refused(what, f"it is a {type(answer).__name__}, expected numbers: {_kind(expected)}")]
    return [_compare_numbers(what, _tensor(answer), _tensor(expected), exercise)]


def _compare_each(what: str, answer: Any, expected: Any, exercise: Exercise) -> list[Verdict]:
    parts = (
        dict(expected)
        if isinstance(expected, Mapping)
        else dict(zip(exercise.outputs, expected, strict=True))
    )
    wanted = ", ".join(parts)
    if isinstance(expected, Mapping):
        if not isinstance(answer, Mapping):
            return [_refused(what, f"it is a {type(answer).__name__}, expected a dict of: {wanted}")]
        answers = answer
    else:
        if not isinstance(answer, Sequence) or len(answer) != len(parts):
            got = (
                f"{len(answer)} values" if isinstance(answer, tuple | list) else f"a {type(answer).__name__}"
            )
            return [_refused(what, f"it returns {got}, expected {len(parts)}: {wanted}")]
        answers = dict(zip(parts, answer, strict=True))
    found = []
    for name, value in parts.items():
        where = f"{what}: {name}" if len(parts) <= 3 else name
        if name not in answers:
            found.append(_refused(where, "missing"))
        else:
            found += compare(where, answers[name], value, exercise)
    return found


def _compare_numbers(what: str, answer: Tensor, expected: Tensor, exercise: Exercise) -> Verdict:
    if answer.shape != expected.shape:
        return _refused(what, f"its shape is {list(answer.shape)}, expected {list(expected.shape)}")
    if not expected.numel():
        return Verdict(what, True, True, 0.0)
    # Minus infinity is an answer where ours is too: the score of a key that may not be seen.
    bad = int((~torch.isfinite(answer) & ~((answer == expected) & ~torch.isnan(answer))).sum())
    if bad:
        return _refused(what, f"{bad} of its {answer.numel()} numbers are nan or infinite")
    difference = torch.where(answer == expected, 0.0, (answer.double() - expected.double()).abs())
    near = bool((difference <= exercise.atol + exercise.rtol * expected.double().abs()).all())
    return Verdict(what, bool((answer == expected).all()), near, float(difference.max()))


def _refused(what: str, problem: str) -> Verdict:
    return Verdict(what, False, False, math.inf, problem)


def _tensor(value: Number) -> Tensor:
    return value.detach().cpu() if isinstance(value, Tensor) else torch.as_tensor(np.asarray(value))


def _kind(expected: Number) -> str:
    shape = list(_tensor(expected).shape)
    return f"shape {shape}" if shape else "one number"


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."


def _told(exercise: Exercise, case: Case, error: Exception) -> str:
    """Which call failed, why, and at which of the learner's lines."""
    line = last_line_outside(error)
    return (
        f"{exercise.signature} failed on {case.told}: {type(error).__name__}: "
        f"{str(error).rstrip('.')}.{line} The inputs are "
        f"{', '.join(_describe(value) for value in case.arguments)}."
    )


def _describe(value: Any) -> str:
    if isinstance(value, Tensor):
        return f"a tensor {list(value.shape)} of {str(value.dtype).removeprefix('torch.')}"
    return _short(value)


def last_line_outside(error: BaseException) -> str:
    """ " It was in FILE, line N." of the innermost frame of the traceback that is not of a library."""
    trace, found = error.__traceback__, ""
    while trace is not None:
        file = Path(trace.tb_frame.f_code.co_filename)
        if "site-packages" not in file.parts and file != Path(__file__):
            found = f" It was in {file.name}, line {trace.tb_lineno}."
        trace = trace.tb_next
    return found
