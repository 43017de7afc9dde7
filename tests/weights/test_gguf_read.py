"""GGUF files, made here by the `gguf` package: the same numbers, the same model, and what is refused."""

import struct

import gguf
import numpy as np
import pytest
import torch
from gguf import GGMLQuantizationType as Q

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer, gpt2, llama, qwen3
from groundup.tokenizer.byte_level import to_text
from groundup.weights.foreign_names import GGUF, GGUF_GPT2, GGUF_LLAMA, their_tensors
from groundup.weights.gguf_blocks import FORMATS, decode
from groundup.weights.gguf_file import GGUFFile
from groundup.weights.gguf_read import read_gguf

SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TOKENS = [*SPECIALS, *(to_text(bytes([byte])) for byte in range(256)), to_text(b"ab"), to_text(b" ab")]
MERGES = [f"{to_text(b'a')} {to_text(b'b')}", f"{to_text(b' ')} {to_text(b'ab')}"]
SIZE = {
    "vocab_size": len(TOKENS),
    "context_len": 24,
    "n_layer": 2,
    "n_head": 4,
    "n_embd": 32,
    "mlp_width": 64,
}
MODELS = {
    "llama": (llama(**SIZE, n_kv_head=2, tie=True, rope_theta=5e3), GGUF_LLAMA),
    "qwen2": (llama(**SIZE, n_kv_head=2, qkv_bias=True), GGUF),
    "qwen3": (qwen3(**SIZE, n_kv_head=2, head_dim=12), GGUF),
    "gpt2": (gpt2(**SIZE), GGUF_GPT2),
}


def model_of(config):
    torch.manual_seed(0)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)  # or a swapped gain would not show
    return model


def write(path, architecture="llama", *, form=Q.F32, change=None, keys=None, model=None, tokens=TOKENS):
    """A GGUF file of the package's own writer. `change(tensors)` and `keys(writer)` spoil it."""
    config, names = MODELS[architecture]
    model = model_of(config) if model is None else model
    tensors = {name: weight.numpy() for name, weight in their_tensors(model, names).items()}
    if change:
        change(tensors)
    writer = gguf.GGUFWriter(path, architecture)
    writer.add_block_count(config.n_layer)
    writer.add_context_length(config.context_len)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.mlp_hidden)
    writer.add_head_count(config.n_head)
    writer.add_head_count_kv(config.kv_heads)
    if config.norm == "rms":
        writer.add_layer_norm_rms_eps(config.norm_eps)
        writer.add_rope_freq_base(config.rope_theta)
        writer.add_key_length(config.head_width)
        writer.add_value_length(config.head_width)
    else:
        writer.add_layer_norm_eps(config.norm_eps)
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("smollm")
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(MERGES[: len(tokens) - 259])
    writer.add_eos_token_id(2)
    writer.add_chat_template("{{ '<|im_start|>' + m['role'] + '\n' + m['content'] + '<|im_end|>' }}")
    if keys:
        keys(writer)
    for name, weight in tensors.items():
        kind = form if weight.ndim == 2 else Q.F32
        data = gguf.quants.quantize(weight, kind) if kind != Q.F32 else weight
        writer.add_tensor(name, data, raw_dtype=kind)
    finish(writer)
    return path


def finish(writer):
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


# ---- Numbers -------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", [Q.F32, Q.F16, Q.BF16, Q.Q8_0, Q.Q4_0, Q.Q4_1])
def test_every_bit_is_that_of_the_package(form):
    weights = np.random.default_rng(0).normal(size=(7, 96)).astype(np.float32)
    packed = gguf.quants.quantize(weights, form) if form != Q.F32 else weights
    ours = np.empty(weights.shape, np.float32)
    decode(np.frombuffer(packed.tobytes(), np.uint8), FORMATS[form.value], ours.reshape(-1))
    assert np.array_equal(ours, gguf.quants.dequantize(packed, form))
    assert FORMATS[form.value].size(weights.size) == packed.nbytes
    assert np.abs(ours - weights).max() < 0.5 and (form == Q.F32 or not np.array_equal(ours, weights))


def test_the_header_says_what_the_package_reads(tmp_path):
    path = write(tmp_path / "m.gguf")
    theirs = gguf.GGUFReader(path)
    with GGUFFile(path) as ours:
        for key, field in theirs.fields.items():
            if not key.startswith("GGUF."):
                assert ours.metadata[key] == field.contents(), key
        assert ours.tensors.keys() == {tensor.name for tensor in theirs.tensors}
        for tensor in theirs.tensors:
            at = ours.tensors[tensor.name]
            assert (at.start, at.shape) == (tensor.data_offset, tuple(tensor.data.shape))


