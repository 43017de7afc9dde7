import gzip
from pathlib import Path

import pytest

from groundup.base.errors import DataError
from groundup.data import read_text_plain
from groundup.data.read_text_plain import blocks, ending, is_gzip, opened


def test_a_character_that_two_blocks_share_is_whole(tmp_path, monkeypatch):
    """At every possible place of the border between two blocks."""
    text = "\ufeffa世ü😀 b"
    (tmp_path / "a.txt").write_bytes(text.encode())
    for size in range(1, 16):
        monkeypatch.setattr(read_text_plain, "BLOCK", size)
        assert "".join(blocks(tmp_path / "a.txt")) == text.removeprefix("\ufeff")


@pytest.mark.parametrize("size", [1, 2, 5, 100])
@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"abc\xe4def", "byte 3 is 0xe4"),
        ("ab世".encode()[:-1], "byte 2 is 0xe4"),  # cut short in the middle of a character
        ("ü世".encode() + b"\xff", "byte 5 is 0xff"),
        (b"abcde\0f", "zero byte at 5"),
    ],
)
def test_the_byte_that_is_wrong_is_named_wherever_the_blocks_end(tmp_path, monkeypatch, size, content, says):
    monkeypatch.setattr(read_text_plain, "BLOCK", size)
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=says):
        list(blocks(tmp_path / "a.txt"))


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (gzip.compress(b"text", mtime=0), "compressed with gzip: give it a name that ends in .gz"),
        ("words".encode("utf-16"), "UTF-16: convert it with iconv -f UTF-16"),
        (b"%PDF-1.7\n%\xe2\xe3\xcf\xd3", "it is a PDF: take its text out first"),
        (b"PK\x03\x04\x14\x00\x06\x00\x08\x00\x00\x00!\x00\xdf", "zip archive, as .docx"),
    ],
)
def test_what_people_hand_over_instead_of_text_is_recognised(tmp_path, content, says):
    (tmp_path / "a.txt").write_bytes(content)
    with pytest.raises(DataError, match=f"(is not UTF-8 text: byte|holds a zero byte at) .*{says}"):
        list(blocks(tmp_path / "a.txt"))


def test_damage_in_the_middle_of_a_gzip_file_is_a_sentence(tmp_path):
    whole = bytearray(gzip.compress(bytes(range(97, 122)) * 5000, mtime=0))
    whole[len(whole) // 2] ^= 0xFF
    (tmp_path / "a.txt.gz").write_bytes(whole)
    with (
        pytest.raises(DataError, match=r"a.txt.gz is not a whole gzip file"),
        opened(tmp_path / "a.txt.gz") as s,
    ):
        s.read()


def test_endings():
    assert ending(Path("a.b/notes.TXT")) == ".txt" and not is_gzip(Path("notes.txt"))
    assert ending(Path("x.jsonl.GZ")) == ".jsonl" and is_gzip(Path("x.jsonl.GZ"))
    assert ending(Path("LICENSE")) == ""
