"""The tree: its sums are the totals that cost.py counts, and every parameter is in it once."""

import pytest
import torch

from groundup.models.catalog import build
from groundup.models.cost import forward_flops_per_token, kv_bytes, parameters
from groundup.models.outline import Stored, outline
from groundup.models.transformer import Transformer, gpt2, llama, qwen3

SIZE = {"vocab_size": 40, "context_len": 16, "n_layer": 3, "n_head": 4, "n_embd": 32}
CONFIGS = {
    "gpt2": gpt2(**SIZE),
    "llama": llama(**SIZE, n_kv_head=2),
    "tied": llama(**SIZE, tie=True),
    "qwen3": qwen3(**SIZE, head_dim=16, qkv_bias=True, layer_scale=0.1),
    "relu2": qwen3(**SIZE, mlp="relu2", bias=True),
}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("T", [None, 5])
def test_the_sums_are_the_totals(kind, T):
    config = CONFIGS[kind]
    tree = outline(Transformer(config), T=T)
    assert tree.parameters == parameters(config) and tree.bytes == 4 * tree.parameters
    assert tree.flops == forward_flops_per_token(config, T or 16)
    assert tree.kv == kv_bytes(config, 1)
    (blocks,) = (part for part in tree.parts if part.name == "blocks")
    assert [(part.name, part.alike) for part in blocks.parts] == [("0 to 2", 3)]


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_part_is_the_sum_of_its_parts(kind):
    for _, node in outline(Transformer(CONFIGS[kind])).walk():
        if node.parts:
            for number in ("parameters", "bytes", "flops", "kv"):
                inside = sum(part.alike * getattr(part, number) for part in node.parts)
                assert getattr(node, number) == inside, (node.name, number)


def test_what_is_stored_otherwise_is_not_alike():
    model = Transformer(CONFIGS["llama"])
    name = "blocks.1.mlp.down.weight"
    tree = outline(model, stored={name: Stored("int4", 100)})
    (blocks,) = (part for part in tree.parts if part.name == "blocks")
    assert [(part.name, part.alike) for part in blocks.parts] == [("0", 1), ("1", 1), ("2", 1)]
    (changed,) = (node for _, node in blocks.parts[1].walk() if node.format == "int4")
    assert changed.name == "down.weight" and changed.shape == (32, 96)
    assert tree.bytes == 4 * (parameters(model.config) - 32 * 96) + 100


@pytest.mark.parametrize(
    ("kind", "config"),
    [
        ("bengio-mlp", {"vocab_size": 27, "context_len": 3}),
        ("lstm", {"vocab_size": 27}),
        ("gpt-ladder", {"vocab_size": 27, "context_len": 8, "n_embd": 32}),
    ],
)
def test_other_models_say_what_they_hold(kind, config):
    torch.manual_seed(0)
    model = build(kind, config)
    tree = outline(model)
    assert tree.parameters == sum(p.numel() for p in model.parameters()) > 100
    assert tree.flops is None and tree.kv is None
