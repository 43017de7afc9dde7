"""Beam search against all texts there are, and against greedy decoding."""

import itertools

import pytest
import torch

from groundup.base.errors import ConfigError, UserError
from groundup.infer.beam import beam_search
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, qwen3


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(2)
    model = Transformer(qwen3(vocab_size=5, context_len=12, n_layer=2, n_head=2, n_embd=8)).eval()
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return model


def everything(model, prompt, length, stop, penalty):
    """(score, ids) of every text of up to `length` ids that ends with a stop or is full, best first."""
    found = []
    for n in range(1, length + 1):
        for ids in itertools.product(range(5), repeat=n):
            if any(id in stop for id in ids[:-1]) or (n < length and ids[-1] not in stop):
                continue
            logits = model(torch.tensor([[*prompt, *ids]]))[0].double().log_softmax(-1)
            logprob = sum(logits[len(prompt) - 1 + i, id].item() for i, id in enumerate(ids))
            found.append((logprob / n**penalty, list(ids)))
    return sorted(found, reverse=True)


@pytest.mark.parametrize("penalty", [0.0, 1.0])
@pytest.mark.parametrize("stop", [(), (3,), (0, 2)])
def test_a_wide_beam_finds_the_best_texts_there_are(model, stop, penalty):
    with torch.no_grad():
        expected = everything(model, [1, 4], 4, stop, penalty)
    found = beam_search(model, [1, 4], width=200, max_tokens=4, stop=stop, length_penalty=penalty)
    for beam, (score, ids) in zip(found[:10], expected, strict=False):
        assert (beam.ids, beam.stopped) == (ids, ids[-1] in stop)
        assert beam.score == pytest.approx(score, abs=1e-5)
    narrow = beam_search(model, [1, 4], width=3, max_tokens=4, stop=stop, length_penalty=penalty)
    assert len(narrow) == 3 and narrow[0].score <= expected[0][0] + 1e-6


def test_a_beam_of_one_is_greedy_and_a_wider_one_is_no_worse(model):
    for prompt in ([1], [2, 3], [4, 4, 0]):
        greedy = generate(model, [prompt], SamplingParams(temperature=0, max_tokens=8))[0]
        (one,) = beam_search(model, prompt, width=1, max_tokens=8)
        assert one.ids == greedy.ids and one.logprob == pytest.approx(sum(greedy.logprobs), abs=1e-4)
        assert beam_search(model, prompt, width=8, max_tokens=8)[0].logprob >= one.logprob - 1e-6


def test_the_penalty_can_matter(model):
    short = beam_search(model, [1, 4], width=20, max_tokens=6, stop=(3,))[0]
    long = beam_search(model, [1, 4], width=20, max_tokens=6, stop=(3,), length_penalty=3)[0]
    assert len(short.ids) < len(long.ids)


def test_what_cannot_be_searched_is_refused(model):
    with pytest.raises(ConfigError, match="width=0"):
        beam_search(model, [1], width=0, max_tokens=4)
    with pytest.raises(UserError, match="The prompt is empty"):
        beam_search(model, [], width=2, max_tokens=4)
