import gzip
import json
import tracemalloc

import pytest

from groundup.base.errors import DataError
from groundup.data.passages import PASSAGE
from groundup.data.read_text import fingerprint, read_passages, read_path


def test_a_file_is_a_document(tmp_path):
    (tmp_path / "notes.txt").write_bytes("\ufeffGrüße,\r\n世界\n".encode())
    (document,) = read_path(tmp_path / "notes.txt")
    assert (document.text, document.id, document.source) == (
        "Grüße,\r\n世界\n",
        "my-text/notes.txt",
        "my-text",
    )


def test_a_named_file_may_have_any_name(tmp_path):
    (tmp_path / "LICENSE").write_text("words")
    assert [document.text for document in read_path(str(tmp_path / "LICENSE"))] == ["words"]


def test_a_folder_is_read_to_the_bottom_in_order(tmp_path):
    for name in ("b.md", "a/z.txt", "a/deep/UP.TXT", "ignored.py", ".hidden/x.txt", "a/.y.txt"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(f"text of {name}")
    (tmp_path / "c.txt.gz").write_bytes(gzip.compress(b"compressed"))
    found = {document.id: document.text for document in read_path(tmp_path)}
    assert list(found) == ["my-text/a/deep/UP.TXT", "my-text/a/z.txt", "my-text/b.md", "my-text/c.txt.gz"]
    assert found["my-text/c.txt.gz"] == "compressed"


def test_json_lines_are_documents_of_their_own(tmp_path):
    rows = [
        {"text": "one", "id": "first"},
        {"text": "two\nlines\u2028here", "more": 1},
        {"text": "  "},
        {"text": "x", "id": 7},
    ]
    content = "\n\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    (tmp_path / "posts.jsonl.gz").write_bytes(gzip.compress(content.encode()))
    found = [(document.id, document.text) for document in read_path(tmp_path / "posts.jsonl.gz")]
    assert found == [
        ("my-text/posts.jsonl.gz/first", "one"),
        ("my-text/posts.jsonl.gz/3", "two\nlines\u2028here"),
        ("my-text/posts.jsonl.gz/7", "x"),
    ]


CUT_SHORT = gzip.compress(bytes(range(97, 122)) * 99, mtime=0)[:-9]  # no clock: it is part of the test's name


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.txt", b"caf\xe9", r"a.txt is not UTF-8 text: byte 3 is 0xe9.*iconv"),
        ("a.txt", b"\x89PNG\r\n\x1a\n\x00", "a.txt is not UTF-8 text: byte 0 is 0x89"),
        ("a.txt", b"so\0 so", "a.txt is not text: it holds a zero byte at 2"),
        ("a.txt", b"", r"a.txt is empty \(0 bytes"),
        ("a.txt", b" \n\t\n", "a.txt is empty"),
        ("a.txt.gz", b"no gzip", "a.txt.gz is not a whole gzip file"),
        (
            "a.txt.gz",
            CUT_SHORT,
            "a.txt.gz is not a whole gzip file",
        ),
        ("a.jsonl", b'{"text": "x"}\n{"text": ', "a.jsonl, line 2 is not JSON"),
        ("a.jsonl", b'{"body": "x"}', 'a.jsonl, line 1 has no "text" that is a string .it has: body'),
        ("a.jsonl", b"[1]", "a.jsonl, line 1 is a JSON list. Each line must be one object"),
        ("a.jsonl", b'{"text": ""}', "a.jsonl holds no text"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_name(tmp_path, name, content, says):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(DataError, match=says):
        list(read_path(tmp_path / name))
    with pytest.raises(DataError, match=says):  # one bad file in a folder is not skipped either
        list(read_path(tmp_path))


def test_nothing_there_is_refused_and_the_near_name_suggested(tmp_path):
    (tmp_path / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"no file or folder .*note.txt. Did you mean '.*notes.txt'"):
        list(read_path(tmp_path / "note.txt"))
    with pytest.raises(DataError, match=r"No text found in the folder .*empty.*\.md"):
        list(read_path(tmp_path / "empty"))


def test_a_long_document_comes_in_passages_that_make_it_whole(tmp_path):
    """More than two passages of lines, once plain and once packed: the same passages, and the same text."""
    line = "Ein Satz über Größe, 世界 und so weiter.\n"
    text = line * (2 * PASSAGE // len(line) + 999)
    (tmp_path / "long.txt").write_text(text, encoding="utf-8")
    (tmp_path / "long.txt.gz").write_bytes(gzip.compress(text.encode(), 1))
    plain, packed = (list(read_passages(tmp_path / name)) for name in ("long.txt", "long.txt.gz"))
    assert [p.text for p in plain] == [p.text for p in packed]
    assert [p.number for p in plain] == [0, 1, 2] and "".join(p.text for p in plain) == text
    assert all(len(p.text) <= PASSAGE and p.text.endswith("\n") for p in plain)
    (whole,) = read_path(tmp_path / "long.txt")
    assert whole.text == text


def test_neighbours_with_one_id_stay_two_documents(tmp_path):
    rows = [{"text": "one", "id": "same"}, {"text": "two", "id": "same"}]
    (tmp_path / "posts.jsonl").write_text("\n".join(map(json.dumps, rows)))
    assert [document.text for document in read_path(tmp_path)] == ["one", "two"]


def test_the_fingerprint_changes_with_any_byte_and_any_name(tmp_path):
    (tmp_path / "a.txt").write_text("one")
    (tmp_path / "b.txt").write_text("two")
    first = fingerprint(tmp_path)
    assert fingerprint(tmp_path) == first
    (tmp_path / "c.py").write_text("not read")
    assert fingerprint(tmp_path) == first
    (tmp_path / "b.txt").write_text("twO")
    second = fingerprint(tmp_path)
    (tmp_path / "b.txt").rename(tmp_path / "d.txt")
    assert len({first, second, fingerprint(tmp_path)}) == 3


def test_memory_does_not_grow_with_the_file(tmp_path):
    """A gzip of 30 MB of text is read in less than that."""
    line = b"The quality of mercy is not strained, it droppeth as the gentle rain.\n"
    (tmp_path / "large.txt.gz").write_bytes(gzip.compress(line * (30_000_000 // len(line)), 1))
    tracemalloc.start()
    count = sum(len(passage.text) for passage in read_passages(tmp_path / "large.txt.gz"))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert count > 29_000_000
    assert peak < 15_000_000  # a passage, the block that it is cut from, and their copies
