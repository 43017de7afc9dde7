"""Files that are whole or absent: writes that survive a crash, a kill and a full disk.

The recipe is as old as Unix: write beside the target, flush to the disk, rename over it. POSIX promises that
a rename within one directory is atomic, so a reader sees the old file or the new one, never half of either. A
directory cannot be renamed over a full one, so replacing one takes two renames, and `recover` finishes what a
kill between them left.

What it does not do: lock. Two processes may read and replace the same path and each stays whole; the last one
wins.

Next: rundir.py, which keeps a run in such files.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO

from groundup.base.errors import DataError, UserError, suggest

if sys.platform != "win32":
    import fcntl

DISK_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT)  # no space, over the size limit, over the quota
CHANGED = (errno.ENOENT, errno.ENOTEMPTY, errno.EEXIST)  # what a rename meets where others rename too


def cache_dir() -> Path:
    """Where fetched archives are kept: $GROUNDUP_CACHE, $XDG_CACHE_HOME/groundup or ~/.cache/groundup.

    The folder need not exist yet: whoever writes into it makes it.
    """
    if chosen := os.environ.get("GROUNDUP_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "groundup"


class disk_errors:
    """`with disk_errors(path):` turns "the disk is full", however it arises inside, into a `UserError`.

    safetensors writes from Rust and reports the system's error number only inside its message, so that is
    read too.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None and (number := _disk_full(error)):
            raise UserError(
                f"The disk is full: {self.path} could not be written ({os.strerror(number)}). What was "
                "there before is unharmed. Make room, or choose a folder on another disk, and run the same "
                "command again."
            ) from error


def _disk_full(error: BaseException) -> int | None:
    """The error number if this error says that nothing more can be written, else None."""
    if isinstance(error, OSError):
        return error.errno if error.errno in DISK_FULL else None
    found = re.search(r"\(os error (\d+)\)", str(error))
    return int(found[1]) if found and int(found[1]) in DISK_FULL else None


def write_atomic(path: str | Path, data: bytes | str) -> None:
    """Make `path` a file that holds `data` (text as UTF-8), or leave what was there. Makes parent folders."""
    with atomic_file(path) as file:
        file.write(data.encode() if isinstance(data, str) else data)


@contextlib.contextmanager
def atomic_file(path: str | Path) -> Iterator[BinaryIO]:
    """An open file to write to, which becomes `path` when the block ends well, and else disappears.

    Makes parent folders.
    """
    path = Path(path)
    beside = path.with_name(f".{path.name}.building-{secrets.token_hex(4)}")
    _make_parent(path)
    try:
        with disk_errors(path):
            with open(beside, "xb") as file:
                yield file
                file.flush()
                os.fsync(file.fileno())
            os.replace(beside, path)
            _sync(path.parent)
    finally:
        beside.unlink(missing_ok=True)


