"""The half that every tokenizer shares: a table from id to bytes, with the special tokens at its end.

Going from ids to text is only looking up and joining, for characters as for byte pairs. What differs between
tokenizers is how text becomes ids, and that is all that chars.py and bpe.py add.

A special token has a name but no bytes. It is not text, so it can be neither typed nor printed:

>>> table = Table([b"a", b"b"], specials=("<|end|>",))
>>> table.special("<|end|>"), table.bytes_of(2), table.decode([0, 2, 1])
(2, b'', 'ab')

Next: chars.py.
"""

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

from groundup.base.errors import TokenizerError, suggest
from groundup.base.files import write_json


class Table:
    """Ids to bytes; a tokenizer inherits this and adds `encode` and `to_dict`."""

    def __init__(self, tokens: Sequence[bytes], specials: Sequence[str] = ()):
        self.specials: tuple[str, ...] = check_specials(specials)
        self._bytes: tuple[bytes, ...] = (*tokens, *(b"" for _ in self.specials))
        self._special_ids = {name: len(tokens) + i for i, name in enumerate(self.specials)}
        self._gaps: frozenset[int] = frozenset()  # ids below vocab_size that nobody gave a meaning

    @property
    def vocab_size(self) -> int:
        return len(self._bytes)

    def special(self, name: str) -> int:
        """The id of the special token `name`; TokenizerError if there is none of that name."""
        if name not in self._special_ids:
            has = ", ".join(self.specials) or "none"
            raise TokenizerError(
                f"This tokenizer has no special token {name!r}; it has {has}.{suggest(name, self.specials)} "
                "Special tokens are chosen when a tokenizer is trained: train one whose specials name it."
            )
        return self._special_ids[name]

    def bytes_of(self, id: int) -> bytes:
        """The bytes of one id, b"" for a special token; TokenizerError if there is no such id."""
        if not 0 <= id < self.vocab_size or id in self._gaps:
            raise self._unknown(id)
        return self._bytes[id]

    def bytes_or_none(self, id: int) -> bytes | None:
        """The bytes of one id, None for a special token and for an id that nobody gave a meaning."""
        return self._bytes[id] or None

    def decode_bytes(self, ids: Iterable[int]) -> bytes:
        """The bytes of the ids, joined: the exact inverse of encoding, also for bytes that are not UTF-8."""
        ids = list(ids)
        if ids and not (min(ids) >= 0 and max(ids) < self.vocab_size):
            raise self._unknown(next(id for id in ids if not 0 <= id < self.vocab_size))
        if self._gaps and not self._gaps.isdisjoint(ids):
            raise self._unknown(next(id for id in ids if id in self._gaps))
        return b"".join(map(self._bytes.__getitem__, ids))

    def decode(self, ids: Iterable[int]) -> str:
        """The text of the ids. What is not UTF-8 becomes U+FFFD: a model may well emit half a character."""
        return self.decode_bytes(ids).decode("utf-8", errors="replace")

    def to_dict(self) -> dict[str, Any]:
        raise NotImplementedError(f"{type(self).__name__} must say what defines it")

    @cached_property
    def fingerprint(self) -> str:
        """sha256 of the canonical JSON of `to_dict()`: same fingerprint, same ids."""
        canonical = json.dumps(self.to_dict(), sort_keys=True, separators=(",", ":"), ensure_ascii=True)
        return hashlib.sha256(canonical.encode("ascii")).hexdigest()

    def save(self, path: str | Path) -> None:
        """Write the tokenizer as one JSON file, whole or not at all."""
        write_json(Path(path), {**self.to_dict(), "fingerprint": self.fingerprint})

    def _unknown(self, id: int) -> TokenizerError:
        gaps = f", but for {len(self._gaps)} that mean nothing" if self._gaps else ""
        return TokenizerError(
            f"There is no token {id}: this tokenizer has ids 0 to {self.vocab_size - 1}{gaps}. The ids "
            "probably come from another tokenizer; decode them with the one that made them."
        )


def check_specials(specials: Sequence[str]) -> tuple[str, ...]:
    """The names as a tuple; TokenizerError if one is empty or there twice."""
    if isinstance(specials, str):
        raise TokenizerError(f"specials={specials!r} is one string. Pass a tuple of names: ({specials!r},).")
    names = tuple(specials)
    if any(not isinstance(name, str) or not name for name in names):
        raise TokenizerError(f"specials={names!r}: each special token needs a name that is not empty.")
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise TokenizerError(f"Special tokens named twice: {', '.join(twice)}. Each name may appear once.")
    return names
