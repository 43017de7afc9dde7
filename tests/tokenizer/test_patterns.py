import pytest
import regex
import tiktoken_ext.openai_public as published
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer.patterns import CL100K, DIGITS, GPT2, O200K, PATTERNS, compile_pattern, split


@given(st.sampled_from(sorted(PATTERNS)), st.text())
def test_the_pieces_are_the_text(name, text):
    assert "".join(split(PATTERNS[name], text)) == text


@given(st.sampled_from(sorted(PATTERNS)), st.text(alphabet="aB1٣½ \n\t.!'你é\u0301\u00a0", min_size=1))
def test_no_piece_crosses_categories(name, text):
    for piece in split(PATTERNS[name], text):
        has_letter, has_digit = regex.search(r"\p{L}", piece), regex.search(r"\p{N}", piece)
        assert not (has_letter and has_digit), piece
        assert not (has_digit and regex.search(r"[^\s\p{N}]", piece)), piece
        assert not (has_letter and regex.search(r"\p{L}.*[\s]", piece)), piece  # a blank only before a word


def test_without_a_split_pieces_do_cross():
    assert split(None, "dog 1.") == ["dog 1."]


@given(st.text(alphabet="01234567٣½ax.\n "))
def test_under_digits_each_digit_is_alone(text):
    assert all(len(piece) == 1 for piece in split(DIGITS, text) if regex.search(r"\p{N}", piece))


def test_digits_differs_from_cl100k_in_digits_alone():
    assert split(CL100K, "12345 dogs") == ["123", "45", " dogs"]
    assert split(DIGITS, "12345 dogs") == ["1", "2", "3", "4", "5", " dogs"]
    assert DIGITS != CL100K


@pytest.mark.parametrize(
    ("pattern", "text", "pieces"),
    [
        (GPT2, "We're HERE'S  x", ["We", "'re", " HERE", "'", "S", " ", " x"]),
        (CL100K, "We're HERE'S  x\n\n y", ["We", "'re", " HERE", "'S", " ", " x", "\n\n", " y"]),
        (CL100K, "a.b\n  \nc  ", ["a", ".b", "\n  \n", "c", "  "]),
        (O200K, "camelCase I'm//\n", ["camel", "Case", " I'm", "//\n"]),
    ],
)
def test_known_splits(pattern, text, pieces):
    assert split(pattern, text) == pieces


@pytest.fixture
def published_patterns(monkeypatch):
    """What tiktoken ships under the same names, without fetching the vocabularies that go with it."""
    for loader in ("load_tiktoken_bpe", "data_gym_to_mergeable_bpe_ranks"):
        monkeypatch.setattr(published, loader, lambda *args, **kwargs: {})
    return {
        "gpt2": published.gpt2()["pat_str"],
        "cl100k": published.cl100k_base()["pat_str"],
        "o200k": published.o200k_base()["pat_str"],
    }


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=150, deadline=None)
@given(st.text(alphabet="aB1٣½ \n\r\t.!/'’stREvmLd你éǅ\u0301\u00a0\u3000\u017f\x1c", max_size=30) | st.text())
def test_the_same_pieces_as_the_published_patterns(published_patterns, text):
    for name, pattern in published_patterns.items():
        assert split(PATTERNS[name], text) == split(pattern, text)


def test_the_named_patterns_differ():
    text = "It'S camelCase 12345/\n"
    assert len({tuple(split(pattern, text)) for pattern in PATTERNS.values()}) == 4


def test_bad_patterns():
    with pytest.raises(TokenizerError, match=r"is not a regular expression: .*GPT2, CL100K, O200K, DIGITS"):
        compile_pattern("(")
    with pytest.raises(TokenizerError, match="capturing groups"):
        compile_pattern("(a)|.")
    with pytest.raises(TokenizerError, match="skips ' 1'"):
        split("[a-z]+", "abc 1x")
