"""A graph of Values as a flat program: arrays that a loop can run, forwards and backwards.

    positions   [ parameters | inputs | constants | one for each operation, in the order of creation ]
    kinds_M     what operation m does
    a_M, b_M    the positions of its operands; ** has the place of its exponent in b_M, pick has in a_M the
                place in `table` where its candidates begin and in b_M which index chooses
    exponents, table, limits: what these refer to; limits[i] is how many candidates index i may choose from

Letters: M operations. A position is a place in the array of values, and in that of gradients.

An operation can only read what was there before it, so one pass over the operations computes the result, and
one pass back, the same derivatives as in value.py, computes every gradient.

Does not: run (run_loop.py, run_levels.py) or guard against a function that would record something else next
time (replay.py, to read next).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np

from groundup.autograd.graph import operands, ordered
from groundup.autograd.pick import Index
from groundup.autograd.value import Value
from groundup.base.errors import GraphError

KINDS = ("+", "*", "ReLU", "**", "exp", "log", "tanh", "sigmoid", "max", "pick")
ADD, MUL, RELU, POW, EXP, LOG, TANH, SIGMOID, MAX, PICK = range(len(KINDS))
_NUMBER = {kind: number for number, kind in enumerate(KINDS)}


@dataclass(frozen=True, eq=False)
class Program:
    """What to compute. The first of `results` is the one that is differentiated."""

    n_parameters: int
    n_inputs: int
    constants: np.ndarray  # float64
    kinds_M: np.ndarray  # uint8
    a_M: np.ndarray  # uint32, as b_M and table: compiled code need not ask whether it is negative
    b_M: np.ndarray
    exponents: np.ndarray  # float64
    table: np.ndarray
    limits: np.ndarray  # int64
    results: np.ndarray  # int64, positions

    @property
    def n_leaves(self) -> int:
        """The position of the first operation."""
        return self.n_parameters + self.n_inputs + len(self.constants)

    @property
    def n_positions(self) -> int:
        return self.n_leaves + len(self.kinds_M)

    def difference(self, other: Program) -> str | None:
        """What a later recording does differently, in words; None if they are the same program."""
        rows = [(p.kinds_M, p.a_M, p.b_M) for p in (self, other)]
        length = min(len(self.kinds_M), len(other.kinds_M))
        differ = np.zeros(length, bool)
        for mine, theirs in zip(*rows, strict=True):
            differ |= mine[:length] != theirs[:length]
        if differ.any() or len(self.kinds_M) != len(other.kinds_M):
            m = int(differ.argmax()) if differ.any() else length
            return f"operation {m} was {self.operation(m)} and is now {other.operation(m)}"
        for old, new, what in (
            (self.constants, other.constants, "number"),
            (self.exponents, other.exponents, "exponent"),
        ):
            changed = old != new
            if changed.any():
                i = int(changed.argmax())
                user = self._user(i, exponent=what == "exponent")
                return f"the {what} {old[i]} in {user} was baked in, and is now {new[i]}"
        same = all(
            np.array_equal(getattr(self, field.name), getattr(other, field.name)) for field in fields(self)
        )
        return None if same else "another table, or another result, is used"

    def operation(self, m: int) -> str:
        """Operation m for a message: its name and operands' positions."""
        if m >= len(self.kinds_M):
            return "nothing"
        return f"{KINDS[self.kinds_M[m]]!r} of {self.a_M[m]} and {self.b_M[m]}"

    def _user(self, i: int, *, exponent: bool) -> str:
        """The first operation that uses constant or exponent i."""
        position = i if exponent else self.n_parameters + self.n_inputs + i
        power = self.kinds_M == POW
        uses = (
            power & (self.b_M == i)
            if exponent
            else (self.a_M == position) | (~power & (self.b_M == position))
        )
        m = int(uses.argmax())
        return f"operation {m} ({KINDS[self.kinds_M[m]]!r})"


def flatten(
    results: Sequence[Value],
    *,
    parameters: Sequence[Value],
    inputs: Sequence[Value] = (),
    indices: Sequence[Index] = (),
    since: int = 0,
) -> tuple[Program, np.ndarray]:
    """The program that computes `results`, and the value at each position as the eager engine has it.

    Raises GraphError for a leaf older than `since` that is neither parameter nor input, and for a pick by
    another index: the program could not change them.
    """
    values = ordered(*results)
    place = {v._born: position for position, v in enumerate([*parameters, *inputs])}
    if len(place) != len(parameters) + len(inputs):
        raise GraphError("a Value is listed twice among parameters and inputs. List each once.")
    constants = [v for v in values if v._a is None and v._born not in place]
    for v in constants:
        if v._born < since:
            raise _from_outside(v)
    computed = [v for v in values if v._a is not None]
    leaves = [*parameters, *inputs, *constants]
    place = {v._born: position for position, v in enumerate(leaves + computed)}
    slots = {id(index): slot for slot, index in enumerate(indices)}
    special = _Special(place, slots)
    b_M = [place[(v._a if v._b is None else v._b)._born] for v in computed]
    a_M = [place[v._a._born] for v in computed]
    for m, v in enumerate(computed):
        if v._kind == "**":
            b_M[m] = special.exponent(v)
        elif v._kind == "pick":
            a_M[m], b_M[m] = special.pick(v)
    program = Program(
        n_parameters=len(parameters),
        n_inputs=len(inputs),
        constants=np.array([v._data for v in constants], np.float64),
        kinds_M=np.array([_NUMBER[v._kind] for v in computed], np.uint8),
        a_M=np.array(a_M, np.uint32),
        b_M=np.array(b_M, np.uint32),
        exponents=np.array(special.exponents, np.float64),
        table=np.array(special.table, np.uint32),
        limits=np.array(special.limits, np.int64),
        results=np.array([place[v._born] for v in results], np.int64),
    )
    return program, np.array([v._data for v in leaves + computed], np.float64)


class _Special:
    """Exponents, and the tables of what is picked from."""

    def __init__(self, place: dict[int, int], slots: dict[int, int]) -> None:
        self.place, self.slots = place, slots
        self.exponents: list[float] = []
        self.table: list[int] = []
        self.limits = [np.iinfo(np.int64).max] * len(slots)
        self._begins: dict[tuple[int, ...], int] = {}

    def exponent(self, v: Value) -> int:
        """Its place among the exponents."""
        self.exponents.append(float(v._extra))
        return len(self.exponents) - 1

    def pick(self, v: Value) -> tuple[int, int]:
        """Where its candidates begin in the table, and which index chooses. Equal tables are kept once."""
        index: Index = v._extra[1]
        slot = self.slots.get(id(index))
        if slot is None:
            raise GraphError(
                f"pick by {index!r}, which is no argument of the recorded function: it would be baked into "
                "the program. Pass the Index as an argument, or use a plain int if it never changes."
            )
        candidates = tuple([self.place[candidate._born] for candidate in operands(v)])
        if candidates not in self._begins:
            self._begins[candidates] = len(self.table)
            self.table.extend(candidates)
        self.limits[slot] = min(self.limits[slot], len(candidates))
        return self._begins[candidates], slot


def _from_outside(v: Value) -> GraphError:
    name = f" {v.label!r}" if v.label else ""
    return GraphError(
        f"the Value{name} = {v._data} was made outside the recorded function and is neither parameter nor "
        "argument, so it would be baked into the program. List it in parameters=, pass its number as an "
        "argument, or make it inside the function if it is a constant."
    )
