"""The compiled step: against the model with the same rounded weights, and against itself in other company."""

import os
import random
from copy import deepcopy

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import ConfigError
from groundup.infer.compiled_kernels import CPUS, cpu_kind
from groundup.infer.engine import Engine, EngineConfig
from groundup.infer.fused_backend import ROWS, Fused, default_threads, why_not
from groundup.infer.fused_layout import as_rounded
from groundup.infer.paged_cache import Chunk
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, TransformerConfig, gpt2, llama, qwen3

SHAPES = {
    "gpt2": gpt2(vocab_size=100, context_len=128, n_layer=2, n_head=4, n_embd=64),
    "gpt2-erf": gpt2(vocab_size=65, context_len=128, n_layer=1, n_head=2, n_embd=32, mlp="gelu_erf"),
    "llama-tied": llama(vocab_size=333, context_len=128, n_layer=2, n_head=1, n_embd=128, tie=True),
    "qwen3-grouped": qwen3(
        vocab_size=77, context_len=128, n_layer=2, n_head=4, n_kv_head=2, n_embd=96, head_dim=24
    ),
    "many": TransformerConfig(
        vocab_size=50, context_len=128, n_layer=2, n_head=6, n_kv_head=2, n_embd=64, head_dim=64,
        mlp="relu2", norm="layer", position="none", layer_scale=0.1, qkv_bias=True,
    ),
}  # fmt: skip


def built(config):
    model = Transformer(config).eval()
    for name, weight in model.named_parameters():  # no bias or gain that does nothing
        if weight.dim() == 1:
            torch.nn.init.normal_(weight, mean=0.0 if "bias" in name else 1.0, std=0.2)
    return model


def poisoned(model, **choices):
    """A backend whose cache holds not-a-numbers wherever nothing has been written."""
    backend = Fused(model, **{"cache_mb": 1, "threads": 1, **choices})
    backend.keys[:] = np.nan
    backend.values[:] = np.nan
    return backend


