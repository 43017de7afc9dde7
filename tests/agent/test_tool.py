"""A box of tools answers every call with a result, never with an exception."""

from dataclasses import dataclass
from typing import Any

import pytest

from groundup.agent.calculator import Calculator
from groundup.agent.tool import Limits, Toolbox, ToolResult


@dataclass(frozen=True)
class Shout:
    """A second real tool, so that choosing between two is tested."""

    name: str = "shout"
    description: str = "Upper case."

    @property
    def parameters(self) -> dict[str, Any]:
        return {"type": "object", "properties": {"text": {"type": "string"}}}

    def call(self, argument: str, limits: Limits) -> ToolResult:
        return ToolResult(ok=True, text=argument.upper())


def test_the_name_chooses_the_tool():
    box = Toolbox((Calculator(), Shout()))
    assert box.call("calc", "6*7") == ToolResult(ok=True, text="42")
    assert box.call("shout", "hey") == ToolResult(ok=True, text="HEY")


def test_an_unknown_name_is_a_result_that_names_the_tools():
    result = Toolbox((Calculator(), Shout())).call("clac", "6*7")
    assert not result.ok
    assert result.text == "error: there is no tool 'clac'; the tools are calc, shout"


def test_a_result_that_is_too_long_is_an_error_not_a_cut():
    box = Toolbox((Shout(),), limits=Limits(result_chars=5))
    assert box.call("shout", "abcde").ok
    result = box.call("shout", "abcdef")
    assert not result.ok and "6 characters, more than 5" in result.text


def test_two_tools_of_one_name_are_refused():
    with pytest.raises(ValueError, match="two tools are both named calc"):
        Toolbox((Calculator(), Calculator()))
