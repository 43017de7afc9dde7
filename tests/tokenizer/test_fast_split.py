import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer import fast_split
from groundup.tokenizer.fast_split import CODES, piece_end, piece_ends
from groundup.tokenizer.patterns import PATTERNS, split
from groundup.tokenizer.unicode_classes import class_table

# Every class, every letter of a contraction in both cases, what other engines get wrong (long s, U+001C), and
# code points whose class differs between Unicode versions.
ALPHABET = "aB1٣½ \n\r\t.!/'’stREvmLldDlMTSve你éǅ\u0301\u00a0\u3000\u017f\x1cʰAZz\u1c89\U0001ccf0\U0003f7e0\0"
TEXT = st.text(st.sampled_from(ALPHABET) | st.characters(codec="utf-8"), max_size=80)
RAW = st.lists(
    st.sampled_from(list(b"aB1 \n'\xc5\xbf\xe4\xbd\xa0\xed\xa0\xf0\x9f\x98\x80\xf4\x90")), max_size=40
)


def readable_ends(data: bytes, name: str) -> list[int]:
    """The same from the regular expression."""
    ends, at = [], 0
    for piece in split(PATTERNS[name], data.decode("utf-8", errors="surrogateescape")):
        at += len(piece.encode("utf-8", errors="surrogateescape"))
        ends.append(at)
    return ends


def fast_ends(data: bytes, name: str) -> list[int]:
    return piece_ends(np.frombuffer(data, np.uint8), name).tolist()


def test_the_names_are_those_of_the_patterns():
    assert CODES.keys() == PATTERNS.keys()


@pytest.mark.parametrize("name", sorted(CODES))
@settings(max_examples=400)
@given(data=TEXT.map(str.encode) | TEXT.map(lambda text: text.encode() * 9) | RAW.map(bytes) | st.binary())
def test_the_pieces_of_the_regular_expression(name, data):
    assert fast_ends(data, name) == readable_ends(data, name)


def test_patterns_differ():
    data = b"It'S camelCase 12345/\n"
    assert len({tuple(fast_ends(data, name)) for name in CODES}) == 4


@pytest.mark.parametrize("name", sorted(CODES))
def test_real_text(name, corpus):
    for text in corpus:
        assert fast_ends(text.encode(), name) == readable_ends(text.encode(), name)


@pytest.mark.parametrize("name", sorted(CODES))
def test_without_a_compiler_the_same_functions_run(name, corpus):
    data, i, ends = corpus[-1].encode(), 0, []
    while i < len(data):
        i = piece_end(data, i, len(data), class_table(), CODES[name])
        ends.append(i)
    assert ends == readable_ends(data, name)


def test_more_pieces_than_the_buffer_holds(monkeypatch, corpus):
    data = "".join(corpus).encode()
    expected = fast_ends(data, "cl100k")
    monkeypatch.setattr(fast_split, "BUFFER", 7)
    assert fast_ends(data, "cl100k") == expected
    assert len(expected) > 7


def test_nothing_and_an_unknown_pattern():
    assert fast_ends(b"", "gpt2") == []
    with pytest.raises(TokenizerError, match=r"'gpt3'. Did you mean 'gpt2'\? Choose from gpt2, cl100k"):
        piece_ends(np.zeros(1, np.uint8), "gpt3")
