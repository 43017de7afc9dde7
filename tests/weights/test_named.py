"""The real model: SmolLM2, fetched as a fixture. As transformers computes it, and what it says."""

import pytest
import torch
from torch.testing import assert_close

from groundup.base.errors import FetchError
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.tokenizer.chat import Conversation, user
from groundup.weights.foreign_names import HF_LLAMA, their_tensors
from groundup.weights.hugging_face_export import theirs as settings_of
from groundup.weights.imported import layout_of
from groundup.weights.named import path_of
from groundup.weights.source import load

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def smollm2():
    try:
        path_of("smollm2")
    except FetchError:
        pytest.skip("SmolLM2 is not here: groundup data get smollm2")
    return load("smollm2")


def test_it_knows_the_capital_of_france(smollm2):
    assert "real 135 M chat model: fluent, often wrong" in smollm2.manifest.extra["what"]
    assert sum(weight.numel() for weight in smollm2.model.parameters()) == 134_515_008
    layout, tokenizer = layout_of(smollm2), smollm2.tokenizer
    asked = layout.prompt(tokenizer, Conversation((user("What is the capital of France?"),)))
    stop = tuple(layout.stops(tokenizer))
    made = generate(smollm2.model, [asked], SamplingParams(temperature=0, max_tokens=20, stop=stop))[0]
    assert layout.parse_reply(tokenizer, made.ids).text == "The capital of France is Paris."


def test_transformers_computes_the_same(smollm2):
    from transformers import AutoConfig, AutoModelForCausalLM

    config = settings_of(smollm2.model.config)[0]
    kind = config.pop("model_type")
    with torch.device("meta"):
        there = AutoModelForCausalLM.from_config(AutoConfig.for_model(kind, **config))
    assert type(there).__name__ == "LlamaForCausalLM"
    weights = their_tensors(smollm2.model, HF_LLAMA)
    there.load_state_dict({**weights, "lm_head.weight": weights["model.embed_tokens.weight"]}, assign=True)
    there.model.rotary_emb = type(there.model.rotary_emb)(there.config)
    tokens_BT = torch.tensor([smollm2.tokenizer.encode("The capital of Italy is the city of Rome.")])
    with torch.no_grad():
        expected = there.eval()(tokens_BT).logits
        assert_close(smollm2.model(tokens_BT), expected, rtol=1e-3, atol=1e-3)
    assert expected.std() > 1
