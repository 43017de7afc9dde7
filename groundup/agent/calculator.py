"""A calculator for the model: exact arithmetic over a syntax tree, never `eval`, safe in any thread.

    + - * / // %     as in Python: // rounds down, % has the sign of the divisor
    ** or ^          power, whole-number exponents only (a root is not exact)
    ( )  unary - +   decimals such as 0.25 and .5

People's own signs mean what people mean: `×`, `·` and an `x` between two numbers multiply, `÷` divides, `−`
subtracts, `^` is a power (not Python's exclusive or), full-width forms as typed in Chinese are their plain
twins. What could mean two things is refused: `1,234`, `50%`, `2(3)`, `1e3`, `0x10`.

Numbers are fractions inside, so 0.1 + 0.2 is 0.3 and 1/3*3 is 1. Only the printed text is rounded, and then
says so: a decimal that ends within 30 places is printed whole, any other to 12 significant digits after `≈`.

The cost is bounded by size, not by a clock: a bounded expression of numbers of at most `max_digits` digits,
each operation checked, a power checked before it is taken. (`9**9**9` is refused in microseconds.)

Source: the whitelist of node types follows the advice in the documentation of Python's `ast`; the fractions
        are `fractions.Fraction`.
Next:   conversation.py, where the model calls it.
"""

import ast
import operator
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal
from fractions import Fraction
from typing import Any

from groundup.agent.tool import Limits, ToolResult

