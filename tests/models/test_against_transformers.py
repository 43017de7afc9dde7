"""GPT-2, Llama and Qwen3 of the transformers library, with random weights: the same logits as ours.

Slow because of the import, and because `transformers` is in the test-slow extra only. The maps of names below
are for these tests; those that read and write real checkpoints belong to weights/.
"""

import pytest
import torch
from torch.testing import assert_close

from groundup.models.transformer import Transformer, TransformerConfig, gpt2, llama, qwen3

pytestmark = pytest.mark.slow
SIZE = {"vocab_size": 61, "context_len": 20, "n_layer": 3, "n_head": 4, "n_embd": 32}


def shake(model: torch.nn.Module) -> torch.nn.Module:
    """Moves every gain and bias off the 1 or 0 at which a swapped or forgotten one would not show."""
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model.eval()


def fill(config: TransformerConfig, weights: dict[str, torch.Tensor]) -> Transformer:
    model = Transformer(config).eval()
    model.load_state_dict(weights)  # strict: nothing missing, nothing left over
    return model


def agree(ours: Transformer, theirs: torch.nn.Module) -> None:
    tokens = torch.randint(61, (2, 20))
    with torch.no_grad():
        expected = theirs(tokens).logits
        assert_close(ours(tokens), expected, rtol=1e-4, atol=1e-4)
        assert expected.std() > 0.1  # or anything would agree
        ours.blocks[1].mlp.down.weight += 0.1 * torch.randn(
            32, 1
        )  # the same in all channels LayerNorm would undo
        assert not torch.allclose(ours(tokens), expected, rtol=1e-4, atol=1e-4)


def from_gpt2(w: dict[str, torch.Tensor], n_layer: int) -> dict[str, torch.Tensor]:
    """GPT-2 stores its matrices transposed, q, k and v already above each other."""
    ours = {"embedding.weight": w["transformer.wte.weight"], "positions.weight": w["transformer.wpe.weight"]}
    names = {
        "attention_norm": "ln_1",
        "attention.qkv": "attn.c_attn",
        "attention.out": "attn.c_proj",
        "mlp_norm": "ln_2",
        "mlp.up": "mlp.c_fc",
        "mlp.down": "mlp.c_proj",
    }
    for layer in range(n_layer):
        for mine, their in names.items():
            weight = w[f"transformer.h.{layer}.{their}.weight"]
            ours[f"blocks.{layer}.{mine}.weight"] = weight.T if weight.dim() == 2 else weight
            ours[f"blocks.{layer}.{mine}.bias"] = w[f"transformer.h.{layer}.{their}.bias"]
    return ours | {f"norm.{part}": w[f"transformer.ln_f.{part}"] for part in ("weight", "bias")}


def from_llama(w: dict[str, torch.Tensor], config: TransformerConfig) -> dict[str, torch.Tensor]:
    """Llama and Qwen keep q, k, v and gate, up apart."""
    ours = {"embedding.weight": w["model.embed_tokens.weight"], "norm.weight": w["model.norm.weight"]}
    if not config.tie:
        ours["unembedding.weight"] = w["lm_head.weight"]
    for layer in range(config.n_layer):
        at, there = f"blocks.{layer}", f"model.layers.{layer}"
        ours[f"{at}.attention_norm.weight"] = w[f"{there}.input_layernorm.weight"]
        ours[f"{at}.mlp_norm.weight"] = w[f"{there}.post_attention_layernorm.weight"]
        for part in ("weight", "bias") if config.bias else ("weight",):
            qkv = [w[f"{there}.self_attn.{name}_proj.{part}"] for name in "qkv"]
            ours[f"{at}.attention.qkv.{part}"] = torch.cat(qkv)
            ours[f"{at}.attention.out.{part}"] = w[f"{there}.self_attn.o_proj.{part}"]
            gate_up = [w[f"{there}.mlp.{name}_proj.{part}"] for name in ("gate", "up")]
            ours[f"{at}.mlp.gate_up.{part}"] = torch.cat(gate_up)
            ours[f"{at}.mlp.down.{part}"] = w[f"{there}.mlp.down_proj.{part}"]
        if config.qk_norm:
            for name in ("q_norm", "k_norm"):
                ours[f"{at}.attention.{name}.weight"] = w[f"{there}.self_attn.{name}.weight"]
    return ours


def test_gpt2():
    from transformers import GPT2Config, GPT2LMHeadModel

    theirs = shake(GPT2LMHeadModel(GPT2Config(vocab_size=61, n_positions=20, n_embd=32, n_layer=3, n_head=4)))
    agree(fill(gpt2(**SIZE), from_gpt2(theirs.state_dict(), 3)), theirs)


@pytest.mark.parametrize("biases", [False, True])
def test_llama(biases):
    from transformers import LlamaConfig, LlamaForCausalLM

    theirs = shake(
        LlamaForCausalLM(
            LlamaConfig(
                vocab_size=61,
                hidden_size=32,
                intermediate_size=72,
                num_hidden_layers=3,
                num_attention_heads=4,
                num_key_value_heads=2,
                max_position_embeddings=20,
                rms_norm_eps=1e-5,
                attention_bias=biases,
                mlp_bias=biases,
            )
        )
    )
    config = llama(**SIZE, n_kv_head=2, mlp_width=72, bias=biases)
    agree(fill(config, from_llama(theirs.state_dict(), config)), theirs)


@pytest.mark.parametrize("tie", [False, True])
def test_qwen3(tie):
    from transformers import Qwen3Config, Qwen3ForCausalLM

    theirs = shake(
        Qwen3ForCausalLM(
            Qwen3Config(
                vocab_size=61,
                hidden_size=32,
                intermediate_size=72,
                num_hidden_layers=3,
                num_attention_heads=4,
                num_key_value_heads=2,
                head_dim=12,
                max_position_embeddings=20,
                rms_norm_eps=1e-6,
                rope_theta=1e6,
                tie_word_embeddings=tie,
            )
        )
    )
    config = qwen3(**SIZE, n_kv_head=2, head_dim=12, mlp_width=72, tie=tie)
    agree(fill(config, from_llama(theirs.state_dict(), config)), theirs)