# ---- Models --------------------------------------------------------------------------------------


@pytest.mark.parametrize("architecture", MODELS)
def test_the_model_that_was_written_comes_back(architecture, tmp_path):
    config, _ = MODELS[architecture]
    there = model_of(config)
    found = read_gguf(write(tmp_path / "m.gguf", architecture))
    tokens_BT = torch.randint(len(TOKENS), (2, 20))
    assert torch.equal(found.model(tokens_BT), there(tokens_BT))
    assert found.model.config.tie == config.tie and found.stop == (2,)
    assert found.tokenizer.encode("ab ab 12") == [259, 260, 3 + 32, 3 + 49, 3 + 50]
    assert found.tokenizer.special("<|im_end|>") == 2
    assert found.as_checkpoint().manifest.extra["chat"] == {"layout": "chatml", "system": ""}


def test_the_rows_of_q_and_k_are_put_in_order(tmp_path):
    """Without the permutation the weights fit too, and the model speaks nonsense."""
    config, _ = MODELS["llama"]
    plain = {name: w.numpy() for name, w in their_tensors(model_of(config), GGUF).items()}
    path = write(tmp_path / "m.gguf", change=lambda tensors: tensors.update(plain))
    tokens_BT = torch.randint(len(TOKENS), (2, 20))
    assert not torch.allclose(read_gguf(path).model(tokens_BT), model_of(config)(tokens_BT), atol=1e-2)


@pytest.mark.parametrize("form", [Q.F16, Q.Q8_0, Q.Q4_0, Q.Q4_1])
def test_fewer_bits_give_nearly_the_same(form, tmp_path):
    config, _ = MODELS["llama"]
    tokens_BT = torch.randint(len(TOKENS), (2, 20))
    expected = model_of(config)(tokens_BT)
    found = read_gguf(write(tmp_path / "m.gguf", form=form)).model(tokens_BT)
    error = ((found - expected).norm() / expected.norm()).item()
    assert 0 < error < {Q.F16: 2e-3, Q.Q8_0: 6e-2}.get(form, 0.7)


def test_ids_without_a_token_are_special(tmp_path):
    found = read_gguf(write(tmp_path / "m.gguf", tokens=TOKENS[:-1]))
    assert found.tokenizer.vocab_size == len(TOKENS) and found.tokenizer.special("[PAD260]") == 260


# ---- What is refused -----------------------------------------------------------------------------


def spoil(path, at, data):
    content = bytearray(path.read_bytes())
    content[at : at + len(data)] = data
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("keys", "change", "words"),
    [
        (
            lambda w: w.add_rope_scaling_type(gguf.RopeScalingType.YARN),
            None,
            "type to 'yarn'",
        ),
        (lambda w: w.add_expert_count(8), None, "sets llama.expert_count to 8"),
        (lambda w: w.add_uint32("llama.attention.new_idea", 1), None, "llama.attention.new_idea"),
        (lambda w: w.add_rope_dimension_count(4), None, "rope.dimension_count is 4, and a head has 8"),
        (None, lambda t: t.pop("blk.1.ffn_up.weight"), "lacks the tensor blk.1.ffn_up.weight"),
        (
            None,
            lambda t: t.update({"rope_freqs.weight": np.ones(4, np.float32)}),
            "the tensor rope_f",
        ),
        (
            None,
            lambda t: t.update({"blk.0.attn_k.weight": np.ones((8, 32), np.float32)}),
            r"shape \(8, 32\)",
        ),
        (
            None,
            lambda t: t.update({"token_embd.weight": np.ones((9, 32), np.float32)}),
            "has 261 ids",
        ),
    ],
)
def test_what_would_answer_otherwise_is_refused(keys, change, words, tmp_path):
    assert read_gguf(write(tmp_path / "good.gguf"))
    with pytest.raises(CheckpointError, match=words):
        read_gguf(write(tmp_path / "m.gguf", keys=keys, change=change))


def test_other_formats_and_architectures_are_named(tmp_path):
    path = tmp_path / "m.gguf"
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_tensor("a", np.zeros((2, 210), np.uint8), raw_dtype=Q.Q6_K)
    (
        writer.write_header_to_file(),
        writer.write_kv_data_to_file(),
        writer.write_tensors_to_file(),
        writer.close(),
    )
    with pytest.raises(CheckpointError, match="as Q6_K, which is not read here"):
        read_gguf(path)
    writer = gguf.GGUFWriter(path, "mamba")
    writer.add_tensor("a", np.zeros(2, np.float32))
    (
        writer.write_header_to_file(),
        writer.write_kv_data_to_file(),
        writer.write_tensors_to_file(),
        writer.close(),
    )
    with pytest.raises(CheckpointError, match="architecture 'mamba'"):
        read_gguf(path)


