import os
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from groundup.base.errors import DataError, UserError
from groundup.base.files import (
    atomic_dir,
    cache_dir,
    disk_errors,
    read_json,
    read_text,
    recover,
    sha256_file,
    write_atomic,
    write_json,
)


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def python(code: str, *words: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code), *map(str, words)],
        capture_output=True,
        text=True,
        timeout=60,
    )


def test_write_atomic_replaces_and_leaves_nothing_beside(tmp_path):
    target = tmp_path / "deep" / "file.txt"
    write_atomic(target, "één")
    write_atomic(target, b"two")
    assert target.read_bytes() == b"two" and names(target.parent) == ["file.txt"]
    mask = os.umask(0)
    os.umask(mask)
    assert target.stat().st_mode & 0o777 == 0o666 & ~mask  # not the 0600 of a temporary file


def test_a_folder_appears_only_when_it_is_whole(tmp_path):
    target = tmp_path / "a" / "checkpoint"
    with atomic_dir(target) as building:
        (building / "x").write_text("1")
        assert not target.exists()
    with atomic_dir(target) as building:
        (building / "sub").mkdir()
        (building / "sub" / "y").write_text("2")
        assert (target / "x").read_text() == "1"  # the old one is readable meanwhile
    assert names(target) == ["sub"] and names(target.parent) == ["checkpoint"]


@pytest.mark.parametrize("error", [ValueError("mine"), KeyboardInterrupt(), OSError("other")])
def test_a_failure_leaves_the_old_folder_and_no_rubbish(tmp_path, error):
    with atomic_dir(tmp_path / "c") as building:
        (building / "x").write_text("old")
    with pytest.raises(type(error)), atomic_dir(tmp_path / "c") as building:
        (building / "x").write_text("new")
        raise error
    assert (tmp_path / "c" / "x").read_text() == "old" and names(tmp_path) == ["c"]


def test_killed_before_any_file_operation_the_folder_is_the_old_or_the_new_one(tmp_path):
    """Not a sample of moments but all of them: Python announces each file operation to an audit hook, and the
    child of round k dies at the k-th. Two files must always agree, and the next writer clears up after the
    dead one.
    """
    done = python(
        """
        import os, sys
        from pathlib import Path
        from groundup.base.files import atomic_dir, recover

        def write(path, version):
            with atomic_dir(path) as building:
                for name in "ab":
                    (building / name).write_text(version)

        seen, root, k = [], Path(sys.argv[1]), 0
        while True:
            path = root / str(k) / "checkpoint"
            write(path, "old")
            child = os.fork()
            if child == 0:
                left = k
                def hook(event, args):
                    global left
                    if event.startswith(("os.", "open", "shutil.", "fcntl.")):
                        left -= 1
                        if left < 0:
                            os._exit(9)
                sys.addaudithook(hook)
                write(path, "new")
                os._exit(0)
            code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
            recover(path)
            versions = {(path / name).read_text() for name in "ab"}
            assert len(versions) == 1 and sorted(p.name for p in path.iterdir()) == ["a", "b"], (k, versions)
            seen += versions
            write(path, "next")
            assert [p.name for p in path.parent.iterdir()] == ["checkpoint"], (k, list(path.parent.iterdir()))
            assert (path / "a").read_text() == "next"
            if code == 0:
                break
            k += 1
        print(k, seen.count("old"), seen.count("new"))
        """,
        tmp_path,
    )
    assert done.returncode == 0, done.stderr
    moments, old, new = map(int, done.stdout.split())
    assert moments >= 15 and old > 5 and new > 1  # both outcomes occur, so both were tested


def test_recover_brings_back_what_was_set_aside(tmp_path):
    target = tmp_path / "c"
    with atomic_dir(target) as building:
        (building / "x").write_text("old")
    os.rename(target, tmp_path / ".c.replaced")  # killed between the two renames
    recover(target)
    assert (target / "x").read_text() == "old" and names(tmp_path) == ["c"]
    recover(tmp_path / "never-was")


def test_writers_at_once_leave_one_whole_folder(tmp_path):
    code = """
        import sys
        from groundup.base.files import atomic_dir
        for turn in range(25):
            with atomic_dir(sys.argv[1]) as building:
                for name in "ab":
                    (building / name).write_text(sys.argv[2] + str(turn))
        """
    target = tmp_path / "c"
    writers = [
        subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(code), str(target), who], stderr=subprocess.PIPE
        )
        for who in "xyzw"
    ]
    for writer in writers:
        assert writer.communicate(timeout=60)[1] == b"" and writer.returncode == 0
    assert (target / "a").read_text() == (target / "b").read_text()
    assert names(tmp_path) == ["c"]


FILL = """
    import resource, sys
    from pathlib import Path
    from groundup.base.errors import UserError
    from groundup.base.files import atomic_dir, write_atomic
    folder, limit, how = Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    if limit:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    try:
        if how == "file":
            write_atomic(folder / "file", b"x" * 4_000_000)
        elif how == "folder":
            with atomic_dir(folder / "checkpoint") as building:
                (building / "small").write_bytes(b"x")
                (building / "big").write_bytes(b"x" * 4_000_000)
        else:
            import numpy, safetensors.numpy
            with atomic_dir(folder / "checkpoint") as building:
                safetensors.numpy.save_file({"x": numpy.zeros(1_000_000, "float32")}, building / "big")
    except UserError as error:
        print(error)
        sys.exit(2)
    """


