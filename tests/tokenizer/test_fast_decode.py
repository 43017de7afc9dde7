import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer import pieces
from tests.tokenizer.oracles import crafted_texts, oracle_of, published


@given(st.lists(st.integers(0, 100_255), max_size=200))
def test_any_ids(ids):
    tokenizer = published("cl100k")
    found = bytes(tokenizer._path.decoder.decode(np.array(ids, np.int64)))
    assert found == tokenizer.decode_bytes(ids) == oracle_of("cl100k").decode_bytes(ids)


def test_tokens_of_every_length():
    """The rows hold 15 bytes; cl100k has tokens of 128."""
    tokenizer = published("cl100k")
    by_length = {len(token): id for id in range(100_256) if (token := tokenizer.bytes_of(id))}
    assert {1, 14, 15, 16, 17, 128} <= by_length.keys()
    ids = [id for pair in zip(by_length.values(), reversed(by_length.values()), strict=True) for id in pair]
    assert bytes(tokenizer._path.decoder.decode(np.array(ids, np.int64))) == tokenizer.decode_bytes(ids)


@pytest.mark.parametrize("dtype", [np.uint16, np.int32, np.uint32, np.int64])
def test_arrays_of_any_integers(dtype, monkeypatch):
    monkeypatch.setattr(pieces, "FAST_TEXT", 0)
    tokenizer = published("r50k")
    text = "".join(crafted_texts(seed=5, n=20))
    ids = np.array(tokenizer.encode(text), dtype)
    assert tokenizer.decode_array(ids) == text.encode()
    assert tokenizer.decode_array(ids[::2]) == tokenizer.decode_bytes(ids[::2].tolist())  # not contiguous
    assert tokenizer.decode_array(ids[:0]) == b""


@pytest.mark.parametrize("fast", [True, False])
def test_unknown_ids_are_named(fast, monkeypatch):
    monkeypatch.setattr(pieces, "FAST_TEXT", 0 if fast else 1 << 30)
    tokenizer = published("cl100k")
    for id in (-1, 100_256, 100_277, 1 << 40):  # below, a gap, above
        with pytest.raises(TokenizerError, match=f"There is no token {id}: .* 0 to 100276, but for 16 that"):
            tokenizer.decode_array(np.array([5, id, 7]))
    with pytest.raises(TokenizerError, match="whole numbers, but this array has dtype float64"):
        tokenizer.decode_array(np.array([1.0]))


def test_special_tokens_are_silent(monkeypatch):
    monkeypatch.setattr(pieces, "FAST_TEXT", 0)
    tokenizer = published("cl100k")
    end = tokenizer.special("<|endoftext|>")
    assert tokenizer.decode_array(np.array([64, end, 65])) == b"ab"
