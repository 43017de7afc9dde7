from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer import from_dict
from groundup.tokenizer.vocabulary import VocabularyTokenizer, merge_in_order

BYTES = [bytes([byte]) for byte in range(256)]


def merge_naively(ids, join):
    """Look at all pairs again after each merge, and do one at a time."""
    while len(ids) > 1:
        found = [(*joined, i) for i, pair in enumerate(pairwise(ids)) if (joined := join(*pair))]
        if not found:
            break
        _, made, i = min(found, key=lambda one: (one[0], one[2]))
        ids[i : i + 2] = [made]
    return ids


@given(st.lists(st.text("abc", min_size=2, max_size=5), unique=True), st.text("abc", max_size=30))
def test_merging_equals_the_naive_way(words, text):
    """Also where a later merge makes a pair of a smaller rank, which trained merges never do."""
    tokenizer = VocabularyTokenizer([*BYTES, *(word.encode() for word in words)], pattern=None)
    join = tokenizer.join
    assert merge_in_order(list(text.encode()), join) == merge_naively(list(text.encode()), join)
    assert tokenizer.decode(tokenizer.encode(text)) == text


@given(st.lists(st.text("abc", min_size=2, max_size=5), unique=True), st.lists(st.text("abc"), max_size=8))
def test_the_compiled_path_merges_alike(words, texts):
    tokens = [*BYTES, *(word.encode() for word in words)]
    tokenizer = VocabularyTokenizer(tokens, pattern=None)
    assert tokenizer.warm_up()
    found = tokenizer._path.encode([text.encode() * 3 for text in texts])
    assert found == [tokenizer.encode(text * 3) for text in texts]


def test_tokens_and_merges_are_enough():
    """Ids in any order, as a model file has them."""
    tokens = [b"<s>", b"ab", *reversed(BYTES), b"abc", b"bc"]
    tokens[0] = None
    byte = {token: id for id, token in enumerate(tokens)}
    merges = [(byte[b"a"], byte[b"b"]), (byte[b"ab"], byte[b"c"]), (byte[b"b"], byte[b"c"])]
    tokenizer = VocabularyTokenizer(tokens, merges, specials={"<s>": 0}, pattern=None)
    assert tokenizer.encode("abcbc") == [byte[b"abc"], byte[b"bc"]]
    swapped = VocabularyTokenizer(tokens, merges[::-1], specials={"<s>": 0}, pattern=None)
    assert swapped.encode("abcbc") == [byte[b"a"], byte[b"bc"], byte[b"bc"]]  # the order decides
    assert tokenizer.warm_up() and swapped.warm_up()
    assert tokenizer._path.encode([b"abcbc"])[0] == tokenizer.encode("abcbc")
    assert swapped._path.encode([b"abcbc"])[0] == swapped.encode("abcbc")


def test_whole_pieces_come_before_merges():
    tokens = [*BYTES, b"xyz"]
    assert VocabularyTokenizer(tokens, []).encode("xyz") == [120, 121, 122]
    whole = VocabularyTokenizer(tokens, [], whole_pieces=True)
    assert whole.encode("xyz xyz") == [256, 32, 120, 121, 122]
    assert whole.warm_up() and whole._path.encode([b"xyz xyz"])[0] == [256, 32, 120, 121, 122]


def test_to_dict_and_back():
    tokenizer = VocabularyTokenizer([*BYTES, b"ab", None], specials={"<|end|>": 259, "<|bos|>": 257})
    again = from_dict(tokenizer.to_dict())
    assert again.to_dict() == tokenizer.to_dict() and again.fingerprint == tokenizer.fingerprint
    assert again.specials == ("<|bos|>", "<|end|>") and again.vocab_size == 260
    other = VocabularyTokenizer([*BYTES, b"ab", None], [(97, 98)], specials={"<|end|>": 259, "<|bos|>": 257})
    assert other.fingerprint != tokenizer.fingerprint


def test_ids_without_a_meaning():
    tokenizer = VocabularyTokenizer([*BYTES, b"ab", None], specials={"<|end|>": 259})
    assert tokenizer.bytes_or_none(257) is None and tokenizer.bytes_of(259) == b""
    for id in (257, 258, 260, -1):
        with pytest.raises(TokenizerError, match=f"There is no token {id}: .* but for 2 that mean nothing"):
            tokenizer.bytes_of(id)
        with pytest.raises(TokenizerError, match=f"There is no token {id}"):
            tokenizer.decode([97, id])


@pytest.mark.parametrize(
    ("tokens", "merges", "specials", "words"),
    [
        ([*BYTES, b"a"], None, {}, r"Two ids have the bytes b'a'"),
        ([*BYTES, b""], None, {}, "The token 256 has no bytes"),
        (BYTES[1:], None, {}, r"no token for 1 of the 256 bytes \(0x00\)"),
        ([*BYTES, b"ab"], [(97, 99)], {}, r"Merge 0 joins the ids 97 and 99 \(b'a' and b'c'\)"),
        ([*BYTES, b"ab"], [(97, 999)], {}, "Merge 0 joins the ids 97 and 999"),
        ([*BYTES, b"ab"], None, {"<|end|>": 256}, "which is that of the token b'ab'"),
        ([*BYTES, b"ab"], None, {"<|end|>": -1}, "has id -1"),
        ([*BYTES, b"ab"], None, {"<|end|>": 257, "<|bos|>": 257}, "share an id"),
        ([*BYTES, b"ab"], None, {"": 257}, "a name that is not empty"),
    ],
)
def test_what_cannot_be_a_vocabulary(tokens, merges, specials, words):
    with pytest.raises(TokenizerError, match=words):
        VocabularyTokenizer(tokens, merges, specials=specials)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tokens", ["!"], "not base64"),
        ("tokens", [1], '"tokens" must be a list of base64'),
        ("specials", ["<|end|>"], '"specials" must give each name its id'),
        ("merges", [[1]], '"merges" must be null or a list of pairs'),
        ("whole_pieces", 1, '"whole_pieces" must be true or false'),
        ("pattern", 5, '"pattern" must be a string or null'),
    ],
)
def test_a_damaged_file(key, value, words):
    content = {**VocabularyTokenizer(BYTES).to_dict(), key: value}
    with pytest.raises(TokenizerError, match=words):
        from_dict(content)
