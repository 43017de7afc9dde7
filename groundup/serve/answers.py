"""Answers in OpenAI's shapes: whole, and as a stream of server-sent events.

One line an event: JSON writes a line break as two characters, so no text can end its event. Chunks are made
by hand from a fixed head and tail, because encoding the same eighty bytes anew for every token of every
client costs more than the token.

Next: app.py, which fills them.
"""

from __future__ import annotations

import json
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

DONE = b"data: [DONE]\n\n"


@dataclass
class Choice:
    """What one of the n answers has come to."""

    text: str = ""
    finish: str | None = None
    tokens: int = 0
    logprobs: list[dict[str, Any]] = field(default_factory=list)
    told: list[dict[str, Any]] = field(
        default_factory=list
    )  # what the server's own tools were asked and said


@dataclass(frozen=True)
class Shape:
    """How the answers to one request look."""

    chat: bool
    model: str
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    created: int = field(default_factory=lambda: int(time.time()))

    @property
    def _common(self) -> dict[str, Any]:
        return {
            "id": f"{'chatcmpl' if self.chat else 'cmpl'}-{self.id}",
            "created": self.created,
            "model": self.model,
        }

    def whole(self, choices: Sequence[Choice], prompt_tokens: int) -> bytes:
        """The answer in one piece."""
        kind = "chat.completion" if self.chat else "text_completion"
        body = self._common | {"object": kind, "choices": [self._choice(i, c) for i, c in enumerate(choices)],
                               "usage": usage(choices, prompt_tokens)}  # fmt: skip
        return json.dumps(body, ensure_ascii=False).encode()

    def _choice(self, index: int, choice: Choice) -> dict[str, Any]:
        said: dict[str, Any] = {"text": choice.text}
        if self.chat:
            said = {"message": {"role": "assistant", "content": choice.text, "refusal": None}}
            if choice.told:
                said["message"]["groundup"] = choice.told
        logprobs = {"content": choice.logprobs} if self.chat else _old_logprobs(choice.logprobs)
        return {"index": index, **said, "logprobs": logprobs if choice.logprobs else None,
                "finish_reason": choice.finish}  # fmt: skip

    def head(self) -> bytes:
        """What every chunk begins with."""
        kind = "chat.completion.chunk" if self.chat else "text_completion"
        return b"data: " + json.dumps(self._common | {"object": kind}).encode()[:-1] + b', "choices": ['

    def chunk(self, head: bytes, index: int, text: str, *, finish: str | None = None, first: bool = False,
              logprobs: list[dict[str, Any]] | None = None, told: Any = None) -> bytes:  # fmt: skip
        """One event."""
        said = json.dumps(text, ensure_ascii=False)
        if self.chat:
            role = '"role": "assistant", ' if first else ""
            more = f', "groundup": {json.dumps(told, ensure_ascii=False)}' if told else ""
            content = f'"content": {said}' if text or first or not finish else ""
            said = f'"delta": {{{role}{content}{more}}}'
            about = json.dumps({"content": logprobs}, ensure_ascii=False) if logprobs else "null"
        else:
            said = f'"text": {said}'
            about = json.dumps(_old_logprobs(logprobs), ensure_ascii=False) if logprobs else "null"
        end = f'"{finish}"' if finish else "null"
        tail = f'{{"index": {index}, {said}, "logprobs": {about}, "finish_reason": {end}}}]}}\n\n'
        return head + tail.encode()

    def last(self, head: bytes, choices: Sequence[Choice], prompt_tokens: int) -> bytes:
        """The event with the usage, which has no choice."""
        return head + b'], "usage": ' + json.dumps(usage(choices, prompt_tokens)).encode() + b"}\n\n"


def usage(choices: Sequence[Choice], prompt_tokens: int) -> dict[str, int]:
    """Tokens read and written; the prompt counts once, however many answers it has."""
    made = sum(choice.tokens for choice in choices)
    return {"prompt_tokens": prompt_tokens, "completion_tokens": made, "total_tokens": prompt_tokens + made}


def _old_logprobs(entries: Sequence[dict[str, Any]] | None) -> dict[str, Any]:
    """As /v1/completions writes them."""
    entries = entries or []
    return {"tokens": [e["token"] for e in entries], "token_logprobs": [e["logprob"] for e in entries],
            "top_logprobs": [{t["token"]: t["logprob"] for t in e["top_logprobs"]}
                             for e in entries]}  # fmt: skip
