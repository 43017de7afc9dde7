import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer.chars import CharTokenizer


@given(st.text(min_size=1))
def test_round_trip(text):
    tokenizer = CharTokenizer.train(text)
    ids = tokenizer.encode(text)
    assert len(ids) == len(text)
    assert tokenizer.decode(ids) == text
    assert tokenizer.vocab_size == len(set(text))


def test_unknown_character_is_named_with_its_code_point_and_place():
    with pytest.raises(TokenizerError) as error:
        CharTokenizer.train("abc").encode("ab你c")
    assert "'你' (U+4F60, CJK UNIFIED IDEOGRAPH-4F60) at position 2" in str(error.value)
    assert "the 3 that this tokenizer knows: 'abc'" in str(error.value)


def test_control_characters_and_long_alphabets_in_the_message():
    with pytest.raises(TokenizerError, match=r"U\+0000, a character without a name"):
        CharTokenizer.train("abc").encode("\0")
    alphabet = "".join(map(chr, range(0x4E00, 0x4E00 + 5000)))
    with pytest.raises(TokenizerError) as error:
        CharTokenizer.train(alphabet).encode("a")
    assert len(str(error.value)) < 600


def test_nul_is_a_character_like_any_other():
    assert CharTokenizer.train("a\0b").encode("\0") == [0]


def test_bad_alphabets():
    with pytest.raises(TokenizerError, match="text is empty"):
        CharTokenizer.train("")
    with pytest.raises(TokenizerError, match=r"U\+D800, which is half of a surrogate pair"):
        CharTokenizer.train("a\ud800")
    with pytest.raises(TokenizerError, match="different and sorted"):
        CharTokenizer("ba")
