"""Token shards from a stream that nobody wants to read twice: written so that they can go on after a kill.

`write_shards` starts again when it is cut off, which costs a minute of a book and a day of the web. Here the
two files of each shard grow in place, without the manifest that would make them shards, and every so many
documents progress.json says how far they and the stream are, after the disk has them. Going on means: cut the
files back to what it says, put the stream back to where it says. So documents are neither lost nor read
twice, and the finished shards are byte for byte those of a process that was never stopped.

    corpus/
      progress.json                       until all is complete
      train/     tokens.bin offsets.bin   and then manifest.json
      held_out/  tokens.bin offsets.bin   and then manifest.json

Next: web.py, the stream that this is for.
"""

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from groundup.base.config import diff
from groundup.base.errors import DataError
from groundup.base.files import disk_errors, read_json, sha256_file, write_json
from groundup.data.documents import Document
from groundup.data.shards import TokenShards, checked, dtype_for, write_manifest

PROGRESS = "progress.json"
CHUNK = 500  # documents between two entries in progress.json: seconds of work, some megabytes of text


class Stream(Protocol):
    """Documents in a fixed order, with a place that can be written down as JSON and gone back to."""

    def take(self, most: int) -> list[Document]:
        """The next documents; none at the end."""

    def place(self) -> dict[str, Any]:
        """Where the next document is."""

    def go_to(self, place: Mapping[str, Any]) -> None:
        """Continue from there."""


def collect(
    path: Path,
    stream: Stream,
    *,
    encode: Callable[[Sequence[str]], Iterable[Sequence[int]]],
    side_of: Callable[[str], str],
    most: Mapping[str, int],
    vocab_size: int,
    tokenizer_fingerprint: str,
    tell: Callable[[int], None] = lambda tokens: None,
) -> dict[str, TokenShards]:
    """Shards for each side in `most`, filled until the first side has its most tokens or the stream ends.

    `encode` gives the ids of many texts, in their order; `side_of` says to which side a document id belongs;
    `tell` hears how many tokens the first side has. Calling it again with the same arguments goes on.
    Raises DataError if the stream ends before a side has a token, or if something else was begun at `path`.
    """
    path = Path(path)
    if (path / PROGRESS).exists() or not all((path / side / "manifest.json").exists() for side in most):
        same = {"vocab_size": vocab_size, "tokenizer": tokenizer_fingerprint, "most": dict(most)}
        with disk_errors(path):
            sides = _begun(path, stream, same)
            main = next(iter(most))
            while sides[main].tokens < most[main] and (documents := stream.take(CHUNK)):
                for document, ids in zip(documents, encode([d.text for d in documents]), strict=True):
                    side = side_of(document.id)
                    if sides[side].tokens < most[side]:
                        sides[side].add(ids)
                marks = {side: shards.mark() for side, shards in sides.items()}
                write_json(path / PROGRESS, {"same": same, "sides": marks, "place": stream.place()})
                tell(sides[main].tokens)
            for shards in sides.values():
                shards.finish(tokenizer_fingerprint)
            (path / PROGRESS).unlink()
    return {side: TokenShards.open(path / side, tokenizer_fingerprint=tokenizer_fingerprint) for side in most}


def _begun(path: Path, stream: Stream, same: Mapping[str, Any]) -> "dict[str, GrowingShards]":
    """The sides as progress.json knows them, and the stream put there; new ones if nothing was begun."""
    if not (path / PROGRESS).exists():
        return {side: GrowingShards(path / side, same["vocab_size"]) for side in same["most"]}
    progress = read_json(path / PROGRESS)
    if changes := diff(progress["same"], same):
        raise DataError(
            f"{path} was begun with other settings ({'; '.join(changes)}). Delete it to start again."
        )
    stream.go_to(progress["place"])
    marks = progress["sides"]
    return {side: GrowingShards(path / side, same["vocab_size"], marks[side]) for side in same["most"]}


class GrowingShards:
    """Two files of shards that are not complete yet. `mark` is what `GrowingShards` needs to go on there."""

    def __init__(self, folder: Path, vocab_size: int, mark: Mapping[str, int] | None = None):
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.vocab_size, self._dtype = folder, vocab_size, dtype_for(vocab_size)
        self.tokens, self.documents = (mark["tokens"], mark["documents"]) if mark else (0, 0)
        self._tokens_file = self._open("tokens.bin", self.tokens * self._dtype.itemsize)
        self._offsets_file = self._open("offsets.bin", 8 * (self.documents + 1) if mark else 0)
        if not mark:
            self._offsets_file.write(np.zeros(1, "<i8").tobytes())

    def _open(self, name: str, size: int) -> Any:
        """The file, cut back to `size` bytes: what came after the mark will come again."""
        file = open(self.folder / name, "ab")  # noqa: SIM115  (it stays open until `finish`)
        if os.fstat(file.fileno()).st_size < size:
            raise DataError(
                f"{file.name} is shorter than its progress.json says. Delete {self.folder.parent}."
            )
        file.truncate(size)
        return file

    def add(self, ids: Sequence[int]) -> None:
        """One document more."""
        array = checked(ids, self.vocab_size, self.documents)
        self._tokens_file.write(array.astype(self._dtype).tobytes())
        self.tokens, self.documents = self.tokens + array.size, self.documents + 1
        self._offsets_file.write(np.array(self.tokens, "<i8").tobytes())

    def mark(self) -> dict[str, int]:
        """How far it is; when this returns, the disk has that much."""
        for file in (self._tokens_file, self._offsets_file):
            file.flush()
            os.fsync(file.fileno())
        return {"tokens": self.tokens, "documents": self.documents}

    def finish(self, tokenizer_fingerprint: str) -> None:
        """Complete: the manifest is written, and `TokenShards.open` would open it."""
        if not self.tokens:
            raise DataError(
                f"The stream ended, and none of its documents is for {self.folder.name}. Give more text, or "
                "a larger share."
            )
        self.mark()
        names = ("tokens.bin", "offsets.bin")
        for file in (self._tokens_file, self._offsets_file):
            file.close()
        files = {
            name: {"bytes": (self.folder / name).stat().st_size, "sha256": sha256_file(self.folder / name)}
            for name in names
        }
        write_manifest(
            self.folder, files, tokens=self.tokens, documents=self.documents,
            vocab_size=self.vocab_size, tokenizer_fingerprint=tokenizer_fingerprint,
        )  # fmt: skip
