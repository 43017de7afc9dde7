"""Token ids at rest: one memory-mapped file of uint16 or uint32, and where each document begins.

    corpus/
      tokens.bin     the ids of all documents, end to end, little-endian
      offsets.bin    int64, one more than there are documents: document d is tokens[offsets[d]:offsets[d + 1]]
      manifest.json  vocabulary size, tokenizer fingerprint, counts, size and SHA-256 of both files

Written in a stream (memory: one document), aside, and renamed when complete; a half-written corpus never has
its final name. Opening checks sizes, which is instant and finds a truncated file; `verify()` reads everything
and finds a changed byte. No pickle and no .npy header: `np.memmap(path, dtype)` is the whole format.
Next:    batches.py cuts windows from `tokens`.
"""

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from groundup.base.errors import DataError, TokenizerError
from groundup.base.files import atomic_dir, read_json, sha256_file, write_json

FORMAT, VERSION = "groundup token shards", 1
BUFFER = 1 << 20  # bytes written at once; large enough that a system call costs nothing beside it


def dtype_for(vocab_size: int) -> np.dtype:
    """The narrowest of uint16 and uint32 that can hold ids 0..vocab_size-1, little-endian.

    >>> dtype_for(65536), dtype_for(65537)
    (dtype('uint16'), dtype('uint32'))
    """
    if not 1 <= vocab_size <= 2**32:
        raise DataError(f"vocab_size={vocab_size} is not between 1 and 2**32, so its ids fit no shard.")
    return np.dtype("<u2") if vocab_size <= 2**16 else np.dtype("<u4")


def write_shards(
    path: Path | str,
    ids_per_document: Iterable[Sequence[int]],
    *,
    vocab_size: int,
    tokenizer_fingerprint: str,
) -> "TokenShards":
    """Write one document after another; returns the opened result.

    A document without ids is kept as an empty one, so numbers stay those of the input.
    Raises DataError for an id outside the vocabulary or no ids at all; then nothing is left at `path`.
    """
    dtype = dtype_for(vocab_size)
    with atomic_dir(path) as aside:
        with (
            open(aside / "tokens.bin", "wb", buffering=BUFFER) as tokens_file,
            open(aside / "offsets.bin", "wb", buffering=BUFFER) as offsets_file,
        ):
            tokens, offsets = _Hashed(tokens_file), _Hashed(offsets_file)
            offsets.write(np.zeros(1, "<i8").tobytes())
            total, documents = 0, 0
            for ids in ids_per_document:
                array = checked(ids, vocab_size, documents)
                tokens.write(array.astype(dtype).tobytes())
                total, documents = total + array.size, documents + 1
                offsets.write(np.array(total, "<i8").tobytes())
        if not total:
            raise DataError(f"{documents} documents with no ids at all: there is nothing to write to {path}.")
        files = {"tokens.bin": tokens.record(), "offsets.bin": offsets.record()}
        write_manifest(
            aside, files, tokens=total, documents=documents,
            vocab_size=vocab_size, tokenizer_fingerprint=tokenizer_fingerprint,
        )  # fmt: skip
    return TokenShards.open(path, tokenizer_fingerprint=tokenizer_fingerprint)


def write_manifest(
    folder: Path,
    files: dict[str, dict[str, Any]],
    *,
    tokens: int,
    documents: int,
    vocab_size: int,
    tokenizer_fingerprint: str,
) -> None:
    """What makes two files shards; `files` maps a name to its bytes and SHA-256."""
    manifest = {
        "format": FORMAT,
        "version": VERSION,
        "vocab_size": vocab_size,
        "tokenizer_fingerprint": tokenizer_fingerprint,
        "dtype": dtype_for(vocab_size).name,
        "tokens": tokens,
        "documents": documents,
        "files": files,
    }
    write_json(folder / "manifest.json", manifest)


