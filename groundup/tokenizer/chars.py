"""One id for each character: the tokenizer that fits in a sentence, and the first one to train with.

It is honest about its limit: a character that was not in the training text has no id, and asking for it is an
error, where byte-pair encoding (bpe.py) never meets an unknown text, because its alphabet is the 256 bytes.

>>> tokenizer = CharTokenizer.train("hello", specials=("<|end|>",))
>>> tokenizer.characters
'ehlo'
>>> tokenizer.encode("hole"), tokenizer.decode([1, 3, 2, 0]), tokenizer.special("<|end|>")
([1, 3, 2, 0], 'hole', 4)

Next: bpe.py.
"""

import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from groundup.base.errors import TokenizerError
from groundup.tokenizer.table import Table

SCHEMA = 1


class CharTokenizer(Table):
    """Ids are the places of the characters in their sorted order; special tokens follow."""

    def __init__(self, characters: str, specials: Sequence[str] = ()):
        if list(characters) != sorted(set(characters)):
            raise TokenizerError(
                "The characters of a CharTokenizer must be different and sorted by code point."
            )
        for character in characters:
            if 0xD800 <= ord(character) <= 0xDFFF:
                raise TokenizerError(
                    f"The text holds U+{ord(character):04X}, which is half of a surrogate pair. "
                    "Read the file again as UTF-8, with errors='replace' if it is damaged."
                )
        super().__init__([character.encode() for character in characters], specials)
        self.characters = characters
        self._ids = {character: id for id, character in enumerate(characters)}

    @classmethod
    def train(cls, text: str, specials: Sequence[str] = ()) -> "CharTokenizer":
        """The tokenizer whose alphabet is the characters of `text`."""
        if not text:
            raise TokenizerError("The text is empty, so it has no characters to learn. Give it some text.")
        return cls("".join(sorted(set(text))), specials)

    def encode(self, text: str) -> list[int]:
        """One id a character; TokenizerError names the first character that has none."""
        try:
            return [self._ids[character] for character in text]
        except KeyError as error:
            raise self._no_id(error.args[0], text) from None

    def to_dict(self) -> dict[str, Any]:
        return {
            "schema": SCHEMA,
            "kind": "chars",
            "characters": self.characters,
            "specials": list(self.specials),
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any]) -> "CharTokenizer":
        """The inverse of `to_dict`; load.py has already checked the types."""
        return cls(content["characters"], content["specials"])

    def _no_id(self, character: str, text: str) -> TokenizerError:
        name = unicodedata.name(character, "a character without a name")
        return TokenizerError(
            f"The character {character!r} (U+{ord(character):04X}, {name}) at position "
            f"{text.index(character)} is not among the {len(self.characters)} that this tokenizer knows: "
            f"{_shortened(self.characters)}. Leave it out, or use byte-pair encoding, which knows every text."
        )


def _shortened(characters: str, limit: int = 100) -> str:
    return repr(characters) if len(characters) <= limit else repr(characters[:limit]) + "..."
