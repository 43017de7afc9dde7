"""A look inside a network: its numbers are torch's, it changes no bit of the run, and resumes."""

import itertools
import json
import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from groundup.base.errors import ConfigError
from groundup.train.diagnostics import BINS, Probe, bits, histogram, unbits
from groundup.train.diagnostics_data import looks
from groundup.train.fit import FitConfig


class Deep(nn.Module):
    """Linear and tanh by turns; `functional` bends without a module."""

    def __init__(self, widths=(6, 50, 50, 50, 10), functional=False):
        super().__init__()
        self.matrices = nn.ModuleList(nn.Linear(a, b) for a, b in itertools.pairwise(widths))
        self.bends = nn.ModuleList(nn.Tanh() for _ in widths[2:])
        self.functional = functional
        self.seen = []

    def forward(self, x):
        self.seen = []
        for matrix, bend in zip(self.matrices, self.bends, strict=False):
            x = matrix(x)
            x = torch.tanh(x) if self.functional else bend(x)
            if x.requires_grad:
                x.retain_grad()
            self.seen.append(x)
        return self.matrices[-1](x)


def look(model, x=None, y=None, *, lr=0.1):
    """(record of one step of gradient descent on the sum of losses, divided as `fit` does)."""
    x = torch.randn(32, 6) if x is None else x
    y = torch.randint(10, (len(x),)) if y is None else y
    probe = Probe(model)
    with probe.watching():
        total = F.cross_entropy(model(x), y, reduction="sum")
        total.backward()
    with torch.no_grad():
        for p in model.parameters():
            p.grad /= len(x)
            p -= lr * p.grad
    return probe.record(loss=total.item() / len(x), step=0, divisor=len(x), vocab_size=10)


@pytest.mark.parametrize("functional", [False, True])
def test_the_numbers_of_a_look_are_torchs(functional):
    model = Deep(functional=functional)
    with torch.no_grad():
        model.matrices[0].weight *= 8
    record = look(model)
    assert [layer["bend"] for layer in record["layers"]] == ["tanh"] * 3
    assert [layer["weight"] for layer in record["layers"]] == [f"matrices.{n}.weight" for n in range(3)]
    assert [layer["fan_in"] for layer in record["layers"]] == [6, 50, 50]
    for layer, h in zip(record["layers"], model.seen, strict=True):
        assert layer["mean"] == pytest.approx(float(h.mean()), abs=1e-6)
        assert layer["std"] == pytest.approx(float(h.std()), rel=1e-5)
        if h.abs().max() < 0.99:  # atanh of a float32 near 1 is infinite
            assert layer["gain"] == pytest.approx(float(h.std() / h.atanh().std()), rel=1e-4)
        assert layer["beyond_97"] == pytest.approx(float((h.abs() > 0.97).float().mean()))
        assert layer["beyond_99"] == pytest.approx(float((h.abs() > 0.99).float().mean()))
        assert layer["grad_std"] == pytest.approx(float(h.grad.std()) / 32, rel=1e-4)
        assert sum(layer["bins"]) == sum(layer["grad_bins"]) == h.numel() and len(layer["bins"]) == BINS
        assert unbits(layer["dead"], 50) == (h.abs() > 0.99).all(0).tolist()
        assert [unbits(row, 50) for row in layer["map"]] == (h.abs() > 0.99).tolist()
    assert record["layers"][0]["beyond_99"] > 0.1 > record["layers"][1]["beyond_99"]
    for weight, (name, p) in zip(record["weights"], model.named_parameters(), strict=True):
        assert weight["name"] == name and weight["grad_norm"] == pytest.approx(float(p.grad.norm()))
        if p.dim() == 2:
            by_hand = math.log10(float((0.1 * p.grad).std() / p.std()))
            assert weight["ratio"] == pytest.approx(by_hand, abs=1e-3)
    json.dumps(record, allow_nan=False)


def test_a_weight_that_did_not_move_or_has_no_size_has_no_ratio():
    model = Deep()
    nn.init.zeros_(model.matrices[0].weight)
    assert all(weight["ratio"] is None for weight in look(model, lr=0.0)["weights"])


