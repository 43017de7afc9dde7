"""Other people's chat templates: the layouts that models learned elsewhere to continue.

Such a model brings its layout as a program in a template language (Jinja). We do not run programs that came
with weights: the layouts below are a closed set, a template is recognised by the control tokens in it and by
its default system message, and one that does anything else is refused, with what it does. As in chat.py, the
text of a message goes through `encode`, so it can never spell a control token; where transformers would read
"<|im_end|>" in a message as a control token, here it is those ten letters.

    ChatML  <|im_start|>user\\n text <|im_end|>\\n <|im_start|>assistant\\n text <|im_end|>\\n ...
    Llama 3 <|begin_of_text|> <|start_header_id|>user<|end_header_id|>\\n\\n text <|eot_id|> ...

Tools are ours only: in a foreign layout a model is not told of any, and a call in a conversation is refused.

Source: the chat templates of SmolLM2, Qwen2 to Qwen3 and Llama 3, which the tests run in Jinja and compare.
Next:   agent/conversation.py, which takes any of them.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

from groundup.base.errors import DataError, TokenizerError
from groundup.tokenizer import chat
from groundup.tokenizer.chat import Conversation, Message
from groundup.tokenizer.protocol import Tokenizer


class Layout(Protocol):
    """A conversation as ids, and ids as a message."""

    @property
    def tools(self) -> bool:
        """Whether the assistant can call tools in this layout."""

    def render(self, tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
        """(ids, train_mask) of the whole conversation."""

    def prompt(self, tokenizer: Tokenizer, conversation: Conversation) -> list[int]:
        """The ids after which the assistant's next message begins."""

    def parse_reply(self, tokenizer: Tokenizer, ids: Sequence[int]) -> Message:
        """The assistant's message in the ids that follow a prompt."""

    def stops(self, tokenizer: Tokenizer) -> frozenset[int]:
        """The ids at which the assistant's turn ends."""

    def to_dict(self) -> dict[str, Any]:
        """The layout as JSON; `from_dict` is the inverse."""


