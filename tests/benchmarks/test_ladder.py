"""The ladder's peer is read from a notebook; here from one of two cells that this test writes."""

import json

import pytest
import torch

from benchmarks import ladder
from groundup.base.errors import DataError
from groundup.data.names import read_names

WEIGHTS = """g = torch.Generator().manual_seed(2147483647)
C, W1, b1 = (torch.randn(s, generator=g) for s in ((27, 10), (30, 200), 200))
W2, b2 = (torch.randn(s, generator=g) for s in ((200, 27), 27))
parameters = [C, W1, b1, W2, b2]
for p in parameters:
  p.requires_grad = True
lossi = []
"""
LOOP = """for i in range(200000):
  ix = torch.randint(0, Xtr.shape[0], (32,))
  h = torch.tanh(C[Xtr[ix]].view(-1, 30) @ W1 + b1)
  loss = F.cross_entropy(h @ W2 + b2, Ytr[ix])
  for p in parameters:
    p.grad = None
  loss.backward()
  for p in parameters:
    p.data += -RATE * p.grad
"""
MLP = ladder.RUNGS[0]

pytestmark = pytest.mark.needs("course-names")


def notebook(folder, rate):
    path = folder / ladder.LECTURES / MLP.notebook
    path.parent.mkdir(parents=True)
    weights = WEIGHTS + "# C = torch.randn((27, 10)"
    cells = [{"cell_type": "code", "source": [text]} for text in (weights, LOOP.replace("RATE", rate))]
    path.write_text(json.dumps({"cells": cells}), encoding="utf-8")


@pytest.fixture(scope="module")
def names():
    return read_names()


def test_the_same_network_is_timed(tmp_path, names):
    notebook(tmp_path, "0.1")
    torch.set_num_threads(1)
    claim = ladder.claim(MLP, tmp_path, names, rounds=2, steps=3)
    assert claim.n == 2 and claim.ours > 0 and claim.ratio > 0 and claim.peer == MLP.notebook


def test_another_network_is_not(tmp_path, names):
    notebook(tmp_path, "0.3")
    with pytest.raises(DataError, match="not one network: nothing was timed"):
        ladder.claim(MLP, tmp_path, names, rounds=1, steps=3)


def test_a_folder_without_the_notebook(tmp_path, names):
    with pytest.raises(DataError, match="Give a checkout of nn-zero-to-hero"):
        ladder.peer_trainer(MLP, tmp_path, names)