def _make_parent(path: Path) -> None:
    """The folder that `path` is to lie in. UserError where a file stands in its way, or it is not allowed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UserError(
            f"{path} cannot be written: a part of its path is a file and not a folder. Choose another place."
        ) from None
    except PermissionError:
        raise UserError(
            f"{path} cannot be written: its folder may not be made. Choose another place."
        ) from None


@contextlib.contextmanager
def atomic_dir(path: str | Path) -> Iterator[Path]:
    """A fresh folder to fill, which becomes `path` when the block ends well and disappears when it does not.

    A folder already at `path` stays readable until then, and is replaced as a whole. Killed at any moment,
    `path` is the old folder or the new one, or `recover(path)` makes it so.
    """
    path = Path(path)
    _make_parent(path)
    _sweep(path)
    building, lock = _new_building(path)
    try:
        with disk_errors(path):
            yield building
            _sync_tree(building)
            _swap_in(building, path)
    finally:
        shutil.rmtree(building, ignore_errors=True)  # nothing there any more if all went well
        if lock is not None:
            os.close(lock)


def recover(path: str | Path) -> None:
    """Finish a replacement of the folder `path` that was killed half way; one look-up when there is none.

    Call it before reading a folder written by `atomic_dir`. Safe beside a running writer.
    """
    path, aside = Path(path), _aside(Path(path))
    if not aside.exists():
        return
    if path.exists():  # the new folder is in: only the clearing up is missing
        shutil.rmtree(aside, ignore_errors=True)
    else:  # killed between the two renames: the old folder is the valid one
        try:
            os.rename(aside, path)
        except OSError as error:  # someone else recovered it first, or has put in a new one
            if error.errno not in CHANGED:
                raise
        _sync(path.parent)


def _swap_in(building: Path, path: Path) -> None:
    aside = _aside(path)
    for _ in range(100):  # a second writer or a reader's `recover` may come between: look again
        recover(path)
        try:
            if path.exists():
                os.rename(path, aside)
            os.rename(building, path)
            break
        except OSError as error:
            if error.errno not in CHANGED or not building.exists():
                raise
    else:
        raise UserError(f"{path} kept changing while it was replaced. Let one program at a time write it.")
    _sync(path.parent)
    shutil.rmtree(aside, ignore_errors=True)


def _aside(path: Path) -> Path:
    return path.with_name(f".{path.name}.replaced")


def _new_building(path: Path) -> tuple[Path, int | None]:
    """A new folder beside `path`, and the lock that tells other processes that its builder is alive."""
    while True:
        building = path.with_name(f".{path.name}.building-{secrets.token_hex(4)}")
        building.mkdir()
        if sys.platform == "win32":
            return building, None
        with contextlib.suppress(FileNotFoundError):  # swept away between the two lines: try another
            lock = os.open(building, os.O_RDONLY)
            fcntl.flock(lock, fcntl.LOCK_EX)
            if building.exists():
                return building, lock
            os.close(lock)


def _sweep(path: Path) -> None:
    """Remove what killed builders of `path` left behind. The kernel drops the lock of a process that dies."""
    if sys.platform == "win32":
        return
    for left in path.parent.glob(f".{path.name}.building-*/"):
        with contextlib.suppress(FileNotFoundError, BlockingIOError):
            lock = os.open(left, os.O_RDONLY)
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                shutil.rmtree(left, ignore_errors=True)
            finally:
                os.close(lock)


def _sync_tree(folder: Path) -> None:
    for parent, _, names in os.walk(folder):
        for name in names:
            _sync(Path(parent) / name)
        _sync(Path(parent))


def _sync(path: Path) -> None:
    """Have the disk keep a file's bytes, or a folder's names: else a power cut may undo a rename."""
    if sys.platform == "win32" and path.is_dir():  # Windows opens no folders, and orders renames by itself
        return
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def sha256_file(path: str | Path) -> str:
    """The SHA-256 of a file's bytes, as 64 hexadecimal digits, read in pieces."""
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def read_text(path: str | Path, *, empty_ok: bool = False) -> str:
    """The text of a UTF-8 file, newlines as they are, without a byte-order mark. Raises DataError."""
    path = Path(path)
    try:
        data = path.read_bytes()
    except FileNotFoundError:
        near = suggest(path.name, [p.name for p in path.parent.iterdir()]) if path.parent.is_dir() else ""
        raise DataError(f"{path} does not exist.{near} Give the path of a text file.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder, and a text file is needed here. Name a file in it.") from None
    except PermissionError:
        raise DataError(f"{path} may not be read by this user. Change its permissions, or copy it.") from None
    if not data and not empty_ok:
        raise DataError(f"{path} is empty (0 bytes). Give a file with text in it.")
    if data[:2] in (b"\xff\xfe", b"\xfe\xff"):
        raise DataError(f"{path} is UTF-16 text, and UTF-8 is needed. Convert it: iconv -f UTF-16 -t UTF-8.")
    try:
        text = data.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path} is not UTF-8 text: byte 0x{data[error.start]:02x} at offset {error.start:,} fits no "
            "character. Give a text file, or convert an old encoding first: iconv -f LATIN1 -t UTF-8."
        ) from None
    if (zero := text.find("\0")) >= 0:
        raise DataError(
            f"{path} is not text: character {zero:,} is NUL, as in binary files. Give a text file."
        )
    return text


def write_json(path: str | Path, value: Any) -> None:
    """Write `value` atomically as JSON, keys in the order given. Infinity and NaN raise ValueError."""
    write_atomic(path, json.dumps(value, ensure_ascii=False, indent=2, allow_nan=False) + "\n")


def read_json(path: str | Path) -> Any:
    """The value in a JSON file. Raises DataError with line and column if it is damaged."""
    try:
        return json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise DataError(
            f"{path} is not valid JSON: {error.msg} at line {error.lineno}, column {error.colno}. It was "
            "cut short or edited by hand: restore it, or delete it and run the command that made it again."
        ) from None
