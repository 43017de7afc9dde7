"""The compiled trainer against the readable one, which is against the naive one (test_bpe.py) and rustbpe."""

import argparse
import textwrap
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.tokenizer import bpe, fast_count, fast_train
from groundup.tokenizer.fast_count import PieceCounter, Pieces
from groundup.tokenizer.fast_merge import FLOOR, MERGES
from groundup.tokenizer.fast_train import Merger, count_pieces, train_merges
from groundup.tokenizer.patterns import CL100K, PATTERNS, split
from tests.tokenizer.conftest import SCRIPTS

PIECES = st.dictionaries(
    st.text("ab", min_size=1, max_size=12).map(str.encode) | st.binary(min_size=1, max_size=40),
    st.integers(1, 1 << 40),
    min_size=1,
    max_size=12,
)


def as_counts(pieces: Pieces) -> dict[bytes, int]:
    ends = pieces.ends_W.tolist()
    joined = pieces.bytes_N.tobytes()
    spans = zip([0, *ends], ends, pieces.times_W.tolist(), strict=False)
    return {joined[begin:end]: times for begin, end, times in spans}


@pytest.fixture(scope="module")
def counts(corpus) -> dict[bytes, int]:
    return {
        piece.encode(): n for piece, n in Counter(p for text in corpus for p in split(CL100K, text)).items()
    }


# ---- Merging -------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(PIECES, st.integers(0, 60))
def test_the_merges_of_the_readable_trainer(pieces, n_merges):
    assert train_merges(Pieces.of(pieces), n_merges) == bpe.train_merges(pieces, n_merges)


@pytest.mark.parametrize("n_merges", [1, 300, 2500, 10**5])
def test_the_merges_of_real_text(counts, n_merges):
    merges = train_merges(Pieces.of(counts), n_merges)
    assert merges == bpe.train_merges(counts, n_merges)
    assert len(merges) == min(n_merges, 5563) and merges != sorted(merges)


def test_equal_letters_overlap(counts):
    for length in range(2, 40):
        pieces = {b"a" * length: 3, b"b" + b"a" * length + b"b": 2}
        assert train_merges(Pieces.of(pieces), 50) == bpe.train_merges(pieces, 50)


