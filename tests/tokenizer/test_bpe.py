from collections import Counter
from itertools import pairwise

import pytest
import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer import bpe, pieces
from groundup.tokenizer.bpe import BytePairTokenizer, merge, train_merges
from groundup.tokenizer.patterns import DIGITS, GPT2, split

# Scripts whose characters have had their categories since Unicode 6, so that all regex engines agree on them;
# digits, blanks and apostrophes of every kind more often than chance would bring them.
LETTERS = "aBzß 你好éÇжДשع가ひ\u0301\u0903ǅ\u017f"
REST = " \t\n\r\x0b\x1c\x85\u00a0\u2003\u3000'’\"!?.,/<|>_-+*=0123456789٣½ⅻ😀👩\u200d\ufe0f\0"
FUZZ = st.text(st.one_of(st.sampled_from(LETTERS + REST), st.characters(max_codepoint=0x24F)), max_size=60)


# ---- Training ------------------------------------------------------------------------------------


def naive_merges(pieces, n_merges, order=lambda count, pair: (-count, pair)):
    """Count everything again for each merge: fifteen lines that are hard to get wrong."""
    words = {tuple(piece): times for piece, times in pieces.items()}
    merges = []
    while len(merges) < n_merges:
        counts = Counter()
        for word, times in words.items():
            for pair in pairwise(word):
                counts[pair] += times
        if not counts:
            break
        best = min(counts, key=lambda pair: order(counts[pair], pair))
        words = {tuple(merge(list(word), best, 256 + len(merges))): times for word, times in words.items()}
        merges.append(best)
    return merges


@settings(max_examples=100, deadline=None)
@given(
    st.dictionaries(st.text("ab", min_size=1, max_size=12).map(str.encode), st.integers(1, 4), max_size=8),
    st.integers(0, 40),
)
def test_training_equals_the_naive_trainer(pieces, n_merges):
    assert train_merges(pieces, n_merges) == naive_merges(pieces, n_merges)


def test_training_equals_the_naive_trainer_on_real_text(corpus):
    pieces = Counter(piece.encode() for text in corpus for piece in split(GPT2, text[:12_000]))
    merges = train_merges(pieces, 80)
    assert merges == naive_merges(pieces, 80)
    other_rule = naive_merges(pieces, 80, order=lambda count, pair: (-count, (-pair[0], pair[1])))
    assert merges != other_rule  # there are ties, and the rule decides them


def test_the_example_of_wikipedia():
    tokenizer = BytePairTokenizer.train(["aaabdaaabac"], vocab_size=259)
    assert tokenizer.merges == ((97, 97), (97, 98), (256, 257))
    assert tokenizer.encode("aaabdaaabac") == [258, 100, 258, 97, 99]


def test_the_merges_of_rustbpe():
    """Recorded from rustbpe 0.1.0, vocab_size=276, GPT-2 pattern; many pairs of this text tie."""
    text = "Fischers Fritz fischt frische Fische; frische Fische fischt Fischers Fritz. 12 121 1212"
    theirs = [
        b"ch",
        b"is",
        b"isch",
        b"ische",
        b" F",
        b" f",
        b"12",
        b" 12",
        b" Fische",
        b"it",
        b"rs",
        b"rische",
    ]
    theirs += [b"rit", b"ischt", b" Frit", b" frische", b" fischt", b" Fritz", b"Fische", b" 121"]
    tokenizer = BytePairTokenizer.train([text], vocab_size=276, pattern=GPT2)
    assert [tokenizer.bytes_of(id) for id in range(256, 276)] == theirs


def test_the_order_of_the_texts_is_no_matter(corpus):
    forth = BytePairTokenizer.train(corpus, vocab_size=400)
    back = BytePairTokenizer.train(reversed(corpus), vocab_size=400)
    assert forth.fingerprint == back.fingerprint
    assert forth.fingerprint != BytePairTokenizer.train(corpus[:1], vocab_size=400).fingerprint


def test_special_spellings_in_the_training_text_are_only_text():
    texts = ["<|end|> <|end|> <|end|>"]
    tokenizer = BytePairTokenizer.train(texts, vocab_size=262, specials=("<|end|>",))
    assert tokenizer.special("<|end|>") == 261
    assert tokenizer.bytes_of(261) == b""
    assert 261 not in tokenizer.encode(texts[0])


def test_one_string_is_one_text():
    assert BytePairTokenizer.train("abab", vocab_size=257).merges == ((97, 98),)


def test_a_vocabulary_larger_than_the_text_can_give():
    with pytest.raises(TokenizerError) as error:
        BytePairTokenizer.train(["abc abc"], vocab_size=1000, pattern=GPT2, specials=("<|end|>",))
    assert "asks for 743 merges, but this text allows only 3" in str(error.value)
    assert "vocab_size <= 260" in str(error.value)
    assert BytePairTokenizer.train(["abc abc"], vocab_size=260, specials=("<|end|>",)).vocab_size == 260


def test_a_vocabulary_too_small_for_bytes_and_specials():
    with pytest.raises(
        TokenizerError, match="vocab_size=257 is too small: 256 bytes and 2 special tokens need 258"
    ):
        BytePairTokenizer.train(["abc"], vocab_size=257, specials=("a", "b"))
    assert BytePairTokenizer.train(["abc"], vocab_size=258, specials=("a", "b")).merges == ()


