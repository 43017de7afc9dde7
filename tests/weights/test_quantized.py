"""Codes and scales: the nearest levels, and the same numbers out of a checkpoint as went in."""

import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer, llama
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint
from groundup.weights.gguf_blocks import FORMATS, encode
from groundup.weights.quantized import LIMITS, Quantized, nearest, restored, rounded, stored

TOKENIZER = BytePairTokenizer.train("the cat sat on the mat " * 9, vocab_size=266, specials=("<|bos|>",))
SIZE = {"vocab_size": 266, "context_len": 32, "n_layer": 2, "n_head": 4, "n_embd": 64}


def weights_of(rows=6, columns=96, seed=0):
    return torch.randn(rows, columns, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("bits", [8, 4])
def test_no_other_code_is_nearer(bits):
    weights_RC = weights_of()
    made = rounded(weights_RC, bits)
    low, high = LIMITS[bits]
    levels_RCL = made.scales_RK.float().repeat_interleave(32, 1)[..., None] * torch.arange(low, high + 1)
    nearest_RC = (levels_RCL - weights_RC[..., None]).abs().min(-1).values
    torch.testing.assert_close((made.weights() - weights_RC).abs(), nearest_RC)
    assert made.codes_RC.abs().amax() == (127 if bits == 8 else 8)
    assert nearest_RC.max() > 0


@pytest.mark.parametrize("bits", [8, 4])
def test_levels_are_found_again_and_nothing_is_lost_twice(bits):
    once = rounded(weights_of(), bits)
    again = rounded(once.weights(), bits)
    assert torch.equal(again.codes_RC, once.codes_RC) and torch.equal(again.scales_RK, once.scales_RK)
    assert not torch.equal(rounded(weights_of(seed=1), bits).codes_RC, once.codes_RC)


@pytest.mark.parametrize(("bits", "form"), [(8, 8), (4, 2)])
def test_these_are_the_levels_of_gguf(bits, form):
    """What was quantized here is written as Q8_0 or Q4_0 with the same codes and scales."""
    made = rounded(weights_of(), bits)
    blocks = encode(made.weights().numpy(), FORMATS[form]).reshape(-1, FORMATS[form].bytes)
    assert np.array_equal(blocks[:, :2].copy().view("<f2").reshape(-1), made.scales_RK.numpy().reshape(-1))
    codes = made.codes_RC.numpy().reshape(-1, 32)
    if bits == 8:
        assert np.array_equal(blocks[:, 2:].view(np.int8), codes)
    else:
        assert np.array_equal((blocks[:, 2:] & 15).astype(np.int8) - 8, codes[:, :16])
        assert np.array_equal((blocks[:, 2:] >> 4).astype(np.int8) - 8, codes[:, 16:])


def test_zeros_and_what_float16_cannot_scale():
    weights_RC = weights_of(2, 64)
    weights_RC[0, :32], weights_RC[1, 32:] = 0, 1e-12
    for bits in (8, 4):
        made = rounded(weights_RC, bits).weights()
        assert not made[0, :32].any() and not made[1, 32:].any() and made[0, 32:].any()
        assert torch.isfinite(made).all()
    assert nearest(torch.tensor([9.0]), torch.tensor([1.0]), 4) == 7
    with pytest.raises(ValueError, match=r"shape \(2, 33\)"):
        rounded(torch.ones(2, 33), 8)


@pytest.mark.parametrize("bits", [8, 4])
def test_stored_and_restored(bits):
    made = rounded(weights_of(), bits)
    tensors = stored("a", made)
    assert sum(t.numel() * t.element_size() for t in tensors.values()) == made.bytes
    assert torch.equal(restored({**tensors, "b": torch.ones(2)}, where="x")["a"], made.weights())


@pytest.mark.parametrize(
    "change",
    [
        lambda t: t.pop("a.scales"),
        lambda t: t.update({"a.scales": t["a.scales"][:, :1]}),
        lambda t: t.update({"a.scales": t["a.scales"].float()}),
        lambda t: t.update({"a.codes": t["a.codes"].float()}),
        lambda t: t.update({"a.codes": t["a.codes"][:3]}),
    ],
)
def test_codes_without_their_scales(change):
    tensors = stored("a", rounded(weights_of(), 8))
    change(tensors)
    with pytest.raises(CheckpointError, match="the codes of a have no scales that fit"):
        restored(tensors, where="x")


@pytest.mark.parametrize("tie", [False, True])
def test_a_checkpoint_keeps_codes_and_gives_weights(tie, tmp_path):
    model = Transformer(llama(**SIZE, tie=tie)).eval()
    codes = {name: rounded(w.detach(), 4) for name, w in model.named_parameters() if w.dim() == 2}
    with torch.no_grad():
        for name, made in codes.items():
            model.get_parameter(name).copy_(made.weights())
    checkpoint.save(tmp_path / "m", model=model, tokenizer=TOKENIZER, step=1, quantized=codes)
    inside = load_file(tmp_path / "m" / "model.safetensors")
    assert inside["embedding.weight.codes"].dtype == torch.uint8 and "embedding.weight" not in inside
    found = checkpoint.load(tmp_path / "m").model
    for name, weight in model.state_dict().items():
        assert torch.equal(found.state_dict()[name], weight), name
    checkpoint.save(tmp_path / "whole", model=model, tokenizer=TOKENIZER, step=1)
    sizes = [(tmp_path / name / "model.safetensors").stat().st_size for name in ("m", "whole")]
    assert 6 < sizes[1] / sizes[0] < 8
    assert json.loads((tmp_path / "m" / "manifest.json").read_text())["schema"] == 1


def test_bytes_of_a_matrix():
    """8.5 and 4.5 bits a weight."""
    assert Quantized(torch.zeros(2, 64, dtype=torch.int8), torch.zeros(2, 2).half(), 8).bytes * 8 / 128 == 8.5
    assert Quantized(torch.zeros(2, 64, dtype=torch.int8), torch.zeros(2, 2).half(), 4).bytes * 8 / 128 == 4.5
