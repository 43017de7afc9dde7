"""The claims of a finished run: every number with its interval, peers from the same run."""

import json

import pytest

from benchmarks.result import read
from benchmarks.zero_to_chat import claims_of, main
from groundup.base.errors import DataError


def test_the_claims_of_a_finished_run(finished_run):
    found = claims_of(finished_run)
    assert found.machine == "Some CPU, 2 cores, 2 threads"
    assert found.versions == {"python": "3.11.9", "torch": "2.13.0", "commit": "0123456789ab+"}
    assert found.date == "2026-01-02"
    spelling, after, bits = (
        found.claim(id) for id in ("spelling.untrained", "rl_after.trained", "bits_per_byte")
    )
    assert (spelling.ours, spelling.spread, spelling.n) == (0.8, pytest.approx((0.77, 0.82)), 300)
    assert (after.theirs, after.ratio) == (0.6, pytest.approx(1.5))
    assert (bits.theirs, bits.ratio) == (1.4, pytest.approx(1.4 / 1.5)) and "4-gram" in bits.peer
    assert found.claim("wall_clock") is None and found.claim("seconds").ours == 512.4
    assert claims_of(finished_run, wall_clock=530.0).claim("wall_clock").ours == 530.0


def test_scores_of_the_development_set_are_refused(finished_run):
    report = json.loads((finished_run / "report.json").read_text())
    report["what"]["exam"] = "dev set, seed 7"
    (finished_run / "report.json").write_text(json.dumps(report))
    with pytest.raises(DataError, match=r"scores\.split test"):
        claims_of(finished_run)


def test_the_command_writes_them(finished_run, tmp_path, capsys):
    out = tmp_path / "out.json"
    assert main([str(finished_run / "report.json"), "--out", str(out)]) == 0
    assert read(out) == claims_of(finished_run)
    assert "spelling.untrained" in capsys.readouterr().out


def test_mistakes_are_told(finished_run, tmp_path, capsys):
    assert main([str(tmp_path / "nowhere")]) == 2
    assert "Finish its run" in capsys.readouterr().err
    assert main([str(finished_run), "--run"]) == 2  # timed runs start from nothing
    assert "Name a new folder" in capsys.readouterr().err
