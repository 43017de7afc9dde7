"""Compiled once, in a private folder; and every way in which that can fail is said in words."""

import os
import shutil
import stat
import tempfile
from pathlib import Path

import pytest

from groundup.infer import compiled_kernels
from groundup.infer.compiled_kernels import Unavailable, cpu_kind, kernels_folder, library


@pytest.fixture
def own_folder(tmp_path, monkeypatch):
    """A cache folder of this test's own, still missing."""
    folder = tmp_path / "cache" / "kernels"
    monkeypatch.setenv("GROUNDUP_KERNELS", str(folder))
    return folder


@pytest.fixture
def compiled_folder(own_folder):
    """The same with the compiled file in it."""
    library()
    own_folder.parent.mkdir(parents=True, exist_ok=True)
    shared = Path(tempfile.gettempdir()) / "groundup-tests-kernels"
    assert own_folder != shared
    return own_folder


def refused(words):
    return pytest.raises(Unavailable, match=words)


def test_compiled_once_into_a_folder_for_its_owner_alone(compiled_folder, monkeypatch):
    (made,) = compiled_folder.glob("*.so")
    assert stat.S_IMODE(compiled_folder.stat().st_mode) == 0o700
    before = made.stat().st_mtime_ns
    monkeypatch.setenv("CC", "no-such-compiler")  # not needed any more
    assert library().runs_here()
    assert made.stat().st_mtime_ns == before

    whole = made.read_bytes()  # torn, or not what was compiled: made again, never loaded
    for broken in (whole[:1000], whole + b"x"):
        copy = compiled_folder.parent / f"torn-{len(broken)}"
        shutil.copytree(compiled_folder, copy)
        (copy / made.name).write_bytes(broken)
        monkeypatch.setenv("GROUNDUP_KERNELS", str(copy))
        with refused("CC=no-such-compiler is not found"):
            library()
    copy.chmod(0o755)
    with refused("is open to others; run: chmod 700"):
        library()


def test_no_compiler(own_folder, monkeypatch):
    monkeypatch.delenv("CC", raising=False)
    monkeypatch.setenv("PATH", str(own_folder))
    with refused("no C compiler"):
        library()


def test_a_compiler_that_fails(own_folder, tmp_path, monkeypatch):
    failing = tmp_path / "cc"
    failing.write_text("#!/bin/sh\necho 'kernels.c:1: error: out of order' >&2\nexit 1\n")
    failing.chmod(0o700)
    monkeypatch.setenv("CC", str(failing))
    with refused("failed: .*error: out of order"):
        library()
    assert not list(own_folder.glob("*"))  # nothing half made is left


def test_a_compiler_that_makes_no_library(own_folder, tmp_path, monkeypatch):
    lying = tmp_path / "cc"
    lying.write_text('#!/bin/sh\nwhile [ "$1" != -o ]; do shift; done\necho text > "$2"\n')
    lying.chmod(0o700)
    monkeypatch.setenv("CC", str(lying))
    with refused("do not load"):
        library()


def test_a_folder_of_another_user(own_folder, monkeypatch):
    own_folder.mkdir(parents=True, mode=0o700)
    monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
    with refused("belongs to another user"):
        library()


def test_a_folder_that_is_a_link_or_a_file(own_folder, tmp_path):
    own_folder.parent.mkdir()
    (tmp_path / "elsewhere").mkdir(mode=0o700)
    own_folder.symlink_to(tmp_path / "elsewhere")
    with refused("is no folder"):
        library()


def test_a_folder_that_cannot_be_made_or_written(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("GROUNDUP_KERNELS", str(tmp_path / "file" / "kernels"))
    with refused("cannot be made"):
        library()

    def read_only(*args, **kwargs):
        raise OSError(30, "Read-only file system")

    monkeypatch.setenv("GROUNDUP_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setattr(compiled_kernels.tempfile, "mkdtemp", read_only)  # for root, every folder is writable
    with refused("cannot be written: Read-only file system"):
        library()


def test_never_from_the_working_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("GROUNDUP_KERNELS", "kernels")
    with refused("depends on the working folder"):
        library()
    monkeypatch.delenv("GROUNDUP_KERNELS")
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "kept"))
    assert kernels_folder() == tmp_path / "kept" / "kernels"


def test_the_best_that_a_processor_has():
    assert cpu_kind("avx2 f16c avx512bw avx512vl avx512dq avx512_vnni") == "vnni"
    assert cpu_kind("avx2 f16c avx512bw avx512vl avx512dq") == "avx2"
    assert cpu_kind("sse2 avx") == cpu_kind("asimd") == "plain"


def test_code_for_another_processor_is_not_run(monkeypatch):
    if cpu_kind() == "vnni":
        assert library("vnni").runs_here()
    else:
        with refused("cannot run"):
            library("vnni")
