import pytest

from groundup.base.errors import TokenizerError
from groundup.tokenizer import BytePairTokenizer, VocabularyTokenizer
from groundup.tokenizer.byte_level import LETTERS, from_strings, to_bytes, to_text


def test_the_alphabet_of_gpt2():
    assert len(set(LETTERS)) == 256 and all(letter.isprintable() for letter in LETTERS)
    assert (LETTERS[0], LETTERS[0x0A], LETTERS[0x20], LETTERS[0x41], LETTERS[0xAD]) == (
        "Ā",
        "Ċ",
        "Ġ",
        "A",
        "Ń",
    )
    everything = bytes(range(256))
    assert to_bytes(to_text(everything)) == everything
    assert to_bytes("a b") is None  # a blank is no letter of it


def strings(tokenizer: BytePairTokenizer) -> tuple[list[str], list[tuple[str, str]]]:
    """What a model file holds of a tokenizer."""
    tokens = [to_text(tokenizer.bytes_of(id)) for id in range(256 + len(tokenizer.merges))]
    return [*tokens, *tokenizer.specials], [(tokens[left], tokens[right]) for left, right in tokenizer.merges]


def test_tokens_and_merges_alone_give_the_same_tokenizer(tokenizer):
    tokens, merges = strings(tokenizer)
    again = from_strings(tokens, merges, pattern=tokenizer.pattern, specials=tokenizer.specials)
    assert isinstance(again, BytePairTokenizer) and again.fingerprint == tokenizer.fingerprint


def test_another_order_of_ids_is_kept(corpus):
    tokenizer = BytePairTokenizer.train(corpus, vocab_size=300, specials=("<|end|>",))
    tokens, merges = strings(tokenizer)
    moved = from_strings([*tokens[-1:], *tokens[:-1]], merges, specials=["<|end|>"])
    assert isinstance(moved, VocabularyTokenizer) and moved.special("<|end|>") == 0
    assert moved.encode(corpus[-1]) == [id + 1 for id in tokenizer.encode(corpus[-1])]


def test_a_string_outside_the_alphabet_is_special():
    assert from_strings([*LETTERS, "<|a b|>"], []).special("<|a b|>") == 256


def test_errors():
    with pytest.raises(TokenizerError, match="'<s>' is not among the tokens"):
        from_strings(list(LETTERS), [], specials=["<s>"])
    with pytest.raises(TokenizerError, match="Merge 0, 'a', does not name two tokens"):
        from_strings(list(LETTERS), ["a"])
