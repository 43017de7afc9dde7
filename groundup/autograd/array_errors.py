"""How the array engine says no: which operation, on which shapes, with which values, and what to do.

An operation that leaves the finite numbers is caught where it happens, through the flags that the processor
itself raises (`numpy.errstate`), so nothing is paid for it while all is well.

Next: array.py, which calls these.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from groundup.base.errors import GraphError

ADVICE = {
    "log": "log takes numbers above 0. cross_entropy and log_softmax never meet a 0.",
    "/": "Divide by numbers other than 0, for example by adding a small one.",
    "**": "A negative number takes whole exponents only, and 0 takes none below 0.",
    "exp": "exp overflows above 88 in float32, above 709 in float64: subtract the largest number first.",
    "softmax": "A row without one allowed place has no softmax: let each query see at least one key.",
}


def numeric(data: Any, like: np.ndarray | None = None) -> np.ndarray:
    """A fresh copy of `data` as float32 or float64; whole numbers become `like`'s type, or float64.

    Raises GraphError for what holds no numbers, a NaN or an infinity.
    """
    try:
        fresh = np.array(data)
    except ValueError:
        raise GraphError(
            f"{told(data)} has rows that differ in length. An Array needs as many numbers in each."
        ) from None
    if fresh.dtype.kind in "iub":
        fresh = fresh.astype(np.float64 if like is None else like.dtype)
    elif fresh.dtype.kind != "f":
        raise GraphError(f"An Array holds numbers, not {told(data)}.")
    elif fresh.dtype not in (np.float32, np.float64):
        fresh = fresh.astype(np.float64)
    finite = np.isfinite(fresh)
    if not finite.all():
        place = first_place(~finite)
        raise GraphError(
            f"The data holds {fresh[place]}{at(place)} ({np.count_nonzero(~finite):,} of {fresh.size:,} "
            "numbers are not finite). Remove or replace them: every gradient behind them would be nan."
        )
    return fresh


def finite(number: Any, what: str) -> float:
    """A number as a float; GraphError if it is not finite, or has more digits than any float."""
    try:
        found = float(number)
    except OverflowError:
        raise GraphError(f"{what} is a whole number larger than any float. Use a smaller one.") from None
    if not np.isfinite(found):
        raise GraphError(f"{what} is {found}: every gradient behind it would be nan. Use finite numbers.")
    return found


def not_finite(op: str, forward: Callable[..., Any], values: tuple[Any, ...]) -> str:
    """What to say of an operation whose result is not finite: the first such place and its operands."""
    with np.errstate(all="ignore"):
        out = np.asarray(forward(*values))
    shapes = " and ".join(shape(value) for value in values)
    said = f"{op} of {shapes}"
    bad = ~np.isfinite(out)
    if bad.any() and np.broadcast_shapes(*(np.shape(value) for value in values)) == out.shape:
        place = first_place(bad)
        operands = " and ".join(f"{np.broadcast_to(value, out.shape)[place]:.6g}" for value in values)
        said += f": {operands}{at(place)} gives {out[place]}"
    else:
        largest = max(float(np.abs(value).max(initial=0)) for value in values)
        said += f" is not finite; the largest operand is {largest:.6g}"
    return f"{said}. {ADVICE.get(op, 'Scale the numbers down.')}"


def do_not_fit(op: str, values: tuple[Any, ...]) -> str:
    """What to say of two shapes that do not broadcast, or "" if that is not what is wrong."""
    if len(values) != 2:
        return ""
    pairs = zip(np.shape(values[0])[::-1], np.shape(values[1])[::-1], strict=False)
    clash = next(((a, b) for a, b in pairs if a != b and 1 not in (a, b)), None)
    if clash is None:
        return ""
    return (
        f"{op}: the shapes {shape(values[0])} and {shape(values[1])} do not broadcast: from the right, "
        f"a length of {clash[0]} meets {clash[1]}. Lengths must be equal or 1: reshape one of the two."
    )


def told(value: Any) -> str:
    """A value in a few words.

    >>> told("abc"), told(None)
    ("'abc' (a str)", 'None (a NoneType)')
    """
    text = repr(value)
    return f"{text if len(text) <= 40 else text[:37] + '...'} (a {type(value).__name__})"


def shape(value: Any) -> str:
    """A shape as it is printed everywhere here.

    >>> shape(np.zeros((2, 3))), shape(1.0)
    ('[2, 3]', '[]')
    """
    return str(list(np.shape(value)))


def at(place: tuple[int, ...]) -> str:
    """Where in an array, as words to append; nothing for a single number."""
    return f" at {list(place)}" if place else ""


def first_place(mask: np.ndarray) -> tuple[int, ...]:
    """The index of the first True."""
    return tuple(int(i) for i in np.unravel_index(int(mask.argmax()), mask.shape))
