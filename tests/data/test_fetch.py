import os
import subprocess
import sys

import pytest

from groundup.base.errors import FetchError
from groundup.data.fetch import archive, kept_path, local_copy, read_members, state
from groundup.data.sources import SOURCES
from tests.data.package_index import pinned, sdist, wheel

WHEEL, SDIST = "demo-1.0-py3-none-any.whl", "demo-1.0.tar.gz"
NOWHERE = "http://127.0.0.1:9/simple"  # the discard port: nothing listens


def quiet(line: str) -> None:
    """What fetch says goes nowhere."""


def test_a_wheel_is_fetched_once_through_pip_and_read_offline_ever_after(clean_pip, serve):
    content = wheel()
    index, source = serve({WHEEL: content}), pinned("wheel", content)
    clean_pip(index_url=index.url)
    said = []
    path = archive(source, say=said.append)
    assert path == kept_path(source) and path.read_bytes() == content
    assert [line.split(": ")[1][:8] for line in said] == ["fetching", "hash che"]
    asked = len(index.requests)
    index.close()
    read = list(read_members(source, say=pytest.fail))
    assert read == [("demo/data/a.txt", b"first"), ("demo/data/b.txt", b"hello")]
    assert len(index.requests) == asked > 0


def test_a_source_distribution_is_fetched_without_running_its_set_up_script(clean_pip, serve, tmp_path):
    content = sdist()
    clean_pip(index_url=serve({SDIST: content}).url)
    assert list(read_members(pinned("sdist", content), say=quiet)) == [
        ("demo-1.0/data/a.txt", b"from the sdist")
    ]
    assert not list(tmp_path.rglob("i-was-run"))
    unpacked = subprocess.run(
        ["tar", "xzf", kept_path(pinned("sdist", content)), "-C", tmp_path], check=False
    )
    assert unpacked.returncode == 0
    subprocess.run([sys.executable, "demo-1.0/setup.py"], cwd=tmp_path, check=True)
    assert (tmp_path / "i-was-run").exists()  # it would have left its mark


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_a_wrong_hash_is_refused_before_anything_is_read_and_nothing_is_kept(
    clean_pip, serve, tmp_path, kind
):
    content = {"wheel": wheel("tampered"), "sdist": b"not even an archive"}[kind]
    clean_pip(index_url=serve({WHEEL: content, SDIST: content}).url)
    source = pinned(kind, content, sha256="0" * 64)
    with pytest.raises(FetchError, match=r"expected SHA-256 0000.*got .*Nothing in it was read") as refusal:
        list(read_members(source, say=quiet))
    assert "thrown away" in str(refusal.value)
    assert state(source) == "not fetched"
    assert not [
        path for path in (tmp_path / "cache").rglob("*") if path.is_file() or ".fetching" in path.name
    ]


@pytest.mark.parametrize("kind", ["wheel", "sdist"])
def test_no_network_says_what_is_kept_and_what_still_works(clean_pip, serve, kind):
    clean_pip(index_url=NOWHERE)
    others = kept_path(SOURCES["names"])
    others.parent.mkdir(parents=True)
    others.write_bytes(b"fetched on another day")
    with pytest.raises(FetchError) as refusal:
        archive(pinned(kind, b"anything"), say=quiet)
    message = str(refusal.value)
    assert "demo could not be fetched" in message and "refused" in message
    assert "Kept on this machine already: names." in message
    assert "Without any of it `groundup run zero-to-chat` learns" in message
    assert list(others.parent.iterdir()) == [others]


def test_a_file_comes_from_its_own_address(clean_pip, serve):
    index = serve({"demo.txt": b"a list of names"})
    source = pinned("file", b"a list of names", url=f"http://{index.host}/files/demo.txt")
    assert list(read_members(source, say=quiet)) == [("demo.txt", b"a list of names")]
    gone = pinned("file", b"x", name="other", url=f"http://{index.host}/files/gone.txt")
    with pytest.raises(FetchError, match=r"other could not be fetched .*Not Found"):
        archive(gone, say=quiet)


def test_a_damaged_copy_in_the_cache_is_fetched_again(clean_pip, serve):
    content = sdist()
    clean_pip(index_url=serve({SDIST: content}).url)
    source, said = pinned("sdist", content), []
    kept = archive(source, say=quiet)
    kept.write_bytes(content[:100])
    assert state(source) == f"wrong hash: {kept}"
    assert archive(source, say=said.append).read_bytes() == content
    assert "damaged" in said[0] and state(source) == "ok"


def test_a_folder_of_local_copies_serves_without_network(clean_pip, monkeypatch, tmp_path):
    clean_pip(index_url=NOWHERE)
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "mine"))
    (tmp_path / "mine/deep").mkdir(parents=True)
    source = pinned("file", b"mine", local="deep/input.txt")
    assert local_copy(source) is None
    (tmp_path / "mine/demo.txt").write_bytes(b"mine")
    assert archive(source, say=pytest.fail) == tmp_path / "mine/demo.txt"
    (tmp_path / "mine/deep/input.txt").write_bytes(b"not mine")  # the more exact place is looked at first
    with pytest.raises(FetchError, match=r"input.txt \(demo\) is not the file that groundup knows"):
        archive(source, say=pytest.fail)
    assert (tmp_path / "mine/deep/input.txt").exists()  # a user's own file is not thrown away
    assert state(source).startswith("wrong hash")
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "typo"))
    with pytest.raises(FetchError, match="typo is not a folder"):
        archive(source, say=pytest.fail)


def test_members_that_are_not_there_are_an_error(clean_pip, monkeypatch, tmp_path):
    (tmp_path / WHEEL).write_bytes(wheel())
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    with pytest.raises(FetchError, match=r"holds none of demo/\*.csv"):
        list(read_members(pinned("wheel", wheel(), members=("demo/*.csv",)), say=pytest.fail))


def test_what_a_killed_fetch_left_is_cleared_away_in_time(clean_pip, serve):
    content = sdist()
    clean_pip(index_url=serve({SDIST: content}).url)
    folder = kept_path(pinned("sdist", content)).parent
    for name in (".fetching-old", ".fetching-new"):
        (folder / name).mkdir(parents=True)
    os.utime(folder / ".fetching-old", (0, 0))
    archive(pinned("sdist", content), say=quiet)
    assert sorted(path.name for path in folder.iterdir()) == [".fetching-new", SDIST]


def test_another_build_of_the_wheel_is_refused(clean_pip, serve):
    clean_pip(index_url=serve({"demo-1.0-py2.py3-none-any.whl": wheel()}).url)
    with pytest.raises(
        FetchError, match=r"pip answered demo==1.0 with demo-1.0-py2.py3-none-any.whl instead of"
    ):
        archive(pinned("wheel", wheel()), say=quiet)


def test_the_standard_library_needs_no_archive():
    source = SOURCES["stdlib-text"]
    assert state(source) == "part of Python"
    with pytest.raises(FetchError, match="part of Python"):
        archive(source)


def test_a_cache_that_cannot_be_written_is_said_so(clean_pip, monkeypatch, tmp_path):
    (tmp_path / "file").write_text("in the way")
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "file"))
    with pytest.raises(FetchError, match=r"cannot be written .* Name another with GROUNDUP_CACHE"):
        archive(pinned("sdist", b""), say=quiet)
