import io
import json
import time

import numpy as np
import pytest
import torch

from groundup.base.errors import DataError
from groundup.base.log import EventLog, Progress, clock, sparkline


def test_events_come_back_in_order_and_by_kind(tmp_path):
    log = EventLog(tmp_path / "deep" / "events.jsonl", console=False)
    before = time.time()
    log.write("train", step=1, loss=2.5)
    log.write("eval", step=1, bits=np.float32(1.5), n=torch.tensor(3), where=tmp_path)
    log.write("train", step=2, loss=2.25)
    assert [event["step"] for event in log.read("train")] == [1, 2]
    kinds = [event["kind"] for event in log.read()]
    assert kinds == ["train", "eval", "train"]
    evaluated = next(log.read("eval"))
    assert (evaluated["bits"], evaluated["n"], evaluated["where"]) == (1.5, 3, str(tmp_path))
    assert before - 1 <= evaluated["time"] <= time.time() + 1


def test_what_is_not_finite_stays_valid_json_and_visible(tmp_path):
    log = EventLog(tmp_path / "e", console=False)
    log.write("train", loss=float("nan"), deep={"x": [float("inf")]}, tensor=torch.tensor(float("nan")))
    event = json.loads((tmp_path / "e").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert (event["loss"], event["deep"]["x"], event["tensor"]) == ("nan", ["inf"], "nan")


def test_a_line_that_a_kill_cut_short_is_skipped_and_then_cut_off(tmp_path):
    path = tmp_path / "e"
    EventLog(path, console=False).write("train", step=1)
    with open(path, "a") as file:
        file.write('{"time": 1, "ki')
    log = EventLog(path, console=False)
    assert [event["step"] for event in log.read()] == [1]
    log.write("train", step=2)
    assert [event["step"] for event in log.read()] == [1, 2]


def test_a_damaged_line_in_the_middle_is_an_error(tmp_path):
    (tmp_path / "e").write_text('{"kind": "a"}\nrubbish\n{"kind": "b"}\n')
    with pytest.raises(DataError, match="line 2"):
        list(EventLog(tmp_path / "e").read())


def test_only_what_a_person_wants_to_see_is_printed(capsys):
    log = EventLog(None)
    log.write("train", step=1, loss=2.0)
    assert capsys.readouterr().out == ""
    log.write("eval", step=1, bits_per_byte=1.987654)
    log.write("note", text="hello")
    assert capsys.readouterr().out == "eval     step 1  bits_per_byte 1.988\nhello\n"
    EventLog(None, console=False).write("note", text="hello")
    assert capsys.readouterr().out == "" and list(log.read()) == []


def test_an_event_holds_no_objects(tmp_path):
    with pytest.raises(TypeError, match="cannot hold a object"):
        EventLog(tmp_path / "e").write("train", x=object())
    assert not (tmp_path / "e").exists()


def test_progress_says_rate_and_time_left(monkeypatch, capsys):
    now = [0.0]
    monkeypatch.setattr("groundup.base.log.time.monotonic", lambda: now[0])
    with Progress(100, "pretrain", "step", initial=50, show="lines") as bar:
        now[0] = 5.0
        bar.advance(10, loss=2.34567)
        assert capsys.readouterr().err == ""  # five seconds are too soon for a line
        now[0] = 10.0
        bar.advance(10, loss=2.25)
        # 20 steps in 10 s; the 30 that are left take 15 s. What an earlier run did does not count as speed.
        assert capsys.readouterr().err == "pretrain  70/100 step  2 step/s  15 s left  loss 2.25  █▁\n"
        now[0] = 12.0
        bar.advance(30)
    assert capsys.readouterr().err == "pretrain  100/100 step  4.167 step/s  after 12 s  loss 2.25  █▁\n"


def test_progress_is_silent_where_nobody_looks_unless_asked(capsys, monkeypatch):
    for asked, lines in (("none", 0), ("lines", 1)):
        monkeypatch.setenv("GROUNDUP_PROGRESS", asked)
        with Progress(3, "x", "step") as bar:
            bar.advance(3)
        assert capsys.readouterr().err.count("\n") == lines


def test_the_bar_shows_the_same(monkeypatch):
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    monkeypatch.setattr("sys.stderr", screen := Terminal())
    with Progress(10, "pretrain", "step", every=0) as bar:
        for _ in range(10):
            bar.advance(1, loss=1.5)
    drawn = screen.getvalue()
    assert "pretrain" in drawn and "10/10" in drawn and "loss 1.5" in drawn and "step/s" in drawn


def test_an_advance_is_cheap():
    """Under 20 microseconds: a step of the smallest model takes 50 times as long. The best of five."""
    best = float("inf")
    for _ in range(5):
        with Progress(10_000, "x", "step", show="lines", every=1000) as bar:
            began = time.perf_counter()
            for _ in range(2000):
                bar.advance(1, loss=1.5)
            best = min(best, (time.perf_counter() - began) / 2000)
            bar._how = "none"  # no closing line
    assert best < 20e-6


def test_a_sparkline_has_the_shape_of_the_curve():
    assert sparkline([1.0, float("nan"), 2.0, float("inf"), 3.0]) == "▁▅█"  # what is not finite is no peak
    assert sparkline([]) == sparkline([1.0]) == ""
    assert sparkline([2.0, 2.0, 2.0]) == "▁▁▁"
    falling = sparkline([1000 - i for i in range(1000)])
    assert len(falling) == 16 and list(falling) == sorted(falling, reverse=True)
    assert len(set(falling)) == 8  # every height is used: the test can fail


def test_a_terminal_without_the_signs_gets_no_curve(monkeypatch):
    screen = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    monkeypatch.setattr("sys.stderr", screen)
    with Progress(2, "x", "step", show="lines", every=0) as bar:
        bar.advance(1, loss=2.0)
        bar.advance(1, loss=1.0)
    screen.flush()
    assert b"loss 1" in screen.buffer.getvalue()


def test_clock_reads_as_a_person_writes():
    assert [clock(s) for s in (0, 59.4, 59.6, 3599.7)] == ["0 s", "59 s", "1:00", "1:00:00"]
