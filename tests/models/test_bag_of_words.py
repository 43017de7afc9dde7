"""The bag of words: against makemore's matrix of equal shares, and what it promises about the future."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.models.bag_of_words import BagOfWords, BagOfWordsConfig, causal_mean

TOKENS = torch.randint(27, (3, 9), generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def test_it_is_makemore_s_formula():
    model = BagOfWords(BagOfWordsConfig())
    for parameter in model.parameters():
        parameter += 0.1 * torch.randn_like(parameter)
    x = model.embedding(TOKENS) + model.positions(torch.arange(9))
    scores = torch.zeros(9, 9).masked_fill(torch.tril(torch.ones(9, 9)) == 0, -torch.inf)
    x = x + F.softmax(scores, -1) @ x
    x = x + model.down(torch.tanh(model.up(x)))
    assert_close(model(TOKENS), model.unembedding(x), rtol=1e-4, atol=1e-5)


def test_the_average_cannot_tell_the_order_but_the_places_can():
    x = torch.randn(1, 4, 2)
    assert_close(causal_mean(x)[:, -1], causal_mean(x.flip(1))[:, -1])
    assert not torch.allclose(causal_mean(x)[:, 0], causal_mean(x.flip(1))[:, 0])
    model = BagOfWords(BagOfWordsConfig())
    assert not torch.allclose(model.hidden(TOKENS)[:, -1], model.hidden(TOKENS.flip(1))[:, -1])


def test_the_future_cannot_change_the_past():
    model, tokens = BagOfWords(BagOfWordsConfig()), TOKENS.clone()
    before = model(tokens)
    tokens[:, 5] = (tokens[:, 5] + 1) % 27
    assert_close(model(tokens)[:, :5], before[:, :5])
    assert not torch.allclose(model(tokens)[:, 5:], before[:, 5:])


def test_makemore_s_size():
    model = BagOfWords(BagOfWordsConfig())
    assert sum(p.numel() for p in model.parameters()) == 12_827


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="context_len=0"):
        BagOfWordsConfig(context_len=0)
    with pytest.raises(ValueError, match="9 tokens do not fit context_len=8"):
        BagOfWords(BagOfWordsConfig(context_len=8))(TOKENS)
