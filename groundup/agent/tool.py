"""A tool: something that the model may ask for by name, and what comes back.

A tool takes one string, as the model wrote it between `<|call|>name ` and `<|result|>`, and gives back a text
that the model reads. **A failure is a result too**: the model must see "error: division by zero" to be able
to say so. So `call` raises nothing for anything that a model can write; an exception is our bug.

Limits are plain numbers that the tool checks itself, never signals or alarms, so they hold in any thread.

Source: the shape (name, description, JSON schema of the parameters) is the one of OpenAI's function calling,
        so that a server can hand it on unchanged.
Next:   calculator.py, the first tool; conversation.py, which runs them.
"""

from dataclasses import dataclass, field
from typing import Any, Protocol


@dataclass(frozen=True)
class Limits:
    """How many characters a call may take and give. More is an error that the model sees, not a cut."""

    argument_chars: int = 200
    result_chars: int = 200


@dataclass(frozen=True)
class ToolResult:
    """What a call gave: the text that the model reads, and whether it worked ("error: ..." where not)."""

    ok: bool
    text: str

    @classmethod
    def error(cls, why: str) -> "ToolResult":
        """A call that failed, worded for the model.

        >>> ToolResult.error("division by zero")
        ToolResult(ok=False, text='error: division by zero')
        """
        return cls(ok=False, text=f"error: {why}")


class Tool(Protocol):
    """Something callable by name. `parameters` is the JSON schema of the one string argument."""

    @property
    def name(self) -> str: ...
    @property
    def description(self) -> str: ...
    @property
    def parameters(self) -> dict[str, Any]: ...
    def call(self, argument: str, limits: Limits) -> ToolResult: ...


@dataclass(frozen=True)
class Toolbox:
    """The tools of one conversation, by name.

    >>> Toolbox(()).call("calc", "1+1")
    ToolResult(ok=False, text="error: there is no tool 'calc'; there are no tools")
    """

    tools: tuple[Tool, ...] = ()
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        names = [tool.name for tool in self.tools]
        if repeated := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"two tools are both named {', '.join(repeated)}. Give every tool its own name.")

    def call(self, name: str, argument: str) -> ToolResult:
        """Runs the tool of that name; an unknown name or too long a result is an error for the model."""
        for tool in self.tools:
            if tool.name == name:
                result = tool.call(argument, self.limits)
                if len(result.text) > self.limits.result_chars:
                    return ToolResult.error(
                        f"the result has {len(result.text)} characters, more than {self.limits.result_chars}"
                    )
                return result
        names = ", ".join(tool.name for tool in self.tools)
        # The name is the model's own text: show at most a few characters of it.
        return ToolResult.error(
            f"there is no tool {name[:20]!r}; {'the tools are ' + names if names else 'there are no tools'}"
        )
