"""The kernels' own product against float32 on the weights that the codes stand for, for every processor."""

import ctypes

import numpy as np
import pytest
import torch

from groundup.infer.compiled_kernels import CPUS, cpu_kind, library
from groundup.infer.fused_layout import LANES, Packed, as_rounded, not_taken, tiles
from groundup.models.transformer import Transformer, gpt2, llama, qwen3
from groundup.weights.quantized import GROUP, rounded

HERE = CPUS[: CPUS.index(cpu_kind()) + 1]  # what this processor can run


def matrix(weight_RC, bits, bias_R=None):
    packed = Packed.__new__(Packed)
    packed.kept, packed.bytes = [], 0
    return packed, packed._matrix(weight_RC, bias_R, bits)


def product(weight_RC, x_NC, bits, cpu, bias_R=None):
    """y_NR as the kernel says; what lies around it is poisoned, and must stay as it was."""
    kept, made = matrix(weight_RC, bits, bias_R)
    rows, outputs = len(x_NC), len(weight_RC)
    y = np.full(rows * outputs + 2 * LANES, np.nan, np.float32)
    x, space = x_NC.numpy().copy(), np.zeros(rows * x_NC.size(1) * 2 + 64, np.uint8)
    library(cpu).product_run(
        ctypes.byref(made), rows, ctypes.c_void_p(x.ctypes.data),
        ctypes.c_void_p(y.ctypes.data + 4 * LANES), ctypes.c_void_p(space.ctypes.data),
    )  # fmt: skip
    assert np.isnan(y[:LANES]).all() and np.isnan(y[-LANES:]).all()
    assert kept.kept
    return torch.from_numpy(y[LANES:-LANES].reshape(rows, outputs).copy())


@pytest.mark.parametrize("bits", [8, 4])
def test_whole_numbers_are_exact_on_every_processor(bits):
    generator = torch.Generator().manual_seed(1)
    limit = 127 if bits == 8 else 7
    weight_RC = torch.randint(-limit, limit + 1, (37, 96), generator=generator).float()
    weight_RC[:, ::GROUP] = limit if bits == 8 else -8.0  # scales of one, and the extremes together
    x_NC = torch.randint(-127, 128, (9, 96), generator=generator).float()
    x_NC[:, ::GROUP] = -127.0
    x_NC[0], weight_RC[0] = -127.0, 127.0 if bits == 8 else -8.0  # the largest sums
    assert torch.equal(rounded(weight_RC, bits).weights(), weight_RC)
    expected_NR = x_NC @ weight_RC.T
    for cpu in HERE:
        assert torch.equal(product(weight_RC, x_NC, bits, cpu), expected_NR), cpu


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize(("outputs", "cols", "rows"), [(1, 32, 1), (16, 64, 2), (17, 96, 3), (50, 160, 13)])
def test_a_product_against_float32(bits, outputs, cols, rows):
    generator = torch.Generator().manual_seed(outputs)
    weight_RC = torch.randn(outputs, cols, generator=generator)
    x_NC, bias_R = torch.randn(rows, cols, generator=generator), torch.randn(outputs, generator=generator)
    x_NC[0, :GROUP] = 0.0  # a group without a scale
    expected_NR = x_NC @ rounded(weight_RC, bits).weights().T + bias_R
    found = [product(weight_RC, x_NC, bits, cpu, bias_R) for cpu in HERE]
    error = (found[0] - expected_NR).norm() / expected_NR.norm()
    assert error < 0.01  # of 8-bit activations
    for other in found[1:]:
        assert torch.equal(other, found[0])  # every bit
    alone = torch.cat([product(weight_RC, x_NC[i : i + 1], bits, HERE[-1], bias_R) for i in range(rows)])
    assert torch.equal(alone, found[0])


def test_tiles_hold_every_code():
    codes_RC = torch.randint(-8, 8, (20, 64)).to(torch.int8).numpy()
    eight, four = tiles(codes_RC, 8), tiles(codes_RC, 4)
    assert eight.shape == (2, 2, 8, 16, 4) and four.shape == (2, 2, 4, 16, 4)
    assert eight.ctypes.data % 64 == four.ctypes.data % 64 == 0
    back = eight.transpose(0, 3, 1, 2, 4).reshape(32, 64).astype(int) - 128
    assert np.array_equal(back[:20], codes_RC) and not back[20:].any()
    halves = np.concatenate([four & 15, four >> 4], axis=2)
    assert np.array_equal(halves.astype(int) - 8, eight.astype(int) - 128)


def test_shapes_that_are_not_taken_are_named():
    small = {"vocab_size": 50, "context_len": 16, "n_layer": 1, "n_head": 2}
    assert not_taken(Transformer(llama(**small, n_embd=64))) == ""
    assert "n_embd=48 is no multiple of 32" in not_taken(Transformer(llama(**small, n_embd=48)))
    assert "mlp_width=40" in not_taken(Transformer(llama(**small, n_embd=64, mlp_width=40)))
    assert "head_dim=160" in not_taken(Transformer(llama(**small, n_embd=64, head_dim=160)))


def test_bytes_are_what_a_token_reads():
    shape = {"vocab_size": 64, "context_len": 16, "n_layer": 1, "n_head": 2, "n_embd": 64}
    tied, own = Packed(Transformer(gpt2(**shape)), 8), Packed(Transformer(qwen3(**shape)), 8)
    weights = 64 * 64 + 4 * 64 * 64 + 2 * 4 * 64 * 64  # head, attention, feed-forward
    assert tied.bytes == weights * 34 // 32
    assert own.bytes == (weights - 8 * 64 * 64 + 3 * 64 * 192) * 34 // 32


def test_rounding_twice_changes_nothing():
    model = Transformer(gpt2(vocab_size=64, context_len=16, n_layer=1, n_head=2, n_embd=64))
    once = {name: weight.clone() for name, weight in as_rounded(model, 8).state_dict().items()}
    for name, weight in as_rounded(model, 8).state_dict().items():
        assert torch.equal(weight, once[name]), name
