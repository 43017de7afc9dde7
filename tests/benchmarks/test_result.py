"""The result format: what is written comes back, and what cannot be is refused."""

import json
from pathlib import Path

import pytest

from benchmarks.result import RESULTS, Claim, Result, published, read, slug, table, write
from groundup.base.errors import DataError

MACHINE = "Some CPU @ 2.80GHz, 2 cores, 2 threads"
FASTER = Claim(
    "speed", "reading", "tokens/s", 30.0, theirs=20.0, ratio=1.5, n=5, spread=(28.0, 31.0), peer="a peer"
)


def result(**changes) -> Result:
    fields = {"name": "reading", "machine": MACHINE, "versions": {"python": "3.11"}, "date": "2026-01-02"}
    return Result(**{**fields, "claims": (FASTER,), **changes})


def test_what_is_written_is_read(tmp_path):
    path = write(result(), tmp_path / "reading.json")
    assert read(path) == result()
    keys = {"id", "what", "unit", "ours", "theirs", "ratio", "n", "spread", "peer", "note"}
    assert set(json.loads(path.read_text())["claims"][0]) == keys
    assert "a peer: 20, ratio 1.500" in table(result())


def test_the_newest_machine_comes_first(tmp_path):
    for date, machine in (
        ("2026-01-02", "A, 2 cores"),
        ("2026-03-01", "B, 2 cores"),
        ("2026-02-01", "C, 2 cores"),
    ):
        write(result(date=date, machine=machine), tmp_path / f"reading.{slug(machine)}.json")
    write(result(name="other"), tmp_path / "other.x.json")
    assert [found.machine[0] for found in published("reading", tmp_path)] == ["B", "C", "A"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"id": "Speed Test"}, "lower-case"),
        ({"ours": float("nan"), "spread": None}, "no measurement"),
        ({"peer": ""}, "come together"),
        ({"ratio": None}, "come together"),
        ({"ratio": 1.6}, "neither"),
        ({"spread": (31.0, 32.0)}, "outside its own spread"),
        ({"n": 0}, "n=0"),
    ],
)
def test_a_claim_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        Claim(**{**vars(FASTER), **wrong})


def test_both_ways_of_writing_a_ratio_are_known():
    assert Claim(**{**vars(FASTER), "ratio": 20 / 30}).ratio == 20 / 30  # of a time, smaller is better


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"claims": ()}, "without a claim"),
        ({"claims": (FASTER, FASTER)}, "speed is claimed twice"),
        ({"machine": "measured in /home/somebody"}, "names a path"),
        ({"machine": "measured in ~/runs"}, "names a path"),
    ],
)
def test_a_result_that_cannot_be_is_refused(wrong, message):
    with pytest.raises(DataError, match=message):
        result(**wrong)


def test_a_host_name_is_no_machine(monkeypatch):
    monkeypatch.setattr("benchmarks.result.platform.node", lambda: "somebodys-laptop")
    with pytest.raises(DataError, match="names a path or a host"):
        result(machine="somebodys-laptop, 2 cores")


@pytest.mark.parametrize("content", ["{}", '{"claims": [{"id": "a"}]}', "[]"])
def test_another_file_is_refused(tmp_path: Path, content):
    (tmp_path / "x.json").write_text(content)
    with pytest.raises(DataError, match="not a benchmark result"):
        read(tmp_path / "x.json")


def test_every_published_result_is_one():
    for path in RESULTS.glob("*.json"):
        found = read(path)
        assert path.name == f"{found.name}.{slug(found.machine)}.json"
