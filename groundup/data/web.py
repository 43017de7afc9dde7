"""A corpus from the web as a stream: documents arrive, are tokenized, and are gone; no copy is kept.

The Hugging Face library `datasets` does the fetching (pip install 'groundup[web]'). What it streams has an
order and a place in that order, so a run that was cut off goes on where it was (growing.py).

Does not: filter. The corpora worth naming here were filtered by those who made them.
Next:    growing.py.
"""

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from groundup.base.errors import ConfigError, DataError, FetchError
from groundup.data.documents import Document
from groundup.tokenizer.load import load
from groundup.tokenizer.protocol import Tokenizer


@dataclass(frozen=True)
class WebConfig:
    """Which corpus, and how much of it."""

    dataset: str = ""  # its name on the hub, such as "HuggingFaceFW/fineweb-edu"; "": no corpus from the web
    subset: str = ""  # the dataset's own name for a part of it, such as "sample-10BT"
    split: str = "train"
    revision: str = ""  # a commit of it, so that the run can be repeated; "": the newest
    files: tuple[str, ...] = ()  # instead of a name on the hub: local files for dataset = "json" or "parquet"
    text_field: str = "text"
    id_field: str = "id"  # what decides the side of the split; where a row has none, its number
    tokens: int = 10_000_000_000  # to train on; fewer if the corpus has fewer
    tokenizer_bytes: int = 50_000_000  # of text from its beginning that a tokenizer is trained on
    processes: int = 1  # that tokenize

    def __post_init__(self) -> None:
        for name in ("tokens", "tokenizer_bytes", "processes"):
            if getattr(self, name) < 1:
                raise ConfigError(f"{name}={getattr(self, name)} is too small. Choose 1 or more.")


class WebDocuments:
    """The documents of a dataset in its order: a `Stream` as growing.py wants it."""

    def __init__(self, config: WebConfig):
        self.config, self._row = config, 0
        self._dataset = _open(config)
        self._rows: Iterator[Any] | None = None

    def take(self, most: int) -> list[Document]:
        """The next documents that are not blank; fewer than `most` only at the end, and then perhaps none."""
        if self._rows is None:
            self._rows = iter(self._dataset)
        found: list[Document] = []
        while len(found) < most:
            try:
                row = next(self._rows)
            except StopIteration:
                break
            except OSError as error:
                raise FetchError(
                    f"{self.config.dataset} stopped coming after {self._row:,} rows: {error}. What came is "
                    "kept; the same command goes on from there."
                ) from error
            self._row += 1
            if (document := self._document(row)).text.strip():
                found.append(document)
        return found

    def place(self) -> dict[str, Any]:
        """Where the next document is: how many rows came, and what `datasets` needs to know."""
        return {"row": self._row, "dataset": self._dataset.state_dict()}

    def go_to(self, place: Mapping[str, Any]) -> None:
        """Continue from a `place`."""
        self._row, self._rows = place["row"], None
        self._dataset.load_state_dict(place["dataset"])

    def _document(self, row: Any) -> Document:
        c = self.config
        text = row.get(c.text_field)
        if not isinstance(text, str):
            raise DataError(
                f"Row {self._row} of {c.dataset} has no text in {c.text_field!r}; its fields are "
                f"{', '.join(map(repr, row))}. Name the right one with --data.web.text_field."
            )
        return Document(text, f"{c.dataset}/{row.get(c.id_field, self._row)}", c.dataset)


def _open(config: WebConfig) -> Any:
    """The dataset, streaming. Raises ConfigError without the library, FetchError if it cannot be had."""
    if importlib.util.find_spec("datasets") is None:
        raise ConfigError(
            "A corpus from the web needs the library `datasets`, which is not installed here. "
            "Install it with: pip install 'groundup[web]'."
        )
    import datasets  # two seconds and a hundred megabytes: only for those who ask for it

    arguments: dict[str, Any] = {"split": config.split, "streaming": True}
    if config.files:
        arguments["data_files"] = list(config.files)
    if config.revision:
        arguments["revision"] = config.revision
    try:
        return datasets.load_dataset(config.dataset, config.subset or None, **arguments)
    except (OSError, ValueError) as error:
        raise FetchError(
            f"The dataset {config.dataset!r} cannot be had: {error} Check its name, its subset, its split "
            "and the network."
        ) from error


@contextmanager
def encoder(tokenizer: Tokenizer, file: Path, *, processes: int, first: Sequence[int]) -> Iterator[Any]:
    """A function from many texts to the ids of each, begun with `first`; by so many processes.

    `file` is where the tokenizer was saved: each process loads it once.
    """
    head = list(first)
    if processes == 1:
        yield lambda texts: [head + tokenizer.encode(text) for text in texts]
        return
    # "spawn": a process that was forked beside torch's threads may wait for ever for a lock of theirs.
    with ProcessPoolExecutor(processes, get_context("spawn"), _start, (str(file),)) as pool:
        yield lambda texts: [head + ids for ids in pool.map(_encode, texts, chunksize=16)]


_tokenizer: Tokenizer  # of a process of `encoder`


def _start(file: str) -> None:
    global _tokenizer
    _tokenizer = load(file)


def _encode(text: str) -> list[int]:
    return _tokenizer.encode(text)
