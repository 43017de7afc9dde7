"""Choosing a value by a number that may change: a row of an embedding, the logit of the target.

`table[token]` is fine until the expression is recorded: a program would go on with the entry that was chosen
while recording. `pick` is an operation of its own, which remembers all candidates and which number chooses,
and whose gradient goes to the chosen one alone.

Next: replay.py, which changes the number.
"""

from __future__ import annotations

import operator
from collections.abc import Sequence
from typing import overload

from groundup.autograd.value import Value, guard, made
from groundup.base.errors import GraphError


class Index:
    """A whole number from 0 on that chooses: a token, a class. Not an int, so no choice goes unseen."""

    __slots__ = ("_number",)
    __hash__ = None  # type: ignore[assignment]  # a key of a dict would be a choice too

    def __init__(self, number: int) -> None:
        if isinstance(number, bool) or not hasattr(number, "__index__") or int(number) < 0:
            raise GraphError(f"Index({number!r}): an index is a whole number from 0 on.")
        self._number = int(number)

    @property
    def number(self) -> int:
        """The number; refused while a function is recorded, which would be stuck with it."""
        if guard.ask is not None:
            guard.ask(self, "read")
        return self._number

    def __index__(self) -> int:
        return self.number

    def __eq__(self, other: object) -> bool:
        number = other.number if isinstance(other, Index) else other
        return self.number == number

    def __bool__(self) -> bool:
        return bool(self.number)

    def __repr__(self) -> str:
        return f"Index({self._number})"


@overload
def pick(table: Sequence[Value], index: Index | int) -> Value: ...
@overload
def pick(table: Sequence[Sequence[Value]], index: Index | int) -> list[Value]: ...
def pick(table: Sequence[Value] | Sequence[Sequence[Value]], index: Index | int) -> Value | list[Value]:
    """`table[index]`, as an operation: a value of a list, or a row of a list of rows.

    With a plain int it is `table[index]` and nothing else. Raises GraphError outside the table, and for a
    table of something else.

    >>> rows = [[Value(1.0), Value(2.0)], [Value(3.0), Value(4.0)]]
    >>> [v.data for v in pick(rows, Index(1))]
    [3.0, 4.0]
    """
    number = index._number if isinstance(index, Index) else _whole(index)
    if not 0 <= number < len(table):
        raise outside(number, len(table))
    if not isinstance(index, Index):
        return table[number]  # type: ignore[return-value]
    rows = [row for row in table if isinstance(row, list | tuple)]
    if not rows:
        return _picked(tuple(table), index)  # type: ignore[arg-type]
    if len(rows) < len(table) or len({len(row) for row in rows}) > 1:
        lengths = [len(row) if isinstance(row, list | tuple) else "no row" for row in table]
        raise GraphError(f"pick: the rows of the table differ in length: {lengths}. Make them alike.")
    return [_picked(column, index) for column in zip(*rows, strict=True)]


def outside(number: int, size: int) -> GraphError:
    """The complaint about an index that is not in its table."""
    allowed = f"Allowed: 0 to {size - 1}." if size else "It is empty: give candidates."
    return GraphError(f"pick: index {number} is outside the table of {size}. {allowed}")


def _whole(index: object) -> int:
    try:
        return operator.index(index)  # type: ignore[arg-type]  # NumPy's whole numbers too
    except TypeError:
        raise GraphError(
            f"pick: {index!r} ({type(index).__name__}) is no index. Pass an Index, or a whole number."
        ) from None


def _picked(candidates: tuple[Value, ...], index: Index) -> Value:
    if others := set(map(type, candidates)) - {Value}:
        kind = sorted(other.__name__ for other in others)[0]
        raise GraphError(
            f"pick: the table holds something of type {kind}. Make a Value of each number in it."
        )
    chosen = candidates[index._number]
    out = made(chosen._data, "pick", chosen, 1.0)
    out._extra = (candidates, index)
    return out
