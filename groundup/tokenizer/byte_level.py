"""Tokens as printable strings, the way model files write them: GPT-2's alphabet for the 256 bytes.

JSON and GGUF hold text, and a token may be half a character. So GPT-2 gave each byte a letter: the printable
ones of Latin-1 are themselves, and the other 68, with all blanks and controls, are U+0100 onwards in order. A
blank is \u0120 in every such file.

>>> to_text(b" caf\\xc3\\xa9\\n")
'ĠcafÃ©Ċ'
>>> to_bytes('ĠcafÃ©Ċ')
b' caf\\xc3\\xa9\\n'

Source: Radford et al. 2019, openai/gpt-2 `encoder.py`, bytes_to_unicode.
Next:   hugging_face.py.
"""

from collections.abc import Collection, Mapping, Sequence
from itertools import count

from groundup.base.errors import TokenizerError
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.patterns import GPT2
from groundup.tokenizer.pieces import PieceTokenizer
from groundup.tokenizer.vocabulary import VocabularyTokenizer

_PRINTABLE = {*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)}
_OTHERS = count(0x100)
LETTERS = "".join(chr(byte if byte in _PRINTABLE else next(_OTHERS)) for byte in range(256))
_BYTES = {letter: byte for byte, letter in enumerate(LETTERS)}


def to_text(token: bytes) -> str:
    """A token's bytes as printable letters."""
    return token.decode("latin-1").translate(_LETTER_OF)


_LETTER_OF = dict(enumerate(LETTERS))


def to_bytes(text: str) -> bytes | None:
    """The bytes that the letters stand for, None if one of them is none."""
    try:
        return bytes(map(_BYTES.__getitem__, text))
    except KeyError:
        return None


def from_strings(
    tokens: Sequence[str | None],
    merges: Sequence[str | Sequence[str]],
    *,
    pattern: str | None = GPT2,
    specials: Mapping[str, int] | Collection[str] = (),
    whole_pieces: bool = False,
) -> PieceTokenizer:
    """The tokenizer of a model file: each id's string, and the merges in order, "a b" or ("a", "b").

    `specials` names the tokens that are no text, with their ids or among `tokens`. A string that is not in
    the alphabet cannot be text either, and becomes special. The result is a BytePairTokenizer if these are
    the ids that training here would have given, else a VocabularyTokenizer.
    """
    ids = {text: id for id, text in enumerate(tokens) if text is not None}
    if isinstance(specials, Mapping):
        special_ids = dict(specials)
    else:
        special_ids = {name: _id(ids, name) for name in specials}
    contents: list[bytes | None] = []
    for id, text in enumerate(tokens):
        token = None if text is None or special_ids.get(text) == id else to_bytes(text)
        if token is None and text is not None:
            special_ids.setdefault(text, id)
        contents.append(token)
    known = {token: id for id, token in enumerate(contents) if token is not None}
    pairs = [_pair(merge, rank, known) for rank, merge in enumerate(merges)]
    if trained := _as_trained(contents, pairs, special_ids):
        return BytePairTokenizer(pairs, pattern=pattern, specials=trained)
    return VocabularyTokenizer(
        contents, pairs, pattern=pattern, specials=special_ids, whole_pieces=whole_pieces
    )


def _id(ids: Mapping[str, int], name: str) -> int:
    if name not in ids:
        raise TokenizerError(f"The special token {name!r} is not among the tokens. Name it with its id.")
    return ids[name]


def _pair(merge: str | Sequence[str], rank: int, ids: Mapping[bytes, int]) -> tuple[int, int]:
    parts = merge.split(" ") if isinstance(merge, str) else merge
    found = [ids.get(to_bytes(part) or b"") for part in parts]
    if len(found) != 2 or found[0] is None or found[1] is None:
        raise TokenizerError(
            f"Merge {rank}, {merge!r}, does not name two tokens of the vocabulary. The file is damaged, "
            "or its tokens and merges belong to different tokenizers."
        )
    return found[0], found[1]


def _as_trained(
    tokens: Sequence[bytes | None], merges: Sequence[tuple[int, int]], specials: Mapping[str, int]
) -> tuple[str, ...] | None:
    """The names of the special tokens if all ids come in the order of bpe.py, else None."""
    n = 256 + len(merges)
    names = sorted(specials, key=specials.__getitem__)
    if [specials[name] for name in names] != list(range(n, n + len(names))) or len(tokens) > n + len(names):
        return None
    if list(tokens[:256]) != [bytes([byte]) for byte in range(256)]:
        return None
    for id, (left, right) in enumerate(merges, start=256):
        first, second = tokens[left], tokens[right]
        if left >= id or right >= id or first is None or second is None or tokens[id] != first + second:
            return None
    return tuple(names) if len(set(merges)) == len(merges) else None
