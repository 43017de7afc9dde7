"""Parquet: a column of texts, one document a row, read in batches of rows. Needs pyarrow, an optional extra.

A Parquet file's table of contents is at its end, so a .parquet.gz is unpacked into a temporary file first.
"""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO

from groundup.base.errors import DataError, suggest
from groundup.data.read_text_plain import is_gzip, opened

ROWS = 256  # held in memory at once


def documents_in_parquet(file: Path, field: str) -> Iterator[tuple[str, str]]:
    """(key, text) of each row that has something visible in the column `field`.

    The key is the row's "id" if there is such a column of strings or integers, else its number from 1.
    Raises DataError: pyarrow is not installed, no Parquet or a damaged one, no such column, one that holds no
    strings, a row without a value, nothing visible in any row.
    """
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            f"{file} is Parquet, which pyarrow reads, and pyarrow is not installed. Install it with "
            "pip install 'groundup[parquet]' (or pip install pyarrow), or give the text as JSON Lines."
        ) from None
    number, found = 0, False
    with _seekable(file) as stream:
        try:
            table = parquet.ParquetFile(stream)
            columns = _columns(file, table.schema_arrow, field)
            for batch in table.iter_batches(batch_size=ROWS, columns=columns):
                texts = batch.column(field).to_pylist()
                keys = batch.column("id").to_pylist() if "id" in columns else [None] * len(texts)
                for text, key in zip(texts, keys, strict=True):
                    number += 1
                    if text is None:
                        raise DataError(
                            f'{file}, row {number:,} has no "{field}" (null). Fill it or drop it.'
                        )
                    if text.strip():
                        found = True
                        yield str(number if key is None else key), text
        except (pyarrow.ArrowException, OSError, UnicodeDecodeError) as error:
            said = " ".join(str(error).split())
            raise DataError(f"{file} is not a whole Parquet file ({said}). Copy or write it again.") from None
    if not found:
        raise DataError(f'{file} holds no text: every "{field}" in it is blank. Fill it or take it out.')


def _columns(file: Path, schema: Any, field: str) -> list[str]:
    """The columns to read: `field`, which must hold strings, and "id" if it can serve as a key."""
    from pyarrow import types

    def strings(kind: Any) -> bool:
        inner = kind.value_type if types.is_dictionary(kind) else kind
        return types.is_string(inner) or types.is_large_string(inner) or types.is_string_view(inner)

    kinds = {column.name: column.type for column in schema}
    texts = [name for name, kind in kinds.items() if strings(kind)]
    if field not in texts:
        wrong = f"holds {kinds[field]}, not strings" if field in kinds else "is not in it"
        has = ", ".join(f"{name} ({kind})" for name, kind in kinds.items()) or "nothing"
        advice = f" Choose with --data.field from {', '.join(texts)}." if texts else ""
        raise DataError(
            f'{file}: the column "{field}" {wrong} (it has: {has}).{suggest(field, texts)}{advice}'
        )
    usable = "id" in kinds and field != "id" and (strings(kinds["id"]) or types.is_integer(kinds["id"]))
    return [field, "id"] if usable else [field]


@contextmanager
def _seekable(file: Path) -> Iterator[BinaryIO]:
    with opened(file) as stream:
        if not is_gzip(file):
            yield stream
            return
        with tempfile.TemporaryFile() as unpacked:
            shutil.copyfileobj(stream, unpacked)
            unpacked.seek(0)
            yield unpacked
