"""What every tokenizer promises, whatever it does inside.

The one promise to remember: `encode` never yields a special id, whatever the text says, so the string
"<|end|>" typed by a user is seven or so ordinary tokens. Only `special(name)` gives a control token, and only
our own code calls it.

Next: table.py for the half that all tokenizers share, chars.py for the simplest one.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import Any, Protocol, runtime_checkable


@runtime_checkable
class Tokenizer(Protocol):
    """Text to ids and back."""

    @property
    def vocab_size(self) -> int:
        """How many ids there are: 0 up to vocab_size - 1, special tokens last."""

    @property
    def specials(self) -> tuple[str, ...]:
        """Names of the special tokens, in the order of their ids."""

    @property
    def fingerprint(self) -> str:
        """sha256 (hex) of what the tokenizer does: equal fingerprints mean equal ids for every text."""

    def encode(self, text: str) -> list[int]:
        """Ids of the text; never a special id."""

    def decode(self, ids: Iterable[int]) -> str:
        """Text of the ids; special tokens are silent, bytes that are not UTF-8 become U+FFFD."""

    def bytes_of(self, id: int) -> bytes:
        """The bytes that one id stands for; b"" for a special token."""

    def special(self, name: str) -> int:
        """The id of a special token: the only way to one."""

    def to_dict(self) -> dict[str, Any]:
        """Everything that defines the tokenizer, as JSON types."""

    def save(self, path: str | Path) -> None:
        """Write it as one JSON file; `groundup.tokenizer.load` reads it back."""
