"""A conversation as token ids, for training and for answering: the one chat template of the code base.

A language model continues text. What makes it an assistant is a layout that it has learned to continue:

    <|bos|> <|system|> text <|end|> <|user|> text <|end|> <|assistant|> text <|end|> ...

and, inside an assistant's message, a call to a tool. The model writes up to <|result|> and stops; the engine
writes the result and <|done|>; the model goes on, having read it:

    <|assistant|> Let me see: <|call|> calc 12*3 <|result|> 36 <|done|> That is 36. <|end|>
    trained: 0    1 1 1 1     1        1 1 1 1   1          0  0        1 1 1 1     1

`train_mask` is 1 where a token is learned: what the assistant says and asks and that it stops, and never
what the user typed or what a tool answered. mask[i] belongs to token i itself, as a target.

The names in <|...|> are control tokens with ids of their own, not text. All text goes through `encode`, which
cannot produce them, so neither a user nor a tool's answer can close a message or start another role.

>>> from groundup.tokenizer.chars import CharTokenizer
>>> tokenizer = CharTokenizer.train("calc 1+2=3", specials=SPECIALS)
>>> talk = Conversation((user("1+2"), assistant("=", Call("calc", "1+2"), Result("3"), "3")))
>>> ids, train_mask = render(tokenizer, talk)
>>> "".join(str(bit) for bit in train_mask)
'0000000111111111110011'
>>> asked = prompt(tokenizer, Conversation(talk.messages[:1]))
>>> ids[: len(asked)] == asked, parse_reply(tokenizer, ids[len(asked) :]) == talk.messages[1]
(True, True)

Does not: trim a conversation to fit a context (the agent does), run a tool, or know any tool's name.
Next: stream.py for showing a reply while it comes; agent/conversation.py for the loop around it.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from groundup.base.errors import DataError
from groundup.tokenizer.protocol import Tokenizer

BOS, SYSTEM, USER, ASSISTANT = "<|bos|>", "<|system|>", "<|user|>", "<|assistant|>"
END, CALL, RESULT, DONE = "<|end|>", "<|call|>", "<|result|>", "<|done|>"
SPECIALS = (BOS, SYSTEM, USER, ASSISTANT, END, CALL, RESULT, DONE)

Role = Literal["system", "user", "assistant"]
ROLES: dict[Role, str] = {"system": SYSTEM, "user": USER, "assistant": ASSISTANT}


# ---- What a conversation is ----------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """The assistant asks a tool: `name` up to the first blank, then whatever the tool understands."""

    name: str
    argument: str

    def __post_init__(self) -> None:
        if " " in self.name:
            raise DataError(f"The tool name {self.name!r} has a blank, which ends a name in a call. Use _.")


@dataclass(frozen=True)
class Result:
    """What the tool answered, also when it failed."""

    text: str


Part = str | Call | Result


@dataclass(frozen=True)
class Message:
    """One turn. Parts are kept in one normal form: texts that touch are joined, empty ones are left out."""

    role: Role
    parts: tuple[Part, ...]

    def __post_init__(self) -> None:
        if not isinstance(self.role, str) or self.role not in ROLES:
            raise DataError(f"There is no role {self.role!r}. A message is from {', '.join(ROLES)}.")
        if isinstance(self.parts, str):
            raise DataError(f"parts={self.parts!r} is one string. Pass a tuple, or use {self.role}(...).")
        parts = _joined(self.parts)
        object.__setattr__(self, "parts", parts)  # the same again if done twice
        if self.role != "assistant" and any(not isinstance(part, str) for part in parts):
            raise DataError(f"Only an assistant may call tools, but a {self.role} message has {parts!r}.")
        for before, part in zip((None, *parts), (*parts, None), strict=True):
            if isinstance(part, Result) and not isinstance(before, Call):
                raise DataError(f"{part!r} follows no call. A result stands right after its Call.")
            if isinstance(before, Call) and part is not None and not isinstance(part, Result):
                raise DataError(f"{before!r} has no result, but the message goes on. Put a Result after it.")

    @property
    def text(self) -> str:
        """What the reader sees: the texts, without calls and results."""
        return "".join(part for part in self.parts if isinstance(part, str))

    @property
    def calls(self) -> tuple[Call, ...]:
        return tuple(part for part in self.parts if isinstance(part, Call))


def system(text: str) -> Message:
    """What the assistant is told before anybody speaks."""
    return Message("system", (text,))


def user(text: str) -> Message:
    """What a person types."""
    return Message("user", (text,))


def assistant(*parts: Part) -> Message:
    """What the assistant says: texts, and calls each with its result."""
    return Message("assistant", parts)


@dataclass(frozen=True)
class Conversation:
    """At most one system message, at the start; then user and assistant in turn, the user first."""

    messages: tuple[Message, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "messages", tuple(self.messages))
        turns = self.messages
        if turns and turns[0].role == "system":
            turns = turns[1:]
        for i, message in enumerate(turns):
            expected = ("user", "assistant")[i % 2]
            if message.role != expected:
                place = len(self.messages) - len(turns) + i
                raise DataError(
                    f"Message {place} is from the {message.role}, where the {expected} has the word: at most "
                    "one system message comes first, then user and assistant take turns, the user first."
                )

    def add(self, message: Message) -> "Conversation":
        """The conversation with one more message."""
        return Conversation((*self.messages, message))

    def __len__(self) -> int:
        return len(self.messages)

    def __iter__(self) -> Iterator[Message]:
        return iter(self.messages)

    def to_dict(self) -> dict[str, Any]:
        """As JSON types; a message of text alone is the usual {"role": ..., "content": "..."}."""
        return {"messages": [{"role": m.role, "content": _content(m.parts)} for m in self.messages]}

    @classmethod
    def from_dict(cls, content: Any) -> "Conversation":
        """The inverse of `to_dict`; DataError says what is wrong with which message."""
        messages = content.get("messages") if isinstance(content, Mapping) else None
        if not isinstance(messages, list):
            raise DataError('A conversation is {"messages": [{"role": ..., "content": ...}, ...]}.')
        return cls(tuple(_message_of(message, i) for i, message in enumerate(messages)))


# ---- Conversation to ids, and back ---------------------------------------------------------------


def render(tokenizer: Tokenizer, conversation: Conversation) -> tuple[list[int], list[int]]:
    """(ids, train_mask) of the whole conversation, both of one length; see the layout at the top."""
    ids, mask = [tokenizer.special(BOS)], [0]
    for message in conversation.messages:
        said = int(message.role == "assistant")
        for piece, trained in (
            ([tokenizer.special(ROLES[message.role])], 0),
            *_pieces(tokenizer, message.parts, said),
            ([tokenizer.special(END)], said),
        ):
            ids += piece
            mask += [trained] * len(piece)
    return ids, mask


def prompt(tokenizer: Tokenizer, conversation: Conversation) -> list[int]:
    """The ids after which the assistant's next message begins; the conversation must end with the user's."""
    if not conversation.messages or conversation.messages[-1].role != "user":
        raise DataError("There is nothing to answer: a prompt is a conversation that ends with the user.")
    return [*render(tokenizer, conversation)[0], tokenizer.special(ASSISTANT)]


def result_ids(tokenizer: Tokenizer, result: Result) -> list[int]:
    """What the engine writes after the model's <|result|>: the result's text and <|done|>."""
    return [*tokenizer.encode(result.text), tokenizer.special(DONE)]


def parse_reply(tokenizer: Tokenizer, ids: Sequence[int]) -> Message:
    """The assistant's message in the ids that follow a prompt, up to <|end|>: the inverse of `render`.

    A model may write anything, so nothing here fails. A call counts once its <|result|> is there, because
    only then has the model asked; a call without it is text. A result ends at <|done|>, or where the ids or
    the message do. Any other control token that is out of place is dropped, and a new role ends the message.
    """
    parts: list[Part] = []
    for opener, text, closer in _segments(tokenizer, ids):
        if opener == CALL and closer == RESULT:
            parts.append(Call(*_name_and_argument(text)))
        elif opener == RESULT and parts and isinstance(parts[-1], Call):
            # no <|done|> and no text: the call is still waiting
            if closer == DONE or text:
                parts.append(Result(text))
        elif text:
            parts.append(text)
    return Message("assistant", _answered(parts))


def _pieces(tokenizer: Tokenizer, parts: Sequence[Part], said: int) -> Iterator[tuple[list[int], int]]:
    """(ids, trained) of each part of a message; `said` is 1 for the assistant's."""
    for part in parts:
        if isinstance(part, str):
            yield tokenizer.encode(part), said
        elif isinstance(part, Call):
            asked = tokenizer.encode(f"{part.name} {part.argument}")
            yield [tokenizer.special(CALL), *asked, tokenizer.special(RESULT)], said
        else:
            yield result_ids(tokenizer, part), 0