def checked(ids: Sequence[int], vocab_size: int, document: int) -> np.ndarray:
    """The ids as int64. Raises DataError if one is no id of the vocabulary."""
    array = np.asarray(ids, dtype=np.int64)
    if array.size and not (array.min() >= 0 and array.max() < vocab_size):
        raise DataError(
            f"document {document} holds id {int(array.max() if array.min() >= 0 else array.min())}, outside"
            f" 0..{vocab_size - 1}. Encode it with the tokenizer whose vocab_size is given."
        )
    return array


class TokenShards:
    """An opened corpus of ids: `.tokens` (memory map), `.offsets` (int64), `len()` documents, `[d]` one."""

    def __init__(self, path: Path, manifest: dict[str, Any], tokens: np.ndarray, offsets: np.ndarray) -> None:
        self.path, self.manifest, self.tokens, self.offsets = path, manifest, tokens, offsets

    @classmethod
    def open(cls, path: Path | str, *, tokenizer_fingerprint: str | None = None) -> "TokenShards":
        """Map the files at `path` without reading them.

        Raises DataError where files are missing, of another format, or of the wrong size, and TokenizerError
        where they were written with another tokenizer than `tokenizer_fingerprint`.
        """
        path = Path(path)
        if not (path / "manifest.json").is_file():
            raise DataError(
                f"{path} holds no token shards (no manifest.json). Write them with write_shards()."
            )
        manifest = read_json(path / "manifest.json")
        if manifest.get("format") != FORMAT or manifest.get("version") != VERSION:
            raise DataError(
                f"{path} says format {manifest.get('format')!r} version {manifest.get('version')!r}; this"
                f" program reads {FORMAT!r} version {VERSION}. Write the shards again from the text."
            )
        for name, record in manifest["files"].items():
            there = (path / name).stat().st_size if (path / name).is_file() else None
            if there != record["bytes"]:
                found = "is missing" if there is None else f"has {there:,} bytes"
                raise DataError(
                    f"{path / name} {found}; its manifest says {record['bytes']:,}. The copy is incomplete:"
                    f" delete {path} and write it again."
                )
        fingerprint = manifest["tokenizer_fingerprint"]
        if tokenizer_fingerprint is not None and tokenizer_fingerprint != fingerprint:
            raise TokenizerError(
                f"{path} was encoded with tokenizer {fingerprint[:12]}, but this run uses"
                f" {tokenizer_fingerprint[:12]}: the same ids would mean other text. Load the tokenizer that"
                " belongs to the shards, or encode the text again."
            )
        tokens = np.memmap(path / "tokens.bin", dtype=dtype_for(manifest["vocab_size"]), mode="r")
        return cls(path, manifest, tokens, np.fromfile(path / "offsets.bin", dtype="<i8"))

    @property
    def vocab_size(self) -> int:
        return self.manifest["vocab_size"]

    @property
    def tokenizer_fingerprint(self) -> str:
        return self.manifest["tokenizer_fingerprint"]

    def __len__(self) -> int:
        return len(self.offsets) - 1

    def __getitem__(self, document: int) -> np.ndarray:
        """The ids of one document, a view of the memory map."""
        if not 0 <= document < len(self):
            raise IndexError(f"document {document} of {len(self)}: numbers lie in 0..{len(self) - 1}.")
        return self.tokens[self.offsets[document] : self.offsets[document + 1]]

    def verify(self) -> None:
        """Read every byte and raise DataError if one is not what was written."""
        for name, record in self.manifest["files"].items():
            found = sha256_file(self.path / name)
            if found != record["sha256"]:
                raise DataError(
                    f"{self.path / name} was changed after it was written: SHA-256 {found[:12]}..., expected"
                    f" {record['sha256'][:12]}.... Delete {self.path} and write it again."
                )


class _Hashed:
    """A file that knows the size and SHA-256 of what went through it, so nothing is read back."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._sha256, self._bytes = file, hashlib.sha256(), 0

    def write(self, data: bytes) -> None:
        self._file.write(data)
        self._sha256.update(data)
        self._bytes += len(data)

    def record(self) -> dict[str, Any]:
        return {"bytes": self._bytes, "sha256": self._sha256.hexdigest()}
