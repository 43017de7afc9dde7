"""Texts read side by side: the cache and the windows are those of the definition."""

import pytest
import torch

from groundup.infer.reading import CachedReading, PlainReading, kept, reading
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.rnn import RNN, RNNConfig
from groundup.models.transformer import Transformer, gpt2, qwen3

SIZE = {"vocab_size": 31, "context_len": 8, "n_layer": 2, "n_head": 2, "n_embd": 16}


@pytest.fixture(params=[qwen3(**SIZE, n_kv_head=1), gpt2(**SIZE)], ids=["qwen3", "gpt2"])
def model(request):
    model = Transformer(request.param).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def test_cached_equals_plain_past_the_context(model):
    tokens_TB = torch.randint(0, 31, (30, 3))
    one, other = CachedReading(model, tokens_TB[:2].T), PlainReading(model, tokens_TB[:2].T)
    for ids_B in tokens_TB[2:]:
        torch.testing.assert_close(one.logits(), other.logits(), rtol=1e-4, atol=1e-4)
        one.push(ids_B)
        other.push(ids_B)
    longest = torch.cat((tokens_TB[-7:-1], tokens_TB[-1:])).T
    assert not torch.allclose(other.logits(), model(longest)[:, -1], atol=1e-2)  # it has forgotten some


def test_the_first_half_is_forgotten_when_one_more_comes(model):
    read = CachedReading(model, torch.tensor([[1]]))
    sizes = []
    for id in range(2, 15):
        sizes.append(len(read.ids_TB))
        read.push(torch.tensor([id]))
    assert sizes == [1, 2, 3, 4, 5, 6, 7, 8, 5, 6, 7, 8, 5]
    assert read.cache.used == 6
    torch.testing.assert_close(read.logits(), model(torch.tensor([[9, 10, 11, 12, 13, 14]]))[:, -1])


def test_a_context_of_one_token_keeps_nothing():
    assert kept(1) == 0
    model = Transformer(qwen3(**{**SIZE, "context_len": 1})).eval()
    read = CachedReading(model, torch.tensor([[3]]))
    read.push(torch.tensor([4]))
    torch.testing.assert_close(read.logits(), model(torch.tensor([[4]]))[:, -1])


def test_equal_pushes_equal_bits(model):
    tokens_TB = torch.randint(0, 31, (20, 2))
    found = []
    for _ in range(2):
        read = reading(model, tokens_TB[:1].T)
        for ids_B in tokens_TB[1:]:
            read.push(ids_B)
        found.append(read.logits())
    assert torch.equal(*found)


def test_models_of_every_kind_are_read():
    window = BengioMLP(BengioMLPConfig(vocab_size=27, context_len=3)).eval()
    read = reading(window, torch.tensor([[5]]))
    torch.testing.assert_close(read.logits(), window(torch.tensor([[0, 0, 5]]))[:, -1])
    for id in (6, 7, 8):
        read.push(torch.tensor([id]))
    torch.testing.assert_close(read.logits(), window(torch.tensor([[6, 7, 8]]))[:, -1])
    prefix = RNN(RNNConfig(vocab_size=27)).eval()
    read = reading(prefix, torch.tensor([[5]]))
    read.push(torch.tensor([6]))
    torch.testing.assert_close(read.logits(), prefix(torch.tensor([[5, 6]]))[:, -1])


def test_a_model_in_training_is_refused(model):
    with pytest.raises(ValueError, match=r"Call model.eval\(\) first"):
        reading(model.train(), torch.tensor([[1]]))