@dataclass(frozen=True)
class Own:
    """The layout of chat.py."""

    tools: bool = True

    def render(self, tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
        return chat.render(tokenizer, conversation)

    def prompt(self, tokenizer: Tokenizer, conversation: Conversation) -> list[int]:
        return chat.prompt(tokenizer, conversation)

    def parse_reply(self, tokenizer: Tokenizer, ids: Sequence[int]) -> Message:
        return chat.parse_reply(tokenizer, ids)

    def stops(self, tokenizer: Tokenizer) -> frozenset[int]:
        return frozenset(
            tokenizer.special(name) for name in (chat.END, chat.RESULT, chat.BOS, *chat.ROLES.values())
        )

    def to_dict(self) -> dict[str, Any]:
        return {"layout": "groundup"}


@dataclass(frozen=True)
class Framed:
    """A message as `opener` role `header` text `closer`. `system` speaks first where nobody else does."""

    name: str
    first: str  # a control token before everything, or ""
    opener: str
    header: str  # a control token after the role, or ""
    gap: str  # text between that and the message
    closer: str
    after: str  # text after it
    strips: bool = False  # messages lose white space at their ends
    system: str = ""
    tools: bool = False

    def render(self, tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
        """Learned is what the assistant says and that it stops."""
        ids = [tokenizer.special(self.first)] if self.first else []
        mask = [0] * len(ids)
        messages = conversation.messages
        if self.system and not (messages and messages[0].role == "system"):
            messages = (chat.system(self.system), *messages)
        for message in messages:
            before = self._head(tokenizer, message.role)
            text = self._text(message)
            head, body = self._body(tokenizer, message.role, text)
            said = int(message.role == "assistant")
            ids += [*before, *body, tokenizer.special(self.closer), *tokenizer.encode(self.after)]
            mask += [0] * (len(before) + head) + [said] * (len(body) - head + 1)
            mask += [0] * (len(ids) - len(mask))
        return ids, mask

    def prompt(self, tokenizer: Tokenizer, conversation: Conversation) -> list[int]:
        if not conversation.messages or conversation.messages[-1].role != "user":
            raise DataError("There is nothing to answer: a prompt is a conversation that ends with the user.")
        ids, _ = self.render(tokenizer, conversation)
        return [*ids, *self._head(tokenizer, "assistant"), *self._body(tokenizer, "assistant", "")[1]]

    def parse_reply(self, tokenizer: Tokenizer, ids: Sequence[int]) -> Message:
        """All text up to where the turn ends."""
        stops = self.stops(tokenizer)
        end = next((i for i, id in enumerate(ids) if id in stops), len(ids))
        return Message("assistant", (tokenizer.decode(ids[:end]),))

    def stops(self, tokenizer: Tokenizer) -> frozenset[int]:
        names = {self.first, self.opener, self.closer, *TEXT_ENDS} & set(tokenizer.specials)
        return frozenset(tokenizer.special(name) for name in names)

    def to_dict(self) -> dict[str, Any]:
        return {"layout": self.name, "system": self.system}

    def _head(self, tokenizer: Tokenizer, role: str) -> list[int]:
        head = [tokenizer.special(self.opener)]
        return [*head, *tokenizer.encode(role), tokenizer.special(self.header)] if self.header else head

    def _body(self, tokenizer: Tokenizer, role: str, text: str) -> tuple[int, list[int]]:
        """(how many of the ids stand before the text, the ids); they are encoded as one text."""
        frame = self.gap if self.header else role + self.gap
        return len(tokenizer.encode(frame)), tokenizer.encode(frame + text)

    def _text(self, message: Message) -> str:
        if not all(isinstance(part, str) for part in message.parts):
            raise DataError(
                f"A {message.role} message calls a tool, and the layout {self.name} has no place for that. "
                "Leave it out, or use a model that was taught here."
            )
        return message.text.strip() if self.strips else message.text


OWN = Own()
CHATML = Framed("chatml", "", "<|im_start|>", "", "\n", "<|im_end|>", "\n")
LLAMA3 = Framed(
    "llama3", "<|begin_of_text|>", "<|start_header_id|>", "<|end_header_id|>", "\n\n", "<|eot_id|>", "",
    strips=True,
)  # fmt: skip
FOREIGN = {layout.name: layout for layout in (CHATML, LLAMA3)}
TEXT_ENDS = ("<|endoftext|>", "<|end_of_text|>")


def beginning(tokenizer: Tokenizer) -> int:
    """The id that stands before a text: the mark of a new document, or a line break, or else the first id."""
    for mark in (chat.BOS, "<|endoftext|>", "<|begin_of_text|>"):
        if mark in tokenizer.specials:
            return tokenizer.special(mark)
    return next((id for id in range(tokenizer.vocab_size) if tokenizer.bytes_of(id) == b"\n"), 0)


def from_dict(content: Any) -> Layout:
    """The layout that `to_dict` described; TokenizerError if it is none."""
    match content:
        case {"layout": "groundup", **rest} if not rest:
            return OWN
        case {"layout": str(name), "system": str(system), **rest} if name in FOREIGN and not rest:
            return _with_system(FOREIGN[name], system)
    raise TokenizerError(
        f"{content!r} is no chat layout. There are groundup, {', '.join(FOREIGN)}; convert the model again."
    )


def recognise(template: str, tokenizer: Tokenizer) -> Layout:
    """The layout of a Jinja template; TokenizerError if it is none of ours or does more than they do."""
    if template == JINJA or set(chat.SPECIALS) <= set(tokenizer.specials):
        return OWN
    for layout in FOREIGN.values():
        controls = {layout.first, layout.opener, layout.header, layout.closer} - {""}
        written = controls - {layout.first}  # which may be written as bos_token
        if all(name in template for name in written):
            if missing := sorted(controls - set(tokenizer.specials)):
                raise TokenizerError(
                    f"Its chat template writes {', '.join(missing)}, and its tokenizer has no such control "
                    "token: they belong to different models."
                )
            for mark, what in _MORE.items():
                if mark in template:
                    raise TokenizerError(f"Its chat template {what}, which is not done here.")
            return _with_system(layout, _default_system(template, layout))
    raise TokenizerError(
        f"Its chat template is none of those that are known here: groundup, {', '.join(FOREIGN)}. It begins "
        f"{template[:60]!r}. Templates are programs, and programs that come with weights are not run."
    )


_MORE = {
    "strftime_now": "puts today's date into every prompt",
    "Cutting Knowledge Date": "puts dates into every prompt",
    "<think>": "treats the model's thoughts in a way of its own",
}


def _default_system(template: str, layout: Framed) -> str:
    """What is said where the conversation has no system message; the template writes it in one piece."""
    ends = (re.escape(layout.opener), r"system(?:\\n|\n)", re.escape(layout.closer))
    found = re.search(rf"{ends[0]}{ends[1]}([^<'\"{{}}]+){ends[2]}", template)
    return found[1].replace("\\n", "\n") if found else ""


def _with_system(layout: Framed, system: str) -> Framed:
    return replace(layout, system=system)


# ---- Our layouts as templates for others ---------------------------------------------------------

JINJA = (
    "{{- '<|bos|>' }}{%- for message in messages %}{{- '<|' + message['role'] + '|>' + message['content'] + "
    "'<|end|>' }}{%- endfor %}{%- if add_generation_prompt %}{{- '<|assistant|>' }}{%- endif %}"
)


def to_jinja(layout: Layout) -> str:
    """The layout as a template that transformers and llama.cpp run; a message's content must be text."""
    if not isinstance(layout, Framed):
        return JINJA
    text = "message['content'] | trim" if layout.strips else "message['content']"
    gap, after = layout.gap.replace("\n", "\\n"), layout.after.replace("\n", "\\n")
    message = (
        f"{{{{- '{layout.opener}' + message['role'] + '{layout.header}{gap}' }}}}{{{{- {text} }}}}"
        f"{{{{- '{layout.closer}{after}' }}}}"
    )
    said = layout.system.replace("\\", "\\\\").replace("'", "\\'").replace("\n", "\\n")
    system = (
        f"{{%- if messages[0]['role'] != 'system' %}}{{{{- '{layout.opener}system{layout.header}{gap}{said}"
        f"{layout.closer}{after}' }}}}{{%- endif %}}"
        if said
        else ""
    )
    return (
        (f"{{{{- '{layout.first}' }}}}" if layout.first else "")
        + system
        + f"{{%- for message in messages %}}{message}{{%- endfor %}}{{%- if add_generation_prompt %}}"
        + f"{{{{- '{layout.opener}assistant{layout.header}{gap}' }}}}{{%- endif %}}"
    )