def test_room_is_made_and_nothing_changes(counts, monkeypatch):
    """As little room as there may be: it runs out before nearly every merge."""
    made = []

    def tight(self, pairs, places, most_places):
        made.append(pairs)
        most_pairs = min(2 * most_places, 2 * (256 + int(self.used[MERGES])) + 1)
        rows = 1 << (2 * (pairs + most_pairs) - 1).bit_length()
        self.pairs_R4 = np.full((rows, 4), -1, np.int64)
        self.heap_Q2 = np.empty((rows // 2, 2), np.int64)
        self.places_L = np.empty(places + 2 * most_places, np.int32)

    monkeypatch.setattr(Merger, "_allocate", tight)
    assert train_merges(Pieces.of(counts), 1500) == bpe.train_merges(counts, 1500)
    assert len(made) > 100


def test_a_pair_that_was_forgotten_too_early_is_remembered(counts, monkeypatch):
    expected = bpe.train_merges(counts, 3000)
    floors = []
    run = Merger.run

    def told(self):
        done = run(self)
        floors.append((int(self.used[FLOOR]), done))
        return done

    monkeypatch.setattr(Merger, "run", told)
    monkeypatch.setattr(Merger, "_allocate", _little_room(Merger._allocate))
    monkeypatch.setattr(fast_train, "KEPT_ANYWAY", 4096)
    assert train_merges(Pieces.of(counts), 3000) == expected
    monkeypatch.setattr(fast_train, "KEPT_ANYWAY", 1)
    monkeypatch.setattr(Merger.__init__, "__kwdefaults__", {"kept": 0})
    assert train_merges(Pieces.of(counts), 3000) == expected
    (_, at_once), (floor, failed), (last, done) = floors
    assert at_once and floor > 1 and not failed and last == 1 and done


def _little_room(allocate):
    def little(self, pairs, places, most_places):
        allocate(self, min(pairs, 5000), places, most_places)

    return little


def test_plain_python_does_the_same(monkeypatch):
    """The functions are Python; without Numba they are slow, and equal."""
    monkeypatch.setattr(fast_train, "compiled", lambda entry, *callees: entry)
    monkeypatch.setattr(fast_count, "compiled", lambda entry, *callees: entry)
    monkeypatch.setattr(fast_count, "fill_ends", _fill_ends)
    text = "the cat sat on the mat, internationalization and internationalisation " * 2
    with np.errstate(over="ignore"):
        counter = PieceCounter("cl100k", rows=16)
        monkeypatch.setattr(fast_count, "AT_ONCE", 8)
        counter.add([text.encode()])
    expected = Counter(piece.encode() for piece in split(CL100K, text))
    assert as_counts(counter.pieces()) == expected
    assert train_merges(counter.pieces(), 12) == bpe.train_merges(expected, 12)


def _fill_ends(b, i, n, classes, pattern, ends):
    ends_of_all = i + np.cumsum([len(piece) for piece in split(CL100K, bytes(b[i:n]).decode())])
    some = ends_of_all[: len(ends)]
    ends[: len(some)] = some
    return len(some)


# ---- Counting ------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_the_pieces_of_the_readable_split(name, corpus):
    texts = [
        *corpus,
        "",
        "x" * 5000,
        "x" * 5001,
        "é" * 9000,
        "12345678 " * 99,
        "\0\0",
        "a\ud800b \ud83d\ude00",
    ]
    expected = Counter(
        p.encode() for text in texts for p in split(PATTERNS[name], fast_train.well_formed(text))
    )
    assert as_counts(count_pieces(texts, PATTERNS[name])) == expected
    assert len(expected) > 2000 and max(map(len, expected)) > 5000


@settings(max_examples=100)
@given(
    st.lists(st.text(st.sampled_from("aé你 \n'1.") | st.characters(codec="utf-8"), max_size=80), max_size=9)
)
def test_counting_any_text(texts):
    expected = Counter(piece.encode() for text in texts for piece in split(CL100K, text))
    assert as_counts(count_pieces(texts, CL100K)) == expected


@pytest.mark.parametrize("threads", [2, 3])
def test_threads_change_nothing(threads, corpus, monkeypatch):
    monkeypatch.setattr(fast_train, "BLOCK_BYTES", 3000)
    monkeypatch.setattr(fast_count, "FIRST_ROWS", 1024)
    texts = [line for text in corpus for line in text.splitlines(keepends=True)] + ["y" * 100, "y" * 100]
    together = as_counts(count_pieces(texts, CL100K, threads=threads))
    assert (
        together
        == as_counts(count_pieces(texts, CL100K))
        == Counter(piece.encode() for text in texts for piece in split(CL100K, text))
    )


def test_other_patterns_are_split_by_their_own_engine(corpus):
    for pattern in (None, r"\w+|\W+"):
        expected = Counter(piece.encode() for text in corpus for piece in split(pattern, text))
        assert as_counts(count_pieces(corpus, pattern)) == expected


def test_memory_grows_with_the_different_pieces_and_not_with_the_text(corpus):
    counter = PieceCounter("cl100k")
    documents = [text.encode() for text in corpus]
    counter.add(documents)
    size = counter.table_R4.nbytes + counter.long_bytes.nbytes
    for _ in range(20):
        counter.add(documents)
    assert counter.table_R4.nbytes + counter.long_bytes.nbytes == size
    assert sum(as_counts(counter.pieces()).values()) == 21 * sum(len(split(CL100K, text)) for text in corpus)


# ---- The peer ------------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("name", ["code", "scripts", "equals"])
def test_the_merges_of_rustbpe(name, corpus):
    """Token for token, order included, on Python source, on many scripts, and where nearly all pairs tie."""
    rustbpe = pytest.importorskip("rustbpe")
    source = [path.read_text("utf-8") for path in sorted(Path(argparse.__file__).parent.glob("[a-h]*.py"))]
    texts = {
        "code": source,
        "scripts": [SCRIPTS * 3, *textwrap.wrap(SCRIPTS, 30), *source[:3]],
        "equals": ["".join(chr(97 + (i * i + k) % 26) for k in range(8)) + " " for i in range(300)],
    }[name]
    theirs = rustbpe.Tokenizer()
    n_merges = len(train_merges(count_pieces(texts, CL100K), 4000))
    theirs.train_from_iterator(iter(texts), 256 + n_merges, pattern=CL100K)
    merges = train_merges(count_pieces(texts, CL100K), n_merges)
    ours = bpe.BytePairTokenizer(merges, pattern=CL100K)
    learned = sorted(theirs.get_mergeable_ranks(), key=lambda entry: entry[1])
    assert [bytes(token) for token, _ in learned] == [ours.bytes_of(id) for id in range(256 + n_merges)]