def whole(backend, ids):
    """logits_TV of one text, in blocks that do not lie in order."""
    table = list(range(-(-len(ids) // backend.block_len)))[::-1]
    return backend.run([Chunk(ids, 0, table, len(ids))])


def divergence(reference_TV, found_TV):
    """KL from the reference, nats a token."""
    log_p, log_q = reference_TV.log_softmax(-1), found_TV.log_softmax(-1)
    return float((log_p.exp() * (log_p - log_q)).sum(-1).mean())


@pytest.mark.parametrize("bits", [8, 4])
@pytest.mark.parametrize("name", SHAPES)
def test_logits_are_the_models_up_to_the_rounding_of_activations(name, bits):
    model = built(SHAPES[name])
    ids = torch.randint(0, model.config.vocab_size, (ROWS + 20,)).tolist()
    with torch.inference_mode():
        reference_TV = as_rounded(deepcopy(model), bits)(torch.tensor([ids]))[0]
        unrounded_TV = model(torch.tensor([ids]))[0]
    found_TV = whole(poisoned(model, bits=bits), ids)
    own_error = (found_TV - reference_TV).norm() / reference_TV.norm()
    assert own_error < 0.05 and divergence(reference_TV, found_TV) < 2e-3
    if bits == 4:  # the test can fail: the weights' own rounding is larger
        assert (found_TV - unrounded_TV).norm() > (found_TV - reference_TV).norm()
    for cpu in CPUS[: CPUS.index(cpu_kind())]:
        assert torch.equal(whole(poisoned(model, bits=bits, cpu=cpu), ids), found_TV), cpu


@pytest.mark.parametrize("length", [1, 15, 16, 17, 32, 33])
def test_empty_and_full_blocks(length):
    model = built(SHAPES["qwen3-grouped"])
    ids = torch.randint(0, 77, (length + 1,)).tolist()
    expected_TV = whole(poisoned(model), ids)
    for block_len in (1, 5, 16, 64):
        backend = poisoned(model, block_len=block_len)
        table = list(range(3, 3 + -(-len(ids) // block_len)))
        backend.run([Chunk(ids[:-1], 0, table, 0)])
        last_1V = backend.run([Chunk(ids[-1:], length, table, 1)])
        assert torch.equal(last_1V[0], expected_TV[-1]), block_len


@settings(max_examples=25)
@given(seed=st.integers(0, 2**32), threads=st.sampled_from([1, 2]))
def test_a_row_is_the_same_bits_in_any_company(seed, threads):
    backends, draw = _backends(), random.Random(seed)
    texts = [[(7 * i + 3 * t + t * t) % 77 for t in range(40)] for i in range(4)]
    alone = [whole(backends[0], text) for text in texts]
    places, seen = [0] * 4, [[] for _ in texts]
    while min(places) < 40:
        chunks, who = [], []
        for i in draw.sample(range(4), 4):
            start = places[i]
            places[i] = min(start + draw.choice([0, 1, 1, 2, 7, 40]), 40)
            if ids := texts[i][start : places[i]]:
                chunks.append(Chunk(ids, start, [4 * i + 1, 4 * i, 4 * i + 2], len(ids)))
                who.append(i)
        parts = backends[threads - 1].run(chunks).split([len(chunk.ids) for chunk in chunks])
        for i, part in zip(who, parts, strict=True):
            seen[i].append(part)
    for i in range(4):
        assert torch.equal(torch.cat(seen[i]), alone[i])


_kept: list[Fused] = []


def _backends():
    if not _kept:
        torch.manual_seed(5)
        model = built(SHAPES["qwen3-grouped"])
        _kept.extend(Fused(model, cache_mb=1, threads=threads) for threads in (1, 2))
    return _kept


@pytest.mark.parametrize("bits", [8, 4])
def test_replies_do_not_depend_on_batch_threads_or_chunks(bits):
    model = built(SHAPES["qwen3-grouped"])
    prompts = [[(i * 31 + t * 7) % 77 for t in range(3 + i)] for i in range(32)]
    greedy = SamplingParams(temperature=0, max_tokens=12)
    drawn = SamplingParams(temperature=1.0, top_p=0.9, max_tokens=12, seed=11)

    def replies(batch, threads, chunk_tokens, params):
        backend = Fused(model, bits=bits, threads=threads, cache_mb=4)
        config = EngineConfig(cache_mb=4, chunk_tokens=chunk_tokens, max_running=32)
        found = []
        for first in range(0, 32, batch):
            engine = Engine(backend, config)
            asked = [engine.add(prompt, params) for prompt in prompts[first : first + batch]]
            while engine.busy:
                engine.step()
            found += [sequence.new_ids for sequence in asked]
        return found

    for params in (greedy, drawn):
        expected = replies(1, 1, 512, params)
        assert expected == replies(32, 2, 5, params) == replies(8, 1, 32, params)
    assert replies(1, 1, 512, greedy) != expected


def test_a_long_text_of_grouped_heads():
    config = llama(vocab_size=64, context_len=700, n_layer=2, n_head=4, n_kv_head=1, n_embd=64, head_dim=80)
    model = built(config)
    ids = torch.randint(0, 64, (700,)).tolist()
    with torch.inference_mode():
        reference_TV = as_rounded(deepcopy(model), 8)(torch.tensor([ids]))[0]
    found_TV = whole(poisoned(model, threads=2, cache_mb=4), ids)
    assert divergence(reference_TV[-50:], found_TV[-50:]) < 1e-3


def test_what_is_not_taken_is_refused_with_the_reason():
    odd = Transformer(llama(vocab_size=50, context_len=16, n_layer=1, n_head=2, n_embd=48))
    assert "n_embd=48 is no multiple of 32" in why_not(odd)
    with pytest.raises(ConfigError, match="n_embd=48 is no multiple of 32"):
        Fused(odd)
    assert why_not(built(SHAPES["gpt2"])) == ""


def test_no_compiler_is_a_reason(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_KERNELS", str(tmp_path / "kernels"))
    monkeypatch.setenv("CC", "no-such-compiler")
    assert "CC=no-such-compiler is not found" in why_not(built(SHAPES["gpt2"]))


def test_ids_and_places_outside_are_refused_before_c_sees_them():
    backend = Fused(built(SHAPES["gpt2"]), threads=1, cache_mb=1)
    outside = [([100], 0, "vocabulary of 100"), ([-1], 0, "vocabulary"), ([1], 128, "129 tokens do not fit")]
    for ids, start, words in outside:
        with pytest.raises(ValueError, match=words):
            backend.run([Chunk(ids, start, list(range(9)), 1)])
    for table in ([], [backend.blocks], [-1]):
        with pytest.raises(ValueError, match="1 tokens need 1 blocks"):
            backend.run([Chunk([1], 0, table, 1)])


def test_nothing_asked_gives_no_logits():
    backend = Fused(built(SHAPES["gpt2"]), threads=2, cache_mb=1)
    assert backend.run([Chunk([1, 2], 0, [0], 0)]).shape == (0, 100)


@pytest.mark.filterwarnings("ignore:.*fork:DeprecationWarning")
def test_a_forked_child_has_threads_of_its_own():
    backend = Fused(built(SHAPES["gpt2"]), threads=2, cache_mb=1)
    expected = whole(backend, [1, 2, 3])
    child = os.fork()
    if child == 0:
        os._exit(0 if torch.equal(whole(backend, [1, 2, 3]), expected) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def test_threads_are_those_that_torch_would_get(monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert default_threads() == 3
    monkeypatch.setenv("OMP_NUM_THREADS", "none")
    assert default_threads() >= 1
