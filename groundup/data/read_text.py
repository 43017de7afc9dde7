"""Your own text: a file, or a folder of .txt, .md, .jsonl and .parquet files, each possibly gzipped.

    report.txt  notes.md     one document a file
    posts.jsonl              one document a line: {"text": "...", "id": "optional"}
    posts.parquet            one document a row of the column "text" (needs pyarrow)
    archive.txt.gz           the same, compressed

Every problem names the file, and for JSON Lines the line. Text must be UTF-8; nothing is guessed or skipped,
because a corpus that silently lost a file trains a different model.

Next:    passages.py, why long documents come in pieces; documents.py for the text that groundup can fetch.
"""

import hashlib
from collections.abc import Iterator
from itertools import groupby
from pathlib import Path

from groundup.base.errors import DataError, suggest
from groundup.base.files import sha256_file
from groundup.data.documents import Document
from groundup.data.passages import Passage, cut
from groundup.data.read_text_lines import documents_in_lines
from groundup.data.read_text_parquet import documents_in_parquet
from groundup.data.read_text_plain import ALLOWED, blocks, ending

PLAIN = (".txt", ".md")
ROWS = {".jsonl": documents_in_lines, ".parquet": documents_in_parquet}


def read_passages(path: Path | str, field: str = "text") -> Iterator[Passage]:
    """What is in a file, or in all text files of a folder and its subfolders, in sorted order.

    Memory: one passage, or one row with its text. A file that is named may have any name; in a folder the
    endings above choose, and hidden files are left out. Raises DataError: nothing there, no file with such an
    ending, an empty file, not UTF-8, binary, a broken line or row.
    """
    for file, document_id in files_of(path):
        if rows := ROWS.get(ending(file)):
            for key, text in rows(file, field):
                yield from cut([text], f"{document_id}/{key}")
        else:
            yield from cut(blocks(file), document_id)


def read_path(path: Path | str, field: str = "text") -> Iterator[Document]:
    """The same as whole documents, each in memory at once."""

    def begins() -> Iterator[tuple[int, Passage]]:
        count = 0  # of documents: neighbours may have the same id, and only a new one begins at passage 0
        for passage in read_passages(path, field):
            count += passage.number == 0
            yield count, passage

    for _, group in groupby(begins(), key=lambda pair: pair[0]):
        parts = [passage for _, passage in group]
        yield Document("".join(part.text for part in parts), parts[0].id, "my-text")


def files_of(path: Path | str) -> list[tuple[Path, str]]:
    """The files that are read, each with the id of what is in it. Raises DataError if there are none."""
    path = Path(path).expanduser()
    if path.is_file():
        return [(path, f"my-text/{path.name}")]
    if not path.is_dir():
        near = [str(other) for other in path.parent.iterdir()] if path.parent.is_dir() else []
        raise DataError(
            f"There is no file or folder {path}.{suggest(str(path), near)} Name a folder or a file of"
            f" {ALLOWED}."
        )
    files = sorted(file for file in path.rglob("*") if file.is_file() and _belongs(file, path))
    if not files:
        raise DataError(f"No text found in the folder {path}. It may hold, at any depth: {ALLOWED}.")
    return [(file, f"my-text/{file.relative_to(path).as_posix()}") for file in files]


def fingerprint(path: Path | str) -> str:
    """A digest of the names and bytes of all these files: equal ones hold the same text.

    About a second for a gigabyte: nothing is unpacked or decoded.
    """
    digest = hashlib.sha256()
    for file, document_id in files_of(path):
        digest.update(f"{document_id}\0{sha256_file(file)}\n".encode())
    return digest.hexdigest()


def _belongs(file: Path, folder: Path) -> bool:
    hidden = any(part.startswith(".") for part in file.relative_to(folder).parts)
    return not hidden and ending(file) in (*PLAIN, *ROWS)
