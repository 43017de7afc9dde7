"""An expression as text, such as "d = a*b + c; L = d*f", as Values: read by a syntax tree, never executed.

    statements   name = expression, or a bare expression; `;` or a new line between them
    expression   numbers, names, + - * / **, brackets, and tanh relu exp log sigmoid of one, maximum of two

The last statement is the result. Each number and each name is a Value of its own, so that everything shows in
the picture; only the exponent of ** stays a number, as in the engine.

Next: cli/graph.py.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any, cast

from groundup.autograd.value import Value
from groundup.base.errors import GraphError, suggest

FUNCTIONS = {"tanh": 1, "relu": 1, "exp": 1, "log": 1, "sigmoid": 1, "maximum": 2}  # name: how many arguments
ALLOWED = "numbers, names, + - * / **, brackets, " + ", ".join(FUNCTIONS)


def evaluate(text: str, given: Mapping[str, float] | None = None) -> dict[str, Value]:
    """Every name with its Value, in the order of the text; the last one is the result.

    `given` are numbers for names that the text uses and does not set. A bare expression has the name "".
    Raises GraphError for what is not in the language, and where the numbers do not allow an operation.

    >>> found = evaluate("d = a*b; L = tanh(d) + 1", {"a": 2.0, "b": 0.0})
    >>> {name: value.data for name, value in found.items()}
    {'a': 2.0, 'b': 0.0, 'd': 0.0, 'L': 1.0}
    """
    given = dict(given or {})
    named: dict[str, Value] = {}
    for statement in _statements(text):
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
            if len(statement.targets) > 1 or not isinstance(target, ast.Name):
                raise _unknown(statement, text)
            name, tree = target.id, statement.value
        elif isinstance(statement, ast.Expr):
            name, tree = "", statement.value
        else:
            raise _unknown(statement, text)
        if "" in named:
            raise GraphError(
                "Only the last statement may be without a name. Write name = expression before it."
            )
        if name in named or name in FUNCTIONS or name in given:
            raise GraphError(f"{name!r} has a value already. Use each name once: it is the label of one box.")
        try:
            value = _Reader(text, named, given).value(tree)
        except RecursionError:
            raise GraphError(
                "The expression is nested too deeply. Name a part of it: d = a*b; L = d + c."
            ) from None
        if value in named.values():
            value = value * 1.0  # b = a: a box of its own
        value.label = name
        named.pop(name, None)
        named[name] = value
    if unused := sorted(given.keys() - named.keys()):
        raise GraphError(f"{unused[0]!r} is given a number, and the expression does not use it."
                         f"{suggest(unused[0], named)}")  # fmt: skip
    return named


def _statements(text: str) -> list[ast.stmt]:
    try:
        statements = ast.parse(text.strip(), mode="exec").body
    except SyntaxError as error:
        at = f" near {error.text.strip()!r}" if error.text and error.text.strip() else ""
        raise GraphError(f"{text!r} is no expression: {error.msg}{at}. Allowed: {ALLOWED}.") from None
    except (ValueError, RecursionError, MemoryError) as error:  # a zero byte; thousands of brackets
        raise GraphError(
            f"The expression cannot be read ({error}). Write it in several statements."
        ) from None
    if not statements:
        raise GraphError('The expression is empty. Give one, such as "a = 2; b = -3; L = a*b".')
    return statements


class _Reader:
    """Turns syntax trees into Values. `named` grows by the `given` names that are met."""

    def __init__(self, text: str, named: dict[str, Value], given: dict[str, float]):
        self.text, self.named, self.given = text, named, given

    def value(self, tree: ast.expr) -> Value:
        match tree:
            case ast.Constant(value=number) if type(number) in (int, float):
                return Value(_float(number))
            case ast.Name(id=name):
                return self._named(name)
            case ast.UnaryOp(op=ast.USub(), operand=ast.Constant(value=number)) if type(number) in (
                int,
                float,
            ):
                return Value(-_float(number))
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self.value(operand)
            case ast.UnaryOp(op=ast.UAdd(), operand=operand):
                return self.value(operand)
            case ast.BinOp(left=left, op=ast.Pow(), right=right):
                return self.value(left) ** self._exponent(right)
            case ast.BinOp(left=left, op=ast.Add(), right=right):
                return self.value(left) + self.value(right)
            case ast.BinOp(left=left, op=ast.Sub(), right=right):
                return self.value(left) - self.value(right)
            case ast.BinOp(left=left, op=ast.Mult(), right=right):
                return self.value(left) * self.value(right)
            case ast.BinOp(left=left, op=ast.Div(), right=right):
                return self.value(left) / self.value(right)
            case ast.Call(func=ast.Name(id=name), args=arguments, keywords=[]):
                return self._called(name, arguments)
        raise _unknown(tree, self.text)

    def _named(self, name: str) -> Value:
        if name not in self.named:
            if name not in self.given:
                raise GraphError(
                    f"{name!r} has no value yet.{suggest(name, self.named)} Set it, as in {name} = 2; or "
                    f"give --{name} 2."
                )
            self.named[name] = Value(self.given[name], name)
        return self.named[name]

    def _called(self, name: str, arguments: list[ast.expr]) -> Value:
        if name not in FUNCTIONS:
            near = suggest(name, FUNCTIONS)
            raise GraphError(f"There is no function {name!r}.{near} Allowed: {', '.join(FUNCTIONS)}.")
        if len(arguments) != FUNCTIONS[name]:
            raise GraphError(f"{name} takes {FUNCTIONS[name]} argument(s), and {len(arguments)} are given.")
        first, *rest = (self.value(argument) for argument in arguments)
        return getattr(first, name)(*rest)

    def _exponent(self, tree: ast.expr) -> float:
        match tree:
            case ast.Constant(value=number) if type(number) in (int, float):
                return _float(number) if type(number) is float else cast(int, number)
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return -self._exponent(operand)
            case ast.BinOp(left=left, op=ast.Div(), right=right) if self._exponent(right):
                return self._exponent(left) / self._exponent(right)
        source = ast.get_source_segment(self.text.strip(), tree)
        raise GraphError(
            f"The exponent {source!r} is not a number. Write x ** 2, x ** -1 or x ** (1/2); for a variable "
            "exponent exp(log(x) * y)."
        )


def _float(number: Any) -> float:
    try:
        return float(number)
    except OverflowError:
        raise GraphError(
            "A number of more than 308 digits is larger than any float. Write a smaller one."
        ) from None


def _unknown(tree: ast.AST, text: str) -> GraphError:
    source = ast.get_source_segment(text.strip(), tree) or ast.dump(tree)
    short = source if len(source) <= 60 else source[:57] + "..."
    return GraphError(f"{short!r} is not understood. Allowed: {ALLOWED}; and name = expression.")
