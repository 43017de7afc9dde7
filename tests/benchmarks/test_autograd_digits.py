"""The two contenders are one network, and the claim is what the format wants."""

import json

import numpy as np
import pytest

from benchmarks import autograd_digits
from benchmarks.result import read
from groundup.base.errors import DataError


def test_both_engines_take_the_same_steps():
    ours, theirs = autograd_digits.engines()
    first, second = [ours() for _ in range(4)], [theirs() for _ in range(4)]
    np.testing.assert_allclose(first, second, rtol=1e-4)
    assert first[0] > first[-1]  # they learn, so equal losses are not those of standing still


def test_engines_that_differ_are_not_timed(monkeypatch):
    ours, _ = autograd_digits.engines()
    monkeypatch.setattr(autograd_digits, "engines", lambda: (ours, lambda: 0.0))
    with pytest.raises(DataError, match="do not compute the same"):
        autograd_digits.step_against_torch(rounds=1, steps=1)


def test_a_claim_is_a_ratio_of_two_medians(tmp_path, capsys, monkeypatch):
    short = autograd_digits.step_against_torch
    monkeypatch.setattr(autograd_digits, "step_against_torch", lambda: short(rounds=3, steps=1))
    assert autograd_digits.main(["--out", str(tmp_path / "r.json")]) == 0
    (claim,) = read(tmp_path / "r.json").claims
    assert claim.id == "digits-array-vs-torch" and claim.n == 3 and claim.peer == "PyTorch, one thread"
    assert claim.ratio == pytest.approx(claim.theirs / claim.ours)
    assert "1 thread" in json.loads((tmp_path / "r.json").read_text())["machine"]
    assert "digits-array-vs-torch" in capsys.readouterr().out


def test_several_threads_are_refused(monkeypatch, capsys):
    monkeypatch.setenv("OMP_NUM_THREADS", "2")
    assert autograd_digits.main([]) == 2
    assert "Run this with OMP_NUM_THREADS=1" in capsys.readouterr().err
