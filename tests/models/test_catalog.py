"""Models by name: what a checkpoint's manifest says comes back as the same model."""

import pytest
from torch import nn

from groundup.base.config import to_dict
from groundup.base.errors import ConfigError
from groundup.models.catalog import MODELS, build, kind_of
from groundup.models.transformer import Transformer, gpt2

CONFIG = gpt2(vocab_size=11, context_len=4, n_layer=1, n_head=2, n_embd=4)


def test_a_manifest_round_trip():
    model = build("transformer", to_dict(CONFIG))
    assert model.config == CONFIG
    assert kind_of(model) == "transformer"
    assert model.state_dict().keys() == Transformer(CONFIG).state_dict().keys()


def test_every_config_knows_its_own_fields():
    assert all(isinstance(config, type) and issubclass(model, nn.Module) for config, model in MODELS.values())


def test_unknown_names_are_refused():
    with pytest.raises(ConfigError, match=r"'transformr' is unknown.*Did you mean 'transformer'"):
        build("transformr", {})
    with pytest.raises(ConfigError, match="n_heads"):
        build("transformer", {**to_dict(CONFIG), "n_heads": 2})
    with pytest.raises(ConfigError, match="Linear is not in the catalog"):
        kind_of(nn.Linear(1, 1))
