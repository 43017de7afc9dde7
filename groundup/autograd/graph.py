"""The graph below a result: its values in the order in which they were computed, and what is wrong with one.

Nothing here calls itself, so a chain of a million operations is as good as one of ten.

Next: program.py, which turns that order into a flat program.
"""

from __future__ import annotations

import contextlib
import gc
import math
from collections.abc import Iterator
from typing import TYPE_CHECKING

from groundup.base.errors import GraphError

if TYPE_CHECKING:
    from groundup.autograd.value import Value


def ordered(*results: Value) -> list[Value]:
    """The results and everything that they were made of, operands before what uses them.

    Raises GraphError if a leaf was set after it had been used, or if there is a cycle.

    >>> from groundup.autograd.value import Value
    >>> a = Value(2.0)
    >>> [v.data for v in ordered(a * a + 1.0)]
    [2.0, 4.0, 1.0, 5.0]
    """
    found = {v._born: v for v in results}
    todo = list(results)
    while todo:
        v = todo.pop()
        born = v._born
        for operand in operands(v):
            older = operand._born
            if older >= born:
                raise younger(operand, v)
            if older not in found:
                found[older] = operand
                if operand._a is not None:
                    todo.append(operand)
    return [found[born] for born in sorted(found)]


def operands(v: Value) -> tuple[Value, ...]:
    """What an operation may read: one or two values, all candidates of a pick, none for a leaf."""
    if v._b is not None:
        return (v._a, v._b)
    if v._a is None:
        return ()
    return v._extra[0] if v._kind == "pick" else (v._a,)


def younger(operand: Value, result: Value) -> GraphError:
    """The complaint about an operand that is younger than its result."""
    if operand._a is not None:
        return GraphError(
            f"there is a cycle: {result._op!r} = {result._data}{named(result)} was made of {operand._op!r} = "
            f"{operand._data}{named(operand)}, which is younger. A result cannot be its own operand."
        )
    return GraphError(
        f"a leaf{named(operand)} was set to {operand._data} after {result._op!r} had used it to compute "
        f"{result._data}{named(result)}. The gradient would be that of neither. Call backward() first, then "
        "set .data, then compute the result anew."
    )


def not_finite(result: Value) -> str:
    """Which operation first made infinity or NaN of finite operands."""
    for v in ordered(result):
        if not math.isfinite(v._data):
            if v._a is None:
                return f"the leaf{named(v)} is {v._data}. Use finite numbers."
            of = " and ".join(f"{operand._data}{named(operand)}" for operand in operands(v))
            return (
                f"{v._op!r} of {of} is {v._data}, too large for a float. Use smaller steps or smaller data."
            )
    raise AssertionError(f"{result!r} is not finite, so something below it is not")


def named(v: Value) -> str:
    """ " (label)", or "" without one."""
    return f" ({v.label})" if v.label else ""


@contextlib.contextmanager
def collector_paused() -> Iterator[None]:
    """`with collector_paused():` around a training loop: Python's cycle collector does not run in it.

    It walks over every living value again and again and finds nothing, because graphs have no cycles. Without
    its walks a step of the moons demo takes three fifths of the time, and memory does not grow.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()
