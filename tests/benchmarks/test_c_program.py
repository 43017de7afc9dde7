"""That both formats hold the same model, and that nothing is claimed of two that differ."""

import struct
import sys

import numpy as np
import pytest
import torch
from torch.testing import assert_close

from benchmarks.c_program import SHAPES as PUBLISHED
from benchmarks.c_program import (
    START,
    VOCAB,
    Program,
    check_same,
    claims_of,
    random_model,
    their_matrices,
    write_theirs,
)


@pytest.fixture
def small(monkeypatch):
    shape = {"context_len": 16, "n_layer": 2, "n_head": 2, "n_embd": 32, "mlp_width": 64}
    monkeypatch.setitem(PUBLISHED, "15m", shape)
    return random_model("15m")


def test_their_rotation_of_their_rows_is_ours(small):
    """A query rotated as llama2.c does it, in pairs 2i and 2i+1, has the same products as ours."""
    ours_q, ours_k = small.state_dict()["blocks.0.attention.qkv.weight"].chunk(3)[:2]
    theirs_q, theirs_k = (kind[0] for kind in their_matrices(small)[:2])
    x, turns = torch.randn(32), torch.arange(8) * 0.3 + 0.2
    scores = []
    for q, k, pairs in (
        (ours_q, ours_k, lambda head: head.view(2, 8).T),
        (theirs_q, theirs_k, lambda head: head.view(8, 2)),
    ):
        query, key = pairs((q @ x)[16:]), pairs((k @ x)[16:])
        turned = torch.stack(
            (
                query[:, 0] * turns.cos() - query[:, 1] * turns.sin(),
                query[:, 1] * turns.cos() + query[:, 0] * turns.sin(),
            ),
            1,
        )
        scores.append((turned * key).sum())
    assert_close(*scores)
    assert not torch.equal(ours_q, theirs_q)


def test_their_files_hold_every_weight(small, tmp_path):
    weights = small.state_dict()
    write_theirs(small, tmp_path / "run.bin", int8=False)
    data = (tmp_path / "run.bin").read_bytes()
    assert struct.unpack("<7i", data[:28]) == (32, 64, 2, 2, 2, VOCAB, 16)
    numbers = sum(parameter.numel() for parameter in small.parameters())
    assert len(data) == 28 + 4 * (numbers + 16 * 16)
    assert_close(torch.frombuffer(bytearray(data[28 : 28 + 4 * 64]), dtype=torch.float32)[:32],
                 weights["embedding.weight"][0])  # fmt: skip
    write_theirs(small, tmp_path / "runq.bin", int8=True)
    data = (tmp_path / "runq.bin").read_bytes()
    gains = 5 * 32
    assert len(data) == 256 + 4 * gains + (numbers - gains) * 36 // 32
    group = np.frombuffer(data, np.int8, 32, offset=256 + 4 * gains)
    assert abs(group).max() == 127


def speaker(*ids):
    return Program((sys.executable, "-c", f"print('{' '.join(map(str, ids))}')"))


def test_two_models_are_no_claim():
    ids = list(range(2, 12))
    check_same({"ours": speaker(START, *ids), "theirs": speaker(*ids)}, 10)
    for other in ([*ids[:-1], 99], ids[:-1]):
        with pytest.raises(SystemExit, match="Not one model"):
            check_same({"ours": speaker(START, *ids), "theirs": speaker(*other)}, 10)


def test_claims_are_ratios_of_rounds(monkeypatch):
    speeds = {"ours": 300.0, "theirs": 100.0, "ours_int8": 900.0, "theirs_int8": 450.0}
    made = {name: speaker(START) for name in speeds}
    of = {id(program): speeds[name] for name, program in made.items()}
    monkeypatch.setattr("benchmarks.c_program.check_same", lambda made, n: None)
    monkeypatch.setattr(Program, "speed", lambda self, few, many: of[id(self)])
    found = {claim.id: claim.ratio for claim in claims_of("15m", "o3", made)}
    assert found == {"c.15m.o3.float32": 3.0, "c.15m.o3.int8": 2.0, "c.15m.o3.int8-float32": 3.0}
