"""RNN, GRU and LSTM: against torch's own, against the formulas of makemore, and step by step."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.models.gru import GRU, GRUConfig
from groundup.models.lstm import LSTM, LSTMConfig
from groundup.models.rnn import RNN, RNNConfig

SIZE = {"vocab_size": 11, "n_embd": 5, "n_hidden": 7}
MODELS = {
    "rnn": lambda: RNN(RNNConfig(**SIZE)),
    "gru": lambda: GRU(GRUConfig(**SIZE)),
    "gru-after": lambda: GRU(GRUConfig(**SIZE, reset="after")),
    "lstm": lambda: LSTM(LSTMConfig(**SIZE)),
}
every_model = pytest.mark.parametrize("kind", MODELS)


def lively(kind: str) -> nn.Module:
    torch.manual_seed(0)
    model = MODELS[kind]()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def run_torch(layer: nn.Module, model: nn.Module, w_x, w_h, b, start) -> torch.Tensor:
    """torch's layer with these weights, over the model's own embeddings."""
    layer.weight_ih_l0.data, layer.weight_hh_l0.data, layer.bias_ih_l0.data = w_x, w_h, b
    x, _ = layer(model.embedding(TOKENS), start)
    return x


TOKENS = torch.randint(11, (3, 9), generator=torch.Generator().manual_seed(5))


@torch.no_grad()
def test_rnn_is_torch_s():
    model, layer = lively("rnn"), nn.RNN(5, 7, batch_first=True)
    layer.bias_hh_l0.zero_()
    x = run_torch(layer, model, model.w_x_HC, model.w_h_HH, model.b_H, model.start(3)[None])
    assert_close(model.hidden(TOKENS), x)


@torch.no_grad()
def test_gru_that_resets_after_the_product_is_torch_s():
    """torch's z is our 1 - z: its rows change their sign."""
    model, layer = lively("gru-after"), nn.GRU(5, 7, batch_first=True)
    sign = torch.cat((torch.ones(7), -torch.ones(7), torch.ones(7)))
    layer.bias_hh_l0.copy_(torch.cat((torch.zeros(14), model.b_reset_H)))
    x = run_torch(
        layer, model, model.w_x_GC * sign[:, None], model.w_h_GH * sign[:, None], model.b_G * sign,
        model.start(3)[None],
    )  # fmt: skip
    assert_close(model.hidden(TOKENS), x)


@torch.no_grad()
def test_lstm_is_torch_s():
    model, layer = lively("lstm"), nn.LSTM(5, 7, batch_first=True)
    layer.bias_hh_l0.zero_()
    h, c = model.start(3)
    x = run_torch(layer, model, model.w_x_GC, model.w_h_GH, model.b_G, (h[None], c[None]))
    assert_close(model.hidden(TOKENS), x)


@torch.no_grad()
def test_gru_is_makemore_s():
    """Its cell written as in makemore.py: three matrices over [x, h], the reset before the product."""
    model = lively("gru")
    w_r, w_z, w_n = torch.cat((model.w_x_GC, model.w_h_GH), 1).chunk(3)
    b_r, b_z, b_n = model.b_G.chunk(3)
    h, expected = model.start(3), []
    for x in model.embedding(TOKENS).unbind(1):
        xh = torch.cat([x, h], dim=1)
        r = torch.sigmoid(F.linear(xh, w_r, b_r))
        proposal = torch.tanh(F.linear(torch.cat([x, r * h], dim=1), w_n, b_n))
        z = torch.sigmoid(F.linear(xh, w_z, b_z))
        h = (1 - z) * h + z * proposal
        expected.append(h)
    assert_close(model.hidden(TOKENS), torch.stack(expected, 1))
    assert not torch.allclose(lively("gru-after").hidden(TOKENS), torch.stack(expected, 1))


@every_model
@torch.no_grad()
def test_step_by_step_is_all_at_once(kind):
    model = lively(kind)
    state, seen = model.start(3), []
    for tokens_B in TOKENS.unbind(1):
        x, state = model.step(tokens_B, state)
        seen.append(x)
    assert_close(torch.stack(seen, 1), model.hidden(TOKENS))
    assert not torch.allclose(seen[0], seen[1])


@every_model
def test_the_future_cannot_change_the_past(kind):
    model, tokens = lively(kind), TOKENS.clone()
    before = model(tokens)
    tokens[:, 5] = (tokens[:, 5] + 1) % 11
    after = model(tokens)
    assert torch.equal(after[:, :5], before[:, :5])
    assert not torch.allclose(after[:, 5:], before[:, 5:])


@every_model
def test_gradients_agree_with_finite_differences(kind):
    model = lively(kind).double()
    loss = lambda: F.cross_entropy(model(TOKENS[:, :-1]).flatten(0, 1), TOKENS[:, 1:].flatten())  # noqa: E731
    loss().backward()
    for name, parameter in model.named_parameters():
        step = 1e-5 * torch.randn_like(parameter)
        with torch.no_grad():
            parameter += step
            above = loss().item()
            parameter -= 2 * step
            below = loss().item()
            parameter += step
        assert above - below == pytest.approx(
            2 * float((parameter.grad * step).sum()), rel=1e-3, abs=1e-10
        ), name


@pytest.mark.parametrize(
    ("model", "count"),
    [
        (lambda: RNN(RNNConfig()), 11_803),
        (lambda: GRU(GRUConfig()), 28_315),
        (lambda: LSTM(LSTMConfig()), 36_635),
    ],
)
def test_makemore_s_sizes(model, count):
    built = model()
    assert sum(p.numel() for p in built.parameters()) == count
    logits = built(torch.randint(27, (8, 16)))
    uniform = F.cross_entropy(logits.flatten(0, 1), torch.randint(27, (128,)))
    assert abs(uniform.item() - math.log(27)) < 0.02


def test_the_lstm_begins_by_remembering():
    model = MODELS["lstm"]()
    assert torch.equal(model.b_G[7:14], torch.ones(7)) and model.b_G.abs().sum() == 7


def test_what_does_not_fit_is_refused():
    for config in (RNNConfig, GRUConfig, LSTMConfig):
        with pytest.raises(ConfigError, match="n_hidden=0 is not allowed"):
            config(n_hidden=0)
    with pytest.raises(ConfigError, match="reset='never' is unknown"):
        GRUConfig(reset="never")
