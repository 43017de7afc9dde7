"""Attention's road, measured a little: claims that fit each other, a picture, and a way that is wrong."""

import pytest

from benchmarks import attention
from benchmarks.result import read


def test_the_claims_say_what_grows(tmp_path):
    out, picture = tmp_path / "attention.json", tmp_path / "attention.svg"
    words = ["--longest", "512", "--rounds", "1", "--out", str(out), "--picture", str(picture)]
    assert attention.main(words) == 0
    claims = {claim.id: claim for claim in read(out).claims}
    assert len(claims) == 16
    assert claims["all-heads-at-once.memory-grows"].ours > 1.6
    assert claims["the-fused-call.memory-grows"].ours == pytest.approx(1, abs=0.1)
    assert claims["in-blocks.memory"].ratio > 3 and claims["a-head-at-a-time.memory"].ratio > 1.5
    assert claims["cache.time"].ratio > 2
    drawn = picture.read_text()
    assert drawn.startswith("<?xml") and "a square" in drawn


def test_a_way_that_computes_something_else_is_not_timed(monkeypatch):
    wrong = {**attention.WAYS, "in blocks": lambda q, k, v: attention.attend(q, k, v)}
    monkeypatch.setattr(attention, "WAYS", wrong)
    with pytest.raises(SystemExit, match="in blocks differs"):
        attention.check(63)


@pytest.mark.may_skip
def test_what_the_process_held_is_seen():
    if attention.resident(lambda q, k, v: q, 64) is None:
        pytest.skip("no /proc here")
    large = attention.resident(attention.WAYS[attention.PEER], 1024)
    assert large > 10e6 > attention.resident(attention.WAYS["the fused call"], 1024)
