"""Our C kernels, compiled once by this machine's own compiler and kept in a private folder.

What is loaded into a process runs with all its rights, so where it comes from matters: only from a folder of
this user's that nobody else can write (mode 0700, checked at every load), never from the working folder; a
file's name holds the hash of source, flags and machine, and a hash beside it shows that it is whole. Whatever
is not so is refused, compiled again or, where it cannot be, said: `Unavailable` carries the reason in words,
and who asked goes on without (cli/backend.py).

Not here: what the kernels compute (kernels.c), and what they are given (fused_layout.py).
Next:     fused_layout.py.
"""

from __future__ import annotations

import ctypes
import functools
import hashlib
import os
import platform
import shutil
import stat
import subprocess
import sys
import tempfile
from pathlib import Path

from groundup.base.files import cache_dir, sha256_file, write_atomic

SOURCES = ("kernels.c", "kernels_step.c")
FLAGS = ("-O2", "-std=gnu11", "-ffp-contract=off", "-Wno-psabi", "-shared", "-fPIC", "-pthread")
PATIENCE_S = 120.0
CPUS = ("plain", "avx2", "vnni")  # as kernels.c numbers its KIND
VNNI = {"avx512_vnni", "avx512bw", "avx512vl", "avx512dq"}  # as Linux calls them


class Unavailable(Exception):
    """Why there are no compiled kernels here: what is wrong, in words for a user."""


def kernels_folder() -> Path:
    """Where compiled kernels are kept: $GROUNDUP_KERNELS, or `kernels` in the cache folder."""
    chosen = os.environ.get("GROUNDUP_KERNELS")
    return Path(chosen).expanduser() if chosen else cache_dir() / "kernels"


def library(cpu: str | None = None) -> ctypes.CDLL:
    """The kernels for this processor (or for `cpu`), compiled at the first call on this machine.

    Raises Unavailable with the reason.
    """
    return _loaded(kernels_folder(), compiler(), cpu or cpu_kind())


def cpu_kind(flags: str | None = None) -> str:
    """The best of CPUS that this processor (or one with these flags) can run.

    >>> cpu_kind("fpu sse2 avx2 f16c")
    'avx2'
    """
    if flags is None:
        try:
            flags = Path("/proc/cpuinfo").read_text()
        except OSError:  # no Linux: any processor
            flags = ""
    has = set(flags.split())
    if has >= {"avx2", "f16c"}:
        return "vnni" if has >= VNNI else "avx2"
    return "plain"


def compiler() -> str | None:
    """The C compiler: $CC, or cc, gcc, clang, whichever is found first."""
    chosen = os.environ.get("CC")
    names = [chosen] if chosen else ["cc", "gcc", "clang"]
    return next((found for name in names if (found := shutil.which(name))), None)


@functools.cache
def _loaded(folder: Path, cc: str | None, cpu: str) -> ctypes.CDLL:
    if sys.platform == "win32":
        raise Unavailable("the compiled kernels need a POSIX system")
    _private(folder)
    path = folder / f"kernels-{cpu}-{_key()}.so"
    if not _whole(path):
        _compile(path, cc, cpu)
    try:
        found = ctypes.CDLL(str(path))
    except OSError as error:
        raise Unavailable(f"the compiled kernels do not load: {error}") from None
    if not found.runs_here():
        raise Unavailable(f"this processor cannot run the kernels for {cpu}")
    found.pool_open.restype = ctypes.c_void_p
    found.pool_close.argtypes = [ctypes.c_void_p]
    found.step_run.argtypes = [ctypes.c_void_p, ctypes.c_void_p]
    found.scratch_bytes.restype = ctypes.c_int64
    return found


def _key() -> str:
    """A short hash of all that decides what the compiled file is."""
    digest = hashlib.sha256(" ".join([*FLAGS, platform.machine(), platform.system()]).encode())
    for name in SOURCES:
        digest.update((Path(__file__).parent / name).read_bytes())
    return digest.hexdigest()[:16]


def _private(folder: Path) -> None:
    """Make the folder, or refuse one that somebody else could have put something into."""
    if not folder.is_absolute():
        raise Unavailable(f"the cache folder {folder} depends on the working folder; give its whole path")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise Unavailable(f"the cache folder {folder} cannot be made: {error.strerror}") from None
    if not stat.S_ISDIR(found.st_mode):
        raise Unavailable(f"the cache folder {folder} is no folder (a link or a file); remove it")
    if found.st_uid != os.geteuid():
        raise Unavailable(
            f"the cache folder {folder} belongs to another user; set GROUNDUP_KERNELS to one of yours"
        )
    if found.st_mode & 0o077:
        raise Unavailable(f"the cache folder {folder} is open to others; run: chmod 700 {folder}")


def _whole(path: Path) -> bool:
    """Is the file there, ours alone, and what was compiled?"""
    try:
        found = path.lstat()
        ours = stat.S_ISREG(found.st_mode) and found.st_uid == os.geteuid() and not found.st_mode & 0o022
        return ours and path.with_suffix(".sha256").read_text() == sha256_file(path)
    except (OSError, UnicodeDecodeError):
        return False


def _compile(path: Path, cc: str | None, cpu: str) -> None:
    """Compile beside the target and rename over it, so that no other process sees half of it."""
    if cc is None:
        asked = os.environ.get("CC")
        raise Unavailable(
            f"CC={asked} is not found" if asked else "no C compiler (cc, gcc or clang) is installed"
        )
    try:
        with tempfile.TemporaryDirectory(prefix=".building-", dir=path.parent) as building:
            made = Path(building) / path.name
            source = Path(__file__).parent / SOURCES[0]
            _run([cc, *FLAGS, f"-DKIND={CPUS.index(cpu)}", str(source), "-o", str(made), "-lm"], building)
            made.chmod(0o700)
            write_atomic(path.with_suffix(".sha256"), sha256_file(made))
            made.replace(path)
    except OSError as error:
        raise Unavailable(f"the cache folder {path.parent} cannot be written: {error.strerror}") from None


def _run(command: list[str], folder: str) -> None:
    try:
        done = subprocess.run(
            command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=PATIENCE_S
        )
    except subprocess.TimeoutExpired:
        raise Unavailable(f"the C compiler {command[0]} took more than {PATIENCE_S:.0f} seconds") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        why = next((line for line in said if "error" in line), said[0] if said else "it said nothing")
        raise Unavailable(f"the C compiler {command[0]} failed: {why[:200]}")
