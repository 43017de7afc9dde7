import random

import tiktoken
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokenizer.bpe import BytePairTokenizer, merge_by_rank, train_merges
from groundup.tokenizer.long_piece import merge_long


def ranks_of(merges):
    return {pair: 256 + i for i, pair in enumerate(merges)}


@settings(max_examples=150, deadline=None)
@given(st.text("abc", min_size=2, max_size=60), st.text("abc", max_size=80), st.integers(0, 30))
def test_equal_to_the_plain_version(corpus, text, n_merges):
    ranks = ranks_of(train_merges({corpus.encode(): 1}, n_merges))
    assert merge_long(list(text.encode()), ranks) == merge_by_rank(list(text.encode()), ranks)


def test_the_order_of_merges_matters():
    ids = list(b"abc")
    assert merge_long(ids.copy(), {(97, 98): 256, (98, 99): 257}) == [256, 99]
    assert merge_long(ids.copy(), {(98, 99): 256, (97, 98): 257}) == [97, 256]


def test_nothing_to_merge():
    assert merge_long([], {}) == []
    assert merge_long([97], {(97, 97): 256}) == [97]


def test_a_giant_piece_is_encoded_without_a_fuss():
    """One piece of 50,000 equal letters, blanks or random letters; tiktoken says what they give."""
    noise = "".join(random.Random(0).choices("abcdefgh", k=50_000))
    tokenizer = BytePairTokenizer.train([noise[:5_000], "a" * 500, " " * 500], vocab_size=400)
    oracle = tiktoken.Encoding(
        "ours",
        pat_str=tokenizer.pattern,
        mergeable_ranks={tokenizer.bytes_of(id): id for id in range(400)},
        special_tokens={},
    )
    for text in ("a" * 50_000, " " * 20_000, noise):
        ids = tokenizer.encode(text)
        assert ids == oracle.encode_ordinary(text)
        assert len(ids) < len(text)
