"""Every model that a checkpoint can name: a plain dict from a kind to its config and its class."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import nn

from groundup.base.config import from_dict
from groundup.base.errors import ConfigError, suggest
from groundup.models.bag_of_words import BagOfWords, BagOfWordsConfig
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.bigram import Bigram, BigramConfig
from groundup.models.counts import Counts, CountsConfig
from groundup.models.deep_mlp import DeepMLP, DeepMLPConfig
from groundup.models.gpt_ladder import GPTLadder, GPTLadderConfig
from groundup.models.gru import GRU, GRUConfig
from groundup.models.lstm import LSTM, LSTMConfig
from groundup.models.rnn import RNN, RNNConfig
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.models.wavenet import WaveNet, WaveNetConfig

MODELS: dict[str, tuple[type, type[nn.Module]]] = {
    "counts": (CountsConfig, Counts),
    "bigram": (BigramConfig, Bigram),
    "bengio-mlp": (BengioMLPConfig, BengioMLP),
    "deep-mlp": (DeepMLPConfig, DeepMLP),
    "wavenet": (WaveNetConfig, WaveNet),
    "rnn": (RNNConfig, RNN),
    "gru": (GRUConfig, GRU),
    "lstm": (LSTMConfig, LSTM),
    "bag-of-words": (BagOfWordsConfig, BagOfWords),
    "gpt-ladder": (GPTLadderConfig, GPTLadder),
    "transformer": (TransformerConfig, Transformer),
}


def build(kind: str, config: Mapping[str, Any]) -> nn.Module:
    """A fresh model of that kind; ConfigError for an unknown kind or a config that does not fit."""
    if kind not in MODELS:
        raise ConfigError(
            f"model kind {kind!r} is unknown. Choose one of {sorted(MODELS)}.{suggest(kind, MODELS)}"
        )
    config_class, model_class = MODELS[kind]
    return model_class(from_dict(config_class, config, where=f"{kind} config"))


def kind_of(model: nn.Module) -> str:
    """The name in MODELS of a model's class: what a checkpoint writes down."""
    for kind, (_, model_class) in MODELS.items():
        if type(model) is model_class:
            return kind
    raise ConfigError(
        f"{type(model).__name__} is not in the catalog of models: {sorted(MODELS)}. Add it there."
    )
