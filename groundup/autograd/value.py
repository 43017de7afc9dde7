"""A number that remembers where it came from, and so knows its gradient.

    >>> a, b = Value(-2.0), Value(3.0)
    >>> f = (a * b) * (a + b)
    >>> f.backward()
    >>> f.data, a.grad, b.grad                      # df/da = 2ab + b² = -3, df/db = a² + 2ab = -8
    (-6.0, -3.0, -8.0)

Each operation writes its local derivatives beside its result; `backward` multiplies them along every path
from the result to the inputs and adds the paths up (the chain rule, reverse mode). Interface and graph are
those of micrograd (Karpathy 2020), so that its tests and notebooks run with the import changed: `a - b` is
`a + b * -1`, and `a / b` is `a * b**-1`. What differs is inside:

- A value points at what it was made of, never at what was made of it. There is no reference cycle: a graph
  is gone with its result, without the garbage collector.
- A value is born with the next number of one clock, and setting `.data` counts as birth. So an operand is
  older than its result unless somebody set it since or tied a cycle: the order of creation is the order of
  computing, and `backward` needs a sort but no recursion.
- A local derivative of zero ends the walk (a dead ReLU), and a gradient of zero is not passed on.

Next: nn.py, a network of these; program.py, the same graph recorded once and replayed by compiled code.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from itertools import count
from typing import Any, SupportsFloat

from groundup.autograd.domain import defined, logistic, power_slope, refusal
from groundup.autograd.graph import named, not_finite, ordered, younger
from groundup.base.errors import GraphError

_tick = count(1).__next__


class _Guard(threading.local):
    """Who must be asked before a number is told or set: arguments.py, while a function is recorded."""

    ask: Callable[[Any, str], None] | None = None


guard = _Guard()


class Value:
    """A scalar, its gradient, and the operation that made it.

    `data` is a float. `grad` is d(result)/d(this) after `result.backward()`. In a leaf the gradients of
    several results add up, as in the course (call `zero_grad` between steps); a computed value has that of
    the last result that reached it.
    """

    # _a, _b: operands; _da, _db: d(this)/d(operand); _extra: exponent, or what pick.py chose from;
    # _extra, _label and _swept are only filled where they are needed.
    __slots__ = "_data grad _kind _a _b _da _db _born _extra _label _swept __weakref__".split()
    # NumPy's scalars give way (3.0 * value is a Value), its arrays do not (they multiply each element).
    __array_priority__ = -1.0

    _data: float
    grad: float
    _kind: str
    _a: Any  # a Value, or None in a leaf
    _b: Any
    _da: float
    _db: float
    _born: int
    _extra: Any

    def __init__(self, data: SupportsFloat, label: str = "") -> None:
        self._data = _number(data)
        self.grad = 0.0
        self._kind = ""
        self._a = self._b = None
        self._da = self._db = 0.0
        self._born = _tick()
        if label:
            self._label = label

    # ---- the operations, each with its derivatives: made(result, name, operand, d/d operand, ...) ----

    def __add__(self, other: Value | SupportsFloat) -> Value:
        if other.__class__ is not Value:
            other = _value(other)
        return made(self._data + other._data, "+", self, 1.0, other, 1.0)

    def __mul__(self, other: Value | SupportsFloat) -> Value:
        if other.__class__ is not Value:
            other = _value(other)
        return made(self._data * other._data, "*", self, other._data, other, self._data)

    def __pow__(self, exponent: SupportsFloat) -> Value:
        if isinstance(exponent, Value):
            raise _value_as_exponent(self._data, exponent)
        x, n = self._data, _number(exponent)
        if not defined("**", x, n):
            raise refusal("**", x, n)
        out = made(x**n, "**", self, power_slope(x, n))
        out._extra = exponent
        return out

    def relu(self) -> Value:
        x = self._data
        return made(0.0 if x < 0.0 else x, "ReLU", self, 1.0 if x > 0.0 else 0.0)

    def tanh(self) -> Value:
        t = math.tanh(self._data)
        return made(t, "tanh", self, 1.0 - t * t)

    def exp(self) -> Value:
        if not defined("exp", self._data):
            raise refusal("exp", self._data)
        e = math.exp(self._data)
        return made(e, "exp", self, e)

    def log(self) -> Value:
        """The natural logarithm."""
        if not defined("log", self._data):
            raise refusal("log", self._data)
        return made(math.log(self._data), "log", self, 1.0 / self._data)

    def sigmoid(self) -> Value:
        s = logistic(self._data)
        return made(s, "sigmoid", self, s * (1.0 - s))

    def maximum(self, other: Value | SupportsFloat) -> Value:
        """The larger of the two; where they are equal each gets half the gradient, as in PyTorch."""
        if other.__class__ is not Value:
            other = _value(other)
        x, y = self._data, other._data
        first = 1.0 if x > y else 0.5 if x == y else 0.0
        return made(y if y > x or y != y else x, "max", self, first, other, 1.0 - first)  # NaN stays NaN

    # ---- what is written with these ----

    def __neg__(self) -> Value:
        return self * -1.0

    def __sub__(self, other: Any) -> Value:
        return self + (-other)

    def __truediv__(self, other: Any) -> Value:
        below = other._data if isinstance(other, Value) else _number(other)
        if below == 0.0:
            raise GraphError(
                f"{self._data} / {below}: division by zero. Keep the divisor away from 0, for example by "
                "adding 1e-5."
            )
        if isinstance(other, Value):
            return self * other**-1
        if not defined("**", below, -1.0):
            raise refusal("**", below, -1.0)
        return self * below**-1.0

    def __rsub__(self, other: SupportsFloat) -> Value:
        return other + (-self)

    def __rtruediv__(self, other: SupportsFloat) -> Value:
        return _value(other) / self

    def __rpow__(self, base: SupportsFloat) -> Value:
        raise _value_as_exponent(base, self)

    __radd__ = __add__
    __rmul__ = __mul__

    # ---- gradients ----

    def backward(self) -> None:
        """Add d(self)/d(leaf) to the `grad` of every leaf below; set `grad` of what lies between.

        A second call would add everything once more, so it is refused until `self.zero_grad()`. Raises
        GraphError too if the result is not finite, or if a leaf was changed after it had been used.
        """
        if guard.ask is not None:
            guard.ask(self, "differentiated")
        if getattr(self, "_swept", False):
            raise GraphError(
                f"backward() was already called on {self!r}, and a second call would add the same gradients "
                "again. Compute the result anew for another step, or call zero_grad() on it first."
            )
        if not math.isfinite(self._data):
            raise GraphError(f"backward() from {self!r}: {not_finite(self)}")
        values = _live(self)
        self.grad = 1.0
        if self._a is not None:
            self._swept = True
        for born in sorted(values, reverse=True):
            v = values[born]
            gradient = v.grad
            if gradient:
                v._a.grad += v._da * gradient
                if (b := v._b) is not None:
                    b.grad += v._db * gradient

    def zero_grad(self) -> None:
        """Set `grad` to 0 here and in everything that this was made of; `backward()` may then be called."""
        for v in ordered(self):
            v.grad = 0.0
            v._swept = False

    # ---- to look at ----

    @property
    def data(self) -> float:
        """The number. Only a leaf can be set, and what was computed from it is then out of date."""
        if guard.ask is not None:
            guard.ask(self, "read")
        return self._data

    @data.setter
    def data(self, number: SupportsFloat) -> None:
        if guard.ask is not None:
            guard.ask(self, "set")
        if self._a is not None:
            raise GraphError(
                f"the result of {self._op!r}, {self._data}{named(self)}, cannot be set to {number}: it would "
                "no longer be the result. Set the leaf that it was computed from, or make a new Value."
            )
        self._data = _number(number)
        self._born = _tick()

    @property
    def label(self) -> str:
        """A name for pictures and messages."""
        return getattr(self, "_label", "")

    @label.setter
    def label(self, name: str) -> None:
        self._label = name

    @property
    def _prev(self) -> set[Value]:
        """What this was made of, as micrograd calls it."""
        return {v for v in (self._a, self._b) if v is not None}

    @property
    def _op(self) -> str:
        """What made it: "" for a leaf, else "+", "*", "**3", "ReLU", "tanh", ..."""
        return f"**{self._extra}" if self._kind == "**" else self._kind

    def __bool__(self) -> bool:
        """True, whatever the number, as in micrograd; refused while a function is recorded."""
        if guard.ask is not None:
            guard.ask(self, "asked whether it is true")
        return True

    def __repr__(self) -> str:
        return f"Value(data={self._data}, grad={self.grad})"

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies of leaves are leaves of their own, born when they are made."""
        if guard.ask is not None:
            guard.ask(self, "copied")
        if self._a is not None:
            raise GraphError(
                f"the result of {self._op!r}, {self._data}{named(self)}, cannot be copied without all that "
                "it was made of. Copy leaves (parameters) and compute it again."
            )
        return Value, (self._data, self.label)


