"""A program run by NumPy: all operations whose operands are ready, at once.

    level of an operation = 1 + the highest level of its operands; leaves have level 0

Forward, the operations of one level and one kind are one NumPy call. Backward, a level's gradients are summed
from the operations above it: all local derivatives are computed first, then each level takes, for the edges
that end in it, derivative times gradient, and `np.bincount` adds them up one after the other in the order of
the loop. So the sums have the rounding of run_loop.py to the last bit. exp, log, tanh, ** and sigmoid are
computed one element at a time by Python's `math`, because NumPy's own differ in the last bit from machine to
machine; networks have few of them beside + and *.

On the moons demo (65,000 operations) 24 times slower than the compiled loop, and 5 times faster than the
loop in Python.

Next: replay.py, which chooses a runner.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import numpy as np

from groundup.autograd.domain import defined, logistic, power, power_slope
from groundup.autograd.program import ADD, EXP, KINDS, LOG, MAX, MUL, PICK, POW, RELU, SIGMOID, TANH, Program
from groundup.autograd.run_loop import FINE

ONE_BY_ONE: dict[int, Callable[[float], float]] = {
    EXP: math.exp,
    LOG: math.log,
    TANH: math.tanh,
    SIGMOID: logistic,
}


class LevelRunner:
    """Runs one program by levels."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.a_M, self.b_M, self.table = (
            array.astype(np.intp) for array in (program.a_M, program.b_M, program.table)
        )
        levels = self._levels()
        self.groups = self._groups(levels)
        self._sort_edges(levels)

    def forward(self, index: np.ndarray, values: np.ndarray) -> int:
        """Fill `values`, whose leaves are set; returns FINE or an operation that is not defined."""
        with np.errstate(all="ignore"):  # infinity is found at the result, as by the other runners
            for kind, m in self.groups:
                out = m + self.program.n_leaves
                if kind == ADD:
                    values[out] = values[self.a_M[m]] + values[self.b_M[m]]
                elif kind == MUL:
                    values[out] = values[self.a_M[m]] * values[self.b_M[m]]
                elif kind == RELU:
                    x = values[self.a_M[m]]
                    values[out] = np.where(x < 0.0, 0.0, x)
                elif kind == MAX:
                    x, y = values[self.a_M[m]], values[self.b_M[m]]
                    values[out] = np.where((y > x) | (y != y), y, x)
                elif kind == PICK:
                    values[out] = values[self.table[self.a_M[m] + index[self.b_M[m]]]]
                elif (failed := self._one_by_one(kind, m, values)) != FINE:
                    return failed
        return FINE

    def _one_by_one(self, kind: int, m: np.ndarray, values: np.ndarray) -> int:
        xs = values[self.a_M[m]].tolist()
        ns = self.program.exponents[self.b_M[m]].tolist() if kind == POW else [0.0] * len(xs)
        for i, (x, n) in enumerate(zip(xs, ns, strict=True)):
            if not defined(KINDS[kind], x, n):
                return int(m[i])
        out = [power(x, n) for x, n in zip(xs, ns, strict=True)] if kind == POW else map(ONE_BY_ONE[kind], xs)
        values[m + self.program.n_leaves] = list(out)
        return FINE

    def backward(self, index: np.ndarray, values: np.ndarray, grads: np.ndarray) -> None:
        """Fill `grads`, which holds 1 at the result and 0 elsewhere."""
        with np.errstate(all="ignore"):
            slopes = self._slopes(index, values)[self.edge_slope]
            for begin, end, targets, local in self.sums:
                grad = grads[self.edge_from[begin:end]]
                passed = slopes[begin:end] * grad
                passed[grad == 0.0] = 0.0  # also where the slope is infinite
                grads[targets] += np.bincount(local, weights=passed, minlength=len(targets))

    def _slopes(self, index: np.ndarray, values: np.ndarray) -> np.ndarray:
        """d(operation)/d(operand): first of each a, then of each b, then of each pick's candidates."""
        n, p = len(self.a_M), self.program
        slopes = np.ones(2 * n + len(self.pick_m))
        for kind, m in self.kinds:
            a, b, y = (
                values[self.a_M[m]],
                values[self.b_M[m] if kind in (MUL, MAX) else m],
                values[m + p.n_leaves],
            )
            if kind == MUL:
                slopes[m], slopes[n + m] = b, a
            elif kind == RELU:
                slopes[m] = a > 0.0
            elif kind == MAX:
                slopes[m] = share = np.where(a > b, 1.0, np.where(a == b, 0.5, 0.0))
                slopes[n + m] = 1.0 - share
            elif kind == EXP:
                slopes[m] = y
            elif kind == LOG:
                slopes[m] = 1.0 / a
            elif kind == TANH:
                slopes[m] = 1.0 - y * y
            elif kind == SIGMOID:
                slopes[m] = y * (1.0 - y)
            elif kind == POW:
                exponents = p.exponents[self.b_M[m]].tolist()
                slopes[m] = [power_slope(x, e) for x, e in zip(a.tolist(), exponents, strict=True)]
        slopes[2 * n :] = self.pick_candidate == index[self.b_M[self.pick_m]]
        return slopes

    # ---- made once ----

    def _levels(self) -> np.ndarray:
        """The level of each position."""
        p = self.program
        levels = [0] * p.n_positions
        kinds, a_M, b_M = p.kinds_M.tolist(), self.a_M.tolist(), self.b_M.tolist()
        table, limits = self.table.tolist(), self._candidates()
        for m, (kind, a, b) in enumerate(zip(kinds, a_M, b_M, strict=True)):
            if kind in (ADD, MUL, MAX):
                below = max(levels[a], levels[b])
            elif kind == PICK:
                below = max(levels[c] for c in table[a : a + limits[a]])
            else:
                below = levels[a]
            levels[p.n_leaves + m] = below + 1
        return np.array(levels, np.intp)

    def _candidates(self) -> dict[int, int]:
        """How many candidates there are, for each place in the table where some begin."""
        begins = [*np.unique(self.a_M[self.program.kinds_M == PICK]).tolist(), len(self.table)]
        return {begin: end - begin for begin, end in pairwise(begins)}

    def _groups(self, levels: np.ndarray) -> list[tuple[int, np.ndarray]]:
        """(kind, operations) in the order in which they can be computed."""
        kinds = self.program.kinds_M.astype(np.intp)
        key = levels[self.program.n_leaves :] * len(KINDS) + kinds
        order = np.argsort(key, kind="stable")
        cuts = np.flatnonzero(np.diff(key[order])) + 1
        return [(int(kinds[m[0]]), m) for m in np.split(order, cuts) if len(m)]

    def _sort_edges(self, levels: np.ndarray) -> None:
        """Every edge from an operation to an operand, by the operand's level, from the top.

        Within a target the edges have the order in which the loop adds: the last operation first, a before b.
        """
        p, n = self.program, len(self.a_M)
        operations = np.arange(n)
        two = np.isin(p.kinds_M, (ADD, MUL, MAX))
        picks = p.kinds_M == PICK
        sizes = self._candidates()
        counts = np.array([sizes[a] for a in self.a_M[picks].tolist()], np.intp)
        self.pick_m = np.repeat(operations[picks], counts)
        self.pick_candidate = np.concatenate([np.arange(c) for c in counts] or [np.zeros(0, np.intp)])
        self.kinds = [(kind, np.flatnonzero(p.kinds_M == kind)) for kind in range(len(KINDS))]
        self.kinds = [(kind, m) for kind, m in self.kinds if len(m) and kind not in (ADD, PICK)]
        ends = np.concatenate([
            self.a_M[~picks], self.b_M[two], self.table[self.a_M[self.pick_m] + self.pick_candidate],
        ])  # fmt: skip
        source = np.concatenate([operations[~picks], operations[two], self.pick_m])
        slope = np.concatenate([
            operations[~picks], n + operations[two], 2 * n + np.arange(len(self.pick_m)),
        ])  # fmt: skip
        order = np.lexsort((slope, -source, ends, -levels[ends]))
        ends, self.edge_slope = ends[order], slope[order]
        self.edge_from = source[order] + p.n_leaves
        cuts = np.flatnonzero(np.diff(levels[ends])) + 1
        bounds = [0, *cuts.tolist(), len(ends)] if len(ends) else [0]
        self.sums = []
        for begin, end in pairwise(bounds):
            targets, local = np.unique(ends[begin:end], return_inverse=True)
            self.sums.append((begin, end, targets, local))
