"""One value in a graph of arrays: its numbers, what it was computed from, and how a gradient flows back.

    loss.backward()     takes nodes newest first. A node is always newer than its operands, so when its turn
                        comes every gradient that flows into it has arrived. No recursion, no sorting pass.

Broadcasting needs no derivative of its own: an operand that was stretched gets the sum over the copies
(`reduce_to`), in one place for all operations. Nothing computed can be changed in place (its memory is
read-only), and an operation that leaves the finite numbers is refused where it happens, with the values.
Nodes point at their operands only, so a graph is freed by reference counting when its loss goes out of scope.

Source:   Baydin et al. 2018, arXiv 1502.05767, section 3.2 (reverse mode).
Does not: know any operation. Next: array.py, which has them.
"""

from __future__ import annotations

import functools
import heapq
import itertools
from collections.abc import Callable
from typing import Any

import numpy as np

from groundup.autograd.array_errors import do_not_fit, finite, not_finite, numeric, shape
from groundup.base.errors import GraphError

Derivative = Callable[[np.ndarray], np.ndarray]  # gradient of the result -> gradient of one operand
Source = tuple[Any, Derivative]  # an operand, and how it is reached; constants are not followed
NUMBER = int | float | np.integer | np.floating
_clock = itertools.count()  # an operand is born before what is made of it


class Node:
    """Numbers, the gradient that arrived for them, and the sources they were computed from (none: a leaf)."""

    __slots__ = ("__weakref__", "_born", "_data", "_done", "_op", "_sources", "grad", "label")
    __array_ufunc__ = None  # `ndarray * Array` asks Array.__rmul__, instead of making an array of objects

    def __init__(self, data: Any, *, label: str = ""):
        self._begin(_read_only(numeric(data._data if isinstance(data, Node) else data)), "", ())
        self.label = label

    def _begin(self, data: np.ndarray, op: str, sources: tuple[tuple[Node, Derivative], ...]) -> None:
        self._data, self._op, self._sources = data, op, sources
        self._born = next(_clock)
        self._done = False  # whether backward() was called here
        self.grad: np.ndarray | None = None
        self.label = ""

    # ---- The array itself ------------------------------------------------------------------------

    @property
    def data(self) -> np.ndarray:
        """The values, read-only. Assign a whole new array to change a leaf: `p.data = p.data - 0.1 * p.grad`.

        Assigning raises GraphError for a computed Array, for another shape, and for a NaN or an infinity.
        """
        return self._data

    @data.setter
    def data(self, new: Any) -> None:
        if self._sources:
            raise GraphError(
                f"This Array {shape(self._data)} was computed by {self._op}: changing it would make the "
                "gradients behind it wrong. Change the leaves and compute it again."
            )
        fresh = numeric(new, like=self._data)
        if fresh.shape != self._data.shape:
            raise GraphError(
                f"data of shape {shape(fresh)} cannot replace {shape(self._data)}: "
                "an Array keeps its shape. Make a new Array."
            )
        self._data = _read_only(fresh.astype(self._data.dtype, copy=False))
        self._born = next(_clock)  # younger than what was made of it, which backward() will notice

    @property
    def shape(self) -> tuple[int, ...]:
        """The length of each axis."""
        return self._data.shape

    @property
    def ndim(self) -> int:
        """How many axes it has."""
        return self._data.ndim

    @property
    def size(self) -> int:
        """How many numbers it holds."""
        return self._data.size

    @property
    def dtype(self) -> np.dtype[Any]:
        """float32 or float64."""
        return self._data.dtype

    def item(self) -> float:
        """The one number that it holds, as a Python float."""
        if self.size != 1:
            raise GraphError(f"item() wants one number, and this Array has the shape {shape(self._data)}.")
        return float(self._data.reshape(()))

    def __repr__(self) -> str:
        origin = f", {self._op}" if self._op else ""
        return f"Array({shape(self._data)} {self.dtype}{origin}{f', {self.label}' if self.label else ''})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies of leaves are leaves of their own, born when they are made."""
        if self._sources:
            raise GraphError(
                f"This Array {shape(self._data)} was computed by {self._op}, and cannot be copied without "
                "all that it was made of. Copy leaves (parameters) and compute it again."
            )
        return functools.partial(type(self), label=self.label), (self._data,)

    def __len__(self) -> int:
        return len(self._data)

    def __setitem__(self, index: Any, new: Any) -> None:
        raise GraphError(
            "An Array cannot be changed in place: its values may be part of a gradient. Assign a leaf as a "
            "whole (`x.data = new`), or compute a new Array with where()."
        )

    # ---- Backward --------------------------------------------------------------------------------

    def backward(self) -> None:
        """Add the derivative of this one number to `grad` of every leaf that it was computed from.

        Two losses over the same weights add up in `grad`. The same loss twice is refused, as are a result of
        more than one number, a loss that is not finite, and a leaf that was assigned after it was used:
        GraphError.
        """
        if self.size != 1:
            raise GraphError(
                f"backward() begins at one number, and this Array has the shape {shape(self._data)}. "
                "Reduce it first: .mean() or .sum()."
            )
        if self._done:
            raise GraphError(
                "backward() was already called on this loss, and would add its gradients a second time. "
                "Compute the loss again."
            )
        if not self._sources:
            self.grad = np.ones_like(self._data)
            return
        if not np.isfinite(self._data).all():
            raise GraphError(f"backward() of a loss of {self.item()}. {_where_it_began(self)}")
        with np.errstate(all="raise", under="ignore"):
            self._flow_back()
        self._done = True

    def _flow_back(self) -> None:
        leaves: list[tuple[Node, np.ndarray]] = []  # written last: an error changes no gradient
        gradients = {self._born: np.ones_like(self._data)}
        waiting: list[tuple[int, Node]] = [(-self._born, self)]
        while waiting:  # the newest first: all that flows into it has arrived
            born, node = heapq.heappop(waiting)
            gradient = gradients.pop(-born)
            if not node._sources:
                leaves.append((node, gradient))
            for source, derivative in node._sources:
                if source._born > node._born:
                    raise GraphError(
                        f"{source.label or 'An Array'} {shape(source._data)} was assigned after {node._op} "
                        "had used it, so its derivative is lost. Call backward() before changing the leaves."
                    )
                part = reduce_to(np.asarray(_derived(node, derivative, gradient), source.dtype), source.shape)
                if source._born in gradients:
                    gradients[source._born] = gradients[source._born] + part
                else:
                    gradients[source._born] = part
                    heapq.heappush(waiting, (-source._born, source))
        for leaf, gradient in leaves:  # a copy, because `x + y` hands both the same array
            leaf.grad = gradient.copy() if leaf.grad is None else leaf.grad + gradient

    def zero_grad(self) -> None:
        """Forget the gradient."""
        self.grad = None


