import json
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import DataError, TokenizerError
from groundup.data.shards import TokenShards, dtype_for, write_shards

DOCUMENTS = [[1, 2, 3], [], [65535], [4, 5]]


@pytest.fixture
def shards(tmp_path):
    return write_shards(tmp_path / "corpus", DOCUMENTS, vocab_size=65536, tokenizer_fingerprint="f" * 64)


def test_what_is_written_is_read(shards):
    assert len(shards) == 4
    assert [shards[d].tolist() for d in range(4)] == DOCUMENTS
    assert shards.tokens.tolist() == [1, 2, 3, 65535, 4, 5]
    assert shards.offsets.tolist() == [0, 3, 3, 4, 6]
    assert isinstance(shards.tokens, np.memmap) and shards.tokens.dtype == np.uint16
    assert (shards.vocab_size, shards.tokenizer_fingerprint) == (65536, "f" * 64)
    shards.verify()
    with pytest.raises(IndexError, match="document 4 of 4"):
        shards[4]


def test_sixteen_bits_where_they_suffice(tmp_path):
    assert dtype_for(256) == np.uint16 and dtype_for(65536) == np.uint16 and dtype_for(65537) == np.uint32
    wide = write_shards(tmp_path / "wide", [[70_000]], vocab_size=100_000, tokenizer_fingerprint="f")
    assert wide.tokens.dtype == np.uint32 and wide.tokens.tolist() == [70_000]
    with pytest.raises(DataError, match="vocab_size=0"):
        dtype_for(0)


@settings(max_examples=30)
@given(documents=st.lists(st.lists(st.integers(0, 999), max_size=20), min_size=1, max_size=10).filter(any))
def test_any_documents_come_back(documents, tmp_path_factory):
    path = tmp_path_factory.mktemp("any") / "corpus"
    shards = write_shards(path, documents, vocab_size=1000, tokenizer_fingerprint="f")
    assert [shards[d].tolist() for d in range(len(shards))] == documents


def test_writing_holds_one_document_in_memory(tmp_path):
    def documents():
        for _ in range(40):
            yield list(range(10_000))

    tracemalloc.start()
    shards = write_shards(tmp_path / "corpus", documents(), vocab_size=10_000, tokenizer_fingerprint="f")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert shards.tokens.nbytes == 800_000
    assert peak < 4_000_000  # one document and two buffers; all of them would be 14 MB of ints


@pytest.mark.parametrize("bad", [10, -1])
def test_an_id_outside_the_vocabulary_leaves_nothing_behind(tmp_path, bad):
    with pytest.raises(DataError, match=rf"document 1 holds id {bad}, outside 0..9"):
        write_shards(tmp_path / "corpus", [[1], [2, bad]], vocab_size=10, tokenizer_fingerprint="f")
    assert list(tmp_path.iterdir()) == []


def test_an_error_while_writing_keeps_what_was_there(tmp_path, shards):
    with pytest.raises(DataError, match="no ids at all"):
        write_shards(shards.path, [[], []], vocab_size=10, tokenizer_fingerprint="f")
    assert [shards[d].tolist() for d in range(4)] == DOCUMENTS
    assert TokenShards.open(shards.path).tokens.tolist() == [1, 2, 3, 65535, 4, 5]


def test_another_tokenizer_is_refused(shards):
    TokenShards.open(shards.path, tokenizer_fingerprint="f" * 64)
    with pytest.raises(TokenizerError, match="encoded with tokenizer ffffffffffff, but this run uses eeee"):
        TokenShards.open(shards.path, tokenizer_fingerprint="e" * 64)


@pytest.mark.parametrize("name", ["tokens.bin", "offsets.bin"])
def test_a_truncated_or_missing_file_is_refused_on_opening(shards, name):
    file = shards.path / name
    file.write_bytes(file.read_bytes()[:-1])
    with pytest.raises(DataError, match=f"{name} has .* bytes; its manifest says"):
        TokenShards.open(shards.path)
    file.unlink()
    with pytest.raises(DataError, match=f"{name} is missing"):
        TokenShards.open(shards.path)


def test_a_changed_byte_is_found_by_verify(shards):
    file = shards.path / "tokens.bin"
    content = bytearray(file.read_bytes())
    content[0] ^= 1
    file.write_bytes(content)
    with pytest.raises(DataError, match=r"tokens.bin was changed after it was written"):
        TokenShards.open(shards.path).verify()


def test_what_is_not_a_corpus_is_refused(tmp_path, shards):
    with pytest.raises(DataError, match="holds no token shards"):
        TokenShards.open(tmp_path)
    manifest = shards.path / "manifest.json"
    manifest.write_text(json.dumps({**json.loads(manifest.read_text()), "version": 99}))
    with pytest.raises(DataError, match="version 99"):
        TokenShards.open(shards.path)
