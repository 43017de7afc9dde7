"""When compiled code takes over, and that nothing but the time tells."""

import subprocess
import sys
import time

import numpy as np
import pytest

from groundup.base.errors import TokenizerError
from groundup.tokenizer import BytePairTokenizer, pieces
from groundup.tokenizer.patterns import PATTERNS
from tests.tokenizer.conftest import SCRIPTS
from tests.tokenizer.oracles import published


@pytest.fixture
def fresh(corpus) -> BytePairTokenizer:
    return BytePairTokenizer.train(corpus, vocab_size=400, pattern=PATTERNS["cl100k"])


def test_small_inputs_never_load_compiled_code():
    """In a process of its own, so that nobody else has loaded it. The clock is that of the process."""
    published("cl100k")
    code = (
        "import sys, time; from groundup.tokenizer import load; tokenizer = load('cl100k')\n"
        "began = time.process_time(); ids = tokenizer.encode('Hello world, how are you? ' * 20)\n"
        "print(len(ids), time.process_time() - began, 'numba' in sys.modules, 'torch' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    n, seconds, numba, torch = done.stdout.split()
    assert int(n) > 100 and numba == torch == "False"
    assert float(seconds) < 0.05


def test_it_comes_in_after_enough_text_and_changes_nothing(fresh, corpus, monkeypatch):
    text = corpus[0]
    expected = fresh.encode(text)
    assert fresh._path is None
    assert fresh.warm_up()  # so that it is on the disk
    fresh._path, fresh._encoded = None, 0
    monkeypatch.setattr(pieces, "LOAD_AFTER", int(1.5 * len(text)))
    assert fresh.encode(text) == expected and fresh._path is None
    assert fresh.encode("short") and fresh._path is None
    assert fresh.encode(text) == expected and fresh._path is not None
    assert fresh.encode("short") == fresh.encode_batch(["short"])[0]


def test_what_is_not_compiled_yet_waits_longer(fresh, corpus, monkeypatch):
    monkeypatch.setattr(pieces, "LOAD_AFTER", 1)
    monkeypatch.setattr("groundup.tokenizer.fast_path.is_compiled", lambda: False)
    assert fresh.encode(corpus[0]) and fresh._path is None
    monkeypatch.setattr(pieces, "COMPILE_AFTER", 1)
    assert fresh.encode(corpus[0]) and fresh._path is not None


def test_a_pattern_of_ones_own_stays_readable(corpus):
    own = BytePairTokenizer.train(corpus, vocab_size=400, pattern=r"\s+|\S+")
    assert not own.warm_up() and own._path is None
    assert own.encode_array(corpus[0]).tolist() == own.encode(corpus[0])


def test_all_ways_to_encode_agree(fresh):
    texts = [SCRIPTS, "", "a" * 300, SCRIPTS * 30, "half \ud800 a pair"]
    for warm in (False, True):
        if warm:
            assert fresh.warm_up()
        lists = [fresh.encode(text) for text in texts]
        ids, ends = fresh.encode_arrays(texts)
        assert fresh.encode_batch(texts) == lists
        assert [fresh.encode_array(text).tolist() for text in texts] == lists
        assert (ids.dtype, ends.dtype) == (np.uint32, np.int64)
        assert [part.tolist() for part in np.split(ids, ends)[:-1]] == lists
        assert [fresh.decode_array(np.array(some, np.int64)) for some in lists] == [
            fresh.decode_bytes(some) for some in lists
        ]
        none, no_ends = fresh.encode_arrays([])
        assert len(none) == len(no_ends) == 0 and fresh.encode_batch([]) == []


def test_one_string_is_not_several(fresh):
    for way in (fresh.encode_batch, fresh.encode_arrays):
        with pytest.raises(TokenizerError, match=r"Put it in a list: \[text\]"):
            way("hello")
        assert way(["hello"])


def test_compiled_code_is_faster(fresh, corpus):
    """By some ten times; this asks for twice, so that only a broken path fails."""
    data = (corpus[0] * 20).encode()
    assert fresh.warm_up()
    fresh.encode_array(data)

    def seconds(action) -> float:
        began = time.process_time()
        action()
        return time.process_time() - began

    compiled = min(seconds(lambda: fresh.encode_array(data)) for _ in range(3))
    fresh._path, fresh._can_be_fast = None, lambda: False
    plain = min(seconds(lambda: fresh.encode_array(data)) for _ in range(3))
    assert plain > 2 * compiled