# ---- Making a node -------------------------------------------------------------------------------


def node(op: str, forward: Callable[..., Any], values: tuple[Any, ...], *sources: Source) -> Any:
    """What `forward(*values)` gives, handing its gradient back to the `sources`."""
    return result(op, compute(op, forward, *values), *sources)


def result(op: str, out: np.ndarray, *sources: Source) -> Any:
    """Numbers that were computed, as a node of the sources' kind; sources that are constants are left out."""
    kept = tuple((source, derive) for source, derive in sources if isinstance(source, Node))
    kind = type(kept[0][0])
    made = kind.__new__(kind)
    made._begin(_read_only(out), op, kept)
    return made


def constant(other: Any, like: Node) -> Any:
    """An operand's plain values: an Array's own, a number as it is, anything else as a checked copy.

    A number stays a Python float, so that float32 times 2.0 is float32.
    """
    if isinstance(other, Node):
        return other._data
    if isinstance(other, NUMBER):
        return finite(other, "An operand")
    return _read_only(numeric(other, like=like._data))


def compute(op: str, forward: Callable[..., Any], *values: Any) -> np.ndarray:
    """`forward(*values)`; GraphError names operation, shapes and values if it fails or is not finite."""
    try:
        with np.errstate(all="raise", under="ignore"):
            return forward(*values)
    except FloatingPointError:
        raise GraphError(not_finite(op, forward, values)) from None
    except ValueError as error:
        raise GraphError(do_not_fit(op, values) or f"{op}: {error}") from None


def reduce_to(gradient: np.ndarray, wanted: tuple[int, ...]) -> np.ndarray:
    """The gradient of an operand of this shape that was stretched by broadcasting: summed over the copies.

    >>> reduce_to(np.ones((2, 3)), (3,)).tolist(), reduce_to(np.ones((2, 3)), (2, 1)).tolist()
    ([2.0, 2.0, 2.0], [[3.0], [3.0]])
    """
    if gradient.shape == wanted:
        return gradient
    gradient = gradient.sum(axis=tuple(range(gradient.ndim - len(wanted))))
    stretched = tuple(i for i, length in enumerate(wanted) if length == 1 and gradient.shape[i] != 1)
    return gradient.sum(axis=stretched, keepdims=True)


def _derived(node: Node, derivative: Derivative, gradient: np.ndarray) -> np.ndarray:
    try:
        return derivative(gradient)
    except FloatingPointError:
        raise GraphError(
            f"The derivative of {node._op} {shape(node._data)} is not finite: an operand lies where the "
            "curve is vertical, or the numbers are too large. Keep away from that place, or scale them down."
        ) from None


def _where_it_began(loss: Node) -> str:
    """The oldest value behind a loss that is not finite: where the trouble began."""
    waiting, seen = [loss], {loss._born: loss}
    while waiting:
        for source, _ in waiting.pop()._sources:
            if source._born not in seen:
                seen[source._born] = source
                waiting.append(source)
    first = next(node for _, node in sorted(seen.items()) if not np.isfinite(node._data).all())
    operands = " and ".join(
        f"{shape(source._data)} with numbers up to {np.abs(source._data).max():.4g}"
        for source, _ in first._sources
    )
    return f"It began in {first._op} of {operands}. Scale the numbers down, or take smaller steps."


def _read_only(values: Any) -> np.ndarray:
    array = np.asarray(values)
    array.flags.writeable = False
    return array
