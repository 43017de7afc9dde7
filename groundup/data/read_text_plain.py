"""Plain text from a file, as a stream: UTF-8, possibly compressed with gzip, never whole in memory.

Also the one place that opens a file of the user's (`opened`), so that a damaged archive and a forbidden file
are said in the same words whatever is in them.

Next:    read_text_lines.py and read_text_parquet.py, for files of many documents.
"""

import codecs
import gzip
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, cast

from groundup.base.errors import DataError

ALLOWED = (
    'UTF-8 text in .txt or .md, JSON Lines in .jsonl or Parquet in .parquet with a field "text" '
    "(or the one that --data.field names), each also as .gz"
)
BLOCK = 1 << 20  # bytes read at once
# What people hand over instead of text, by its first bytes, and what they should do.
KNOWN = {
    b"\x1f\x8b": "it is compressed with gzip: give it a name that ends in .gz",
    b"PAR1": "it is Parquet: give it a name that ends in .parquet",
    b"%PDF": "it is a PDF: take its text out first, for example with pdftotext",
    b"PK\x03\x04": "it is a zip archive, as .docx, .odt and .epub are: unpack it, or save it as plain text",
    b"\xff\xfe": "it is UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
    b"\xfe\xff": "it is UTF-16: convert it with iconv -f UTF-16 -t UTF-8",
}


def is_gzip(file: Path) -> bool:
    """Whether the name says that it is compressed."""
    return file.suffix.lower() == ".gz"


def ending(file: Path) -> str:
    """The ending that says what is inside.

    >>> ending(Path("notes.MD.gz")), ending(Path("posts.jsonl"))
    ('.md', '.jsonl')
    """
    return (file.with_suffix("") if is_gzip(file) else file).suffix.lower()


@contextmanager
def opened(file: Path) -> Iterator[BinaryIO]:
    """The bytes of a file as a stream, unpacked if it is a .gz. Raises DataError, also while it is read."""
    try:
        with cast(BinaryIO, gzip.open(file) if is_gzip(file) else open(file, "rb")) as stream:
            yield stream
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{file} is not a whole gzip file ({error}). Compress it again, or unpack it."
        ) from None
    except PermissionError:
        raise DataError(f"{file} may not be read by this user. Change its permissions, or copy it.") from None


def blocks(file: Path) -> Iterator[str]:
    """The text of a file, a block at a time, without a byte-order mark.

    Raises DataError, naming the byte: not UTF-8, a zero byte as in binary files, no visible character at all.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    read, begun, visible = 0, False, False
    with opened(file) as stream:
        while True:
            block = stream.read(BLOCK)
            waiting = len(decoder.getstate()[0])  # bytes of a character that the last block cut
            try:
                text = decoder.decode(block, final=not block)
            except UnicodeDecodeError as error:
                raise not_utf8(file, error, read - waiting) from None
            if (zero := block.find(0)) >= 0:
                place = f"{read + zero:,}{_instead(file)}"
                raise DataError(f"{file} is not text: it holds a zero byte at {place}. Give {ALLOWED}.")
            read += len(block)
            if text and not begun:
                text, begun = text.removeprefix("\ufeff"), True
            visible = visible or not (text.isspace() or not text)
            if text:
                yield text
            if not block:
                break
    if not visible:
        raise DataError(f"{file} is empty ({read:,} bytes, no visible character). Fill it or take it out.")


def not_utf8(file: Path, error: UnicodeDecodeError, before: int, where: str = "") -> DataError:
    """The error for bytes that are no text. `before` the bytes that were decoded lie so many others; `where`
    is the place in the file, if it has lines.
    """
    instead = _instead(file)
    return DataError(
        f"{file}{where} is not UTF-8 text: byte {before + error.start:,} is 0x{error.object[error.start]:02x}"
        f"{instead}. Give {ALLOWED}{'' if instead else ', or convert it: iconv -f LATIN1 -t UTF-8'}."
    )


def _instead(file: Path) -> str:
    """What the file seems to be instead of text, and what to do about it; "" if we do not know it."""
    with opened(file) as stream:
        start = stream.read(4)
    return next((f"; {known}" for sign, known in KNOWN.items() if start.startswith(sign)), "")
