"""Counting against a dictionary, and the edges of smoothing."""

from collections import Counter

import pytest
import torch

from groundup.base.errors import ConfigError
from groundup.models.counts import Counts, CountsConfig


def trained(tokens_NK, targets_N, **settings):
    model = Counts(CountsConfig(vocab_size=5, context_len=tokens_NK.size(1), **settings))
    model.learn(tokens_NK, targets_N)
    return model


@pytest.mark.parametrize("context_len", [1, 2])
@pytest.mark.parametrize("smoothing", [0.0, 0.5])
def test_shares_are_those_of_a_dictionary(context_len, smoothing):
    tokens_NK, targets_N = torch.randint(0, 5, (400, context_len)), torch.randint(0, 5, (400,))
    model = trained(tokens_NK, targets_N, smoothing=smoothing)
    pairs = Counter(zip(map(tuple, tokens_NK.tolist()), targets_N.tolist(), strict=True))
    totals = Counter(map(tuple, tokens_NK.tolist()))
    for context in list(totals)[:10]:
        shares = model(torch.tensor([context])).exp()[0, 0].tolist()
        wanted = [(pairs[context, w] + smoothing) / (totals[context] + 5 * smoothing) for w in range(5)]
        assert shares == pytest.approx(wanted, abs=1e-12)


def test_what_never_happened():
    tokens_NK, targets_N = torch.tensor([[0], [0]]), torch.tensor([1, 2])
    bare = trained(tokens_NK, targets_N, smoothing=0.0)
    assert bare(torch.tensor([[0]]))[0, 0, 3] == -torch.inf
    assert bare(torch.tensor([[4]])).exp()[0, 0].tolist() == [0.2] * 5  # an unseen context says nothing
    assert trained(tokens_NK, targets_N)(torch.tensor([[0]])).isfinite().all()


def test_a_longer_row_is_read_at_every_place():
    model = trained(torch.randint(0, 5, (50, 2)), torch.randint(0, 5, (50,)))
    tokens_BT = torch.randint(0, 5, (2, 6))
    whole = model(tokens_BT)
    assert whole.shape == (2, 5, 5)
    for place in range(5):
        assert whole[:, place].equal(model(tokens_BT[:, place : place + 2])[:, 0])


def test_a_table_that_is_too_large_is_refused():
    with pytest.raises(ConfigError, match="too large"):
        CountsConfig(vocab_size=100, context_len=4)
