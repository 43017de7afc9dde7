"""Which codes: every matrix has some, the calibrated ones give nearly what the matrix gave."""

import copy

import pytest
import torch

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer, gpt2, llama
from groundup.weights.quantize import gptq, input_squares, put_into, quantize
from groundup.weights.quantized import rounded

SIZE = {"vocab_size": 40, "context_len": 16, "n_layer": 2, "n_head": 4, "n_embd": 64}


def model_of(config):
    torch.manual_seed(0)
    return Transformer(config).eval()


def correlated(columns=96, tokens=600):
    """x_NC whose channels know of each other, as activations do, and their H."""
    random = torch.Generator().manual_seed(1)
    mixing_CC = torch.randn(8, columns, generator=random)
    x_NC = torch.randn(tokens, 8, generator=random) @ mixing_CC
    x_NC += 0.3 * torch.randn(tokens, columns, generator=random)
    return x_NC, x_NC.T @ x_NC


@pytest.mark.parametrize("bits", [8, 4])
def test_gptq_gives_more_nearly_what_the_matrix_gave(bits):
    x_NC, H_CC = correlated()
    weights_RC = torch.randn(24, 96, generator=torch.Generator().manual_seed(2))
    plain, careful = rounded(weights_RC, bits), gptq(weights_RC, H_CC, bits)

    def lost(made):
        return (x_NC @ (made.weights() - weights_RC).T).square().sum().item()

    assert lost(careful) < 0.6 * lost(plain)
    assert (careful.weights() - weights_RC).norm() > (plain.weights() - weights_RC).norm()


def test_gptq_without_correlation_is_rounding():
    """Where no input says anything of another, there is nothing to make up for."""
    weights_RC = torch.randn(5, 64, generator=torch.Generator().manual_seed(2))
    careful, plain = gptq(weights_RC, 3 * torch.eye(64), 4), rounded(weights_RC, 4)
    assert torch.equal(careful.codes_RC, plain.codes_RC)
    assert not torch.equal(gptq(weights_RC, correlated(64)[1], 4).codes_RC, plain.codes_RC)


def test_a_token_with_long_inputs_counts_as_any_other():
    """Regression: in SmolLM2 some tokens' inputs are a hundred times as long, and GPTQ lost to rounding."""
    model = model_of(llama(**SIZE))
    tokens_BT = torch.randint(40, (4, 16))
    before = input_squares(model, [tokens_BT])["blocks.0.mlp.down.weight"]
    gate_up = model.blocks[0].mlp.gate_up.weight
    gate_up.data[gate_up.size(0) // 2 :] *= 100  # silu(gate) * up: every input of `down` 100 times as long
    after = input_squares(model, [tokens_BT])["blocks.0.mlp.down.weight"]
    torch.testing.assert_close(after, before, rtol=1e-3, atol=1e-3)
    assert after.diagonal().sum().item() == pytest.approx(4 * 16 * after.size(0), rel=1e-4)


def test_an_input_that_never_came():
    _, H_CC = correlated(64)
    H_CC[5], H_CC[:, 5] = 0, 0
    weights_RC = torch.randn(3, 64)
    assert torch.isfinite(gptq(weights_RC, H_CC, 4).weights()).all()
    assert torch.isfinite(gptq(weights_RC, torch.zeros(64, 64), 4).weights()).all()


def test_the_squares_are_those_of_the_inputs():
    model = model_of(gpt2(**SIZE))
    tokens_BT = torch.randint(40, (3, 16))
    found = input_squares(model, [tokens_BT[:1], tokens_BT[1:]])
    assert found.keys() == {
        f"blocks.{layer}.{name}.weight"
        for layer in range(2)
        for name in ("attention.qkv", "attention.out", "mlp.up", "mlp.down")
    }
    x_BTC = model.embedding(tokens_BT) + model.positions.weight[:16]
    x_NC = model.blocks[0].attention_norm(x_BTC).reshape(-1, 64)
    x_NC = x_NC / x_NC.square().mean(1, keepdim=True).sqrt()
    torch.testing.assert_close(found["blocks.0.attention.qkv.weight"], x_NC.T @ x_NC, rtol=1e-4, atol=1e-3)
    assert not any(module._forward_pre_hooks for module in model.modules())


@pytest.mark.parametrize("config", [llama(**SIZE), llama(**SIZE, tie=True), gpt2(**SIZE)])
def test_every_matrix_and_nothing_else(config):
    model = model_of(config)
    before = copy.deepcopy(model.state_dict())
    inputs = input_squares(model, [torch.randint(40, (4, 16))])
    codes, errors = quantize(model, 4, inputs=inputs, method="gptq")
    assert all(torch.equal(before[name], weight) for name, weight in model.state_dict().items())
    put_into(model, codes)
    for name, weight in model.named_parameters():
        assert torch.equal(before[name], weight) == (weight.dim() == 1), name
    assert [error.name for error in errors] == list(codes)
    for error in errors:
        inside = error.name.startswith("blocks.")
        assert error.bits == codes[error.name].bits == (4 if inside else 8)
        assert (0.01 < error.weights < 0.3) if inside else (0 < error.weights < 0.01)
        assert (error.outputs is not None) == inside


def test_what_cannot_be():
    with pytest.raises(CheckpointError, match=r"mlp.gate_up.*|rows of"):
        quantize(model_of(llama(**{**SIZE, "n_embd": 40})), 8)
    with pytest.raises(ValueError, match="pass `inputs`"):
        quantize(model_of(llama(**SIZE)), 4, method="gptq")