def fill(folder: Path, limit: int, how: str) -> None:
    """Fail to write 4 MB into `folder`, which holds a file and a checkpoint, and lose neither."""
    write_atomic(folder / "file", "old")
    with atomic_dir(folder / "checkpoint") as building:
        (building / "big").write_text("old")
    done = python(FILL, folder, limit, how)
    assert done.returncode == 2, done.stderr
    assert done.stdout.startswith("The disk is full: ") and "Make room" in done.stdout
    assert (folder / "file").read_text() == "old" and (folder / "checkpoint" / "big").read_text() == "old"
    assert names(folder) == ["checkpoint", "file"] and names(folder / "checkpoint") == ["big"]
    assert python(FILL, folder.parent, 0, how).returncode == 0  # where there is room, it works


@pytest.mark.parametrize("how", ["file", "folder", "safetensors"])
def test_a_file_size_limit_harms_nothing(tmp_path, how):
    (tmp_path / "in").mkdir()
    fill(tmp_path / "in", 100_000, how)


@pytest.mark.may_skip
@pytest.mark.parametrize("how", ["file", "folder", "safetensors"])
def test_a_full_disk_harms_nothing(tmp_path, how):
    small = tmp_path / "small"
    small.mkdir()
    mount = shutil.which("mount")
    if (
        mount is None
        or subprocess.run(
            [mount, "-t", "tmpfs", "-o", "size=1m", "none", small], capture_output=True
        ).returncode
    ):
        pytest.skip("mounting a small file-system is not permitted here; the file-size limit is tested above")
    try:
        fill(small, 0, how)
    finally:
        subprocess.run(["umount", small], check=True)


@pytest.mark.parametrize("below", ["file/new", "file/folder/new"])
def test_a_file_where_a_folder_should_be(below, tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(UserError, match="is a file and not a folder"):
        write_atomic(tmp_path / below, "x")
    with pytest.raises(UserError, match="is a file and not a folder"), atomic_dir(tmp_path / below):
        pass
    assert (tmp_path / "file").read_text() == "mine"


def test_only_a_full_disk_is_explained_as_one(tmp_path):
    with pytest.raises(UserError, match="The disk is full"), disk_errors(tmp_path):
        raise RuntimeError("I/O error: No space left on device (os error 28)")
    with pytest.raises(RuntimeError, match="os error 2"), disk_errors(tmp_path):
        raise RuntimeError("I/O error: no such file (os error 2)")
    with pytest.raises(PermissionError), disk_errors(tmp_path):
        raise PermissionError(13, "denied")


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty (0 bytes)"),
        (b"abc\xff", "is not UTF-8 text: byte 0xff at offset 3"),
        (b"\x89PNG\r\n\x1a\n\0\0", "is not UTF-8 text: byte 0x89 at offset 0"),
        ("hi".encode("utf-16"), "is UTF-16 text"),
        (b"a\0b", "is not text: character 1 is NUL"),
    ],
)
def test_what_is_not_text_is_refused(tmp_path, data, words):
    path = tmp_path / "x.txt"
    path.write_bytes(data)
    with pytest.raises(DataError) as error:
        read_text(path)
    assert words in str(error.value) and str(path) in str(error.value)


def test_text_is_read_as_it_is(tmp_path):
    path = tmp_path / "x.txt"
    path.write_bytes("\ufeffa\r\nb\u2028你好\n".encode())
    assert read_text(path) == "a\r\nb\u2028你好\n"
    path.write_bytes(b"")
    assert read_text(path, empty_ok=True) == ""
    with pytest.raises(DataError, match="is a folder"):
        read_text(tmp_path)
    with pytest.raises(DataError, match=r"does not exist\. Did you mean 'x.txt'\?"):
        read_text(tmp_path / "x.text")
    with pytest.raises(DataError, match="does not exist"):
        read_text(tmp_path / "no" / "x.text")


def test_json_round_trips_and_damage_is_located(tmp_path):
    path = tmp_path / "x.json"
    write_json(path, {"b": [1, None, "你"], "a": 2.5})
    assert read_json(path) == {"b": [1, None, "你"], "a": 2.5} and list(read_json(path)) == ["b", "a"]
    path.write_text(path.read_text()[:-5])
    with pytest.raises(DataError, match=r"is not valid JSON: .* at line"):
        read_json(path)
    with pytest.raises(ValueError):
        write_json(path, {"x": float("nan")})


def test_sha256_is_sha256(tmp_path):
    (tmp_path / "x").write_bytes(b"abc")  # the test vector of FIPS 180-2, appendix B.1
    assert sha256_file(tmp_path / "x") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_the_cache_moves_with_its_variables(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "mine"))
    assert cache_dir() == tmp_path / "mine"
    monkeypatch.delenv("GROUNDUP_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_dir() == tmp_path / "groundup"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert cache_dir() == tmp_path / "home" / ".cache" / "groundup"
