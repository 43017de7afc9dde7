"""Arguments of a recorded function: their shape, their numbers, and the Values that the function sees.

While the function is recorded nobody may learn a number: `recording` refuses, and says which was asked for.

Next: replay.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from groundup.autograd.graph import named
from groundup.autograd.pick import Index
from groundup.autograd.value import Value, guard
from groundup.base.errors import GraphError


def read(argument: Any) -> tuple[Any, list[float], list[int]]:
    """The shape of the arguments, and the numbers and choices in them, in order."""
    numbers: list[float] = []
    choices: list[int] = []
    return _read(argument, numbers, choices), numbers, choices


def _read(argument: Any, numbers: list[float], choices: list[int]) -> Any:
    if isinstance(argument, list | tuple):
        return tuple([_read(one, numbers, choices) for one in argument])
    if isinstance(argument, Index):
        choices.append(argument._number)
        return Index
    if isinstance(argument, np.ndarray) and argument.ndim:
        if argument.dtype.kind not in "fiub":
            raise _refused(argument)
        numbers.extend(argument.ravel().tolist())
        return argument.shape
    if isinstance(argument, str | bytes | Value) or not hasattr(argument, "__float__"):
        raise _refused(argument)
    try:
        numbers.append(float(argument))
    except (TypeError, ValueError, OverflowError, RuntimeError):  # torch's tensors raise the last
        raise _refused(argument) from None
    return None


def _refused(argument: Any) -> GraphError:
    return GraphError(
        f"{argument!r} ({type(argument).__name__}) cannot be an argument of a recorded function. "
        "Allowed: finite numbers, Index, arrays of numbers, and lists of these."
    )


def recorded(argument: Any, inputs: list[Value], indices: list[Index]) -> Any:
    """The argument with a new Value for each number and a new Index for each Index, which are listed too."""
    if isinstance(argument, np.ndarray) and argument.ndim:
        argument = argument.tolist()
    if isinstance(argument, list | tuple):
        return [recorded(one, inputs, indices) for one in argument]
    if isinstance(argument, Index):
        indices.append(Index(argument._number))
        return indices[-1]
    inputs.append(Value(argument))
    return inputs[-1]


@contextmanager
def recording() -> Iterator[None]:
    """Refuses, while it lasts, to tell the number of any Value or Index."""
    if guard.ask is not None:
        raise GraphError("a recorded function called another Replay. Call the function itself instead.")
    guard.ask = _refuse
    try:
        yield
    finally:
        guard.ask = None


def _refuse(thing: Value | Index, what: str) -> None:
    described = (
        repr(thing) if isinstance(thing, Index) else f"{thing._op or 'leaf'} = {thing._data}{named(thing)}"
    )
    raise GraphError(
        f"{described} was {what} while a function is recorded, which would bake this number into the "
        "program. Let the operations decide (maximum, relu, pick(table, index)), and return what you want to "
        "look at beside the loss: return [loss, *scores]."
    )
