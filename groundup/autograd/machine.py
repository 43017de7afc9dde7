"""A recorded program with the memory it needs and somebody to run it, and what to say when it cannot run.

Next: replay.py, which makes one for each shape of arguments.
"""

from __future__ import annotations

import numpy as np

from groundup.autograd.domain import refusal
from groundup.autograd.pick import outside
from groundup.autograd.program import KINDS, POW, Program
from groundup.autograd.run_levels import LevelRunner
from groundup.autograd.run_loop import FINE, LoopRunner
from groundup.base.errors import GraphError


class Machine:
    """A program, its memory and its runner. `calls` counts what was believed of it."""

    def __init__(self, program: Program, runner: str) -> None:
        self.program = program
        self.runner: LoopRunner | LevelRunner = (
            LevelRunner(program) if runner == "numpy" else LoopRunner(program, compiled=runner == "numba")
        )
        self.values = np.zeros(program.n_positions)
        self.grads = np.zeros(program.n_positions)
        self.index = np.zeros(len(program.limits), np.int64)
        self.values[program.n_leaves - len(program.constants) : program.n_leaves] = program.constants
        self.calls = 0

    def set(self, parameters: np.ndarray, numbers: list[float], choices: list[int]) -> None:
        """Fill the leaves. Raises GraphError for NaN, and for an index outside its table."""
        p = self.program
        self.values[: p.n_parameters] = parameters
        inputs = self.values[p.n_parameters : p.n_parameters + p.n_inputs]
        inputs[:] = numbers
        if np.isnan(inputs).any():
            raise GraphError(
                "an argument is NaN (not a number). Clean the data, or find where it divided by 0."
            )
        for choice, limit in zip(choices, p.limits.tolist(), strict=True):
            if choice >= limit:
                raise outside(choice, limit)
        self.index[:] = choices

    def forward(self) -> None:
        """Compute every operation. Raises GraphError where one is not defined or a result is not finite."""
        failed = self.runner.forward(self.index, self.values)
        p = self.program
        if failed != FINE:
            exponent = p.exponents[p.b_M[failed]] if p.kinds_M[failed] == POW else 0.0
            raise refusal(KINDS[p.kinds_M[failed]], float(self.values[p.a_M[failed]]), float(exponent))
        if not np.isfinite(self.values[p.results]).all():
            raise GraphError(self._not_finite())

    def _not_finite(self) -> str:
        position = int((~np.isfinite(self.values)).argmax())
        p, number = self.program, self.values[position]
        if position < p.n_parameters:
            return f"parameter {position} is {number}. Take smaller steps, and stop at the first such result."
        if position < p.n_leaves:
            return f"an argument or constant is {number}. Use finite numbers."
        m = position - p.n_leaves
        x, y = self.values[p.a_M[m]], self.values[p.b_M[m]]  # the other kinds refuse, or stay finite
        return (
            f"{x} {KINDS[p.kinds_M[m]]} {y} is {number}, too large for a float. Take smaller steps or data."
        )

    def backward(self) -> None:
        """Compute every gradient of the first result, after `forward`. GraphError if one is not finite."""
        self.grads[:] = 0.0
        self.grads[self.program.results[0]] = 1.0
        self.runner.backward(self.index, self.values, self.grads)
        ours = self.grads[: self.program.n_parameters]
        if not np.isfinite(ours).all():
            i = int((~np.isfinite(ours)).argmax())
            raise GraphError(
                f"the gradient of parameter {i} is {ours[i]}. A power below 1 has an infinite slope at 0, "
                "and the logarithm a very large one near it: add a small number such as 1e-5 to the argument."
            )