@pytest.mark.parametrize("texts", [[], [""], ""])
def test_no_text_to_learn_from(texts):
    with pytest.raises(TokenizerError, match="all texts are empty"):
        BytePairTokenizer.train(texts, vocab_size=300)


def test_a_pattern_that_is_none_fails_before_the_first_text():
    with pytest.raises(TokenizerError, match="not a regular expression"):
        BytePairTokenizer([], pattern="[")


# ---- Encoding and decoding -----------------------------------------------------------------------


@settings(max_examples=100, deadline=None)
@given(text=st.text() | FUZZ)
def test_round_trip_and_no_special_ids(tokenizer, text):
    ids = tokenizer.encode(text)
    assert tokenizer.decode(ids) == text
    assert all(id < tokenizer.special("<|bos|>") for id in ids)


@settings(max_examples=100, deadline=None)
@given(data=st.binary() | st.text().map(str.encode))
def test_any_bytes_round_trip(tokenizer, data):
    ids = tokenizer.encode_bytes(data)
    assert tokenizer.decode_bytes(ids) == data
    try:
        assert ids == tokenizer.encode(data.decode("utf-8"))
    except UnicodeDecodeError:
        assert tokenizer.decode(ids) == data.decode("utf-8", errors="replace")


@pytest.fixture(scope="session")
def oracle(tokenizer) -> tiktoken.Encoding:
    first_special = tokenizer.special(tokenizer.specials[0])
    return tiktoken.Encoding(
        "ours",
        pat_str=tokenizer.pattern,
        mergeable_ranks={tokenizer.bytes_of(id): id for id in range(first_special)},
        special_tokens={name: tokenizer.special(name) for name in tokenizer.specials},
    )


@settings(max_examples=200, deadline=None)
@given(text=FUZZ | FUZZ.map(lambda text: text * 9))
def test_equal_to_tiktoken_on_fuzzed_text(tokenizer, oracle, text):
    assert tokenizer.encode(text) == oracle.encode_ordinary(text)


def test_equal_to_tiktoken_on_real_text(tokenizer, oracle, corpus):
    for text in (*corpus, "<|bos|><|end|> <|user|>", "a\ud800b \ud83d\ude00"):
        ids = tokenizer.encode(text)
        assert ids == oracle.encode_ordinary(text)
        assert len(ids) < len(text.encode("utf-8", errors="surrogatepass"))  # merges did something
    assert oracle.encode("<|end|>", allowed_special="all") == [tokenizer.special("<|end|>")]
    assert tokenizer.encode("<|end|>") != [tokenizer.special("<|end|>")]


@settings(max_examples=200, deadline=None)
@given(st.text("abcd", max_size=30), st.text("abcd", max_size=30))
def test_encoding_is_training_replayed(corpus, text):
    merges = train_merges({corpus.encode(): 1}, 20)
    ids = list(text.encode())
    for i, pair in enumerate(merges):
        ids = merge(ids, pair, 256 + i)
    assert BytePairTokenizer(merges, pattern=None).encode(text) == ids


def test_tokens_stay_within_a_piece(corpus):
    tokenizer = BytePairTokenizer.train([*corpus, "+1234 2345." * 50], vocab_size=600, pattern=DIGITS)
    learned = [tokenizer.bytes_of(id).decode("utf-8", errors="ignore") for id in range(256, 600)]
    assert not any(character.isdigit() for token in learned for character in token)
    assert any(token.strip().isalpha() and len(token) > 5 for token in learned)
    unsplit = BytePairTokenizer.train(["+1234 2345." * 50], vocab_size=262, pattern=None)
    assert any(character.isdigit() for character in unsplit.decode(range(256, 262)))


def test_nul_is_text(tokenizer):
    assert tokenizer.decode(tokenizer.encode("a\0\0b")) == "a\0\0b"


def test_half_a_surrogate_pair_is_read_as_the_replacement_character(tokenizer):
    assert tokenizer.encode("a\ud800b") == tokenizer.encode("a\ufffdb")
    assert tokenizer.decode(tokenizer.encode("\ud83d\ude00")) == "\U0001f600"  # two halves make a whole


def test_a_pattern_that_skips_text_is_an_error_and_not_a_loss():
    with pytest.raises(TokenizerError, match="skips '!'"):
        BytePairTokenizer([], pattern=r"[a-z ]+").encode("hello you!")


def test_a_full_cache_changes_nothing(tokenizer, corpus, monkeypatch):
    expected = tokenizer.encode(corpus[0])
    monkeypatch.setattr(pieces, "CACHED_PIECES", 3)
    small = BytePairTokenizer(tokenizer.merges, pattern=tokenizer.pattern)
    assert small.encode(corpus[0]) == expected
    assert len(small._pieces) <= 3


def test_both_ways_of_merging_are_used_and_agree(tokenizer, corpus, monkeypatch):
    expected = tokenizer.encode(corpus[0])
    monkeypatch.setattr(bpe, "LONG_BYTES", 0)
    assert BytePairTokenizer(tokenizer.merges, pattern=tokenizer.pattern).encode(corpus[0]) == expected
