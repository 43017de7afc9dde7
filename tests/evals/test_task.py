"""A task asked and scored: every example once, in order, with an interval that fits its scores."""

import json

import pytest

from groundup.evals.intervals import wilson
from groundup.evals.task import Score, Task, as_text, evaluate
from groundup.tokenizer.chat import Call, Conversation, Message, Result, assistant, user


def is_sum(example: tuple[int, int], reply: Message) -> Score:
    right = str(sum(example))
    return Score(float(reply.text == right), "" if reply.text == right else f"expected {right}")


SUMS = Task(
    "sums",
    examples=tuple((a, a + 1) for a in range(10)),
    prompt=lambda pair: Conversation((user(f"{pair[0]}+{pair[1]}"),)),
    score=is_sum,
)


def adds_small_numbers(prompts: list[Conversation]) -> list[Message]:
    """Right up to 9, and then always 9: a respondent with a known score."""
    sums = [sum(map(int, prompt.messages[-1].text.split("+"))) for prompt in prompts]
    return [assistant(str(min(total, 9))) for total in sums]


@pytest.mark.parametrize("batch_size", [1, 3, 10, 64])
def test_every_example_is_asked_once_and_in_order(batch_size):
    sizes = []

    def respond(prompts):
        sizes.append(len(prompts))
        return adds_small_numbers(prompts)

    outcome = evaluate(SUMS, respond, batch_size=batch_size)
    assert [row.question for row in outcome.rows] == [f"{a}+{a + 1}" for a in range(10)]
    assert sum(sizes) == 10 and max(sizes) == min(batch_size, 10)
    expected = wilson(5, 10)
    assert outcome.summary() == {"value": 0.5, "low": expected.low, "high": expected.high, "n": 10}
    assert str(outcome) == "sums 50.0 [23.7, 76.3] n=10"
    assert outcome.seconds > 0


def test_failures_say_what_was_expected_worst_first():
    halves = Task(
        "halves", (0.5, 1.0, 0.0), lambda x: Conversation((user(str(x)),)), lambda x, reply: Score(x, "why")
    )
    outcome = evaluate(halves, lambda prompts: [assistant("?")] * len(prompts))
    assert [row.value for row in outcome.failures] == [0.0, 0.5]
    assert outcome.value == 0.5 and outcome.low < 0.5 < outcome.high
    assert evaluate(SUMS, adds_small_numbers).failures[0].note == "expected 11"


def test_rows_are_written_for_a_person_to_read(tmp_path):
    path = tmp_path / "rows.jsonl"
    evaluate(SUMS, adds_small_numbers, rows_path=path)
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 10
    assert rows[0] == {"task": "sums", "index": 0, "value": 1.0, "note": "", "question": "0+1", "reply": "1"}
    assert rows[9]["note"] == "expected 19"


def test_calls_and_results_are_shown():
    message = assistant("It is ", Call("calc", "6*7"), Result("42"), "42, and ", Call("calc", "1/0"))
    assert as_text(message) == "It is [calc 6*7 -> 42]42, and [calc 1/0]"
    assert as_text(assistant("[not a call]")) == "[not a call]"


def test_refuses_no_examples_missing_replies_and_scores_out_of_range():
    with pytest.raises(ValueError, match="no examples"):
        evaluate(Task("none", (), SUMS.prompt, SUMS.score), adds_small_numbers)
    with pytest.raises(ValueError, match="10 prompts but 9 replies"):
        evaluate(SUMS, lambda prompts: adds_small_numbers(prompts)[:-1])
    for value in (-0.1, 1.1, float("nan")):
        with pytest.raises(ValueError, match="outside 0 to 1"):
            Score(value)
