"""The claims of the autograd floor, measured a little: our own engine stands in for the peer."""

import sys

import pytest

from benchmarks import autograd, autograd_engines
from benchmarks.autograd import Effort, agree, compile_claims, main, moons_claims
from groundup.base.errors import DataError

A_LITTLE = Effort(blocks=1, block=5, shipped=2, gpt_runs=1, gpt_steps=2, compile_runs=1)


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A folder that looks like a checkout of micrograd, and whose engine is ours."""
    package = tmp_path / "peer" / "micrograd"
    package.mkdir(parents=True)
    (package / "__init__.py").touch()
    (package / "engine.py").write_text("from groundup.autograd.value import Value")
    (package / "nn.py").write_text("from groundup.autograd.nn import MLP")
    for name in ("micrograd", "micrograd.engine", "micrograd.nn"):
        monkeypatch.delitem(sys.modules, name, raising=False)
    return tmp_path / "peer"


def test_every_engine_ends_at_the_same_loss(checkout):
    claims = {claim.id: claim for claim in moons_claims(*autograd_engines.micrograd(checkout), A_LITTLE)}
    assert {"moons-eager-vs-micrograd", "moons-replay-vs-micrograd", "moons-replay-vs-torch"} < set(claims)
    for claim in claims.values():
        assert claim.ours > 0 and (
            claim.ratio is None or claim.ratio == pytest.approx(claim.theirs / claim.ours)
        )
    assert claims["moons-replay-vs-micrograd"].ratio > 10  # here the peer is our eager engine
    assert claims["moons-replay.recording"].ours > 10 * claims["moons-replay-vs-torch"].ours / 1e3


def test_another_loss_is_not_claimed():
    agree({"micrograd": autograd_engines.LAST_LOSS, "replay": 0.010978370135492719}, complete=True)
    with pytest.raises(DataError, match=r"'replay': 0.0109784.*Nothing is claimed"):
        agree({"micrograd": autograd_engines.LAST_LOSS, "replay": 0.0109784}, complete=True)
    with pytest.raises(DataError, match="Nothing is claimed"):
        agree({"micrograd": 0.5, "replay": 0.6}, complete=False)


def test_the_gpt_learns_something():
    names = ["anna", "ella", "emma"] * 10
    assert autograd_engines.train_scalar_gpt(names, 25) < 2.5  # log(27) is 3.3


@pytest.mark.slow
def test_first_use_is_measured_in_a_process_of_its_own():
    cold, warm = compile_claims(A_LITTLE)
    assert cold.ours > warm.ours > 0


def test_a_folder_that_is_no_checkout(tmp_path, capsys):
    assert main(["--peer", str(tmp_path)]) == 2
    assert "no checkout of micrograd" in capsys.readouterr().err


@pytest.mark.slow
def test_the_table_goes_to_a_file(checkout, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(autograd, "Effort", lambda: A_LITTLE)
    monkeypatch.setattr(autograd, "documents", lambda name: [type("Document", (), {"text": "emma"})()])
    assert main(["--peer", str(checkout), "--out", str(tmp_path / "out.json")]) == 0
    assert "moons-replay-vs-torch" in capsys.readouterr().out
    assert "engine.py sha256" in (tmp_path / "out.json").read_text()
