from dataclasses import replace
from pathlib import Path

import pytest
import torch

from groundup.base.errors import ConfigError
from groundup.data.batches import Batch
from groundup.models.transformer import Transformer, TransformerConfig, gpt2
from groundup.recipes.memory_estimate import (
    Need,
    _free_memory,
    block_weights,
    kept_values,
    memory_there,
    refuse,
    training_need,
)
from groundup.train.fit import FitConfig
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer

TINY = TransformerConfig(vocab_size=65, context_len=64, n_layer=2, n_head=4, n_embd=64, mlp="relu2")


def kept_by_torch(config: TransformerConfig, B: int, T: int, dtype: torch.dtype = torch.float32) -> int:
    """Bytes of all storages that autograd keeps, without weights and tables: the oracle."""
    model = Transformer(config)
    own = {t.untyped_storage().data_ptr() for t in (*model.parameters(), *model.buffers())}
    seen: dict[int, torch.Tensor] = {}  # holding the tensor, so that no address is used twice

    def pack(tensor: torch.Tensor) -> torch.Tensor:
        if (address := tensor.untyped_storage().data_ptr()) not in own:
            seen[address] = tensor
        return tensor

    ids_BT = torch.randint(config.vocab_size, (B, T))
    with (
        torch.autograd.graph.saved_tensors_hooks(pack, lambda tensor: tensor),
        torch.autocast("cpu", torch.bfloat16, enabled=dtype == torch.bfloat16),
    ):
        _loss, _, _ = cross_entropy(model, Batch(ids_BT, ids_BT))
    weights = {p.numel() for p in model.parameters()} if dtype == torch.bfloat16 else set()
    return sum(
        t.untyped_storage().nbytes()
        for t in seen.values()
        if not (t.dtype == torch.bfloat16 and t.numel() in weights)  # autocast's copies of weights
    )


SHAPES = [
    TINY,
    replace(TINY, mlp="swiglu"),
    replace(TINY, mlp="gelu", norm="layer"),
    replace(TINY, qk_norm=False),
    replace(TINY, position="learned"),
    replace(TINY, n_kv_head=2, head_dim=32),
    replace(TINY, dropout=0.1),
    replace(TINY, n_layer=5, vocab_size=500),
    gpt2(vocab_size=65, context_len=64, n_layer=2, n_head=4, n_embd=64),
]


@pytest.mark.parametrize("config", SHAPES, ids=lambda c: f"{c.mlp}-{c.norm}-{c.position}-{c.n_layer}")
def test_what_the_forward_pass_keeps_is_what_autograd_keeps(config):
    # Two thirds of the head's three copies of the logits live before or after the pass, not in it.
    formula = 4 * 3 * 64 * (kept_values(config, 64) - 2 * config.vocab_size)
    assert kept_by_torch(config, 3, 64) == pytest.approx(formula, rel=0.04)
    assert kept_by_torch(config, 6, 64) > 1.8 * formula  # the oracle sees the batch


def test_at_half_precision_three_bytes_a_value_are_enough():
    wide = replace(TINY, n_embd=256, n_layer=3)
    values = 5 * 64 * (kept_values(wide, 64) - 2 * wide.vocab_size)
    assert 2 < kept_by_torch(wide, 5, 64, torch.bfloat16) / values < 3.2


def test_recomputing_keeps_one_block():
    plain, thrifty = (kept_values(replace(TINY, n_layer=8), 64, recompute=on) for on in (False, True))
    assert thrifty < plain / 3


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_weights_gradients_and_moments_are_those_of_the_real_optimizer(kind):
    config, optim = replace(TINY, tie=False), OptimConfig(kind=kind)
    model = Transformer(config)
    need = training_need(config, rows=1, optim=optim, fit=FitConfig(steps=1))
    weights = list(model.parameters())
    assert need.weights == sum(p.numel() * p.element_size() for p in weights)
    for p in weights:
        p.grad = torch.ones_like(p)
    optimizer = build_optimizer(model, optim)
    optimizer.step()
    moments = sum(t.numel() * t.element_size() for t in optimizer.state_dict().values() if t.numel() > 1)
    assert need.moments == pytest.approx(moments, rel=0.01)  # gains count as matrices here
    assert need.gradients == need.weights
    matrices = sum(p.numel() for n, p in model.named_parameters() if "blocks" in n and p.ndim == 2)
    assert block_weights(config) == pytest.approx(matrices, rel=0.01)


def test_workers_hold_the_gradients_of_a_whole_step():
    one = training_need(TINY, rows=2, optim=OptimConfig(), fit=FitConfig(steps=1, accumulate=4))
    two = training_need(TINY, rows=2, optim=OptimConfig(), fit=FitConfig(steps=1, accumulate=4, workers=2))
    assert two.gradients == 4 * one.gradients
    assert two.activations == 2 * one.activations


def test_the_published_sizes():
    # 124 M weights: 0.5 GB, as much again in gradients, twice that in moments; the rest is the batch.
    small = gpt2(vocab_size=50257, context_len=1024, n_layer=12, n_head=12, n_embd=768)
    need = training_need(
        small, rows=16, optim=OptimConfig(kind="adamw"), fit=FitConfig(steps=1, precision="bfloat16")
    )
    assert (need.weights, need.moments) == (497_759_232, 995_518_464)
    assert 10e9 < need.peak < 40e9


def test_what_does_not_fit_is_refused_with_the_estimate():
    need = Need(weights=1, gradients=1, moments=2, activations=10**9, step=4)
    refuse(need, 2 * 10**9, what="This", todo="Use less.")
    refuse(need, None, what="This", todo="Use less.")
    with pytest.raises(ConfigError, match=r"This needs about 1 GB .* 1\.05 GB are free.*Use less\."):
        refuse(need, 1_050_000_000, what="This", todo="Use less.")


def test_free_memory_is_the_smaller_of_machine_and_container(tmp_path: Path):
    (tmp_path / "meminfo").write_text("MemTotal:  16 kB\nMemAvailable:   8 kB\n")
    limit = tmp_path / "memory.max"
    assert _free_memory(tmp_path / "meminfo", limit) == 8192
    limit.write_text("max\n")
    assert _free_memory(tmp_path / "meminfo", limit) == 8192
    limit.write_text("4096\n")
    assert _free_memory(tmp_path / "meminfo", limit) == 4096
    assert _free_memory(tmp_path / "none", limit) is None
    assert (memory_there(torch.device("cpu")) or 10**9) > 10**7
