"""A request as JSON, read strictly: every field known, of its type and in its range, or a 400 that says why.

Nothing is clamped and nothing ignored: who asks for 99 or misspells a name would otherwise never learn of it.
What OpenAI's API has and this server has not is refused by name, with the reason.

Beyond OpenAI's fields: `top_k`, `min_p`, `repetition_penalty`, and `groundup: {"tools": ["calculator"]}`, the
tools that the server runs itself.

Next: app.py, which answers.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from groundup.base.errors import DataError, suggest
from groundup.serve.errors import bad
from groundup.tokenizer.chat import Conversation, Message

MOST_CHOICES, MOST_STOPS, MOST_MESSAGES, MOST_TOP = 8, 4, 512, 20
SERVER_TOOLS = ("calculator",)
REFUSED = {  # fields of OpenAI's that mean something which this server cannot do
    "tools": "the model is not shown a client's tools yet; the server's own are in groundup.tools",
    "tool_choice": "the model is not shown a client's tools yet",
    "functions": "the model is not shown a client's tools yet",
    "suffix": "no model here has learnt to fill in the middle",
    "logit_bias": "single tokens cannot be favoured here",
    "echo": "the prompt is not repeated",
    "best_of": "answers are not ranked; use n",
}  # fmt: skip
EITHER = {"model", "temperature", "top_p", "top_k", "min_p", "repetition_penalty", "max_tokens", "n", "stop",
          "seed", "stream", "stream_options", "logprobs", "user", "presence_penalty",
          "frequency_penalty"}  # fmt: skip
CHAT = EITHER | {"messages", "max_completion_tokens", "top_logprobs", "response_format", "groundup"}
TEXT = EITHER | {"prompt"}


@dataclass(frozen=True)
class Ask:
    """What is common to both endpoints, checked."""

    temperature: float
    top_p: float
    top_k: int
    min_p: float
    repetition_penalty: float
    max_tokens: int | None  # None: as many as fit
    n: int
    stop: tuple[str, ...]
    seed: int | None
    stream: bool
    usage: bool  # a stream ends with its usage
    top: int | None  # so many alternatives a token; None: no log-probabilities
    tools: tuple[str, ...] = ()
    conversation: Conversation | None = None
    prompt: str | list[int] = ""


def read_json(body: bytes) -> dict[str, Any]:
    """The object in a body."""
    try:
        content = json.loads(body.decode("utf-8"), parse_constant=_no_constant)
    except UnicodeDecodeError as error:
        raise bad(f"The body is not UTF-8: byte {error.start} does not fit.") from None
    except RecursionError:
        raise bad("The body is nested too deeply.") from None
    except ValueError as error:
        raise bad(f"The body is not JSON: {error}.") from None
    if not isinstance(content, dict):
        raise bad("The body must be a JSON object.")
    return content


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no number in JSON")


def chat(content: dict[str, Any], *, model: str) -> Ask:
    """A request for /v1/chat/completions."""
    _known(content, CHAT, model)
    form = content.get("response_format")
    if form is not None and form != {"type": "text"}:
        raise bad('response_format must be {"type": "text"}: schemas are not built yet.', "response_format")
    top = _whole(content, "top_logprobs", 0, 0, MOST_TOP)
    wants = _flag(content, "logprobs")
    if top and not wants:
        raise bad("top_logprobs needs logprobs: true.", "top_logprobs")
    own = content.get("groundup", {})
    if not isinstance(own, dict) or set(own) - {"tools"}:
        raise bad('groundup must be {"tools": [...]}.', "groundup")
    tools = own.get("tools", [])
    if not isinstance(tools, list) or any(tool not in SERVER_TOOLS for tool in tools):
        raise bad(f"groundup.tools must be a list of {', '.join(SERVER_TOOLS)}.", "groundup")
    if "max_tokens" in content and "max_completion_tokens" in content:
        raise bad("max_tokens and max_completion_tokens mean the same. Give one.", "max_tokens")
    longest = "max_completion_tokens" if "max_completion_tokens" in content else "max_tokens"
    return _common(content, longest, top=top if wants else None, tools=tuple(tools),
                   conversation=_conversation(content.get("messages")))  # fmt: skip


def text(content: dict[str, Any], *, model: str) -> Ask:
    """A request for /v1/completions."""
    _known(content, TEXT, model)
    prompt = content.get("prompt")
    ids = (
        isinstance(prompt, list)
        and bool(prompt)
        and all(type(id) is int and 0 <= id < 2**31 for id in prompt)
    )
    if not ids and not (isinstance(prompt, str) and prompt):
        raise bad("prompt must be a text or a list of token ids, and not empty.", "prompt")
    if isinstance(prompt, str):
        _whole_characters(prompt, "prompt")
    top = content.get("logprobs")
    if top is not None and (type(top) is not int or not 0 <= top <= 5):
        raise bad("logprobs must be a whole number from 0 to 5.", "logprobs")
    return _common(content, "max_tokens", top=top, prompt=prompt)


def _common(content: dict[str, Any], longest: str, *, top: int | None, **more: Any) -> Ask:
    for name in ("presence_penalty", "frequency_penalty"):
        if content.get(name) not in (None, 0):
            raise bad(f"{name} must be 0: this server has repetition_penalty instead.", name)
    stream, options = _flag(content, "stream"), content.get("stream_options")
    whole = isinstance(options, dict) and not set(options) - {"include_usage"}
    if options is not None and (
        not stream or not whole or type(options.get("include_usage", False)) is not bool
    ):
        raise bad(
            'stream_options must be {"include_usage": true or false}, with stream: true.', "stream_options"
        )
    if (who := content.get("user")) is not None and (not isinstance(who, str) or len(who) > 256):
        raise bad("user must be a text of at most 256 characters.", "user")
    # smaller ones overflow where logits are divided by them
    temperature = _number(content, "temperature", 1.0, lambda x: x == 0 or 0.01 <= x <= 2, "0, or 0.01 to 2")
    penalty = _number(content, "repetition_penalty", 1.0, lambda x: 0.1 <= x <= 10, "0.1 to 10")
    return Ask(
        temperature=temperature,
        top_p=_number(content, "top_p", 1.0, lambda x: 1e-6 <= x <= 1, "0.000001 to 1"),
        min_p=_number(content, "min_p", 0.0, lambda x: 0 <= x <= 1, "0 to 1"),
        repetition_penalty=penalty,
        top_k=_whole(content, "top_k", 0, 0, 2**20),
        max_tokens=_whole(content, longest, 1, 1, 2**20) if content.get(longest) is not None else None,
        n=_whole(content, "n", 1, 1, MOST_CHOICES),
        stop=_stops(content.get("stop")),
        seed=_seed(content),
        stream=stream,
        usage=bool(options and options.get("include_usage")),
        top=top,
        **more,
    )  # fmt: skip


def _known(content: dict[str, Any], known: set[str], model: str) -> None:
    for name in content:
        if name in REFUSED and content[name] not in (None, [], False):
            raise bad(f"{name} is not supported: {REFUSED[name]}.", name)
        if name not in known and name not in REFUSED:
            raise bad(f"There is no field {name[:60]!r}.{suggest(name[:60], known)}", name[:60])
    asked = content.get("model")
    if not isinstance(asked, str):
        raise bad(f"model must be a text. This server has {model!r}.", "model")
    if asked != model:
        raise bad(
            f"There is no model {asked[:60]!r} here. This server has {model!r}.", "model", "model_not_found"
        )


def _number(
    content: dict[str, Any], name: str, default: float, fits: Callable[[float], bool], allowed: str
) -> float:
    value = content.get(name)
    if value is None:
        return default
    if (
        type(value) not in (int, float)
        or not abs(value) < 1e30
        or not math.isfinite(value)
        or not fits(value)
    ):
        raise bad(f"{name}={str(value)[:40]} is not allowed. Choose {allowed}.", name)
    return float(value)


def _whole(content: dict[str, Any], name: str, default: int, low: int, high: int) -> int:
    value = content.get(name)
    if value is None:
        return default
    if type(value) is not int or not low <= value <= high:
        raise bad(
            f"{name}={str(value)[:40]} is not allowed. Choose a whole number from {low} to {high}.", name
        )
    return value


def _seed(content: dict[str, Any]) -> int | None:
    given = content.get("seed") is not None
    return _whole(content, "seed", 0, -(2**63), 2**63 - 1) % 2**63 if given else None


def _flag(content: dict[str, Any], name: str) -> bool:
    value = content.get(name)
    if value is not None and type(value) is not bool:
        raise bad(f"{name} must be true or false.", name)
    return bool(value)


def _stops(value: Any) -> tuple[str, ...]:
    stops = [] if value is None else [value] if isinstance(value, str) else value
    if not isinstance(stops, list) or len(stops) > MOST_STOPS or any(
        not isinstance(stop, str) or not 0 < len(stop) <= 200 for stop in stops):  # fmt: skip
        raise bad(f"stop must be a text or up to {MOST_STOPS} of them, each of 1 to 200 characters.", "stop")
    for stop in stops:
        _whole_characters(stop, "stop")
    return tuple(stops)


def _conversation(messages: Any) -> Conversation:
    if not isinstance(messages, list) or not 0 < len(messages) <= MOST_MESSAGES:
        raise bad(f"messages must be a list of 1 to {MOST_MESSAGES} messages.", "messages")
    made: list[Message] = []
    for place, message in enumerate(messages):
        where = f"messages[{place}]"
        if not isinstance(message, dict) or set(message) - {"role", "content", "name"}:
            raise bad(f'{where} must be {{"role": ..., "content": ...}}.', where)
        role, said = message.get("role"), message.get("content")
        if role not in ("system", "developer", "user", "assistant"):
            raise bad(
                f"{where}: there is no role {str(role)[:40]!r}. Choose system, user or assistant.", where
            )
        if isinstance(said, list) and all(map(_is_text, said)):
            said = "".join(part["text"] for part in said)
        if not isinstance(said, str):
            raise bad(f"{where}: content must be a text; this model reads nothing else.", where)
        _whole_characters(said, where)
        made.append(Message("system" if role == "developer" else role, (said,)))
    try:
        return Conversation(tuple(made))
    except DataError as error:  # who has the word
        raise bad(str(error), "messages") from None


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and part.get("type") == "text" and isinstance(part.get("text"), str)


def _whole_characters(said: str, where: str) -> None:
    if any("\ud800" <= character <= "\udfff" for character in said):
        raise bad(f"{where} holds half a character (a surrogate).", where)
