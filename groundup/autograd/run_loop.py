"""A program run by one loop forwards and one loop back: by Python as they stand, or compiled by Numba.

    forward    value of each operation, in order
    backward   gradient of each operand += d(operation)/d(operand) * gradient of the operation, in reverse

Both runners execute these very functions, in the order of additions of `Value.backward`, so their numbers are
equal to the last bit, to each other's and to the eager engine's, wherever Python and Numba use the same C
library for exp, log, tanh and pow. (Where a gradient is infinite they may differ: one may say NaN.)

Numba is imported when the first compiled runner is made, and compiles once for all programs: two seconds the
first time, kept in the cache folder (base/files.py; or $NUMBA_CACHE_DIR) for the next process.

Next: run_levels.py, the same by NumPy.
"""

from __future__ import annotations

import functools
import importlib.util
import math
from collections.abc import Callable
from typing import Any

import numpy as np

from groundup.autograd.domain import EXP_MAX, logistic, power
from groundup.autograd.program import ADD, EXP, LOG, MAX, MUL, PICK, POW, RELU, SIGMOID, TANH, Program
from groundup.base.files import cache_dir

FINE = -1  # what `forward` returns when every operation was defined


def forward(kinds_M, a_M, b_M, exponents, table, index, values, first):
    """Fill `values` from position `first` on; returns FINE, or the operation that is not defined there."""
    for m in range(len(kinds_M)):
        kind = kinds_M[m]
        if kind == ADD:
            y = values[a_M[m]] + values[b_M[m]]
        elif kind == MUL:
            y = values[a_M[m]] * values[b_M[m]]
        elif kind == PICK:
            y = values[table[a_M[m] + index[b_M[m]]]]
        else:
            x = values[a_M[m]]
            if kind == RELU:
                y = 0.0 if x < 0.0 else x
            elif kind == POW:
                n = exponents[b_M[m]]
                if (x < 0.0 and n != math.floor(n)) or (x == 0.0 and n < 0.0):
                    return m
                y = power(x, n)
                if not math.isfinite(y):
                    return m
            elif kind == EXP:
                if not x <= EXP_MAX:
                    return m
                y = math.exp(x)
            elif kind == LOG:
                if not x > 0.0:
                    return m
                y = math.log(x)
            elif kind == TANH:
                y = math.tanh(x)
            elif kind == SIGMOID:
                y = logistic(x)
            else:  # MAX
                y = values[b_M[m]]
                if not (y > x or y != y):
                    y = x
        values[first + m] = y
    return FINE


def backward(kinds_M, a_M, b_M, exponents, table, index, values, grads, first):
    """Add to `grads`, which holds 1 at the result and 0 elsewhere. A gradient of 0 is not passed on."""
    for m in range(len(kinds_M) - 1, -1, -1):
        grad = grads[first + m]
        if grad == 0.0:
            continue
        kind = kinds_M[m]
        a = a_M[m]
        if kind == ADD:
            grads[a] += grad
            grads[b_M[m]] += grad
        elif kind == MUL:
            b = b_M[m]
            x = values[a]
            grads[a] += values[b] * grad
            grads[b] += x * grad
        elif kind == PICK:
            grads[table[a + index[b_M[m]]]] += grad
        elif kind == RELU:
            if values[a] > 0.0:
                grads[a] += grad
        elif kind == POW:
            n = exponents[b_M[m]]
            if n != 0.0:
                grads[a] += n * power(values[a], n - 1.0) * grad
        elif kind == EXP:
            grads[a] += values[first + m] * grad
        elif kind == LOG:
            grads[a] += 1.0 / values[a] * grad
        elif kind == TANH:
            y = values[first + m]
            grads[a] += (1.0 - y * y) * grad
        elif kind == SIGMOID:
            y = values[first + m]
            grads[a] += y * (1.0 - y) * grad
        elif kind == MAX:
            b = b_M[m]
            x, y = values[a], values[b]
            share = 1.0 if x > y else 0.5 if x == y else 0.0
            grads[a] += share * grad
            grads[b] += (1.0 - share) * grad


class LoopRunner:
    """Runs one program; `compiled` by Numba, or by the interpreter, which is about a hundred times slower."""

    def __init__(self, program: Program, *, compiled: bool) -> None:
        p = program
        self.code: tuple[Any, ...] = (p.kinds_M, p.a_M, p.b_M, p.exponents, p.table)
        self.first, self.compiled = p.n_leaves, compiled
        pair: tuple[Callable[..., Any], Callable[..., Any]] = loops() if compiled else (forward, backward)
        self._forward, self._backward = pair
        if not compiled:  # lists are several times faster than arrays, one element at a time
            self.code = tuple(array.tolist() for array in self.code)

    def forward(self, index: np.ndarray, values: np.ndarray) -> int:
        """Fill `values`, whose leaves are set; returns FINE or the operation that is not defined."""
        if self.compiled:
            return self._forward(*self.code, index, values, self.first)
        numbers = values.tolist()
        failed = self._forward(*self.code, index.tolist(), numbers, self.first)
        values[:] = numbers
        return failed

    def backward(self, index: np.ndarray, values: np.ndarray, grads: np.ndarray) -> None:
        """Fill `grads`, which holds 1 at the result and 0 elsewhere."""
        if self.compiled:
            self._backward(*self.code, index, values, grads, self.first)
            return
        numbers = grads.tolist()
        self._backward(*self.code, index.tolist(), values.tolist(), numbers, self.first)
        grads[:] = numbers


def has_numba() -> bool:
    """Whether Numba is installed; it is not imported."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def loops() -> tuple[Callable[..., Any], Callable[..., Any]]:
    """`forward` and `backward`, compiled, with their compilation kept on disk."""
    import numba
    from numba.extending import overload, register_jitable

    # Compiled code does not raise where Python does, so power needs no cases there. numpy's error model for
    # the same reason: 1 / 0 is infinity.
    overload(power)(lambda x, n: lambda x, n: x**n)
    register_jitable(logistic)
    config: Any = numba.config
    folder = config.CACHE_DIR
    if not folder:
        config.CACHE_DIR = str(cache_dir() / "numba")
    try:
        compiled = numba.njit(cache=True, error_model="numpy")
        return compiled(forward), compiled(backward)
    except RuntimeError:  # no folder can be written: every process compiles for itself
        compiled = numba.njit(error_model="numpy")
        return compiled(forward), compiled(backward)
    finally:
        config.CACHE_DIR = folder
