"""Pages against the contiguous cache: the same logits, however the blocks lie and the tokens are cut."""

from itertools import pairwise

import pytest
import torch
from torch.testing import assert_close

from groundup.infer.backend import Eager
from groundup.infer.paged_cache import Chunk, Int8PagedCache, PagedCache
from groundup.models.transformer import Transformer, gpt2, qwen3

SIZE = {"vocab_size": 31, "context_len": 40, "n_layer": 2, "n_head": 4, "n_embd": 16}
A, B = list(range(1, 12)), [20, 3, 20]
TABLES = {"neighbours": ([0, 1, 2, 3], [4, 5, 6]), "scattered": ([7, 2, 9, 0], [5, 1, 8])}


@pytest.fixture(params=[qwen3(**SIZE, n_kv_head=2), gpt2(**SIZE)], ids=["qwen3", "gpt2"])
def model(request):
    torch.manual_seed(3)
    model = Transformer(request.param).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def backend(model):
    c = model.config
    cache = PagedCache(n_layer=c.n_layer, n_kv_head=c.kv_heads, head_dim=c.head_width, blocks=10, block_len=4)
    cache.keys_LNGD.fill_(torch.nan)  # what was not written must not be read
    cache.values_LNGD.fill_(torch.nan)
    return Eager(model, cache)


def whole(model, ids):
    with torch.inference_mode():
        return model(torch.tensor([ids]))[0]


@pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES.keys())
def test_chunked_equals_whole_equals_without_a_cache(model, tables):
    expected = whole(model, A)
    for cuts in ([0, 11], [0, 4, 11], [0, 1, 2, 9, 11], list(range(12))):
        paged = backend(model)
        for start, end in pairwise(cuts):
            logits = paged.run([Chunk(A[start:end], start, tables[0], end - start)])
            assert_close(logits, expected[start:end], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("compiled", [True, False], ids=["compiled", "gathered"])
@pytest.mark.parametrize("tables", TABLES.values(), ids=TABLES.keys())
def test_one_step_may_read_and_write_for_everybody(model, tables, compiled):
    """Two rows that add a token, one that reads its whole prompt."""
    paged = backend(model)
    assert paged.cache.compiled  # float32 on a CPU
    paged.cache.compiled = compiled
    a, b = tables
    paged.run([Chunk(A[:-1], 0, a, 0), Chunk(B[:-1], 0, b, 0)])
    together = paged.run([Chunk(A[-1:], 10, a, 1), Chunk(B[-1:], 2, b, 1), Chunk([9, 8, 7], 0, [3], 2)])
    assert_close(together[0], whole(model, A)[-1], atol=1e-5, rtol=1e-5)
    assert_close(together[1], whole(model, B)[-1], atol=1e-5, rtol=1e-5)
    assert_close(together[2:], whole(model, [9, 8, 7])[-2:], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(together[0], whole(model, A[1:])[-1], atol=1e-3)


def test_a_shared_block_serves_two_texts(model):
    paged = backend(model)
    paged.run([Chunk(A[:8], 0, [5, 2], 0)])
    rows = paged.run([Chunk([7], 8, [5, 2, 1], 1), Chunk([9], 8, [5, 2, 8], 1)])
    assert_close(rows[0], whole(model, [*A[:8], 7])[-1], atol=1e-5, rtol=1e-5)
    assert_close(rows[1], whole(model, [*A[:8], 9])[-1], atol=1e-5, rtol=1e-5)


def test_eight_bits_are_nearly_as_good_and_take_a_quarter(model):
    def filled(kind):
        c = model.config
        cache = kind(n_layer=2, n_kv_head=c.kv_heads, head_dim=c.head_width, blocks=10, block_len=4)
        paged = Eager(model, cache)
        paged.run([Chunk(A[:-1], 0, [7, 2, 9], 0), Chunk(B[:-1], 0, [5], 0)])
        return paged.run([Chunk(A[-1:], 10, [7, 2, 9], 1), Chunk(B[-1:], 2, [5], 1)]).log_softmax(-1)

    exact, coarse = filled(PagedCache), filled(Int8PagedCache)
    divergence = (exact.exp() * (exact - coarse)).sum(-1)
    assert 1e-9 < divergence.max() < 1e-3  # not the same, and all but
    shape = {"n_layer": 8, "n_kv_head": 8, "head_dim": 64, "blocks": 2, "block_len": 16}
    assert PagedCache(**shape).bytes_per_token == 32_768
    assert (
        Int8PagedCache(**shape).bytes_per_token == 8_704
    )  # 0.27 of it: a scale of four bytes for 64 numbers


def test_slots_and_bytes():
    cache = PagedCache(n_layer=3, n_kv_head=2, head_dim=8, blocks=10, block_len=4)
    assert cache.slots([7, 2, 9], 0, 6).tolist() == [28, 29, 30, 31, 8, 9]
    assert cache.slots([7, 2, 9], 5, 9).tolist() == [9, 10, 11, 36]
    assert cache.bytes_per_token == 2 * 3 * 2 * 8 * 4


def test_a_model_in_training_mode_is_put_back(model):
    dropped = Transformer(qwen3(**SIZE, dropout=0.5)).train()
    run = [Chunk(A, 0, [0, 1, 2], 1)]
    assert_close(backend(dropped).run(run), backend(dropped).run(run))
    assert dropped.training
