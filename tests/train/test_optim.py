import pytest
import torch
from torch.testing import assert_close

from groundup.base.errors import CheckpointError, ConfigError
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.train.muon import Muon
from groundup.train.optim import OptimConfig, build_optimizer, roles

SHAPE = {"vocab_size": 11, "context_len": 8, "n_layer": 2, "n_head": 2, "n_kv_head": 1, "n_embd": 16}


def model(**choices) -> Transformer:
    torch.manual_seed(3)
    return Transformer(TransformerConfig(**{**SHAPE, **choices}))


def push(net: Transformer, seed: int) -> None:
    """A gradient of random numbers, the same for the same weights' names."""
    generator = torch.Generator().manual_seed(seed)
    for parameter in net.parameters():
        parameter.grad = torch.randn(parameter.shape, generator=generator)


def test_every_weight_has_its_role():
    kinds = roles(model(bias=True, position="learned"))
    assert kinds["embedding.weight"] == kinds["positions.weight"] == "embedding"
    assert kinds["unembedding.weight"] == "head"
    assert kinds["blocks.0.attention.qkv.weight"] == kinds["blocks.1.mlp.down.weight"] == "matrix"
    assert kinds["blocks.0.attention.qkv.bias"] == kinds["norm.weight"] == "gain"
    assert roles(model(tie=True))["embedding.weight"] == "head"


def test_frozen_weights_are_left_out():
    net = model()
    net.embedding.weight.requires_grad_(False)
    assert "embedding.weight" not in roles(net)
    before = net.embedding.weight.clone()
    optimizer = build_optimizer(net, OptimConfig())
    push(net, 0)
    optimizer.step()
    assert torch.equal(net.embedding.weight, before)
    with pytest.raises(ConfigError, match="trainable"):
        build_optimizer(net.requires_grad_(False), OptimConfig())


def test_adamw_equals_torchs():
    ours, theirs = model(bias=True), model(bias=True)
    config = OptimConfig("adamw", lr=0.01, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.1)
    optimizer = build_optimizer(ours, config)
    decayed = [p for p in theirs.parameters() if p.ndim >= 2]
    plain = [p for p in theirs.parameters() if p.ndim < 2]
    groups = [{"params": decayed, "weight_decay": 0.1}, {"params": plain, "weight_decay": 0.0}]
    oracle = torch.optim.AdamW(groups, lr=0.005, betas=(0.9, 0.99), eps=1e-8, foreach=False, fused=False)
    for seed in range(5):
        push(ours, seed)
        push(theirs, seed)
        optimizer.step(0.5)
        oracle.step()
    for (name, our), their, start in zip(
        ours.named_parameters(), theirs.parameters(), model(bias=True).parameters(), strict=True
    ):
        assert_close(our, their, msg=name)
        assert not torch.allclose(our, start)


def test_each_kind_moves_at_its_own_rate():
    net, start = model(), dict(model().named_parameters())
    optimizer = build_optimizer(net, OptimConfig(embedding_lr=0.1, head_lr=0.0, gain_lr=0.01, muon_lr=0.0))
    push(net, 0)
    optimizer.step()
    moved = {name: (p - start[name]).abs().max().item() for name, p in net.named_parameters()}
    assert moved["embedding.weight"] == pytest.approx(0.1, rel=1e-3)  # AdamW's first step is its rate
    assert moved["norm.weight"] == pytest.approx(0.01, rel=1e-3)
    assert moved["unembedding.weight"] == moved["blocks.0.mlp.down.weight"] == 0


@pytest.mark.parametrize(
    ("decays", "shrunk"),
    [
        ({"weight_decay": 0.5}, {"blocks.0.mlp.down.weight"}),
        ({"table_decay": 0.5}, {"embedding.weight", "unembedding.weight"}),
        ({}, set()),
    ],
)
def test_under_muon_matrices_and_tables_decay_apart(decays, shrunk):
    net, start = model(), dict(model().named_parameters())
    optimizer = build_optimizer(net, OptimConfig(**decays))
    for parameter in net.parameters():
        parameter.grad = torch.zeros_like(parameter)  # so that nothing but the decay moves it
    optimizer.step()
    for name in ("embedding.weight", "unembedding.weight", "norm.weight", "blocks.0.mlp.down.weight"):
        assert (net.get_parameter(name).norm() < start[name].norm()) == (name in shrunk), name


def test_fused_matrices_are_cut_as_the_model_says():
    net, blind = model(mlp="swiglu"), model(mlp="swiglu")
    optimizer = build_optimizer(net, OptimConfig())
    push(net, 0)
    optimizer.step()
    name = "blocks.0.attention.qkv.weight"
    whole = blind.get_parameter(name)
    whole.grad = net.get_parameter(name).grad
    Muon([whole], schedule=OptimConfig().muon_schedule).step()
    assert not torch.allclose(net.get_parameter(name), whole, atol=1e-4)
    plain = "blocks.0.attention.out.weight"
    blind.get_parameter(plain).grad = net.get_parameter(plain).grad
    Muon([blind.get_parameter(plain)], schedule=OptimConfig().muon_schedule).step()
    assert_close(net.get_parameter(plain), blind.get_parameter(plain))


@pytest.mark.parametrize("kind", ["muon", "adamw"])
def test_state_saved_and_loaded_goes_on_in_the_same_bits(kind):
    straight, resumed = model(), model()
    config = OptimConfig(kind)
    first, second = build_optimizer(straight, config), build_optimizer(resumed, config)
    for seed in range(3):
        for net, optimizer in ((straight, first), (resumed, second)):
            push(net, seed)
            optimizer.step()
    third = build_optimizer(resumed, config)
    third.load_state_dict({name: value.clone() for name, value in second.state_dict().items()})
    forgetful = model()
    forgetful.load_state_dict(resumed.state_dict())
    fourth = build_optimizer(forgetful, config)
    for net, optimizer in ((straight, first), (resumed, third), (forgetful, fourth)):
        push(net, 9)
        optimizer.step()
    for name, value in straight.state_dict().items():
        assert torch.equal(value, resumed.state_dict()[name]), name
    assert not torch.equal(straight.embedding.weight, forgetful.embedding.weight)  # the state matters


def test_state_of_another_model_refuses():
    small, large = model(n_layer=1), model(n_layer=2)
    optimizer = build_optimizer(large, OptimConfig())
    push(large, 0)
    optimizer.step()
    with pytest.raises(CheckpointError, match=r"blocks\.1\."):
        build_optimizer(small, OptimConfig()).load_state_dict(optimizer.state_dict())


@pytest.mark.parametrize(
    "wrong", [{"muon_lr": -1.0}, {"lr": float("inf")}, {"betas": (0.9, 1.0)}, {"muon_momentum": float("nan")}]
)
def test_impossible_rates_refuse(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        OptimConfig(**wrong)
