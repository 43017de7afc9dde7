"""Text until a stop string, wherever the borders between tokens lie.

A stop string may begin inside one token and end inside another. So what may yet become one is held back, and
nothing of a stop string is ever shown. Bytes wait until their character is whole (tokenizer/stream.py).

>>> from groundup.tokenizer.chars import CharTokenizer
>>> tokenizer = CharTokenizer.train("abc\\n")
>>> text = TextUntil(tokenizer, ("\\nb",))
>>> [text.push(id) for id in tokenizer.encode("a\\na\\nbc")], text.stopped
(['a', '', '\\na', '', '', ''], True)
"""

from __future__ import annotations

from collections.abc import Sequence

from groundup.base.errors import UserError
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.stream import StreamDecoder


class TextUntil:
    """Ids in, text out, up to the first of the stop strings; after that nothing."""

    def __init__(self, tokenizer: Tokenizer, stops: Sequence[str] = ()):
        self._decoder, self._until = StreamDecoder(tokenizer), Until(stops)

    @property
    def stopped(self) -> bool:
        """Has a stop string come?"""
        return self._until.stopped

    def push(self, id: int) -> str:
        """The text that can be shown now."""
        return "" if self.stopped else self._until.push(self._decoder.push(id))

    def flush(self) -> str:
        """What was held back, at the end of the ids."""
        return "" if self.stopped else self._until.push(self._decoder.flush()) + self._until.flush()


class Until:
    """Text in, text out, up to the first of the stop strings."""

    def __init__(self, stops: Sequence[str] = ()):
        if any(not stop for stop in stops):
            raise UserError("A stop string is empty, so it stands everywhere. Give at least one character.")
        self.stopped = False
        self._stops, self._held = tuple(stops), ""

    def push(self, text: str) -> str:
        """What of all text so far can be shown now and was not yet."""
        if self.stopped:
            return ""
        self._held += text
        places = [place for stop in self._stops if (place := self._held.find(stop)) >= 0]
        if places:
            shown, self._held, self.stopped = self._held[: min(places)], "", True
            return shown
        keep = max((_overlap(self._held, stop) for stop in self._stops), default=0)
        shown, self._held = self._held[: len(self._held) - keep], self._held[len(self._held) - keep :]
        return shown

    def flush(self) -> str:
        """What was held back, when no more text comes."""
        held, self._held = self._held, ""
        return "" if self.stopped else held


def _overlap(text: str, stop: str) -> int:
    """How many characters at the end of the text may be the beginning of the stop string.

    >>> _overlap("it is <|e", "<|end|>")
    3
    """
    for length in range(min(len(text), len(stop) - 1), 0, -1):
        if text.endswith(stop[:length]):
            return length
    return 0
