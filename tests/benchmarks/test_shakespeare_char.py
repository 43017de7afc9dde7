import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from benchmarks import nanogpt, shakespeare_char
from benchmarks.nanogpt import loss_of, prepare, run, run_peer, tokens_per_second, windows_loss
from benchmarks.shakespeare_char import Bench, Repetition, result_of
from groundup.base.config import from_dict, load_toml
from groundup.base.errors import DataError
from groundup.recipes.pretrain import Pretrain
from tests.benchmarks.nanogpt_stand_in import checkout

TEXT = "the cat sat on the mat, the rat sat on the hat.\n" * 200


@pytest.fixture
def peer(tmp_path: Path) -> Path:
    return prepare(checkout(tmp_path / "peer"), tmp_path / "copy", TEXT)


def test_the_peer_gets_the_files_that_it_would_have_written(peer, tmp_path):
    ids = [
        np.fromfile(peer / "data" / "shakespeare_char" / f"{side}.bin", dtype=np.uint16)
        for side in ("train", "val")
    ]
    letters = sorted(set(TEXT))
    assert "".join(letters[id] for part in ids for id in part) == TEXT
    assert len(ids[0]) == int(0.9 * len(TEXT))
    assert not (tmp_path / "peer" / "data").exists()  # the checkout itself is only read


def test_another_folder_is_no_peer(tmp_path):
    with pytest.raises(DataError, match=r"no checkout of nanoGPT: it has no train\.py"):
        prepare(tmp_path, tmp_path / "copy", TEXT)


@pytest.mark.slow
def test_its_run_is_timed_and_its_model_scored(peer, tmp_path):
    timed = run_peer(peer, tmp_path / "out", steps=60)
    assert timed.seconds > 0.1 and timed.cpu > 0.1
    assert 1e3 < tokens_per_second(timed.log) < 1e9
    held_out = np.fromfile(peer / "data" / "shakespeare_char" / "val.bin", dtype=np.uint16).astype(np.int64)
    loss = loss_of(peer, tmp_path / "out" / "ckpt.pt", held_out)
    assert loss < math.log(len(set(TEXT))) - 0.5  # it learned, and every place was scored
    saved = torch.load(tmp_path / "out" / "ckpt.pt", weights_only=True)
    table = saved["model"]["_orig_mod.table.weight"].log_softmax(-1).numpy()
    assert loss == pytest.approx(-table[held_out[:-1], held_out[1:]].mean(), abs=1e-5)


def test_a_command_that_fails_is_shown(tmp_path):
    with pytest.raises(DataError, match="ZeroDivisionError"):
        run([shakespeare_char.sys.executable, "-c", "1 / 0"], tmp_path / "log")


def test_a_log_without_times_is_refused():
    with pytest.raises(DataError, match="no step times"):
        tokens_per_second("iter 0: loss 4.2")


def test_the_loss_counts_every_token_but_the_first():
    ids = np.arange(200) % 7
    uniform = windows_loss(lambda tokens_BT: torch.zeros(*tokens_BT.shape, 7), ids)
    assert uniform == pytest.approx(math.log(7), abs=1e-6)
    right = torch.eye(7).roll(1, 1) * 50
    assert windows_loss(lambda tokens_BT: right[tokens_BT], ids) < 1e-6 < uniform


def test_the_same_shape_is_the_peers(tmp_path):
    (tmp_path / "same.toml").write_text(shakespeare_char.SAME_SHAPE)
    content = load_toml(tmp_path / "same.toml")
    assert content.pop("recipe") == "pretrain"
    recipe = from_dict(Pretrain, content)
    flags = dict(word[2:].split("=") for word in nanogpt.README.split())
    for name, mine in (
        ("n_layer", recipe.model.n_layer), ("n_head", recipe.model.n_head), ("n_embd", recipe.model.n_embd),
        ("block_size", recipe.model.context_len), ("batch_size", recipe.batch_size * recipe.fit.accumulate),
    ):  # fmt: skip
        assert int(flags[name]) == mine, name
    assert recipe.optim.kind == "adamw"


ONE = Repetition(
    peer_seconds=130.0, peer_loss=1.88, peer_rate=15_000.0, shape_rate=20_000.0,
    short_seconds=20.0, short_loss=1.85,
    long_seconds=120.0, long_loss=1.55, long_steps=3000, cpu={"peer": 250.0, "short": 35.0, "long": 230.0},
)  # fmt: skip


def test_claims_are_medians_with_their_range():
    found = [ONE, replace(ONE, short_seconds=19.0, long_loss=1.56), replace(ONE, short_seconds=26.0)]
    result = result_of(found)
    time = result.claim("time-to-peer-loss")
    assert (time.ours, time.theirs, time.n, time.spread) == (20.0, 130.0, 3, (19.0, 26.0))
    assert time.ratio == pytest.approx(20 / 130)
    loss, rate = result.claim("val-loss-in-peer-time"), result.claim("tokens-per-second-same-shape")
    assert loss.ratio == pytest.approx(1.88 / 1.55) and rate.ratio == pytest.approx(20 / 15)


def test_the_long_run_gets_as_many_steps_as_fit():
    quick = {"seconds": 20.0, "stepping": 12.5}  # 250 steps of 50 ms after the first ten; 7 s for all else
    assert Bench.steps_in(100.0, quick, short=260) == 1860


@pytest.mark.slow
def test_a_repetition_runs_all_four_commands_once(tmp_path, monkeypatch):
    monkeypatch.setattr(shakespeare_char, "SHAPE_STEPS", 30)
    monkeypatch.setattr(
        shakespeare_char, "SAME_SHAPE", shakespeare_char.SAME_SHAPE.replace("steps = 400", "steps = 30")
    )
    monkeypatch.setattr(Bench, "steps_in", staticmethod(lambda seconds, quick, short: 40))
    (tmp_path / "text.txt").write_text(TEXT)
    bench = Bench(checkout(tmp_path / "peer"), tmp_path / "text.txt", tmp_path / "work", peer_steps=20)
    monkeypatch.setattr(bench, "peer", lambda folder: {**Bench.peer(bench, folder), "seconds": 1e3})
    found = bench.repetition(0, short=30)
    assert found.short_loss < found.peer_loss and found.long_steps == 40
    said: list[str] = []
    assert bench.repetition(0, short=30, tell=said.append) == found  # kept, not run again
    assert not any("..." in line for line in said)
    with pytest.raises(DataError, match="there is no time to its loss"):
        kept = tmp_path / "work" / "repetition-1" / "peer.json"
        kept.write_text(kept.read_text().replace('"loss": ', '"loss": 0.0000001, "was": '))
        bench.repetition(0, short=30)
