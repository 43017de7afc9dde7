import builtins
import gzip

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from groundup.base.errors import DataError
from groundup.data.read_text import read_path
from groundup.data.read_text_parquet import ROWS, documents_in_parquet


def write(path, **columns):
    pq.write_table(pa.table(columns), path, row_group_size=100)
    return path


def test_every_row_of_several_batches_in_order(tmp_path):
    texts = [f"text {number}" for number in range(3 * ROWS + 7)]
    file = write(tmp_path / "a.parquet", text=texts, other=list(range(len(texts))))
    assert list(documents_in_parquet(file, "text")) == [(str(n + 1), text) for n, text in enumerate(texts)]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.dictionary(pa.int32(), pa.string())])
def test_every_kind_of_string_and_the_ids(tmp_path, kind):
    file = write(tmp_path / "a.parquet", body=pa.array(["one", "  ", "three"], kind), id=[10, 20, 30])
    assert list(documents_in_parquet(file, "body")) == [("10", "one"), ("30", "three")]


def test_beside_other_files_and_compressed(tmp_path):
    write(tmp_path / "b.parquet", text=["rows"])
    (tmp_path / "a.parquet.gz").write_bytes(gzip.compress((tmp_path / "b.parquet").read_bytes()))
    (tmp_path / "c.md").write_text("plain")
    found = [(document.id, document.text) for document in read_path(tmp_path)]
    assert found == [
        ("my-text/a.parquet.gz/1", "rows"),
        ("my-text/b.parquet/1", "rows"),
        ("my-text/c.md", "plain"),
    ]


@pytest.mark.parametrize(
    ("columns", "says"),
    [
        (
            {"txt": ["x"]},
            r'column "text" is not in it \(it has: txt \(string\)\)\. Did you mean .txt.*from txt',
        ),
        ({"text": [1]}, r'column "text" holds int64, not strings'),
        ({"text": ["x"] * 300 + [None]}, r'row 301 has no "text" \(null\)'),
        ({"text": ["", " \n"]}, "a.parquet holds no text"),
    ],
)
def test_what_is_wrong_with_the_column_is_named(tmp_path, columns, says):
    with pytest.raises(DataError, match=says):
        list(documents_in_parquet(write(tmp_path / "a.parquet", **columns), "text"))


@pytest.mark.parametrize("damage", ["cut", "middle", "foreign", "empty"])
def test_a_damaged_file_is_a_sentence(tmp_path, damage):
    file = write(tmp_path / "a.parquet", text=[f"some words {n}" for n in range(5000)])
    content = bytearray(file.read_bytes())
    content[1000:1400] = (
        bytes(b ^ 0x5A for b in content[1000:1400]) if damage == "middle" else content[1000:1400]
    )
    file.write_bytes(
        {"cut": content[:-50], "middle": content, "foreign": b"text " * 99, "empty": b""}[damage]
    )
    with pytest.raises(DataError, match=r"a.parquet is not a whole Parquet file"):
        list(documents_in_parquet(file, "text"))


def test_without_pyarrow_it_says_how_to_get_it(tmp_path, monkeypatch):
    file = write(tmp_path / "a.parquet", text=["x"])
    there = builtins.__import__

    def without(name, *rest, **more):
        if name.split(".")[0] == "pyarrow":
            raise ImportError(name)
        return there(name, *rest, **more)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(
        DataError, match=r"pyarrow is not installed. Install it with pip install 'groundup.parquet."
    ):
        list(documents_in_parquet(file, "text"))
