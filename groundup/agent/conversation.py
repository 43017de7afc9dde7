"""The assistant's turn: the model speaks, asks a tool, reads the result, and speaks on.

    prompt ids -> engine -> ... <|result|>   the model asks and waits
               -> the tool runs; its text and <|done|> are appended
               -> engine -> ... <|end|>      the model has spoken

`reply` answers a batch of conversations at once, which is what evaluation needs; nobody in it waits for
anybody. With `on_event` it tells, piece by piece, what happens in each, which is what a terminal or a server
shows. The ids are the same either way. What has been read is not read again: neither after a tool's result,
nor, with an engine that is kept, in the next turn.

A conversation that has outgrown the model loses its oldest turns, a question with its answer at a time; the
system message stays. Of the context, `params.max_tokens` (at most half) are kept free for the reply.

Promises: a tool's text goes through `encode`, so it cannot close a message or start a role; an unknown tool,
a bad argument and one call too many are results that say so; nothing that a model writes raises.
Not here: the layout of a conversation (tokenizer/layouts.py), decoding (infer/engine.py), any tool.
Next:  evals/task.py, which scores replies; cli/chat.py, which shows them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from groundup.agent.tool import Limits, Tool, Toolbox, ToolResult
from groundup.base.errors import UserError
from groundup.infer.engine import OFFLINE, Engine, Token
from groundup.infer.sampling import SamplingParams
from groundup.infer.sequence import Sequence as Writing
from groundup.models.transformer import Transformer
from groundup.tokenizer import chat
from groundup.tokenizer.chat import Call, Conversation, Message
from groundup.tokenizer.layouts import OWN, Layout
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.stream import StreamDecoder

Finish = Literal["end", "length", "calls"]  # <|end|> or a new role; out of tokens; more calls than allowed


@dataclass(frozen=True)
class Text:
    """The assistant said this much more: whole characters."""

    text: str


@dataclass(frozen=True)
class Called:
    """The assistant asked a tool."""

    call: Call


@dataclass(frozen=True)
class Returned:
    """The tool answered; the model reads `result.text` next."""

    result: ToolResult


@dataclass(frozen=True)
class Ended:
    """The turn is over, and why."""

    message: Message
    finish: Finish


Event = Text | Called | Returned | Ended
OnEvent = Callable[[int, Event], None]  # (which conversation of the batch, what happened)


def reply(
    model: Transformer | Engine,
    tokenizer: Tokenizer,
    conversations: Sequence[Conversation],
    *,
    tools: Sequence[Tool] = (),
    params: SamplingParams,
    layout: Layout = OWN,
    max_rounds: int = 3,
    limits: Limits | None = None,
    on_event: OnEvent | None = None,
) -> list[Message]:
    """The assistant's next message in each conversation, in order; each must end with the user's.

    `model` may be an engine, which nobody else uses meanwhile: it keeps what it has read for the next turn.
    `params.max_tokens` counts what the model writes in the whole turn (a tool's result is not counted), and
    `max_rounds` the tool calls. `layout` is how the model was taught
    to converse. A reply does not depend on the rest of the batch, only on its place there.
    Raises UserError where a last message (with the system message) leaves no room to answer.
    """
    toolbox = Toolbox(tuple(tools), Limits() if limits is None else limits)
    params = replace(params, stop=tuple(sorted(layout.stops(tokenizer) | set(params.stop))))
    engine = model if isinstance(model, Engine) else Engine.of(model, OFFLINE)
    context_len = engine.backend.context_len
    room = context_len - min(params.max_tokens, context_len // 2)
    turns = [
        Turn(
            tokenizer,
            prompt_ids(tokenizer, c, room=room, layout=layout),
            params,
            context_len,
            calls=max_rounds,
            layout=layout,
        )
        for c in conversations
    ]
    _take_turns(engine, turns, params, toolbox, on_event or (lambda row, event: None))
    return [turn.message for turn in turns]


def _take_turns(
    engine: Engine, turns: list[Turn], params: SamplingParams, toolbox: Toolbox, tell: OnEvent
) -> None:
    """Everybody writes until their turn has ended; whose call was answered goes on at once."""
    writing: dict[Writing, int] = {}  # and whose turn it is

    def begin(row: int, part: int) -> None:
        """The model goes on with a turn; each of its parts has draws of its own."""
        asked = replace(params, max_tokens=turns[row].tokens_left)
        writing[engine.add(turns[row].ids, asked, sample=row + part * len(turns))] = row

    try:
        for row in range(len(turns)):
            begin(row, 0)
        while writing:
            for event in engine.step():
                row, turn = writing[event.sequence], turns[writing[event.sequence]]
                if isinstance(event, Token):
                    for said in turn.push(event.id):
                        tell(row, said)
                    continue
                del writing[event.sequence]
                for said in turn.after_generating(toolbox):
                    tell(row, said)
                if turn.finish is None:
                    begin(row, turn.calls)
    finally:  # whoever stops it in the middle leaves nothing in the engine
        for left in writing:
            engine.cancel(left)
        if writing:
            engine.step()


def prompt_ids(
    tokenizer: Tokenizer, conversation: Conversation, *, room: int, layout: Layout = OWN
) -> list[int]:
    """The prompt in at most `room` ids: the oldest exchange goes first, the system message never.

    Raises UserError if the last message alone (with the system message) is longer than that.
    """
    head = (
        conversation.messages[:1]
        if conversation.messages and conversation.messages[0].role == "system"
        else ()
    )
    turns = conversation.messages[len(head) :]
    while True:
        ids = layout.prompt(tokenizer, Conversation((*head, *turns)))
        if len(ids) <= room:
            return ids
        if len(turns) <= 2:  # a question is answered by what follows it, so only one is left
            raise UserError(
                f"The last message has {len(ids)} tokens with its frame, but the model can read only {room} "
                "and still answer. Shorten the message, or lower max_tokens."
            )
        turns = turns[2:]


class Turn:
    """One reply in the making: ids in, events out. It knows nothing of the loop that makes the ids."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        ids: list[int],
        params: SamplingParams,
        context_len: int,
        *,
        calls: int,
        layout: Layout = OWN,
    ):
        self.ids = list(ids)  # the prompt and all of the reply so far: what the model reads next
        self.tokens_left = params.max_tokens
        self.finish: Finish | None = None
        self.calls = 0  # that were answered
        self._tokenizer, self._context_len, self._calls_left = tokenizer, context_len, calls
        self._start = len(ids)
        self._stops, self._layout = set(params.stop), layout
        own = {name: tokenizer.special(name) for name in chat.SPECIALS} if layout.tools else {}
        self._call, self._result = own.get(chat.CALL), own.get(chat.RESULT)
        self._controls = set(own.values()) | self._stops
        self._decoder = StreamDecoder(tokenizer)
        self._held: str | None = None  # what a call says while it is not yet asked, or None outside of one
        self._asked: Call | None = None

    @property
    def message(self) -> Message:
        """The reply so far."""
        return self._layout.parse_reply(self._tokenizer, self.ids[self._start :])

    def push(self, id: int) -> list[Event]:
        """The next id from the model, and what it means. After the turn has stopped, ids are ignored."""
        if self.finish is not None or self._asked is not None:
            return []
        self.ids.append(id)
        self.tokens_left -= 1
        events = self._read(id)
        if self.finish is None and self._asked is None and self._full:
            events += self._end("length")
        return events

    def after_generating(self, toolbox: Toolbox) -> list[Event]:
        """Answers the call that is waiting, if there is one."""
        if self._asked is None:
            return []
        call, self._asked = self._asked, None
        if self._calls_left == 0:
            result = ToolResult.error("too many calls in one reply")
        else:
            result = toolbox.call(call.name, call.argument)
        self.calls += 1
        self.ids += chat.result_ids(self._tokenizer, chat.Result(result.text))
        events: list[Event] = [Returned(result)]
        if self._calls_left == 0:
            return events + self._end("calls")
        self._calls_left -= 1
        return events + (self._end("length") if self._full else [])

    @property
    def _full(self) -> bool:
        return self.tokens_left <= 0 or len(self.ids) >= self._context_len

    def _read(self, id: int) -> list[Event]:
        """Text is told as it comes; inside a call it is held until it is clear that it is one."""
        if id not in self._controls:
            said = self._say(self._decoder.push(id))
            return said + self._end("end") if id in self._stops else said
        events = self._say(self._decoder.flush())
        if id == self._result and self._held is not None:
            self._held = None
            self._asked = self.message.calls[-1]
            return [*events, Called(self._asked)]
        if id in self._stops:  # a result that nobody asked for would be made up: it ends the turn too
            return events + self._end("end")
        if self._held is not None:  # a control token broke the call off: it was text, as parse_reply has it
            events, self._held = [*events, *_text(self._held)], None
        if id == self._call:
            self._held = ""
        return events

    def _say(self, text: str) -> list[Event]:
        if self._held is not None:
            self._held += text
            return []
        return _text(text)

    def _end(self, finish: Finish) -> list[Event]:
        self.finish = finish
        rest = self._say(self._decoder.flush())
        rest += _text(self._held or "")
        return [*rest, Ended(self.message, finish)]


def _text(text: str) -> list[Event]:
    return [Text(text)] if text else []