def test_bends_used_several_times_at_one_place_are_one_layer():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.matrix = nn.Linear(6, 6)

        def forward(self, x):
            for _ in range(3):
                x = torch.tanh(self.matrix(x))
            return F.pad(x, (0, 4))

    (layer,) = look(Twice())["layers"]
    assert sum(layer["bins"]) == 3 * 32 * 6


def test_a_bias_before_batch_norm_is_seen_and_one_behind_it_is_not():
    ill = nn.Sequential(nn.Linear(6, 8), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10))
    record = look(ill)
    assert record["useless_biases"] == ["0.bias"] and record["layers"][0]["normed"]
    well = nn.Sequential(nn.Linear(6, 8, bias=False), nn.BatchNorm1d(8), nn.Tanh(), nn.Linear(8, 10))
    assert look(well)["useless_biases"] == []


def test_a_matrix_of_ones_own_and_its_bias_are_seen():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.W1, self.b1 = nn.Parameter(torch.randn(6, 9)), nn.Parameter(torch.zeros(9))
            self.norm, self.W2 = nn.BatchNorm1d(9), nn.Parameter(torch.randn(9, 10))

        def forward(self, x):
            return self.norm(x @ self.W1 + self.b1).sigmoid() @ self.W2

    record = look(Own())
    assert record["useless_biases"] == ["b1"]
    assert (record["layers"][0]["weight"], record["layers"][0]["fan_in"]) == ("W1", 6)


def test_nothing_stays_hooked_after_a_look():
    model = Deep()
    look(model)
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in model.modules())


def test_bins_hold_everything():
    values = torch.tensor([-9.0, -1.0, 0.0, 0.99, 1.0, 9.0, math.nan])
    counts = histogram(values, (-1.0, 1.0))
    assert counts.sum() == 7 and counts[0] == 2 and counts[-1] == 3
    flags = torch.tensor([True, False, True] * 7)
    assert unbits(bits(flags), 21) == flags.tolist()


def test_looking_changes_no_bit_of_a_run_and_is_off_by_default(job, tmp_path):
    off, on = (job.model() for _ in range(2))
    job.train(tmp_path / "off", net=off)
    job.train(tmp_path / "on", net=on, diagnose_every=5)
    assert all(torch.equal(a, b) for a, b in zip(off.parameters(), on.parameters(), strict=True))
    assert not (tmp_path / "off" / "diagnostics.jsonl").exists()
    records = looks(tmp_path / "on")
    assert [record["step"] for record in records] == [0, 5, 10]
    assert [layer["name"] for layer in records[0]["layers"]] == ["blocks.0.mlp.silu", "blocks.1.mlp.silu"]
    assert all(layer["grad_std"] > 0 for layer in records[0]["layers"])


def test_a_resumed_run_has_the_looks_of_an_uninterrupted_one(job, tmp_path):
    """Cut off in step 9 and resumed from the checkpoint of step 8: its look is made a second time."""

    class Cut(Exception):
        pass

    def cut_off(step):
        if step == 9:
            raise Cut

    whole = job.train(tmp_path / "whole", save_every=5, diagnose_every=4)
    assert whole.step == 12
    batches = job.WindowBatches(job.tokens(), context_len=16, batch_size=4, seed=1)

    class Failing:
        batch_size = 4

        def batch(self, step, rank=0):
            cut_off(step)
            return batches.batch(step, rank)

    with pytest.raises(Cut):
        job.train(tmp_path / "cut", save_every=5, diagnose_every=4, batches=Failing())
    job.train(tmp_path / "cut", save_every=5, diagnose_every=4, batches=batches)
    strip = [{k: v for k, v in r.items() if k != "time"} for r in looks(tmp_path / "whole")]
    assert strip == [{k: v for k, v in r.items() if k != "time"} for r in looks(tmp_path / "cut")]
    lines = (tmp_path / "cut" / "diagnostics.jsonl").read_text().splitlines()
    assert len(lines) > 3  # a step was looked at twice, and counts once


def test_workers_cannot_be_looked_into():
    with pytest.raises(ConfigError, match="Set workers=1"):
        FitConfig(steps=1, accumulate=2, workers=2, diagnose_every=1)
    with pytest.raises(ConfigError, match="diagnose_every=-1"):
        FitConfig(steps=1, diagnose_every=-1)
