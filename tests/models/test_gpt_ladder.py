"""The rungs of the lecture: their sizes, their first loss, and that no rung looks ahead."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.evals.reference import references
from groundup.models.gpt_ladder import RUNGS, GPTLadder, GPTLadderConfig, rung

every_rung = pytest.mark.parametrize("name", RUNGS)


def lively(name: str) -> GPTLadder:
    torch.manual_seed(0)
    return GPTLadder(rung(name, 65))


@every_rung
def test_the_sizes_are_the_published_ones(name):
    published = {result.id: result.expected for result in references("08")}
    expected = published["gpt.small.weights" if name == "small" else f"ladder.{name}.weights"]
    assert sum(p.numel() for p in lively(name).parameters()) == expected


@every_rung
def test_the_future_cannot_change_the_past(name):
    model, tokens = lively(name), torch.randint(65, (2, 8))
    before = model(tokens)
    tokens[:, 5] = (tokens[:, 5] + 1) % 65
    assert_close(model(tokens)[:, :5], before[:, :5])
    assert not torch.allclose(model(tokens)[:, 5:], before[:, 5:])


@every_rung
def test_gradients_reach_every_weight(name):
    model, tokens = lively(name), torch.randint(65, (16, 9))
    F.cross_entropy(model(tokens[:, :8]).flatten(0, 1), tokens[:, 1:].flatten()).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_a_block_written_out():
    """The last rung's block head by head, as the lecture writes it."""
    model, x = lively("norm"), torch.randn(2, 8, 32)
    block = model.blocks[0]
    heads = []
    for h in range(4):
        rows = [slice(part * 32 + 8 * h, part * 32 + 8 * h + 8) for part in range(3)]
        q, k, v = (block.norm_1(x) @ block.qkv.weight[row].T for row in rows)
        scores = (q @ k.mT * 8**-0.5).masked_fill(torch.tril(torch.ones(8, 8)) == 0, -torch.inf)
        heads.append(scores.softmax(-1) @ v)
    y = x + block.out(torch.cat(heads, -1))
    y = y + block.think(block.norm_2(y))
    assert_close(block(x), y, rtol=1e-4, atol=1e-5)


def test_the_small_gpt_begins_near_the_lecture_s_loss():
    """4.41 before the first step, by torch's own initial weights."""
    tokens = torch.randint(65, (64, 33))
    first = F.cross_entropy(lively("small")(tokens[:, :-1]).flatten(0, 1), tokens[:, 1:].flatten())
    assert first.item() == pytest.approx(4.41, abs=0.12)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="rung 'nrom' is unknown"):
        rung("nrom", 65)
    with pytest.raises(ConfigError, match="norm=True"):
        GPTLadderConfig(65, norm=True)
    with pytest.raises(ConfigError, match="n_head=5"):
        GPTLadderConfig(65, n_head=5)
    with pytest.raises(ValueError, match="9 tokens do not fit context_len=8"):
        lively("head")(torch.zeros(1, 9, dtype=torch.long))
