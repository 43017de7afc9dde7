"""Your own text: a file or a folder of .txt, .md and .jsonl files, each possibly compressed with gzip.

    report.txt  notes.md     one document a file
    posts.jsonl              one document a line: {"text": "...", "id": "optional"}
    archive.txt.gz           the same, compressed

Every problem names the file, and for JSON Lines the line. Text must be UTF-8; nothing is guessed or skipped,
because a corpus that silently lost a file trains a different model.
Next:    documents.py for the text that groundup can fetch.
"""

import gzip
import json
import zlib
from collections.abc import Iterator
from pathlib import Path

from groundup.base.errors import DataError, suggest
from groundup.data.documents import Document

PLAIN, LINES = (".txt", ".md"), (".jsonl",)
ALLOWED = 'UTF-8 text in .txt or .md, or JSON Lines with a "text" field in .jsonl, each also as .gz'


def read_path(path: Path | str) -> Iterator[Document]:
    """The documents in a file, or in all text files of a folder and its subfolders, in sorted order.

    A file that is named may have any name; in a folder the endings above choose, and hidden files are left
    out. Raises DataError: nothing there, no file with such an ending, an empty file, not UTF-8, binary, a
    broken line.
    """
    path = Path(path).expanduser()
    if path.is_dir():
        files = sorted(file for file in path.rglob("*") if file.is_file() and _belongs(file, path))
        if not files:
            raise DataError(f"No text found in the folder {path}. It may hold, at any depth: {ALLOWED}.")
        for file in files:
            yield from _read_file(file, f"my-text/{file.relative_to(path).as_posix()}")
    elif path.is_file():
        yield from _read_file(path, f"my-text/{path.name}")
    else:
        near = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"There is no file or folder {path}.{suggest(str(path), near)} Name a folder or a file of"
            f" {ALLOWED}."
        )


def _belongs(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and _ending(file) in PLAIN + LINES


def _ending(file: Path) -> str:
    """The ending before a .gz: "notes.md.gz" -> ".md"."""
    return (file.with_suffix("") if file.suffix.lower() == ".gz" else file).suffix.lower()


def _read_file(file: Path, document_id: str) -> Iterator[Document]:
    text = _decode(_bytes_of(file), file)
    if _ending(file) in LINES:
        yield from _json_lines(text, file, document_id)
    else:
        yield Document(text, document_id, "my-text")


def _bytes_of(file: Path) -> bytes:
    try:
        if file.suffix.lower() != ".gz":
            return file.read_bytes()
        with gzip.open(file) as opened:
            return opened.read()
    except (gzip.BadGzipFile, zlib.error, EOFError) as error:
        raise DataError(
            f"{file} is not a whole gzip file ({error}). Compress it again, or unpack it."
        ) from None
    except PermissionError:
        raise DataError(f"{file} may not be read by this user. Change its permissions, or copy it.") from None


def _decode(content: bytes, file: Path) -> str:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{file} is not UTF-8 text: byte {error.start:,} is 0x{content[error.start]:02x}."
            f" Give {ALLOWED}, or convert it: iconv -f LATIN1 -t UTF-8."
        ) from None
    if "\0" in text:
        raise DataError(
            f"{file} is not text: it holds a zero byte at {text.index(chr(0)):,}. Give {ALLOWED}."
        )
    if not text.strip():
        raise DataError(
            f"{file} is empty ({len(content)} bytes, no visible character). Fill it or take it out."
        )
    return text


def _json_lines(text: str, file: Path, document_id: str) -> Iterator[Document]:
    found = False
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}, line {number} is not JSON: {error.msg}. Each line is one object."
            ) from None
        if not isinstance(row, dict) or not isinstance(row.get("text"), str):
            has = ", ".join(map(str, row)) if isinstance(row, dict) else type(row).__name__
            raise DataError(f'{file}, line {number} has no "text" that is a string (it has: {has}). Add it.')
        if row["text"].strip():
            found = True
            key = row["id"] if isinstance(row.get("id"), str | int) else number
            yield Document(row["text"], f"{document_id}/{key}", "my-text")
    if not found:
        raise DataError(f'{file} holds no text: every "text" in it is blank. Fill it or take it out.')
