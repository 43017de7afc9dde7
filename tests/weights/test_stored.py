"""What is said of a file is what lies in it: the bytes of all tensors, in whichever format."""

import pytest
import torch
from safetensors import safe_open

from groundup.models.transformer import Transformer, gpt2, llama
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint
from groundup.weights.gguf_export import write_file
from groundup.weights.gguf_file import GGUFFile
from groundup.weights.hugging_face_export import write_folder
from groundup.weights.quantize import put_into, quantize
from groundup.weights.source import load
from groundup.weights.stored import in_checkpoint, stored_in

TOKENIZER = BytePairTokenizer.train("the cat sat on the mat " * 9, vocab_size=262, specials=("<|bos|>",))
SIZE = {"vocab_size": TOKENIZER.vocab_size, "context_len": 16, "n_layer": 2, "n_head": 4, "n_embd": 64}
CONFIGS = {"llama": llama(**SIZE, n_kv_head=2), "tied": llama(**SIZE, tie=True), "gpt2": gpt2(**SIZE)}


def saved(path, config, bits=None):
    torch.manual_seed(0)
    model = Transformer(config)
    codes = quantize(model, bits)[0] if bits else None
    if codes:
        put_into(model, codes)
    checkpoint.save(path, model=model, tokenizer=TOKENIZER, step=1, quantized=codes)
    return load(path)


def in_file(path):
    """Bytes of all tensors of a safetensors file, as the library reads them."""
    with safe_open(path, framework="pt") as file:
        return sum(file.get_tensor(name).nbytes for name in file.keys())  # noqa: SIM118


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize("bits", [None, 8, 4])
def test_a_checkpoint(kind, bits, tmp_path):
    model = saved(tmp_path / "m", CONFIGS[kind], bits).model
    found = in_checkpoint(tmp_path / "m")
    assert found == stored_in(tmp_path / "m", model)
    assert found.keys() == dict(model.named_parameters()).keys()
    assert sum(at.bytes for at in found.values()) == in_file(tmp_path / "m" / "model.safetensors")
    down = found[f"blocks.0.mlp.{'down'}.weight"]
    weights = model.blocks[0].mlp.down.weight.numel()
    expected = {None: ("float32", 32), 8: ("int8, a scale for 32", 8.5), 4: ("int4, a scale for 32", 4.5)}
    assert (down.format, 8 * down.bytes / weights) == expected[bits]


@pytest.mark.parametrize("kind", CONFIGS)
def test_a_folder_of_hugging_face(kind, tmp_path):
    write_folder(saved(tmp_path / "m", CONFIGS[kind]), tmp_path / "hf")
    model = load(tmp_path / "hf").model
    found = stored_in(tmp_path / "hf", model)
    assert found.keys() == dict(model.named_parameters()).keys()
    assert sum(at.bytes for at in found.values()) == 4 * sum(p.numel() for p in model.parameters())
    assert {at.format for at in found.values()} == {"float32"}


@pytest.mark.parametrize("kind", CONFIGS)
@pytest.mark.parametrize(("dtype", "format"), [("f16", "F16"), ("q8_0", "Q8_0"), ("q4_1", "Q4_1")])
def test_a_gguf_file(kind, dtype, format, tmp_path):
    write_file(saved(tmp_path / "m", CONFIGS[kind]), tmp_path / "m.gguf", dtype=dtype)
    model = load(tmp_path / "m.gguf").model
    found = stored_in(tmp_path / "m.gguf", model)
    assert found.keys() == dict(model.named_parameters()).keys()
    assert found["blocks.1.attention.qkv.weight"].format == format
    assert found["norm.weight"].format == "F32"
    with GGUFFile(tmp_path / "m.gguf") as file:
        assert sum(at.bytes for at in found.values()) == sum(t.end - t.start for t in file.tensors.values())
