import math

import numpy as np
import pytest
import torch
from torch import nn

from groundup.base.errors import DataError
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer

TOKENIZER = CharTokenizer.train("abcd你", specials=("<|end|>",))


def model() -> Transformer:
    torch.manual_seed(0)
    net = Transformer(TransformerConfig(vocab_size=6, context_len=8, n_layer=1, n_head=2, n_embd=16))
    for parameter in net.parameters():
        nn.init.normal_(parameter, std=0.5)
    return net


def ids(n: int) -> list[int]:
    return np.random.default_rng(0).integers(0, 6, n).tolist()


def naive(net: nn.Module, tokens: list[int], context_len: int, stride: int) -> tuple[float, int]:
    """One target at a time, from the definition: the first window that holds it scores it."""
    nats, size = 0.0, 0
    for t in range(1, len(tokens)):
        window = max(0, math.ceil((t - context_len) / stride))
        given = torch.tensor([tokens[window * stride : t]])
        assert 1 <= given.size(1) <= context_len
        with torch.no_grad():
            nats -= net.eval()(given)[0, -1].log_softmax(-1)[tokens[t]].item()
        size += len(TOKENIZER.bytes_of(tokens[t]))
    return nats, size


@pytest.mark.parametrize("n", [2, 8, 9, 10, 23, 40])
@pytest.mark.parametrize("stride", [1, 4, 5, 8])
def test_windows_score_every_token_once_as_the_definition_does(n, stride):
    net, tokens = model(), ids(n)
    result = bits_per_byte(net, tokens, TOKENIZER, 8, stride=stride, batch_size=3)
    nats, size = naive(net, tokens, 8, stride)
    assert result.nats == pytest.approx(nats, rel=1e-5)
    assert (result.bytes, result.tokens) == (size, n - 1)
    assert result.value == pytest.approx(nats / math.log(2) / size, rel=1e-5)
    assert result.loss == pytest.approx(nats / (n - 1), rel=1e-5)


def test_the_stride_matters():
    net, tokens = model(), ids(60)
    assert bits_per_byte(net, tokens, TOKENIZER, 8, stride=1).nats != pytest.approx(
        bits_per_byte(net, tokens, TOKENIZER, 8, stride=8).nats, rel=1e-3
    )


def test_a_uniform_model_over_bytes_needs_eight_bits():
    tokenizer = BytePairTokenizer([])

    class Uniform(nn.Module):
        def __init__(self):
            super().__init__()
            self.weight = nn.Parameter(torch.zeros(256))

        def forward(self, tokens_BT):
            return self.weight.expand(*tokens_BT.shape, 256)

    result = bits_per_byte(Uniform(), tokenizer.encode("Wie geht's? 你好吗"), tokenizer, 4)
    assert result.value == pytest.approx(8.0)


def test_a_special_token_costs_nats_and_has_no_bytes():
    net, end = model(), TOKENIZER.special("<|end|>")
    result = bits_per_byte(net, [0, end, 4], TOKENIZER, 8)
    assert (result.tokens, result.bytes) == (2, 3)  # 你 is three bytes
    nats, _ = naive(net, [0, end, 4], 8, 4)
    assert result.nats == pytest.approx(nats, rel=1e-5)


def test_the_interval_covers_the_value_and_narrows():
    net = model()
    short, long = (bits_per_byte(net, ids(n), TOKENIZER, 8) for n in (100, 3000))
    assert short.low < short.value < short.high
    assert 0 < long.high - long.low < (short.high - short.low) / 3


def test_the_mode_is_left_as_it_was():
    net = model().train()
    bits_per_byte(net, ids(20), TOKENIZER, 8)
    assert net.training


def test_too_little_text_refuses():
    with pytest.raises(DataError, match="1 tokens are too few"):
        bits_per_byte(model(), [1], TOKENIZER, 8)
    with pytest.raises(DataError, match="have no bytes"):
        bits_per_byte(model(), [5, 5, 5], TOKENIZER, 8)
    with pytest.raises(ValueError, match="stride=9"):
        bits_per_byte(model(), ids(20), TOKENIZER, 8, stride=9)
