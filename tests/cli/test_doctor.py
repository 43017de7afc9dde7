import sys
from pathlib import Path

import pytest
import torch

from groundup.cli import doctor
from groundup.cli.main import main


@pytest.fixture(autouse=True)
def own_cache_and_no_index(tmp_path, monkeypatch):
    """A cache in the test's folder, and an index address at which nobody listens."""
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.delenv("PIP_EXTRA_INDEX_URL", raising=False)
    monkeypatch.delenv("PIP_FIND_LINKS", raising=False)


def levels(check):
    return {finding.text: finding.level for finding in check()}


def test_a_machine_in_order_gets_0_and_a_line_for_each_check(tmp_path, capsys):
    (tmp_path / "cache" / "archives").mkdir(parents=True)
    (tmp_path / "cache" / "archives" / "x").write_bytes(b"x" * 2_000_000)
    assert main(["doctor"]) == 0
    told = capsys.readouterr().out
    for words in (
        "Python 3.",
        f"torch {torch.__version__}",
        "usable cores",
        "disk free",
        "archives (2.0 MB)",
    ):
        assert words in told, words
    assert "[note] pip does not reach its index" in told and "Nothing is in the way" in told


def test_nothing_is_left_behind(tmp_path):
    main(["doctor"])
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_in_the_way(monkeypatch, tmp_path):
    def refuse(path, data):
        raise PermissionError(13, "Permission denied", str(path))

    assert set(levels(doctor.check_folders).values()) == {"ok"}
    monkeypatch.setattr(
        doctor, "write_atomic", refuse
    )  # permissions do not stop the root user of a container
    bad = [finding for finding in doctor.check_folders() if finding.level == "bad"]
    assert len(bad) == 2 and all("cannot be written" in finding.text and finding.todo for finding in bad)


def test_little_disk_or_memory_is_in_the_way(monkeypatch):
    monkeypatch.setattr(doctor, "NEEDED_DISK", 1e18)
    monkeypatch.setattr(doctor, "NEEDED_MEMORY", 1e18)
    assert list(levels(doctor.check_folders).values()).count("bad") == 2
    if Path("/proc/meminfo").exists():
        assert "bad" in levels(doctor.check_memory).values()


def test_too_many_and_too_few_threads_are_noticed(monkeypatch):
    for threads, cores, words in (
        (8, 2, "8 threads on 2"),
        (1, 2, "1 of 2 usable"),
        (2, 2, "2 threads on 2"),
    ):
        monkeypatch.setattr(torch, "get_num_threads", lambda threads=threads: threads)
        monkeypatch.setattr(doctor, "usable_cores", lambda cores=cores: cores)
        level = {text: level for text, level in levels(doctor.check_torch).items() if words in text}
        assert list(level.values()) == ["ok" if threads == cores else "note"]


def test_a_missing_torch_is_in_the_way(monkeypatch):
    monkeypatch.setitem(sys.modules, "torch", None)
    assert list(levels(doctor.check_torch).values()) == ["bad"]


def test_bad_findings_give_exit_code_2(monkeypatch, capsys):
    monkeypatch.setattr(doctor, "CHECKS", (lambda: iter([doctor.Finding("bad", "it is broken", "mend it")]),))
    assert main(["doctor"]) == 2
    assert "[BAD ] it is broken\n       -> mend it" in capsys.readouterr().out
    assert main(["doctor", "--help"]) == 0 and main(["doctor", "what"]) == 2