def made(
    data: float, kind: str, a: Value, da: float, b: Any = None, db: float = 0.0, new: Any = Value.__new__
) -> Value:
    """The result of an operation on `a` (and `b`), with d(result)/da and d(result)/db."""
    out = new(Value)
    out._data = data
    out.grad = 0.0
    out._kind = kind
    out._a = a
    out._b = b
    out._da = da
    out._db = db
    out._born = _tick()
    return out


def _live(result: Value) -> dict[int, Value]:
    """The computed values that pass a gradient on, by time of birth, each with `grad` set to 0.

    Raises GraphError where an operand is younger than its result.
    """
    found = {result._born: result} if result._a is not None else {}
    todo = list(found.values())
    while todo:
        v = todo.pop()
        v.grad = 0.0
        born = v._born
        if v._da:
            a = v._a
            if a._born >= born:
                raise younger(a, v)
            if a._a is not None and a._born not in found:
                found[a._born] = a
                todo.append(a)
        if v._db:  # 0 where there is no second operand
            b = v._b
            if b._born >= born:
                raise younger(b, v)
            if b._a is not None and b._born not in found:
                found[b._born] = b
                todo.append(b)
    return found


def _value_as_exponent(base: Any, exponent: Value) -> GraphError:
    return GraphError(
        f"{base} ** {exponent!r}: the exponent is a Value, and only numbers are allowed. "
        "Write (b.log() * n).exp() for b ** n, where b is a Value above 0."
    )


def _value(number: Any) -> Value:
    return number if isinstance(number, Value) else Value(number)


def _number(number: Any) -> float:
    """A float that is a number, of anything that counts as one. Raises GraphError for NaN, text, arrays."""
    try:
        if isinstance(number, str | bytes):
            raise TypeError("text")
        found = float(number)
    except OverflowError:
        raise GraphError(
            "a whole number of more than 308 digits is larger than any float. Use a smaller one."
        ) from None
    except (TypeError, ValueError):
        raise GraphError(
            f"{number!r} ({type(number).__name__}) is no number. A Value holds one real number: make a "
            "Value of each element."
        ) from None
    if found != found:
        raise GraphError(
            "a Value cannot be NaN (not a number), because everything computed from it would be NaN too. "
            "Clean the data, or find where it was divided by 0."
        )
    return found
