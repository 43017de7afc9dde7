"""The claims of training hygiene, measured a little: every part claims what it should, and can say no."""

import math

import pytest

from benchmarks import hygiene, hygiene_lab
from benchmarks.hygiene import PARTS, Effort, at, main, measure
from benchmarks.hygiene_lab import Sweep, final

A_LITTLE = Effort(steps=25, rates=(1e-3, 1e-2), factors=(0.1, 1.0), seeds=(0,), deep=2, rounds=1)


@pytest.fixture
def text(monkeypatch):
    """A text of our own: the course's is not here."""

    class Document:
        text = "The cat sat on the mat,\nthe rat sat on the hat.\n" * 200

    monkeypatch.setattr(hygiene_lab, "documents", lambda name: [Document()])
    hygiene_lab.corpus.cache_clear()
    yield
    hygiene_lab.corpus.cache_clear()


@pytest.mark.slow
def test_every_part_claims_something_that_can_be_published(text):
    result = measure(list(PARTS), A_LITTLE)
    claims = {claim.id: claim for claim in result.claims}
    assert {
        "clip.sensitivity", "clip.outlier", "bfloat16.peak-bytes", "recompute.4-layers.time",
        "layer-scale.largest-rate", "lr-find.adamw.three-quarters", "average.constant",
        "accumulate.difference",
    } <= set(claims)  # fmt: skip
    assert claims["recompute.12-layers.peak-bytes"].ratio > claims["recompute.4-layers.peak-bytes"].ratio > 1
    assert "equal bit for bit" in claims["recompute.4-layers.peak-bytes"].note
    assert claims["bfloat16.peak-bytes"].ratio > 1
    assert 0 < claims["accumulate.difference"].ours < 1e-4
    assert claims["accumulate.peak-bytes"].ratio == pytest.approx(4, rel=0.1)
    assert 0 <= claims["clip.acts"].ours <= 1


def test_stability_is_what_it_says_it_is():
    found = Sweep(rates=(1.0, 2.0, 4.0), losses=((3.0, 2.0, 4.0), (3.0, 2.0, 2.2)), first=4.0)
    assert found.largest_rates() == [2.0, 4.0]
    assert found.sensitivities() == [pytest.approx(1.0), pytest.approx(0.4)]
    assert (found.best, found.best_rate) == (2.0, 2.0)
    assert at(found, 2.0) == pytest.approx(2.0) and at(found, 4.0) == pytest.approx(3.1)
    assert at(found, math.sqrt(2.0)) == pytest.approx(2.5)  # half-way on the logarithm
    assert at(found, 100.0) == pytest.approx(3.1)  # beyond the sweep: its end
    assert final([4.0, math.nan]) == 4.0  # a lost run is worth what it began with
    assert final([4.0, *[9.0] * 30]) == 4.0 and final([4.0, *[2.0] * 30]) == 2.0


def test_one_part_is_printed_and_not_written(text, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(hygiene, "Effort", lambda: A_LITTLE)
    assert main(["--only", "accumulate"]) == 0
    said = capsys.readouterr().out
    assert "accumulate.difference" in said and "written" not in said
