"""What every test may rely on: one thread, no network, nothing written outside `tmp_path`, the same draws.

`tests/architecture/test_guards.py` shows that the guards hold.
"""

import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch is imported anywhere
os.environ.setdefault("MPLBACKEND", "Agg")
os.environ.setdefault("MPLCONFIGDIR", str(Path(tempfile.gettempdir()) / "groundup-tests-matplotlib"))
os.environ.setdefault("GROUNDUP_KERNELS", str(Path(tempfile.gettempdir()) / "groundup-tests-kernels"))
os.environ.setdefault("NUMBA_CACHE_DIR", str(Path(tempfile.gettempdir()) / "groundup-tests-numba"))

import hypothesis
import pytest
import torch

from groundup.data.fetch import kept_path, local_copy
from groundup.data.sources import source

torch.set_num_threads(1)
hypothesis.settings.register_profile("groundup", deadline=None, derandomize=True, database=None)
hypothesis.settings.load_profile("groundup")

REPOSITORY = Path(__file__).resolve().parent.parent
LOCAL = (None, "", "localhost", "127.0.0.1", "::1")
_writes_are_watched = False


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of a GPU are skipped where there is none; with GROUNDUP_TEST_GPU=1 they fail instead."""
    if not torch.cuda.is_available() and os.environ.get("GROUNDUP_TEST_GPU") != "1":
        for item in items:
            if item.get_closest_marker("gpu"):
                item.add_marker(pytest.mark.skip(reason="no GPU here"))


def pytest_runtest_setup(item: pytest.Item) -> None:
    """A test with `needs(source)` reads a file that no package holds: without it, it cannot run."""
    for marker in item.iter_markers("needs"):
        wanted = source(marker.args[0])
        if local_copy(wanted) is None and not kept_path(wanted).is_file():
            get = f"set GROUNDUP_DATA, or run: groundup data get {wanted.name}"
            if os.environ.get("GROUNDUP_DATA"):
                pytest.fail(f"GROUNDUP_DATA has no {wanted.name}: {get}")
            item.add_marker("may_skip")
            pytest.skip(f"{wanted.name} is in no package: {get}")


@pytest.fixture(autouse=True)
def fixed_draws() -> None:
    """Tests that draw without a generator of their own draw the same each time, in any order."""
    torch.manual_seed(0)


@pytest.fixture(autouse=True)
def in_tmp_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Each test runs in its own empty folder, so that a relative path (runs/...) lands there; subprocesses
    find the package from it.
    """
    global _writes_are_watched
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))
    monkeypatch.chdir(tmp_path)
    _writes_are_watched = True
    yield
    _writes_are_watched = False


def _watch(event: str, args: tuple[Any, ...]) -> None:
    """Called before Python opens a file, makes a folder or connects: refuses what tests must not do."""
    if not _writes_are_watched:
        return
    if (
        event == "open"
        and isinstance(args[0], str | bytes)
        and args[2] & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
    ) or (event == "os.mkdir" and isinstance(args[0], str | bytes)):
        _check_write(os.fsdecode(args[0]))
    elif event == "socket.connect" and args[0].family != getattr(socket, "AF_UNIX", None):
        _check_host(args[1][0])
    elif event in ("socket.getaddrinfo", "socket.gethostbyname"):
        _check_host(args[0])


def _check_write(path: str) -> None:
    path, temporary = os.path.realpath(path), os.path.realpath(tempfile.gettempdir())
    # A clone may itself lie in the temporary folder; the repository is out of bounds there too.
    ours = path.startswith(f"{REPOSITORY}{os.sep}") and not temporary.startswith(str(REPOSITORY))
    if "__pycache__" not in path and (ours or not path.startswith((temporary, "/dev/", "/proc/"))):
        raise RuntimeError(f"a test tried to write {path}: tests write to tmp_path only")


def _check_host(host: Any) -> None:
    if (host.decode() if isinstance(host, bytes) else host) not in LOCAL:
        raise RuntimeError(f"a test tried to reach {host!r}: tests run without a network")


sys.addaudithook(_watch)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """In CI a test that skips checks nothing, so it fails; except where the system may refuse (may_skip)."""
    report = yield
    required = os.environ.get("GROUNDUP_REQUIRE_FIXTURES") == "1"
    if (
        required
        and report.skipped
        and not hasattr(report, "wasxfail")
        and not item.get_closest_marker("may_skip")
    ):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, and here nothing may be missing: {report.longrepr[2]}"
    return report
