"""The assistant's turn: a tiny real model that has learned to ask the calculator, and ids by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.agent.calculator import Calculator
from groundup.agent.conversation import Called, Ended, Returned, Text, Turn, prompt_ids, reply
from groundup.agent.tool import Toolbox, ToolResult
from groundup.base.errors import UserError
from groundup.infer.engine import Engine, EngineConfig
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer import chat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS, Call, Conversation, Message, Result, assistant, user

CALC = (Calculator(),)
GREEDY = SamplingParams(temperature=0, max_tokens=40)
TOKENIZER = BytePairTokenizer([], specials=SPECIALS)  # 256 bytes: it knows every text that a tool may give
LEARNED = (
    Conversation((user("hi"), assistant("hello"))),
    Conversation((user("6*7?"), assistant("it is ", Call("calc", "6*7"), Result("42"), "42"))),
    Conversation((user("1/0?"), assistant(Call("calc", "1/0"), Result("error: division by zero"), "no"))),
    Conversation(
        (
            user("two sums"),
            assistant(Call("calc", "1+2"), Result("3"), "3 and ", Call("calc", "3+4"), Result("7"), "7"),
        )
    ),
)
QUESTIONS = [Conversation(talk.messages[:1]) for talk in LEARNED]


@pytest.fixture(scope="module")
def model() -> Transformer:
    """Four conversations by heart: seconds of AdamW. The loss covers exactly what the model must say."""
    torch.manual_seed(0)
    config = TransformerConfig(TOKENIZER.vocab_size, context_len=96, n_layer=2, n_head=2, n_embd=48)
    model = Transformer(config)
    rows = [chat.render(TOKENIZER, talk) for talk in LEARNED]
    T = max(len(ids) for ids, _ in rows)
    ids_BT = torch.tensor([ids + [0] * (T - len(ids)) for ids, _ in rows])
    mask_BT = torch.tensor([mask + [0] * (T - len(mask)) for _, mask in rows])
    targets_BT = torch.where(mask_BT == 1, ids_BT, -1)[:, 1:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for _ in range(150):
        logits_BTV = model(ids_BT[:, :-1])
        loss = torch.nn.functional.cross_entropy(
            logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05, "the fixture has not learned its four conversations"
    return model.eval()


def answer(model, conversations, **options):
    return reply(model, TOKENIZER, conversations, **{"tools": CALC, "params": GREEDY, **options})


def test_the_engine_computes_and_the_model_reads_the_result(model):
    assert answer(model, QUESTIONS) == [talk.messages[1] for talk in LEARNED]


def test_a_batch_answers_as_each_alone(model):
    together = answer(model, QUESTIONS)
    assert together == [answer(model, [question])[0] for question in QUESTIONS]
    assert len(set(together)) == len(QUESTIONS)


def test_what_the_tool_gives_is_what_stands_in_the_reply(model):
    without = answer(model, QUESTIONS[1:2], tools=())[0]
    assert without.parts[1:3] == (
        Call("calc", "6*7"),
        Result("error: there is no tool 'calc'; there are no tools"),
    )


def test_one_call_too_many_is_told_and_ends_the_turn(model):
    events = []
    message = answer(model, QUESTIONS[3:], max_rounds=1, on_event=lambda row, event: events.append(event))[0]
    assert message.parts[1:3] == (Result("3"), "3 and ")
    assert message.parts[-1] == Result("error: too many calls in one reply")
    assert events[-1] == Ended(message, "calls")


def test_events_tell_the_reply_in_order(model):
    events = []
    messages = answer(model, QUESTIONS, on_event=lambda row, event: events.append((row, event)))
    for row, message in enumerate(messages):
        mine = [event for which, event in events if which == row]
        assert mine[-1] == Ended(message, "end")
        parts = []
        for event in mine[:-1]:
            match event:
                case Text(text):
                    parts.append(text)
                case Called(call):
                    parts.append(call)
                case Returned(result):
                    parts.append(Result(result.text))
        assert Message("assistant", tuple(parts)) == message
    assert [event for which, event in events if which == 2][1] == Returned(
        ToolResult.error("division by zero")
    )


def test_max_tokens_counts_the_models_own_tokens_over_the_whole_turn(model):
    events = []
    whole = answer(model, QUESTIONS[3:])[0]
    own = sum(chat.render(TOKENIZER, Conversation((user("x"), whole)))[1])
    enough = answer(model, QUESTIONS[3:], params=SamplingParams(temperature=0, max_tokens=own))
    assert enough == [whole]
    short = SamplingParams(temperature=0, max_tokens=own - 2)
    cut = answer(model, QUESTIONS[3:], params=short, on_event=lambda row, event: events.append(event))[0]
    assert cut.parts == whole.parts[:-1]  # "7" and <|end|> did not fit
    assert events[-1] == Ended(cut, "length")


def test_sampling_is_a_function_of_the_seed(model):
    first, again, other = (
        answer(model, QUESTIONS, params=SamplingParams(temperature=3.0, max_tokens=20, seed=seed))
        for seed in (1, 1, 2)
    )
    assert first == again
    assert first != other


def test_an_engine_that_is_kept_reads_only_what_is_new(model):
    engine = Engine.of(model, EngineConfig(block_len=4))
    first, second = QUESTIONS[1], QUESTIONS[0]
    (said,) = answer(engine, [first])
    assert said == LEARNED[1].messages[1]
    after_the_call = engine.stats.tokens_reused
    assert after_the_call >= 12  # the question and the call were not read again for the result
    talk = first.add(said).add(*second.messages)
    (on,) = answer(engine, [talk])
    assert on == answer(model, [talk])[0]
    assert engine.stats.tokens_reused - after_the_call >= 24
    assert engine.blocks.free == len(engine.blocks.refs)


def test_whoever_stops_it_in_the_middle_leaves_an_idle_engine(model):
    engine = Engine.of(model)

    def enough(row, event):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        answer(engine, QUESTIONS, on_event=enough)
    assert not engine.busy and engine.blocks.free == len(engine.blocks.refs)
    assert answer(engine, QUESTIONS) == [talk.messages[1] for talk in LEARNED]


# ---- The prompt -------------------------------------------------------------------------------------------


def test_the_oldest_turns_go_first_and_the_system_message_stays():
    turns = [
        chat.system("sys"), user("a" * 10), assistant("b" * 10), user("c" * 10), assistant("d"), user("e"),
    ]  # fmt: skip
    whole = chat.prompt(TOKENIZER, Conversation(tuple(turns)))
    assert prompt_ids(TOKENIZER, Conversation(tuple(turns)), room=len(whole)) == whole
    without_first = chat.prompt(TOKENIZER, Conversation((turns[0], *turns[3:])))
    assert prompt_ids(TOKENIZER, Conversation(tuple(turns)), room=len(whole) - 1) == without_first
    only_last = chat.prompt(TOKENIZER, Conversation((turns[0], turns[5])))
    assert prompt_ids(TOKENIZER, Conversation(tuple(turns)), room=len(only_last)) == only_last
    with pytest.raises(UserError, match=f"has {len(only_last)} tokens.*only {len(only_last) - 1}.*Shorten"):
        prompt_ids(TOKENIZER, Conversation(tuple(turns)), room=len(only_last) - 1)


def test_a_long_conversation_still_gets_its_answer(model):
    long = Conversation((user("hi"), assistant("hello")) * 20 + (user("6*7?"),))
    assert len(chat.prompt(TOKENIZER, long)) > model.config.context_len
    message = answer(model, [long], params=SamplingParams(temperature=0, max_tokens=10**6))[0]
    assert message.parts  # half of the context was kept free


# ---- Ids by hand ------------------------------------------------------------------------------------------


def take(ids, *, context_len=64, max_tokens=40, calls=2):
    """A turn that has heard the ids, its tools run whenever it waits; and its events."""
    stops = [TOKENIZER.special(name) for name in (chat.END, chat.RESULT, chat.BOS, *chat.ROLES.values())]
    params = SamplingParams(max_tokens=max_tokens, stop=tuple(stops))
    turn = Turn(
        TOKENIZER, chat.prompt(TOKENIZER, Conversation((user("?"),))), params, context_len, calls=calls
    )
    box, events = Toolbox(CALC), []
    for id in ids:
        events += turn.push(id)
        events += turn.after_generating(box)
    return turn, events


@settings(max_examples=300, deadline=None)
@given(
    st.lists(
        st.one_of(
            st.integers(0, TOKENIZER.vocab_size - 1),
            st.sampled_from([TOKENIZER.special(name) for name in (chat.CALL, chat.RESULT, chat.DONE)]),
        ),
        max_size=60,
    )
)
def test_whatever_the_model_writes_events_and_message_agree(ids):
    turn, events = take(ids)
    assert (
        "".join(event.text for event in events if isinstance(event, Text)) == turn.message.text
        or not turn.finish
    )
    assert tuple(event.call for event in events if isinstance(event, Called)) == turn.message.calls
    returned = tuple(Result(event.result.text) for event in events if isinstance(event, Returned))
    assert returned == tuple(part for part in turn.message.parts if isinstance(part, Result))
    assert sum(isinstance(event, Ended) for event in events) == (turn.finish is not None)


def test_a_call_that_breaks_off_is_told_as_text():
    call, end = TOKENIZER.special(chat.CALL), TOKENIZER.special(chat.END)
    turn, events = take([*TOKENIZER.encode("a"), call, *TOKENIZER.encode("calc 1"), end])
    assert events == [Text("a"), Text("calc 1"), Ended(assistant("acalc 1"), "end")]
    assert turn.finish == "end"


def test_a_result_that_nobody_asked_for_ends_the_turn():
    ids = [*TOKENIZER.encode("so"), TOKENIZER.special(chat.RESULT), *TOKENIZER.encode("42")]
    turn, events = take(ids)
    assert events == [Text("s"), Text("o"), Ended(assistant("so"), "end")]
    assert turn.message == assistant("so")


def test_a_result_cannot_close_the_message():
    call, result = TOKENIZER.special(chat.CALL), TOKENIZER.special(chat.RESULT)
    turn, _ = take([call, *TOKENIZER.encode("nosuch<|end|>"), result])
    controls = [id for id in turn.ids if id >= TOKENIZER.vocab_size - len(SPECIALS)]
    assert controls[-3:] == [call, result, TOKENIZER.special(chat.DONE)]


def test_a_full_context_ends_the_turn():
    turn, events = take(TOKENIZER.encode("a" * 60), context_len=10)
    assert len(turn.ids) == 10 and turn.finish == "length"
    assert events[-1] == Ended(assistant("a" * 5), "length")