def _segments(tokenizer: Tokenizer, ids: Sequence[int]) -> Iterator[tuple[str, str, str]]:
    """(control token before, text, control token after) of each stretch of text; "" where there is none."""
    names = {tokenizer.special(name): name for name in SPECIALS}
    opener, start = "", 0
    for i, id in enumerate(ids):
        if id in names:
            yield opener, tokenizer.decode(ids[start:i]), names[id]
            opener, start = names[id], i + 1
            if opener in (END, BOS, *ROLES.values()):
                return
    yield opener, tokenizer.decode(ids[start:]), ""


def _name_and_argument(text: str) -> tuple[str, str]:
    name, _, argument = text.partition(" ")
    return name, argument


def _answered(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Parts in which every call but the last has a result: an empty one where the model went on without."""
    out: list[Part] = []
    for part in parts:
        if out and isinstance(out[-1], Call) and not isinstance(part, Result):
            out.append(Result(""))
        out.append(part)
    return tuple(out)


def _joined(parts: Sequence[Part]) -> tuple[Part, ...]:
    out: list[Part] = []
    for part in parts:
        if not isinstance(part, str | Call | Result):
            raise DataError(f"{part!r} cannot be part of a message: parts are text, Call and Result.")
        if isinstance(part, str) and out and isinstance(out[-1], str):
            out[-1] += part
        elif part != "":
            out.append(part)
    return tuple(out)


# ---- JSON ----------------------------------------------------------------------------------------


def _content(parts: Sequence[Part]) -> str | list[Any]:
    if all(isinstance(part, str) for part in parts):
        return "".join(part for part in parts if isinstance(part, str))
    return [_json_part(part) for part in parts]


def _json_part(part: Part) -> Any:
    if isinstance(part, Call):
        return {"call": {"name": part.name, "argument": part.argument}}
    return {"result": part.text} if isinstance(part, Result) else part


def _message_of(message: Any, i: int) -> Message:
    if not isinstance(message, Mapping) or set(message) != {"role", "content"}:
        raise DataError(f'Message {i} must be {{"role": ..., "content": ...}}, but it is {message!r}.')
    content = message["content"]
    parts = content if isinstance(content, list) else [content]
    try:
        return Message(message["role"], tuple(map(_part_of, parts)))
    except DataError as error:
        raise DataError(f"Message {i}: {error}") from None


def _part_of(part: Any) -> Part:
    match part:
        case str():
            return part
        case {"call": {"name": str(name), "argument": str(argument)}, **rest} if not rest:
            return Call(name, argument)
        case {"result": str(text), **rest} if not rest:
            return Result(text)
    raise DataError(
        f"{part!r} is not a part. A part is a string, "
        '{"call": {"name": ..., "argument": ...}} or {"result": ...}.'
    )
