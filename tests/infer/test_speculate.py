"""Guesses change when a word comes, never which word; and right ones make it come sooner."""

import pytest
import torch

from groundup.base.errors import UserError
from groundup.infer.engine import Engine, EngineConfig
from groundup.infer.sampling import SamplingParams
from groundup.infer.speculate import ModelDrafter, NGramDrafter, lookup
from groundup.models.transformer import Transformer, qwen3

SIZE = {"vocab_size": 31, "context_len": 48, "n_layer": 2, "n_head": 4, "n_embd": 16}
PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 5, 6, 7, 5, 6], [9, 9, 9, 9]]
PARAMS = {
    "greedy": SamplingParams(temperature=0, max_tokens=40),
    "drawn": SamplingParams(temperature=0.7, max_tokens=40, seed=5),
    "filtered, stops": SamplingParams(0.9, 12, 0.9, 0.01, 1.2, max_tokens=40, stop=(2, 8), seed=6),
}


def built(seed):
    torch.manual_seed(seed)
    model = Transformer(qwen3(**SIZE)).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


class WrongDrafter:
    """Always guesses, and nearly always wrongly."""

    def propose(self, sequence, most):
        return [(sequence.ids[-1] + 11) % 31] * most


@pytest.fixture(scope="module")
def model():
    return built(1)


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
@pytest.mark.parametrize("config", [EngineConfig(), EngineConfig(block_len=3, max_running=2, batch_tokens=7)])
def test_the_same_words_with_any_guesses(model, params, config):
    expected = Engine.of(model).complete(PROMPTS, params)
    for drafter in (
        WrongDrafter(),
        NGramDrafter(shortest=1),
        ModelDrafter(built(2), vocab_size=31),
        ModelDrafter(model, vocab_size=31),
    ):
        engine = Engine.of(model, config, drafter=drafter)
        found = engine.complete(PROMPTS, params)
        assert [(g.ids, g.finish) for g in found] == [(g.ids, g.finish) for g in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert engine.blocks.free == len(engine.blocks.refs) and engine.stats.drafted > 0


def test_the_model_as_its_own_drafter_guesses_all_right(model):
    """Drawn tokens too: both models draw with the same numbers."""
    params = SamplingParams(temperature=1.0, max_tokens=36, seed=2)
    engine = Engine.of(model, drafter=ModelDrafter(model, vocab_size=31))
    engine.complete([[1, 2, 3]], params)
    assert engine.stats.accepted == engine.stats.drafted == 8 + 8 + 8 + 7
    assert engine.stats.steps == 5  # the prompt, and then nine tokens a step: eight guesses and one more


def test_the_distribution_is_the_models_own(model):
    """The second token of 1,000 replies (the first that is guessed) against the exact probabilities."""
    prompt = [3, 1, 4]
    with torch.inference_mode():
        first_V = model(torch.tensor([prompt]))[0, -1].softmax(-1)
        second_VV = model(torch.tensor([[*prompt, id] for id in range(31)]))[:, -1].softmax(-1)
    expected_V = 1_000 * first_V @ second_VV
    params = SamplingParams(max_tokens=4, seed=11)
    for drafter in (WrongDrafter(), ModelDrafter(built(2), vocab_size=31)):
        engine = Engine.of(model, EngineConfig(batch_tokens=256), drafter=drafter)
        made = engine.complete([prompt] * 1_000, params)
        counts_V = torch.bincount(torch.tensor([g.ids[1] for g in made]), minlength=31)
        often_V = expected_V >= 5
        chi2 = ((counts_V - expected_V)[often_V] ** 2 / expected_V[often_V]).sum()
        assert chi2 < 61.1  # p = 0.001 with 31 degrees of freedom
        assert ((counts_V.roll(1) - expected_V)[often_V] ** 2 / expected_V[often_V]).sum() > 61.1
        assert engine.stats.drafted > 900


def test_repetition_takes_fewer_steps():
    """A model that repeats itself: the last ids come again, so the lookup guesses well."""
    model = Transformer(qwen3(**(SIZE | {"context_len": 128}))).eval()
    with torch.no_grad():
        model.embedding.weight.zero_()[:, :4] = torch.randn(31, 4) * 3
        model.unembedding.weight.copy_(model.embedding.weight.roll(-1, 0))
        for block in model.blocks:
            block.attention.out.weight.zero_()
            block.mlp.down.weight.zero_()
    params = SamplingParams(temperature=0, max_tokens=100)
    plain, guessed = Engine.of(model), Engine.of(model, drafter=NGramDrafter())
    assert plain.complete([[1]], params)[0].ids == guessed.complete([[1]], params)[0].ids
    assert guessed.stats.steps < plain.stats.steps * 0.7


def test_lookup():
    assert lookup([5, 5, 5], 2, 1, 4) == [5, 5, 5, 5]
    assert lookup([1, 2, 3, 1, 2, 3, 1], 4, 2, 5) == [2, 3, 1, 2, 3]
    assert lookup([1, 2, 9, 1, 2, 8, 2, 7, 1, 2], 2, 1, 1) == [8]  # the latest of the longest
    assert lookup([1], 4, 1, 3) == lookup([], 4, 1, 3) == []


def test_what_cannot_guess_is_refused(model):
    with pytest.raises(UserError, match="knows 31 ids and the model 32"):
        ModelDrafter(model, vocab_size=32)
    with pytest.raises(UserError, match="shortest=3, longest=2"):
        NGramDrafter(longest=2, shortest=3)
