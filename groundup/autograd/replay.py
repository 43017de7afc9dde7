"""Record a function of Values once, then replay it hundreds of times faster.

    step = Replay(loss, parameters=model.parameters())      # loss(xs, ys) -> Value
    for k in range(100):
        number = step(xs, ys)                               # records at the first call, replays afterwards
        step.parameters -= 0.1 * step.gradient              # NumPy arrays, in the order of parameters()
    step.store()                                            # the Values of the model have the trained numbers

Recording runs the function once and keeps what it did to Values as a flat program (program.py). What Python
did besides is not seen, so it would be repeated for ever with the numbers of the first time. Each such way to
be wrong is guarded, and the error says which value was baked in:

1. Numbers from outside (labels, learning rates) become constants. Pass what changes as an argument: arguments
   arrive in the function as Values. A Value from outside that is no parameter is refused at once.
2. Reading `.data` to decide something is refused while recording. `maximum`, `relu` and `pick` decide inside.
3. `table[token]` is a decision too: pass `Index(token)`, and use `pick(table, token)`.
4. Ties (relu at 0, maximum of equals) and undefined arguments (log of 0) are those of the eager engine.
5. A program is compared with the eager engine before its first result is believed, number by number; and at
   its second call the function is recorded once more, with the numbers of that call, and must give the same
   program. So a changed constant, a random draw or a hidden counter is found then; `check()` asks again.

A call with lists of other lengths records a program of its own; all share `parameters`.

Source: the idea is that of a static graph (Theano, 2010) with the checks that define-by-run makes possible.
Next: scalar_gpt.py, a language model that can be trained this way.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from groundup.autograd.arguments import read, recorded, recording
from groundup.autograd.graph import collector_paused, named
from groundup.autograd.machine import Machine
from groundup.autograd.pick import Index
from groundup.autograd.program import Program, flatten
from groundup.autograd.run_loop import has_numba
from groundup.autograd.value import Value
from groundup.base.errors import GraphError, suggest

RUNNERS = ("auto", "numba", "numpy", "python")
AGREE = 1e-12  # of the number or of the largest: another C library may round exp's last bit differently
LARGE = 1e6  # what is larger excuses no other number


class Eager(NamedTuple):
    """What the eager engine found: the program it ran, the value at each position, the gradient."""

    program: Program
    values: np.ndarray
    gradient: np.ndarray | None


class Replay:
    """`function`, recorded at the first call for each shape of its arguments and replayed afterwards.

    The function gets its arguments with every number made a Value (and every Index a new Index), and returns
    a Value, or a list of Values of which the first is differentiated. Arguments are numbers, Index,
    arrays, and lists of these; an int is a number. It is called twice for each shape, so it must have no side
    effects; and it must not use `.grad`, which it would see as it was before.

    `parameters` (P,) is the truth from now on: change it in place, and `store()` to see it in the Values.
    `gradient` (P,) and `results` (all that the function returned) are those of the last call.
    `runner`: "numba", "numpy" or "python"; "auto" is numba where it is installed, else numpy.
    """

    def __init__(
        self, function: Callable[..., Any], *, parameters: Sequence[Value], runner: str = "auto"
    ) -> None:
        if runner not in RUNNERS:
            raise GraphError(
                f"runner = {runner!r} is unknown.{suggest(runner, RUNNERS)} Allowed: {', '.join(RUNNERS)}."
            )
        if runner == "numba" and not has_numba():
            raise GraphError(
                "runner = 'numba', and Numba is not installed. `pip install numba`, or use auto."
            )
        parameters = list(parameters)
        for v in parameters:
            if not isinstance(v, Value) or v._a is not None:
                raise GraphError(f"parameters= holds {v!r}, which is not a leaf. List Values that you made.")
        self.function = function
        self.runner = ("numba" if has_numba() else "numpy") if runner == "auto" else runner
        self._values = parameters
        self._parameters = np.array([v._data for v in parameters], np.float64)
        self._stored = self._parameters.copy()
        self.gradient = np.zeros(len(parameters))
        self.results = np.zeros(0)
        self._machines: dict[Any, Machine] = {}

    @property
    def parameters(self) -> np.ndarray:
        """The parameters as an array, to be changed in place."""
        return self._parameters

    @parameters.setter
    def parameters(self, numbers: np.ndarray) -> None:
        if np.shape(numbers) != self._parameters.shape:
            raise GraphError(
                f"{list(np.shape(numbers))} cannot replace {list(self._parameters.shape)} parameters. Give "
                "one number for each, in their order."
            )
        self._parameters[:] = numbers

    def __call__(self, *arguments: Any) -> float:
        """The first result; fills `results` and `gradient`."""
        machine = self._run(arguments)
        machine.backward()
        self.gradient[:] = machine.grads[: len(self.gradient)]
        return float(self.results[0])

    def forward(self, *arguments: Any) -> np.ndarray:
        """The results alone, in about half the time; `gradient` stays as it was."""
        self._run(arguments)
        return self.results

    def check(self, *arguments: Any) -> None:
        """Record the function once more with these arguments and compare: GraphError if it has changed."""
        shape, numbers, choices = read(arguments)
        if shape not in self._machines:
            raise GraphError("check: nothing was recorded for arguments of this shape. Call it first.")
        self._execute(self._machines[shape], numbers, choices, self._eager(arguments, gradient=True))

    def store(self) -> None:
        """Write parameters and last gradient into the Values that they belong to."""
        self._write_back()
        for v, grad in zip(self._values, self.gradient.tolist(), strict=True):
            v.grad = grad

    def _run(self, arguments: tuple[Any, ...]) -> Machine:
        shape, numbers, choices = read(arguments)
        machine = self._machines.get(shape)
        eager = None
        if machine is None:
            eager = self._eager(arguments, gradient=True)
            machine = Machine(eager.program, self.runner)
        elif machine.calls == 1:  # guard 5; the gradient of the same program need not be compared again
            eager = self._eager(arguments, gradient=False)
        self._execute(machine, numbers, choices, eager)
        self._machines[shape] = machine
        machine.calls += 1
        return machine

    def _execute(
        self, machine: Machine, numbers: list[float], choices: list[int], eager: Eager | None
    ) -> None:
        """Run forwards. With `eager`: compare program, values and gradient before they are believed."""
        if eager is not None and (difference := machine.program.difference(eager.program)):
            raise GraphError(
                f"the function is not what was recorded: {difference}. A recorded function may depend on its "
                "arguments and parameters only. Pass what changes as an argument (a number arrives as a "
                "Value, a choice as an Index), or make a new Replay."
            )
        machine.set(self._parameters, numbers, choices)
        machine.forward()
        self.results = machine.values[machine.program.results]
        if eager is not None:
            self._same("value", machine.values, eager.values)
            if eager.gradient is not None:
                machine.backward()
                self._same("gradient", machine.grads[: len(eager.gradient)], eager.gradient)

    def _same(self, what: str, ours: np.ndarray, eager: np.ndarray) -> None:
        largest = min(np.abs(eager[np.isfinite(eager)]).max(initial=1.0), LARGE)
        near = np.isclose(ours, eager, rtol=AGREE, atol=AGREE * largest, equal_nan=True)
        if not near.all():
            place = int((~near).argmax())
            raise RuntimeError(
                f"the {self.runner} runner disagrees with the eager engine: {what} {place} is {ours[place]} "
                f"and should be {eager[place]}. This is a bug in groundup, or in the C library behind exp."
            )

    def _eager(self, arguments: tuple[Any, ...], *, gradient: bool) -> Eager:
        """The function as the eager engine computes it now."""
        self._write_back()
        since = Value(0.0)._born
        inputs: list[Value] = []
        indices: list[Index] = []
        with collector_paused():
            with recording():
                found = self.function(*(recorded(one, inputs, indices) for one in arguments))
            results = list(found) if isinstance(found, list | tuple) else [found]
            if not results or not all(isinstance(v, Value) for v in results):
                raise GraphError(
                    f"the recorded function returned {found!r}. Return a Value, or a list of Values of which "
                    "the first is to be differentiated."
                )
            program, values = flatten(
                results, parameters=self._values, inputs=inputs, indices=indices, since=since
            )
            return Eager(program, values, gradient_of(results[0], self._values) if gradient else None)

    def _write_back(self) -> None:
        """Set the Values of the parameters to our numbers, unless somebody else has set them."""
        numbers = self._parameters.tolist()
        for i, v in enumerate(self._values):
            if v._data != self._stored[i]:
                raise GraphError(
                    f"parameter {i}{named(v)} was set to {v._data}, and a Replay keeps its own numbers (here "
                    f"{numbers[i]}). Set replay.parameters[{i}] instead, or make a new Replay."
                )
            if v._data != numbers[i]:
                v.data = numbers[i]
        self._stored[:] = numbers


def gradient_of(result: Value, parameters: Sequence[Value]) -> np.ndarray:
    """d(result)/d(parameters) by the eager engine; their `grad` stays as it was."""
    before = [v.grad for v in parameters]
    for v in parameters:
        v.grad = 0.0
    result.backward()
    gradient = np.array([v.grad for v in parameters], np.float64)
    for v, grad in zip(parameters, before, strict=True):
        v.grad = grad
    return gradient