OPERATIONS: dict[type[ast.operator], Callable[[Fraction, Fraction], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
    ast.Mod: operator.mod,
}
# Full-width ASCII (U+FF01..FF5E) to plain, then the signs of handwriting.
PLAIN = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | str.maketrans("×·⋅÷−–\u3000", "***/-- ")
TIMES = re.compile(r"(?<=[\d.)])(\s*)[xX](\s*)(?=[\d.(+-])")
HEXADECIMAL = re.compile(r"(?<![\d.])0[xX]")
ALLOWED = re.compile(r"[\d.+\-*/%()\s]*", re.ASCII)
NUMBER = re.compile(r"\d+(\.\d*)?|\.\d+", re.ASCII)


@dataclass(frozen=True)
class Calculator:
    """The tool `calc`.

    >>> Calculator().call("(12 + 30) * 2", Limits())
    ToolResult(ok=True, text='84')
    >>> Calculator().call("7 / 0", Limits())
    ToolResult(ok=False, text='error: division by zero')
    """

    max_digits: int = 100  # of any number on the way, above and below the fraction bar
    max_depth: int = (
        100  # of the syntax tree: 1+1+...+1 of 100 terms is 100 deep, and 200 characters hold no more
    )

    name: str = "calc"
    description: str = "Exact arithmetic: + - * / // % ** and parentheses, whole numbers and decimals."

    @property
    def parameters(self) -> dict[str, Any]:
        """JSON schema of the argument."""
        return {
            "type": "object",
            "properties": {"expression": {"type": "string", "description": "for example (12+30)*2"}},
            "required": ["expression"],
        }

    def call(self, argument: str, limits: Limits = Limits()) -> ToolResult:  # noqa: B008 (frozen)
        """The value of the expression as text, or what is wrong with it. Raises nothing."""
        if len(argument) > limits.argument_chars:
            return ToolResult.error(
                f"the expression has {len(argument)} characters, more than {limits.argument_chars}"
            )
        try:
            return ToolResult(ok=True, text=show(self.value(argument)))
        except Refused as why:
            return ToolResult.error(str(why))

    def value(self, expression: str) -> Fraction:
        """The exact value. Raises Refused with a reason that fits in a line.

        >>> Calculator().value("0.1 + 0.2")
        Fraction(3, 10)
        >>> Calculator().value("2^10 - 3 x 8")
        Fraction(1000, 1)
        """
        if HEXADECIMAL.search(expression):
            raise Refused("'0x' could be a product or a hexadecimal number; write 0 * 10")
        plain = " ".join(TIMES.sub(r"\1*\2", expression.translate(PLAIN)).replace("^", "**").split())
        if not plain:
            raise Refused("the expression is empty")
        if "," in plain:
            raise Refused("a comma is not arithmetic; write 1234, not 1,234")
        if (good := ALLOWED.match(plain)) and good.end() < len(plain):
            raise Refused(f"{plain[good.end()]!r} is not arithmetic; use digits . + - * / // % ** ( )")
        try:
            tree = ast.parse(plain, mode="eval")
        except (SyntaxError, RecursionError, MemoryError):  # the last two: a parser too deep in parentheses
            raise Refused("the expression is not complete arithmetic") from None
        return self._value(tree.body, plain, depth=1)

    def _value(self, node: ast.expr, source: str, *, depth: int) -> Fraction:
        if depth > self.max_depth:
            raise Refused(f"the expression is more than {self.max_depth} levels deep")
        if isinstance(node, ast.Constant):
            # The text of the number, not its float: 0.1 must be a tenth.
            text = source[node.col_offset : node.end_col_offset]
            if not NUMBER.fullmatch(text):
                raise Refused(f"{text[:20]!r} is not a plain number")
            return self._sized(Fraction(text))
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.UAdd | ast.USub):
            inner = self._value(node.operand, source, depth=depth + 1)
            return -inner if isinstance(node.op, ast.USub) else inner
        if isinstance(node, ast.BinOp):
            left = self._value(node.left, source, depth=depth + 1)
            right = self._value(node.right, source, depth=depth + 1)
            return self._binary(type(node.op), left, right)
        if isinstance(node, ast.Call):
            raise Refused("a sign is missing before '('; write 2*(3)")
        raise Refused("the expression is not complete arithmetic")

    def _binary(self, op: type[ast.operator], left: Fraction, right: Fraction) -> Fraction:
        if op is ast.Pow:
            return self._power(left, right)
        try:
            return self._sized(
                Fraction(OPERATIONS[op](left, right))
            )  # ALLOWED lets no other operator be written
        except ZeroDivisionError:
            raise Refused("division by zero") from None

    def _power(self, base: Fraction, exponent: Fraction) -> Fraction:
        if exponent.denominator != 1:
            raise Refused("a power must be a whole number")
        if base == 0 and exponent < 0:
            raise Refused("division by zero")
        # The fewest bits that the result can have, so nothing legal is refused here (log2(10) = 3.322); what
        # passes has at most about twice the digits allowed, and `_sized` refuses what is over.
        side = max(abs(base.numerator), base.denominator)
        if side > 1 and (side.bit_length() - 1) * abs(exponent) > self.max_digits * 3.33:
            raise Refused(f"a number on the way has more than {self.max_digits} digits")
        if side > 1:
            return self._sized(base ** int(exponent))
        # of 1 and -1 only whether it is odd counts, and a power of 0 is 0, but for the 0th
        return base if exponent % 2 or (base == 0 and exponent) else Fraction(1)

    def _sized(self, number: Fraction) -> Fraction:
        if max(abs(number.numerator), number.denominator) >= 10**self.max_digits:
            raise Refused(f"a number on the way has more than {self.max_digits} digits")
        return number


class Refused(Exception):
    """Why an expression has no value; becomes the text of a failed result."""


def show(number: Fraction, *, places: int = 30, significant: int = 12) -> str:
    """The number as people write it: whole, an ending decimal, or `≈` and a rounded one.

    >>> show(Fraction(42)), show(Fraction(-1, 8)), show(Fraction(2, 3))
    ('42', '-0.125', '≈0.666666666667')
    """
    if number.denominator == 1:
        return str(number.numerator)
    twos, fives, rest = 0, 0, number.denominator
    while rest % 2 == 0:
        twos, rest = twos + 1, rest // 2
    while rest % 5 == 0:
        fives, rest = fives + 1, rest // 5
    needed = max(twos, fives)
    if rest == 1 and needed <= places:
        digits = str(abs(number.numerator) * 10**needed // number.denominator).rjust(needed + 1, "0")
        return f"{'-' if number < 0 else ''}{digits[:-needed]}.{digits[-needed:]}"
    context = Context(prec=significant)
    return f"≈{context.divide(Decimal(number.numerator), Decimal(number.denominator)):f}"
