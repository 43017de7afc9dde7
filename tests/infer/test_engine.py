"""The engine against the plain loop, and against itself alone, whole, unshared, unhurried."""

import itertools

import pytest
import torch

from groundup.base.errors import ConfigError, UserError
from groundup.infer.engine import Engine, EngineConfig, Finished, Token
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, gpt2, qwen3

SIZE = {"vocab_size": 31, "context_len": 24, "n_layer": 2, "n_head": 4, "n_embd": 16}
PROMPTS = [[1, 2, 3], [4], [5, 6, 7, 8, 9, 10, 11], [1, 2, 3], [12, 13], [5, 6, 7, 8, 9, 10, 11, 12]]
GREEDY = SamplingParams(temperature=0, max_tokens=12)
DRAWN = SamplingParams(0.8, 20, 0.9, 0.02, 1.3, max_tokens=15, stop=(4,), seed=3)
CONFIGS = {
    "as it comes": EngineConfig(),
    "tiny steps": EngineConfig(block_len=2, chunk_tokens=1, batch_tokens=4, max_running=3),
    "odd blocks": EngineConfig(block_len=5, chunk_tokens=3),
    "nothing shared": EngineConfig(share_prefixes=False),
}


@pytest.fixture(params=[qwen3(**SIZE, n_kv_head=2), gpt2(**SIZE)], ids=["qwen3", "gpt2"])
def model(request):
    torch.manual_seed(3)
    model = Transformer(request.param).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn_like(parameter)
    return model


def finish(engine):
    events = []
    while engine.busy:
        events += engine.step()
    return events


def all_free(engine):
    return engine.blocks.free == len(engine.blocks.refs) and not any(engine.blocks.refs)


@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())
def test_greedy_equals_the_plain_loop(model, config):
    engine = Engine.of(model, config)
    expected = generate(model, PROMPTS, GREEDY)
    for _ in range(2):  # the second time with prefixes in the cache
        found = engine.complete(PROMPTS, GREEDY)
        assert [(g.ids, g.finish) for g in found] == [(g.ids, g.finish) for g in expected]
        for one, other in zip(found, expected, strict=True):
            assert one.logprobs == pytest.approx(other.logprobs, abs=1e-4)
        assert all_free(engine)


def test_a_reply_does_not_depend_on_who_else_is_there(model):
    alone = []
    for row, prompt in enumerate(PROMPTS):
        engine = Engine.of(model)
        sequence = engine.add(prompt, DRAWN, sample=row)
        finish(engine)
        alone.append(sequence.new_ids)
    for config in CONFIGS.values():
        assert [g.ids for g in Engine.of(model, config).complete(PROMPTS, DRAWN)] == alone
    engine = Engine.of(model)
    late = []
    for row, prompt in enumerate(PROMPTS):  # each arrives while others write
        late.append(engine.add(prompt, DRAWN, sample=row))
        engine.step()
    finish(engine)
    assert [sequence.new_ids for sequence in late] == alone
    assert len({tuple(ids) for ids in alone}) == len(alone)


def test_preemption_changes_no_word(model):
    expected = Engine.of(model).complete(PROMPTS, DRAWN)
    engine = Engine.of(model)
    sequences = [engine.add(prompt, DRAWN, sample=row) for row, prompt in enumerate(PROMPTS)]
    for n in itertools.count():
        engine.step()
        if not engine.busy:
            break
        for sequence in list(engine.scheduler.running)[n % 2 :: 2]:
            if n < 20:
                engine.preempt(sequence)
    assert [s.new_ids for s in sequences] == [g.ids for g in expected]
    assert engine.stats.preempted > 10 and all_free(engine)


def test_too_small_a_cache_only_takes_longer(model):
    expected = Engine.of(model).complete(PROMPTS, DRAWN)
    engine = Engine.of(model, EngineConfig(block_len=4, max_running=1, batch_tokens=8))
    assert len(engine.blocks.refs) == 6  # one whole text
    engine.scheduler.max_running = 4
    assert [g.ids for g in engine.complete(PROMPTS, DRAWN)] == [g.ids for g in expected]
    assert engine.stats.preempted > 0 and all_free(engine)


def test_cancel_frees_at_once_and_is_told_once(model):
    engine = Engine.of(model)
    stays, goes, waits = (engine.add(p, GREEDY) for p in ([1, 2], [3, 4], [5]))
    engine.step()
    held = engine.blocks.free
    engine.cancel(goes)
    assert engine.blocks.free == held + 1 and goes.finish == "cancelled" and goes.table == []
    engine.cancel(goes)
    never = engine.add([9], GREEDY)
    engine.cancel(never)
    events = finish(engine)
    assert [e for e in events if isinstance(e, Finished) and e.finish == "cancelled"] == [
        Finished(goes, "cancelled"),
        Finished(never, "cancelled"),
    ]
    assert len(goes.new_ids) == 1 and never.new_ids == []
    assert stays.new_ids == generate(model, [[1, 2]], GREEDY)[0].ids
    assert waits.finish == "length" and all_free(engine)


def test_events_tell_every_id_once_in_order(model):
    engine = Engine.of(model)
    sequences = [engine.add(p, DRAWN) for p in PROMPTS]
    events = finish(engine)
    for sequence in sequences:
        mine = [e for e in events if e.sequence is sequence]
        assert [e.id for e in mine[:-1]] == sequence.new_ids
        assert [e.logprob for e in mine[:-1]] == sequence.logprobs
        assert mine[-1] == Finished(sequence, sequence.finish)
    assert engine.step() == []


