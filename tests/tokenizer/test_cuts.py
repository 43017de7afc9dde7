import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import DataError
from groundup.tokenizer.cuts import begins, blocks, cut
from groundup.tokenizer.patterns import PATTERNS, split
from tests.tokenizer.oracles import crafted_texts, published

RAW = st.lists(
    st.sampled_from(list(b"aB1 \n/'.!\xc5\xbf\xe4\xbd\xa0\xe3\x80\x82\xcc\x81\xf0\x9f\x98\x80")), max_size=40
)


def pieces(name: str, data: bytes) -> list[str]:
    return split(PATTERNS[name], data.decode("utf-8", errors="surrogateescape"))


@pytest.mark.parametrize("name", sorted(PATTERNS))
@settings(max_examples=600)
@given(data=RAW.map(bytes))
def test_a_cut_changes_no_piece(name, data):
    for place in range(1, len(data) - 1):
        if begins(data, place):
            assert pieces(name, data[:place]) + pieces(name, data[place:]) == pieces(name, data)


def test_an_arbitrary_cut_would():
    assert pieces("gpt2", b"one two"[:2]) + pieces("gpt2", b"one two"[2:]) != pieces("gpt2", b"one two")
    assert not begins(b"one two", 2)


@pytest.mark.parametrize(
    ("text", "n"),
    [
        ("word and word, " * 50, 20),
        ("def f():\n    return 1\n" * 30, 20),
        ("你好，世界。再见！" * 60, 20),
        ("a" * 500, 1),
    ],
)
def test_where_it_cuts(text, n):
    parts = cut(text.encode(), "cl100k", 30)
    assert b"".join(parts) == text.encode()
    assert len(parts) >= n if n > 1 else len(parts) == 1
    assert cut(text.encode(), None, 30) == [text.encode()]


@pytest.mark.parametrize("at_once", [64, 1_000, 1 << 24])
def test_a_file_in_blocks(tmp_path, at_once):
    tokenizer, path = published("cl100k"), tmp_path / "long.txt"
    text = "".join(crafted_texts(seed=6, n=300))
    path.write_text(text, encoding="utf-8", newline="")
    parts = list(tokenizer.encode_file(path, at_once=at_once))
    assert [id for part in parts for id in part.tolist()] == tokenizer.encode(text)
    assert (len(parts) > 10) == (at_once < 10_000)


def test_blocks_hold_little(tmp_path):
    path = tmp_path / "words.txt"
    path.write_bytes(b"some words. " * 50_000)
    sizes = [len(block) for block in blocks(path, "gpt2", 10_000)]
    assert sum(sizes) == 600_000 and max(sizes) <= 20_000
    assert [len(block) for block in blocks(path, None, 10_000)] == [600_000]


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(DataError, match="cannot be read"):
        list(blocks(tmp_path / "none", "gpt2", 10))
    (tmp_path / "empty").write_bytes(b"")
    assert list(blocks(tmp_path / "empty", "gpt2", 10)) == []
