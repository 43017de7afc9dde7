"""A trace: the text stays what it was, and every figure is the model's own."""

import math

import pytest
import torch

from groundup.base.errors import DataError
from groundup.infer.continuation import write_on
from groundup.infer.sampling import SamplingParams
from groundup.infer.trace import Tracer, read_trace, shown
from groundup.models.cost import kv_bytes
from groundup.models.transformer import Transformer, qwen3
from groundup.tokenizer.bpe import BytePairTokenizer

TOKENIZER = BytePairTokenizer([], specials=("<|end|>",))
CONFIG = qwen3(vocab_size=257, context_len=16, n_layer=2, n_head=2, n_embd=16)


@pytest.fixture
def model():
    model = Transformer(CONFIG).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def written(model, params, prompt, tracer=None):
    more = {} if tracer is None else {"on_token": tracer.after}
    return write_on(model, prompt, params, torch.Generator().manual_seed(1), **more)


PARAMS = SamplingParams(0.8, 40, 0.9, 0.01, max_tokens=40)


def test_the_text_is_the_same_with_and_without(model):
    tracer = Tracer(model, TOKENIZER, PARAMS, prompt=[5, 6, 7])
    ids = written(model, PARAMS, [5, 6, 7], tracer)
    assert ids == written(model, PARAMS, [5, 6, 7]) == [step.id for step in tracer.steps]
    assert len(set(ids)) > 5 and len(ids) == 40  # past the context, twice


def test_every_figure_is_the_models_own(model):
    tracer = Tracer(model, TOKENIZER, PARAMS, prompt=[5, 6, 7])
    text = [5, 6, 7]
    for id in written(model, PARAMS, text, tracer)[:12]:
        step = tracer.steps[len(text) - 3]
        probs = (model(torch.tensor([text]))[0, -1] / 0.8).softmax(-1)
        assert step.probability == pytest.approx(probs[id].item(), rel=1e-3)
        entropy = -sum(p * math.log2(p) for p in probs.tolist() if p)
        assert step.entropy == pytest.approx(entropy, rel=1e-4)
        assert [each.id for each in step.candidates] == probs.topk(5).indices.tolist()
        assert 1 <= step.kept <= 40 and step.ms > 0
        assert step.cache_bytes == kv_bytes(CONFIG, len(text))
        text.append(id)


def test_greedy_keeps_one(model):
    greedy = SamplingParams(temperature=0, max_tokens=3)
    tracer = Tracer(model, TOKENIZER, greedy, prompt=[1], most=2)
    ids = written(model, greedy, [1], tracer)
    assert [(step.kept, len(step.candidates), step.candidates[0].id) for step in tracer.steps] == [
        (1, 2, id) for id in ids
    ]


def test_it_is_read_as_it_was_written(model, tmp_path):
    tracer = Tracer(model, TOKENIZER, PARAMS, prompt=[5])
    written(model, PARAMS, [5], tracer)
    tracer.write(tmp_path / "t.jsonl")
    assert read_trace(tmp_path / "t.jsonl") == tracer.steps
    (tmp_path / "t.jsonl").write_text((tmp_path / "t.jsonl").read_text() + '{"kind": "train"}\n')
    with pytest.raises(DataError, match="line 41 is no step of a trace"):
        read_trace(tmp_path / "t.jsonl")


def test_past_the_context_it_sees_what_the_writer_saw(model):
    """The greedy token is the likeliest candidate at every place, also where the window has moved."""
    greedy = SamplingParams(temperature=0, max_tokens=40)
    long = [7 * i % 250 for i in range(30)]  # a prompt that is itself longer than the context
    for prompt in ([1], long):
        tracer = Tracer(model, TOKENIZER, greedy, prompt=prompt)
        ids = written(model, greedy, prompt, tracer)
        assert [step.candidates[0].id for step in tracer.steps] == ids
        held = [step.cache_bytes // kv_bytes(CONFIG, 1) for step in tracer.steps]
        assert max(held) == 15 and held[-1] < 16 and held.count(8) > 2
    other = Tracer(model, TOKENIZER, greedy, prompt=[2])
    for id in ids:
        other.after(id)
    assert [step.candidates[0].id for step in other.steps] != ids  # another prompt: the check can fail


def test_tokens_without_a_sign_have_a_name():
    assert shown(TOKENIZER, 256) == "<|end|>" and shown(TOKENIZER, 10) == "\n"