def test_a_prompt_that_was_read_before_is_not_read_again(model):
    engine = Engine.of(model, EngineConfig(block_len=4))
    first = engine.add(PROMPTS[2], GREEDY)
    finish(engine)
    before = engine.stats.tokens_read
    turn = engine.add([*first.ids, 30], SamplingParams(temperature=0, max_tokens=1))  # the chat goes on
    finish(engine)
    assert turn.reused == 16  # of 19 computed: whole blocks
    assert engine.stats.tokens_read - before == len(first.ids) + 1 - 16
    assert (
        turn.new_ids
        == generate(model, [[*first.ids, 30]], SamplingParams(temperature=0, max_tokens=1))[0].ids
    )
    other = engine.add([*first.ids, 30], GREEDY, salt="another key")
    finish(engine)
    assert other.reused == 0


def test_n_answers_read_their_prompt_once_and_draw_for_themselves(model):
    engine = Engine.of(model, EngineConfig(block_len=2))
    prompt = PROMPTS[5]
    answers = engine.add_n(prompt, SamplingParams(temperature=1.5, max_tokens=10), 6)
    finish(engine)
    assert len({tuple(a.new_ids) for a in answers}) > 3
    assert engine.stats.tokens_reused == 5 * 6  # of eight tokens whole blocks, but for the last one
    (again,) = [engine.add(prompt, answers[3].params, sample=3)]
    finish(engine)
    assert again.new_ids == answers[3].new_ids


def test_seeds(model):
    def said(seed, engine_seed=None):
        engine = Engine.of(model, EngineConfig(seed=engine_seed))
        return engine.complete([[1]], SamplingParams(temperature=1.5, max_tokens=12, seed=seed))[0].ids

    assert said(1) == said(1) != said(2)
    assert said(None, 7) == said(None, 7) != said(None, 8)


def test_forgetting_after_the_weights_have_changed(model):
    engine = Engine.of(model, EngineConfig(block_len=4))
    long = SamplingParams(temperature=0, max_tokens=3)
    engine.complete([PROMPTS[5]], long)
    model.embedding.weight.data += torch.randn_like(model.embedding.weight)
    engine.forget()
    assert engine.complete([PROMPTS[5]], long)[0].logprobs == pytest.approx(
        generate(model, [PROMPTS[5]], long)[0].logprobs, abs=1e-4
    )
    engine.add([1], long)
    with pytest.raises(RuntimeError, match="under way"):
        engine.forget()
    with pytest.raises(RuntimeError, match="idle"):
        engine.complete([[1]], long)


def test_the_likeliest_ids_come_with_each_token(model):
    engine = Engine.of(model)
    engine.add([1, 2], GREEDY, top=3)
    tokens = [e for e in finish(engine) if isinstance(e, Token)]
    for event in tokens:
        assert len(event.top) == 3 and event.top[0] == (event.id, pytest.approx(event.logprob))
        assert event.top[0][1] >= event.top[1][1] >= event.top[2][1]


def test_a_constraint_decides_what_may_come(model):
    def three_even_ids(ids):
        return "stop" if len(ids) == 5 else range(0, 31, 2)

    engine = Engine.of(model)
    for params in (GREEDY, DRAWN, SamplingParams(seed=1)):
        free, bound = engine.add([1, 3], params), engine.add([1, 3], params, constraint=three_even_ids)
        finish(engine)
        assert bound.finish == "stop" and len(bound.new_ids) == 3
        assert all(id % 2 == 0 for id in bound.new_ids)
        assert any(id % 2 for id in free.new_ids)
    nothing = engine.add([1, 3], GREEDY, constraint=lambda ids: ())
    finish(engine)
    assert nothing.finish == "constraint" and nothing.new_ids == [] and all_free(engine)
    open_ended = engine.add([1, 3], GREEDY, constraint=lambda ids: None)
    finish(engine)
    assert open_ended.new_ids == generate(model, [[1, 3]], GREEDY)[0].ids


@pytest.mark.parametrize(
    "prompt, params, message",
    [
        ([], GREEDY, "The prompt is empty"),
        ([1] * 24, GREEDY, r"has 24 tokens .* Shorten it to 23 or fewer"),
        ([1, 31], GREEDY, "holds the id 31, but the model knows 0 to 30"),
        ([1], SamplingParams(stop=(99,)), "stop holds the id 99"),
    ],
)
def test_what_cannot_be_continued_is_refused_and_leaves_no_trace(model, prompt, params, message):
    engine = Engine.of(model)
    with pytest.raises(UserError, match=message):
        engine.add(prompt, params)
    assert not engine.busy and all_free(engine)


def test_what_could_never_fit_is_refused(model):
    engine = Engine.of(model, EngineConfig(max_running=1, block_len=4))
    engine.blocks.refs = engine.blocks.refs[:3]
    engine.add([1], SamplingParams(max_tokens=11))
    with pytest.raises(
        UserError, match=r"may need 4 blocks of 4 tokens, but the cache has 3: it could never"
    ):
        engine.add([1], SamplingParams(max_tokens=12))
    with pytest.raises(UserError, match="top=32"):
        engine.add([1], SamplingParams(max_tokens=2), top=32)


def test_settings_that_cannot_work_are_refused():
    with pytest.raises(ConfigError, match=r"engine.block_len=0"):
        EngineConfig(block_len=0)
    with pytest.raises(ConfigError, match=r"batch_tokens=8 is less than max_running=9"):
        EngineConfig(batch_tokens=8, max_running=9)
