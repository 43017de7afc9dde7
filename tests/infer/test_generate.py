"""Generation: with the cache as without it, alone as in a batch, and every way to end."""

import pytest
import torch

from groundup.base.errors import UserError
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, gpt2, qwen3

SIZE = {"vocab_size": 31, "context_len": 24, "n_layer": 2, "n_head": 4, "n_embd": 16}
PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11], [1, 2, 3], [12, 13]]


@pytest.fixture(params=[qwen3(**SIZE, n_kv_head=2), gpt2(**SIZE)], ids=["qwen3", "gpt2"])
def model(request):
    torch.manual_seed(3)
    model = Transformer(request.param)
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def rng():
    return torch.Generator().manual_seed(11)


PARAMS = {
    "greedy": SamplingParams(temperature=0, max_tokens=12),
    "greedy, stops": SamplingParams(temperature=0, max_tokens=40, stop=tuple(range(0, 31, 3))),
    "sampled": SamplingParams(max_tokens=40),
    "sampled, stops": SamplingParams(max_tokens=40, stop=(3, 17, 20, 21)),
    "everything": SamplingParams(0.8, 20, 0.9, 0.02, 1.3, max_tokens=15, stop=(4,)),
}


@pytest.mark.parametrize("params", PARAMS.values(), ids=PARAMS.keys())
def test_cached_equals_uncached(model, params):
    cached = generate(model, PROMPTS, params, rng())
    plain = generate(model, PROMPTS, params, rng(), use_cache=False)
    for one, other in zip(cached, plain, strict=True):
        assert (one.ids, one.finish) == (other.ids, other.finish)
        assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)


@pytest.mark.parametrize("params", [PARAMS["greedy"], PARAMS["greedy, stops"]])
def test_batched_equals_alone(model, params):
    together = generate(model, PROMPTS, params)
    for prompt, found in zip(PROMPTS, together, strict=True):
        (alone,) = generate(model, [prompt], params)
        assert (alone.ids, alone.finish) == (found.ids, found.finish)
    assert together[0].ids == together[3].ids != together[1].ids


def test_greedy_is_the_most_likely_id_each_time(model):
    (found,) = generate(model, [PROMPTS[2]], PARAMS["greedy"])
    text = list(PROMPTS[2])
    for new in found.ids:
        assert new == model.eval()(torch.tensor([text]))[0, -1].argmax().item()
        text.append(new)


def test_log_probabilities_are_the_models_own(model):
    params = SamplingParams(temperature=0.7, top_k=5, max_tokens=8)
    (found,) = generate(model, [PROMPTS[2]], params, rng())
    ids = torch.tensor([PROMPTS[2] + found.ids])
    logprobs = (model.eval()(ids)[0] / 0.7).log_softmax(-1)
    start = len(PROMPTS[2])
    expected = [logprobs[start + i - 1, token].item() for i, token in enumerate(found.ids)]
    assert found.logprobs == pytest.approx(expected, abs=1e-4)


def test_copies_of_a_prompt_draw_for_themselves(model):
    params = SamplingParams(temperature=1.5, max_tokens=10)
    rows = generate(model, [PROMPTS[0]] * 8, params, rng())
    assert len({tuple(row.ids) for row in rows}) > 4
    again = generate(model, [PROMPTS[0]] * 8, params, rng())
    assert [row.ids for row in rows] == [row.ids for row in again]


def test_when_others_stop_changes_no_draw(model):
    free = generate(model, PROMPTS, SamplingParams(max_tokens=14), rng())
    stopped = generate(model, PROMPTS, SamplingParams(max_tokens=14, stop=(3, 17, 20, 21)), rng())
    for long, short in zip(free, stopped, strict=True):
        assert short.ids == long.ids[: len(short.ids)]
    assert any(len(short.ids) < len(long.ids) for long, short in zip(free, stopped, strict=True))


def test_every_way_to_end(model):
    (free,) = generate(model, [PROMPTS[0]], PARAMS["greedy"])
    assert free.finish == "length" and len(free.ids) == 12
    stop = SamplingParams(temperature=0, max_tokens=12, stop=(free.ids[5],))
    (stopped,) = generate(model, [PROMPTS[0]], stop)
    assert stopped.finish == "stop" and stopped.ids == free.ids[: free.ids.index(free.ids[5]) + 1]
    full = generate(model, PROMPTS, SamplingParams(max_tokens=100), rng())
    assert [len(p) + len(g.ids) for p, g in zip(PROMPTS, full, strict=True)] == [24] * 5
    assert {g.finish for g in full} == {"length"}


def test_a_stop_id_as_the_very_last_token_is_a_stop(model):
    (free,) = generate(model, [PROMPTS[0]], SamplingParams(temperature=0, max_tokens=1))
    (stopped,) = generate(
        model, [PROMPTS[0]], SamplingParams(temperature=0, max_tokens=1, stop=(free.ids[0],))
    )
    assert (free.finish, stopped.finish) == ("length", "stop")


def test_on_token_hears_every_id_once_in_order(model):
    heard = [[] for _ in PROMPTS]
    params = SamplingParams(max_tokens=40, stop=(3, 17, 20, 21))
    found = generate(model, PROMPTS, params, rng(), on_token=lambda row, token: heard[row].append(token))
    assert heard == [row.ids for row in found]


def test_seed_in_the_params_serves_where_no_generator_is_passed(model):
    first, second, other = (
        generate(model, PROMPTS, SamplingParams(max_tokens=8, seed=seed)) for seed in (4, 4, 5)
    )
    assert first == second != other


def test_dropout_is_off_meanwhile_and_the_mode_comes_back(model):
    dropped = Transformer(qwen3(**SIZE, dropout=0.5)).train()
    dropped.load_state_dict(Transformer(qwen3(**SIZE)).state_dict())
    assert generate(dropped, PROMPTS, PARAMS["greedy"]) == generate(dropped, PROMPTS, PARAMS["greedy"])
    assert dropped.training
    assert not any(p.is_inference() for p in dropped.parameters())
    generate(dropped.eval(), PROMPTS, PARAMS["greedy"])
    assert not dropped.training


def test_no_prompts_no_generations(model):
    assert generate(model, [], PARAMS["greedy"]) == []


@pytest.mark.parametrize(
    "prompt, message",
    [
        ([], "Prompt 1 is empty"),
        ([1] * 24, r"Prompt 1 has 24 tokens .* Shorten it to 23 or fewer"),
        ([1, 31], "Prompt 1 holds the id 31, but the model knows 0 to 30"),
        ([-1, 1], "Prompt 1 holds the id -1"),
    ],
)
def test_prompts_that_cannot_be_continued_are_refused(model, prompt, message):
    with pytest.raises(UserError, match=message):
        generate(model, [[1], prompt], PARAMS["greedy"])


def test_a_stop_id_outside_the_vocabulary_is_refused(model):
    with pytest.raises(UserError, match="stop holds the id 99, but the model knows 0 to 30"):
        generate(model, [[1]], SamplingParams(stop=(99,)))
