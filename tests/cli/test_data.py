import pytest

from groundup.base.errors import FetchError
from groundup.cli.data import main
from groundup.data.sources import GROUPS, SOURCES


@pytest.fixture(autouse=True)
def own_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GROUNDUP_DATA", raising=False)


def test_list_shows_every_source_with_its_licence_and_who_read_it(capsys):
    assert main(["list"]) == 0
    shown = " ".join(capsys.readouterr().out.split())
    for source in SOURCES.values():
        assert f"{source.name} (" in shown
        assert " ".join(f"licence: {source.licence} [read in {source.licence_where}]".split()) in shown
    assert all(f"{group}: " in shown for group in GROUPS)


def test_get_says_where_things_are_and_check_reads_them(capsys, monkeypatch, tmp_path):
    assert main(["check", "names"]) == 2
    assert "groundup data get names" in capsys.readouterr().err
    assert main(["check"]) == 0  # nothing fetched is nothing wrong
    assert main(["get", "stdlib-text"]) == 0
    assert "[1/1] stdlib-text: part of Python" in capsys.readouterr().out

    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / SOURCES["names"].archive).write_bytes(b"damaged")
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path / "mine"))
    assert main(["check"]) == 2
    assert "wrong hash" in capsys.readouterr().out
    with pytest.raises(FetchError, match=r"names-0\.3\.0\.tar\.gz"):
        main(["get", "names"])


def test_an_unknown_name_or_command_is_refused(capsys):
    with pytest.raises(FetchError, match=r"Did you mean 'shakespeare'"):
        main(["get", "shakespeer"])
    with pytest.raises(SystemExit) as refusal:
        main(["put"])
    assert refusal.value.code == 2
    with pytest.raises(SystemExit) as refusal:
        main([])
    assert refusal.value.code == 2
