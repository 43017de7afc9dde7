"""Costs from the config against what torch counts, and against the course's transformer_sizing notebook."""

import pytest
import torch
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.utils.flop_counter import FlopCounterMode

from groundup.models.cost import flops_per_token, forward_flops_per_token, kv_bytes, parameters
from groundup.models.transformer import Transformer, TransformerConfig, gpt2, llama, qwen3
from groundup.nn.cache import KVCache

SIZE = {"vocab_size": 100, "context_len": 32, "n_layer": 2, "n_head": 4, "n_embd": 32}
SHAPES = [
    qwen3(**SIZE, n_kv_head=2, head_dim=16),
    gpt2(**SIZE),
    llama(**SIZE, qkv_bias=True, tie=True),
    TransformerConfig(**SIZE, mlp="relu2", norm="layer", position="none", bias=True, qkv_bias=False),
    llama(**SIZE, layer_scale=0.1),
]


@pytest.mark.parametrize("config", SHAPES)
def test_costs_equal_what_torch_counts(config):
    model, tokens = Transformer(config), torch.randint(100, (3, 24))
    assert parameters(config) == sum(p.numel() for p in model.parameters())
    with sdpa_kernel(SDPBackend.MATH):  # torch's counter does not know the fused CPU kernel
        with FlopCounterMode(display=False) as forward:
            loss = model(tokens).sum()
        with FlopCounterMode(display=False) as backward:
            loss.backward()
    assert forward.get_total_flops() == 3 * 24 * forward_flops_per_token(config, 24)
    assert forward.get_total_flops() + backward.get_total_flops() == 3 * 24 * flops_per_token(config, 24)


def test_the_course_notebook():
    """nanoGPT's transformer_sizing.ipynb: GPT-2 small without biases, over 1,024 tokens."""
    config = gpt2(vocab_size=50257, context_len=1024, n_layer=12, n_head=12, n_embd=768, bias=False)
    N, T = parameters(config), 1024
    assert N == 124_337_664
    assert T * forward_flops_per_token(config, T) == pytest.approx(2.9165e11, rel=1e-5)
    # PaLM's estimate (arXiv 2204.02311, appendix B): 6 N + 12 L H D T per token, N without positions
    palm = 6 * (N - 1024 * 768) + 12 * 12 * 768 * T
    assert T * flops_per_token(config, T) == pytest.approx(8.7494e11, rel=1e-5)
    assert palm / flops_per_token(config, T) == pytest.approx(1.0001, abs=5e-5)


def test_the_llms_from_scratch_counts():
    """Raschka's GPT-124M: untied head, a q/k/v without bias; 124,412,160 when the head is tied."""
    shape = {"vocab_size": 50257, "context_len": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768}
    assert parameters(gpt2(**shape, qkv_bias=False, tie=False)) == 163_009_536
    assert parameters(gpt2(**shape, qkv_bias=False)) == 124_412_160


def test_kv_bytes_equal_the_cache():
    for config in SHAPES:
        cache = KVCache(
            n_layer=2, batch=3, n_kv_head=config.kv_heads, head_dim=config.head_width, capacity=10
        )
        assert kv_bytes(config, 30) == cache.keys_LBGSD.nbytes + cache.values_LBGSD.nbytes
