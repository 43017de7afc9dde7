import json

import pytest

from groundup.base.errors import DataError
from groundup.data import read_text_lines
from groundup.data.read_text_lines import documents_in_lines


def test_another_field_can_be_chosen(tmp_path):
    file = tmp_path / "a.jsonl"
    file.write_text('{"body": "one", "text": 3}\n{"body": "two"}\n')
    assert list(documents_in_lines(file, "body")) == [("1", "one"), ("2", "two")]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            b'{"text": "x"}\n\n{"txt": "y", "n": 1}',
            r"line 3 has no .text. that is a string \(it has: txt \(str\), n",
        ),
        (b'{"txt": "y", "n": 1}', r"Did you mean 'txt'\? Choose with --data.field from txt\."),
        (b'{"n": 1}', r"it has: n \(int\)\)\. Add it"),
        (b'{"text": null}', r"line 1 has no .text. that is a string \(it has: text \(NoneType\)"),
        (b"{}", "it has: nothing"),
        (b'"words"', "line 1 is a JSON str"),
        (b'{"text": "ok"}\n{"text": "caf\xe9"}', r"a.jsonl, line 2 is not UTF-8 text: byte 13 is 0xe9"),
        (b'{"text": "half \\ud83d"}', r"line 1: its 'text' holds .ud83d, half of a surrogate pair"),
        (
            b'{"text": "a", ' + b'"b": [' * 0 + b'"b":' + b"[" * 100_000,
            "line 1 is (not JSON|nested too deeply)",
        ),
        (b'{"text": "zero \0 byte"}', "line 1 is not JSON: Invalid control character"),
    ],
)
def test_the_line_that_is_wrong_is_named(tmp_path, content, says):
    (tmp_path / "a.jsonl").write_bytes(content)
    with pytest.raises(DataError, match=says):
        list(documents_in_lines(tmp_path / "a.jsonl", "text"))


def test_a_whole_surrogate_pair_is_one_character(tmp_path):
    (tmp_path / "a.jsonl").write_text(r'{"text": "\ud83d\ude00"}')
    assert list(documents_in_lines(tmp_path / "a.jsonl", "text")) == [("1", "😀")]


def test_a_file_that_is_one_endless_line_is_refused_before_it_fills_the_memory(tmp_path, monkeypatch):
    monkeypatch.setattr(read_text_lines, "LONGEST", 100)
    (tmp_path / "a.jsonl").write_text(json.dumps([{"text": "x"}] * 50))
    with pytest.raises(DataError, match=r"has a line of more than 100 bytes.*jq"):
        list(documents_in_lines(tmp_path / "a.jsonl", "text"))
    (tmp_path / "a.jsonl").write_text(json.dumps({"text": "x" * 80}))
    assert len(list(documents_in_lines(tmp_path / "a.jsonl", "text"))) == 1


def test_a_byte_order_mark_and_foreign_line_ends(tmp_path):
    (tmp_path / "a.jsonl").write_bytes('\ufeff{"text": "a\u2028b"}\r\n{"text": "c"}\r\n'.encode())
    assert list(documents_in_lines(tmp_path / "a.jsonl", "text")) == [("1", "a\u2028b"), ("2", "c")]