def test_a_file_that_ends_anywhere_is_refused(tmp_path):
    whole = write(tmp_path / "m.gguf").read_bytes()
    path = tmp_path / "cut.gguf"
    for length in [0, 3, 4, 7, 23, *range(24, len(whole), len(whole) // 60), len(whole) - 40]:
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_gguf(path)


@pytest.mark.parametrize(
    ("at", "data", "words"),
    [
        (0, b"GGML", "begins with b'GGML'"),
        (4, struct.pack("<I", 1), "its version 1"),
        (4, struct.pack(">I", 3), "big-endian"),
        (8, struct.pack("<Q", 1 << 60), "announces 1,152,921,504,606,846,976 tensors"),
        (16, struct.pack("<Q", 1 << 62), "announces 4,611,686,018,427,387,904 keys"),
        (24, struct.pack("<Q", 1 << 63), "bytes of a string"),
    ],
)
def test_a_header_that_lies(at, data, words, tmp_path):
    path = write(tmp_path / "m.gguf")
    spoil(path, at, data)
    with pytest.raises(CheckpointError, match=words):
        read_gguf(path)


def raw(*, keys=(), tensors=(), data=64):
    """A file written by hand: keys are (name, type and value), tensors (name, shape, format, offset)."""

    def text(word):
        return struct.pack("<Q", len(word)) + word.encode()

    out = b"GGUF" + struct.pack("<IQQ", 3, len(tensors), len(keys))
    out += b"".join(text(name) + value for name, value in keys)
    for name, shape, form, offset in tensors:
        out += (
            text(name)
            + struct.pack(f"<I{len(shape)}Q", len(shape), *shape)
            + struct.pack("<IQ", form, offset)
        )
    return out + b"\0" * (-len(out) % 32 + data)


ONE = struct.pack("<II", 4, 1)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (raw(keys=[("a", ONE), ("a", ONE)]), "the key 'a' is there twice"),
        (raw(tensors=[("a", [1], 0, 0), ("a", [1], 0, 32)]), "the tensor 'a' is there twice"),
        (raw(tensors=[("a", [8], 0, 0), ("b", [8], 0, 0)]), "'a' and 'b' lie over each other"),
        (raw(tensors=[("a", [1 << 40, 1 << 40], 0, 0)]), "would lie in bytes"),
        (raw(tensors=[("a", [1 << 63, 2], 0, 0)]), "would lie in bytes"),
        (raw(tensors=[("a", [1], 0, 1 << 62)]), "would lie in bytes"),
        (raw(tensors=[("a", [33], 2, 0)]), "cannot be written as Q4_0"),
        (raw(tensors=[("a", [0], 0, 0)]), "cannot be written as F32"),
        (raw(tensors=[("a", [1] * 5, 0, 0)]), "has 5 dimensions"),
        (raw(keys=[("a", struct.pack("<IIQ", 9, 8, 1 << 60))]), "strings at byte"),
        (raw(keys=[("a", struct.pack("<IIQ", 9, 0, 1 << 60))]), "values of a list at byte"),
        (raw(keys=[("a", struct.pack("<IIQ", 9, 9, 1))]), "holds values of the type 9"),
        (raw(keys=[("a", struct.pack("<I", 77))]), "unknown type 77"),
        (raw(keys=[("general.alignment", struct.pack("<II", 4, 0))]), "general.alignment is 0"),
        (raw(keys=[("a", struct.pack("<IQ", 8, 1) + b"\xff")]), "is not UTF-8"),
    ],
)
def test_other_lies(content, words, tmp_path):
    path = tmp_path / "m.gguf"
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=words):
        GGUFFile(path)
    path.write_bytes(raw(keys=[("a", ONE)], tensors=[("a", [8], 0, 0), ("b", [8], 0, 32)]))
    with GGUFFile(path) as good:
        assert good.metadata == {"a": 1} and good.tensors.keys() == {"a", "b"}


def test_mutated_files_are_refused_or_read(tmp_path):
    """Bytes of the header changed at random: a clean error or a model, never anything else."""
    whole = write(tmp_path / "m.gguf").read_bytes()
    path, random = tmp_path / "mutated.gguf", np.random.default_rng(0)
    refused = 0
    for _ in range(300):
        content = bytearray(whole)
        for at in random.integers(0, 7_000, size=random.integers(1, 4)):
            content[at] = random.integers(256)
        path.write_bytes(content)
        try:
            read_gguf(path)
        except CheckpointError:
            refused += 1
    assert refused > 50
