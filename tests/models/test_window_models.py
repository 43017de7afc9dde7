"""What all models that read windows promise: T - K + 1 predictions, each of its own K tokens; and of each its
own numbers.
"""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.base.errors import ConfigError
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.bigram import Bigram, BigramConfig
from groundup.models.catalog import build, kind_of
from groundup.models.deep_mlp import DeepMLP, DeepMLPConfig, calibrate

MODELS = {
    "bigram": Bigram(BigramConfig(27)),
    "bengio-mlp": BengioMLP(BengioMLPConfig(27)),
    "deep-mlp": DeepMLP(DeepMLPConfig(27)),
}


@pytest.mark.parametrize("kind", MODELS)
def test_a_long_row_is_read_window_by_window(kind):
    model = MODELS[kind].eval()
    K = model.config.context_len
    tokens_BT = torch.randint(0, 27, (2, K + 4))
    logits_BTV = model(tokens_BT)
    assert logits_BTV.shape == (2, 5, 27)
    for place in range(5):
        assert_close(logits_BTV[:, place], model(tokens_BT[:, place : place + K])[:, 0])
    changed_BT = tokens_BT.clone()
    changed_BT[:, -1] = (changed_BT[:, -1] + 1) % 27  # the future changes nothing but the last prediction
    assert_close(model(changed_BT)[:, :-1], logits_BTV[:, :-1])
    assert not torch.allclose(model(changed_BT)[:, -1], logits_BTV[:, -1])


@pytest.mark.parametrize("kind", MODELS)
def test_a_checkpoint_can_name_it(kind):
    model = MODELS[kind]
    assert kind_of(model) == kind
    again = build(kind, vars(model.config))
    again.load_state_dict(model.state_dict())
    tokens_BT = torch.randint(0, 27, (3, model.config.context_len))
    assert again.eval()(tokens_BT).equal(model.eval()(tokens_BT))


@pytest.mark.parametrize(
    ("model", "parameters"),
    [
        (Bigram(BigramConfig(27)), 729),
        (BengioMLP(BengioMLPConfig(27)), 11_897),
        (BengioMLP(BengioMLPConfig(27, norm="batch")), 12_097),
        (DeepMLP(DeepMLPConfig(27)), 47_024),
    ],
)
def test_the_course_s_numbers_of_parameters(model, parameters):
    assert sum(p.numel() for p in model.parameters()) == parameters


def test_a_folded_model_computes_the_same_without_a_norm():
    for config in (DeepMLPConfig(27), DeepMLPConfig(27, norm="none", head_norm=False, bias=True)):
        model = DeepMLP(config)
        with torch.no_grad():
            for weight in model.parameters():
                weight += 0.1 * torch.randn_like(weight)
        model(torch.randint(0, 27, (64, 3)))  # moves the running statistics
        plain = model.eval().folded()
        tokens_BT = torch.randint(0, 27, (10, 3))
        assert_close(plain(tokens_BT), model(tokens_BT), atol=1e-5, rtol=1e-5)
        assert not any("norm" in name for name in plain.state_dict())


def test_calibrated_statistics_are_those_of_all_rows():
    model, tokens_NK = DeepMLP(DeepMLPConfig(27, n_layer=1)), torch.randint(0, 27, (500, 3))
    x_NC = model.layers[0].linear(model.embedding(tokens_NK).flatten(1))
    assert not torch.allclose(model.layers[0].norm.running_mean, x_NC.mean(0), atol=1e-3)
    calibrate(model, tokens_NK)
    assert_close(model.layers[0].norm.running_mean, x_NC.mean(0), atol=1e-5, rtol=1e-5)
    assert_close(model.layers[0].norm.running_var, x_NC.var(0))
    assert model.layers[0].norm.momentum == 0.1 and model.training


def test_one_step_down_the_gradient_lowers_the_loss():
    for model in MODELS.values():
        tokens_BT, targets_B = (
            torch.randint(0, 27, (32, model.config.context_len)),
            torch.randint(0, 27, (32,)),
        )
        model.train()
        before = F.cross_entropy(model(tokens_BT)[:, 0], targets_B)
        for weight, gradient in zip(
            model.parameters(), torch.autograd.grad(before, list(model.parameters())), strict=True
        ):
            weight.data -= 0.01 * gradient
        assert F.cross_entropy(model(tokens_BT)[:, 0], targets_B) < before


def test_settings_that_make_no_model():
    with pytest.raises(ConfigError, match="n_hidden=0"):
        BengioMLPConfig(27, n_hidden=0)
    with pytest.raises(ConfigError, match="start='nice'"):
        BengioMLPConfig(27, start="nice")
    with pytest.raises(ConfigError, match="norm='layer'"):
        DeepMLPConfig(27, norm="layer")
