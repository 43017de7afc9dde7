"""An array that knows its gradient: the scalar engine's idea on NumPy arrays, one node an operation.

An `Array` takes a gradient; a plain NumPy array or a number beside it is a constant and takes none. Each
operation stands here as one line of forward and, for each operand, one line of derivative: what the gradient
`g` of the result becomes when it is handed back to that operand.

Ties:     `max` shares among equals, `maximum` halves, relu has slope 0 at 0: torch's rules.
Does not: second derivatives, devices, float16. The oracle of the tests is torch.
Next:     array_functions.py, operations whose derivative is worth deriving: softmax, convolution.
"""

from __future__ import annotations

import math
import operator
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from groundup.autograd.array_errors import do_not_fit, finite, shape, told
from groundup.autograd.array_node import NUMBER, Derivative, Node, Source, compute, constant, node, result
from groundup.base.errors import GraphError

Axis = int | tuple[int, ...] | None


class Array(Node):
    """Float32 or float64 numbers, with the gradient of a later `backward()` in `grad`.

    `Array(data)` copies; numbers and integers become float64. Raises GraphError if `data` holds a NaN or
    an infinity, or no numbers.

    >>> x = Array([[1.0, 2.0], [3.0, 4.0]])
    >>> loss = (x * x).sum()
    >>> loss.backward()
    >>> x.grad.tolist()
    [[2.0, 4.0], [6.0, 8.0]]
    """

    __slots__ = ()

    # ---- Arithmetic: forward, then the derivative for each operand -------------------------------

    def __add__(self, other: Any) -> Array:
        a, b = self._data, constant(other, self)
        return node("+", np.add, (a, b), (self, lambda g: g), (other, lambda g: g))

    def __sub__(self, other: Any) -> Array:
        a, b = self._data, constant(other, self)
        return node("-", np.subtract, (a, b), (self, lambda g: g), (other, np.negative))

    def __rsub__(self, other: Any) -> Array:
        a, b = constant(other, self), self._data
        return node("-", np.subtract, (a, b), (self, np.negative))

    def __mul__(self, other: Any) -> Array:
        a, b = self._data, constant(other, self)
        return node("*", np.multiply, (a, b), (self, lambda g: g * b), (other, lambda g: g * a))

    def __truediv__(self, other: Any) -> Array:
        a, b = self._data, constant(other, self)
        return node("/", np.divide, (a, b), (self, lambda g: g / b), (other, _by_divisor(a, b)))

    def __rtruediv__(self, other: Any) -> Array:
        a, b = constant(other, self), self._data
        return node("/", np.divide, (a, b), (self, _by_divisor(a, b)))

    def __pow__(self, exponent: Any) -> Array:
        if not isinstance(exponent, NUMBER):
            raise GraphError(
                f"The exponent of ** must be a number, not {told(exponent)}. "
                "For x to the power of y write (y * x.log()).exp()."
            )
        a, n = self._data, finite(exponent, "The exponent of **")
        slope: Derivative = lambda g: g * n * a ** (n - 1) if n else np.zeros_like(g)  # noqa: E731
        return node("**", lambda x: x**n, (a,), (self, slope))

    def __rpow__(self, base: Any) -> Array:
        raise GraphError(
            f"{told(base)} to the power of an Array is not an operation here. For a number c above 0 write "
            "(x * math.log(c)).exp()."
        )

    def __neg__(self) -> Array:
        return node("neg", np.negative, (self._data,), (self, np.negative))

    __radd__ = __add__
    __rmul__ = __mul__

    def exp(self) -> Array:
        """e to the power of each number."""
        out = compute("exp", np.exp, self._data)
        return result("exp", out, (self, lambda g: g * out))

    def log(self) -> Array:
        """The natural logarithm of each number; GraphError for 0 and below."""
        a = self._data
        return node("log", np.log, (a,), (self, lambda g: g / a))

    def tanh(self) -> Array:
        """The hyperbolic tangent of each number."""
        out = compute("tanh", np.tanh, self._data)
        return result("tanh", out, (self, lambda g: g * (1 - out * out)))

    def sigmoid(self) -> Array:
        """1 / (1 + exp(-x)), which never overflows: small results keep all their digits."""
        out = compute("sigmoid", lambda x: np.exp(np.minimum(x, 0)) / (1 + np.exp(-np.abs(x))), self._data)
        return result("sigmoid", out, (self, lambda g: g * out * (1 - out)))

    def relu(self) -> Array:
        """Each number above 0, else 0."""
        out = np.maximum(self._data, 0)
        return result("relu", out, (self, lambda g: g * (out > 0)))

    def maximum(self, other: Any) -> Array:
        """The larger of two, place by place; at a tie both get half of the gradient."""
        a, b = self._data, constant(other, self)

        def share(g: np.ndarray, mine: Any, yours: Any) -> np.ndarray:
            return g * ((mine > yours) + 0.5 * (mine == yours))

        sources = (self, lambda g: share(g, a, b)), (other, lambda g: share(g, b, a))
        return node("maximum", np.maximum, (a, b), *sources)

    # ---- Sums ------------------------------------------------------------------------------------

    def sum(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """The sum over the axes (all of them by default)."""
        a, axes = self._data, _axes("sum", self._data, axis)
        out = compute("sum", lambda x: x.sum(axis=axes, keepdims=keepdims), a)
        return result("sum", out, (self, lambda g: np.broadcast_to(_spread(g, a, axes, keepdims), a.shape)))

    def mean(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """The mean over the axes (all of them by default)."""
        axes = _axes("mean", self._data, axis)
        count = math.prod(self.shape[axis] for axis in axes)
        if not count:
            raise GraphError(f"mean of no numbers: the shape is {shape(self._data)}.")
        return self.sum(axes, keepdims=keepdims) * (1 / count)

    def max(self, axis: Axis = None, *, keepdims: bool = False) -> Array:
        """The largest over the axes; those that share the place share the gradient."""
        a, axes = self._data, _axes("max", self._data, axis)
        if not a.size:
            raise GraphError(f"max of no numbers: the shape is {shape(a)}.")
        largest = a.max(axis=axes, keepdims=True)

        def slope(g: np.ndarray) -> np.ndarray:
            hit = a == largest
            return _spread(g, a, axes, keepdims) * (hit / hit.sum(axis=axes, keepdims=True)).astype(a.dtype)

        return result("max", largest if keepdims else largest.squeeze(axes), (self, slope))

    # ---- Products of matrices --------------------------------------------------------------------

    def __matmul__(self, other: Any) -> Array:
        a, b = self._data, constant(other, self)
        return _matmul(a, b, (self, lambda g: product(g, _swapped(b))), (other, lambda g: _left(a, g, b)))

    def __rmatmul__(self, other: Any) -> Array:
        a, b = constant(other, self), self._data
        return _matmul(a, b, (self, lambda g: _left(a, g, b)))

    # ---- The same numbers in other places --------------------------------------------------------

    @property
    def T(self) -> Array:
        """With the axes in reverse order."""
        return self.transpose()

    def reshape(self, *lengths: int | Sequence[int]) -> Array:
        """The same numbers in another shape; one length may be -1."""
        wanted = _flat("reshape", lengths)
        try:
            out = self._data.reshape(wanted)
        except ValueError:
            raise GraphError(
                f"reshape: {self.size} numbers of the shape {shape(self._data)} do not fill "
                f"[{', '.join(map(str, wanted))}]."
            ) from None
        before = self.shape
        return result("reshape", out, (self, lambda g: g.reshape(before)))

    def transpose(self, *axes: int | Sequence[int]) -> Array:
        """The axes in this order, by default reversed."""
        order = _flat("transpose", axes) or tuple(reversed(range(self.ndim)))
        if sorted(axis + self.ndim * (axis < 0) for axis in order) != list(range(self.ndim)):
            raise GraphError(f"transpose: {order} does not name each axis of {shape(self._data)} once.")
        back = np.argsort([axis % max(self.ndim, 1) for axis in order])
        return result("transpose", self._data.transpose(order), (self, lambda g: g.transpose(back)))

    def __iter__(self) -> Iterator[Array]:
        return (self[i] for i in range(len(self)))

    def __getitem__(self, index: Any) -> Array:
        """Numbers picked by slices, places or arrays of places; one picked twice gets both gradients."""
        index = tuple(_kept(part) for part in (index if isinstance(index, tuple) else (index,)))
        plain = not any(isinstance(part, np.ndarray) for part in index)
        before, dtype = self.shape, self.dtype
        try:
            out = self._data[index]
        except IndexError as error:
            raise GraphError(f"[]: {error}. The shape is {shape(self._data)}.") from None

        def slope(g: np.ndarray) -> np.ndarray:
            out = np.zeros(before, dtype)
            if plain:
                out[index] = g
            else:
                np.add.at(out, index, g)  # out[index] += g would count a place that is picked twice once
            return out

        return result("[]", out, (self, slope))


# ---- Matrices, shapes, memory --------------------------------------------------------------------


def _matmul(a: Any, b: Any, *sources: Source) -> Array:
    """a @ b of matrices, or of stacks of matrices whose leading axes broadcast."""
    if np.ndim(a) < 2 or np.ndim(b) < 2 or a.shape[-1] != b.shape[-2]:
        raise GraphError(
            f"@: the shapes {shape(a)} and {shape(b)} do not fit. The last length of the first must be the "
            "last but one of the second, and both need two axes: reshape a vector to [1, n] or [n, 1]."
        )
    try:
        return result("@", product(a, b), *sources)
    except ValueError:
        leading = np.empty(a.shape[:-2]), np.empty(b.shape[:-2])
        raise GraphError(do_not_fit("@, its leading axes", leading)) from None


def product(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """a @ b; a stack times one matrix is one product of tall matrices, several times as fast."""
    with np.errstate(all="ignore"):  # some BLAS report overflows that are none; backward() looks at the loss
        if b.ndim == 2 and a.ndim > 2:
            return (_tall(a) @ b).reshape(*a.shape[:-1], b.shape[-1])
        return a @ b


def _left(a: np.ndarray, g: np.ndarray, b: np.ndarray) -> np.ndarray:
    """The gradient of the right matrix: a.T @ g; for one matrix under a stack, the sum in one product."""
    if b.ndim == 2 and a.ndim > 2:
        a, g = _tall(a), _tall(g)
    with np.errstate(all="ignore"):
        return _swapped(a) @ g


def _tall(a: np.ndarray) -> np.ndarray:
    """A stack of matrices as one matrix, one under the other."""
    return a.reshape(math.prod(a.shape[:-1]), a.shape[-1])


def _swapped(a: np.ndarray) -> np.ndarray:
    return a.swapaxes(-1, -2)


def _axes(op: str, a: np.ndarray, axis: Axis) -> tuple[int, ...]:
    """The axes as numbers from 0; GraphError if there is no such axis, or one is named twice."""
    named = tuple(range(a.ndim)) if axis is None else _flat(op, (axis,))
    axes = tuple(i % a.ndim for i in named if -a.ndim <= i < a.ndim)
    if len(set(axes)) != len(named):
        raise GraphError(f"{op}: axis={axis} does not fit the shape {shape(a)}. Name each axis at most once.")
    return axes


def _spread(g: np.ndarray, a: np.ndarray, axes: tuple[int, ...], keepdims: bool) -> np.ndarray:
    """The gradient of a reduction, with the axes that it lost back as ones."""
    return g if keepdims else g.reshape([1 if i in axes else length for i, length in enumerate(a.shape)])


def _flat(op: str, numbers: tuple[Any, ...]) -> tuple[int, ...]:
    """Whole numbers; f(2, 3) and f((2, 3)) mean the same. GraphError for anything else."""
    inside = (
        numbers[0] if len(numbers) == 1 and isinstance(numbers[0], list | tuple | np.ndarray) else numbers
    )
    try:
        return tuple([operator.index(number) for number in inside])
    except TypeError:
        raise GraphError(f"{op}: {numbers} are no axes or lengths. Give whole numbers.") from None


def _kept(part: Any) -> Any:
    """Part of an index, so that nobody can change it before the way back."""
    if isinstance(part, Array):
        raise GraphError("An index must be whole numbers, and an Array holds floats. Use a NumPy array.")
    if part is None or part is ... or isinstance(part, int | slice):
        return part
    return int(part) if isinstance(part, np.integer) else np.array(part, None if np.size(part) else np.intp)


def _by_divisor(a: Any, b: Any) -> Derivative:
    """d(a / b)/db = -a / b², in two steps: b² can leave the floats where the quotients do not."""
    return lambda g: -(g / b) * (a / b)
