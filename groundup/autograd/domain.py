"""Where an operation is defined, and the three functions that need a case distinction.

`Value` and the loop that replays a recorded graph (run_loop.py) share these, so that they agree to the last
bit and refuse the same numbers in the same words. In Python `1e200 ** 2` and `math.exp(1000)` raise, where
compiled code says infinity; here both are refused as results, and both are infinite as slopes.

Next: value.py.
"""

import math

from groundup.base.errors import GraphError

EXP_MAX = 709.782712893384  # the largest x whose exp(x) is a float


def power(x: float, n: float) -> float:
    """x**n as C computes it: infinite where Python would raise.

    >>> power(-2.0, 3.0), power(10.0, 400.0), power(-10.0, 401.0), power(0.0, -1.0)
    (-8.0, inf, -inf, inf)
    """
    try:
        return x**n
    except OverflowError:
        return -math.inf if x < 0.0 and n % 2.0 == 1.0 else math.inf
    except ZeroDivisionError:
        return math.copysign(math.inf, x) if n % 2.0 == 1.0 else math.inf


def power_slope(x: float, n: float) -> float:
    """d(x**n)/dx = n * x**(n - 1); 0 for n = 0 everywhere, infinite at 0 for 0 < n < 1."""
    return n * power(x, n - 1.0) if n != 0.0 else 0.0


def logistic(x: float) -> float:
    """1 / (1 + exp(-x)), without overflow.

    >>> logistic(0.0), logistic(-1000.0), logistic(1000.0)
    (0.5, 0.0, 1.0)
    """
    if x >= 0.0:
        return 1.0 / (1.0 + math.exp(-x))
    e = math.exp(x)
    return e / (1.0 + e)


def defined(kind: str, x: float, n: float = 0.0) -> bool:
    """Whether log(x), exp(x), x**n is a finite float of finite arguments; other kinds always are defined."""
    if kind == "log":
        return x > 0.0
    if kind == "exp":
        return x <= EXP_MAX
    if kind == "**":
        if not math.isfinite(n):
            return False
        real = x > 0.0 or (x < 0.0 and n == math.floor(n)) or (x == 0.0 and n >= 0.0)
        return real and math.isfinite(power(x, n))
    return True


def refusal(kind: str, x: float, n: float = 0.0) -> GraphError:
    """Why `defined` says no, and what to do."""
    if not math.isfinite(n):
        return GraphError(f"({x}) ** {n}: an exponent is a finite number, such as 2, -1 or 0.5.")
    if math.isnan(x):
        return GraphError(
            f"{kind} of {x}{f' with exponent {n}' if kind == '**' else ''}: not a number. It comes from "
            "infinity minus or times something: look for a result that grew without bound."
        )
    if kind == "log":
        return GraphError(
            f"log({x}): the logarithm needs a number above 0. Add a small number such as 1e-10 to a "
            "probability that can be 0, or work with logits."
        )
    if kind == "exp":
        return GraphError(
            f"exp({x}): the result is larger than any float. The argument may be {EXP_MAX} at most; in a "
            "softmax subtract the largest logit first (maximum)."
        )
    if x == 0.0:
        return GraphError(
            f"{x} ** {n}: division by zero. Keep the base away from 0, for example by adding 1e-5."
        )
    if x < 0.0 and n != math.floor(n):
        return GraphError(
            f"({x}) ** {n}: a negative base needs a whole exponent; the result would not be a real number. "
            "Square it, or use maximum(0), first."
        )
    remedy = "Keep the base away from 0" if abs(x) < 1.0 else "Scale the base down first"
    return GraphError(f"({x}) ** {n}: the result is larger than any float. {remedy}.")
