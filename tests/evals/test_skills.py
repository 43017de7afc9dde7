"""The exam asks what training never saw, in words that training never used, and its rules are strict."""

import dataclasses
import random
from collections.abc import Iterable
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from groundup.data.skills.calculator import Sum
from groundup.data.skills.columns import Pair
from groundup.data.skills.fact_table import OTHER_CHARACTERS, OTHER_PLACES, names_in
from groundup.data.skills.facts import Fact, Unknown, taught
from groundup.data.skills.mix import Example, MixConfig, conversations, skills
from groundup.data.skills.scope import LINES
from groundup.data.skills.smalltalk import REPLIES
from groundup.data.skills.spelling import Letter, Word
from groundup.data.skills.words import invented_words
from groundup.evals import phrasings
from groundup.evals.skills import (
    FAMOUS,
    INTENTS,
    SKILLS,
    Question,
    Untrained,
    as_task,
    famous,
    questions,
    shapes,
    small_talk,
)
from groundup.evals.task import evaluate
from groundup.tokenizer.chat import Call, Conversation, Result, assistant, user

WORDS = [word for word, _ in FAMOUS] + invented_words(random.Random(0), 3000)
SETS = ("dev", "test")
WORDINGS = ("trained", "untrained")


@cache
def training() -> list[Example]:
    """The first 20,000 training examples: half of a run of zero-to-chat."""
    return conversations(1, 20_000, MixConfig(), WORDS)


@cache
def untrained(name: str) -> Untrained:
    return Untrained(name, shapes(training()))


@cache
def asked(skill: str, wording: str, split: str, n: int = 300) -> list[Question]:
    return questions(skill, wording, n, words=WORDS, split=split, untrained=untrained(split), seed=1_000_004)


def taught_reply(skill: str, problem: Any, seed: int = 0):
    return assistant(*skills(WORDS)[skill].answer(problem, random.Random(seed)))


# ---- What is asked was never trained on ----------------------------------------------------------


def roles(problems: Iterable[Any]) -> dict[str, set[Any]]:
    """What each problem is about: words, operands from 10, pairs for the head, names that are not taught."""
    found: dict[str, set[Any]] = {"word": set(), "operand": set(), "pair": set(), "name": set()}
    for problem in problems:
        match problem:
            case Sum(a, _, b):
                found["operand"] |= {n for n in (a, b) if n >= 10}
                if min(a, b) >= 10 and max(a, b) <= 99:
                    found["pair"].add(frozenset((a, b)))
            case Pair(a, b):
                found["operand"] |= {a, b}
                found["pair"].add(frozenset((a, b)))
            case Word(word) | Letter(word, _):
                found["word"].add(word.casefold())
            case Unknown(_, key):
                found["name"].add(key.casefold())
    return found


@pytest.mark.parametrize("split", SETS)
def test_what_the_exam_asks_about_is_never_a_problem_of_training(split):
    """Words, names, pairs and numbers from 100 share nothing with training; of smaller numbers a sum has one
    that training does not have, or else such a pair."""
    seen = roles(problem for example in training() for problem in example.problems)
    assert len(seen["word"]) > 1500 and len(seen["operand"]) > 700  # training is really there to be met
    assert len(seen["pair"]) > 1000 and len(seen["name"]) > 500
    every = [q.problem for skill in SKILLS for wording in WORDINGS for q in asked(skill, wording, split)]
    exam = roles(every)
    assert not exam["word"] & seen["word"] and len(exam["word"]) > 100
    assert not exam["name"] & seen["name"] and len(exam["name"]) > 100
    assert not exam["pair"] & seen["pair"] and len(exam["pair"]) > 200
    sums = [problem for problem in every if isinstance(problem, Sum) and max(problem.a, problem.b) >= 10]
    fresh = [p for p in sums if {n for n in (p.a, p.b) if n >= 10} - seen["operand"]]
    assert len(sums) > 500 and len(fresh) / len(sums) > 0.8
    for problem in sums:
        assert problem in fresh or frozenset((problem.a, problem.b)) in exam["pair"] - seen["pair"], problem
        assert not {n for n in (problem.a, problem.b) if n >= 100} & seen["operand"], problem


def test_the_disjointness_test_would_see_a_leak():
    seen = roles(problem for example in training() for problem in example.problems)
    train = [skills(WORDS)[skill].problems(random.Random(9), "train", 300) for skill in SKILLS]
    leaked = roles(problem for problems in train for problem in problems)
    assert all(leaked[role] & seen[role] for role in seen)


def test_the_famous_words_are_the_exams_alone():
    seen = roles(problem for example in training() for problem in example.problems)
    assert {question.problem.word for question in famous()} == {word for word, _ in FAMOUS}
    assert not {word for word, _ in FAMOUS} & seen["word"]
    assert [question.problem.count for question in famous()] == [3, 4, 3, 3]


def test_the_two_sets_ask_about_different_things():
    dev, test = (
        roles(q.problem for skill in SKILLS for q in asked(skill, "trained", split)) for split in SETS
    )
    assert (
        not dev["word"] & test["word"] and not dev["name"] & test["name"] and not dev["pair"] & test["pair"]
    )


# ---- Wordings ------------------------------------------------------------------------------------


def filled(template: str, problem: Any) -> str:
    """An exam template with the problem's own things in it, as `Untrained.ask` would say it."""
    one = Untrained("dev", ())
    one.skills = {skill: [template] for skill in one.skills}
    return one.ask(problem, random.Random(0))


EXAMPLES = {
    "calculator_add": ("calculator", Sum(47, "+", 8)),
    "calculator_sub": ("calculator", Sum(470, "-", 85)),
    "calculator_mul": ("calculator", Sum(4, "*", 7)),
    "head_addition": ("head_addition", Pair(47, 85)),
    "spell": ("spelling", Word("river")),
    "count": ("counting", Letter("banana", "a")),
    "capital": ("known_facts", Fact("capital", "France", "Paris")),
    "character": ("known_facts", Fact("play", "Lady Macbeth", "Macbeth")),
    "president": ("known_facts", Fact("president", "16", "Abraham Lincoln")),
}


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("kind", EXAMPLES)
def test_a_wording_that_training_produced_is_caught(name, kind):
    """Each exam template, had training produced it (in capitals, without its full stop), is left out."""
    skill, problem = EXAMPLES[kind]
    for template in phrasings.load(name).skills[kind]:
        text = filled(template, problem).upper().rstrip(".?!")
        example = Example(Conversation((user(text), assistant("x"))), skill, None, (problem,))
        caught = Untrained(name, shapes([example]))
        assert template in caught.dropped, (template, shapes([example]))
        assert template not in caught.skills[kind]


@pytest.mark.parametrize("name", SETS)
def test_wordings_are_left_out_only_if_training_used_them(name):
    assert Untrained(name, ()).dropped == []
    every, left = phrasings.load(name), untrained(name)
    for skill, lines in every.skills.items():
        assert len(left.skills[skill]) > 0.4 * len(lines), skill
    for intent, both in every.intents.items():
        for language, lines in both.items():
            assert len(left.intents[intent][language]) > 0.6 * len(lines), (intent, language)
    kept = sum(map(len, left.skills.values())) + sum(
        len(lines) for both in left.intents.values() for lines in both.values()
    )
    assert kept + len(left.dropped) == sum(map(len, every.skills.values())) + sum(
        len(lines) for both in every.intents.values() for lines in both.values()
    )


def test_every_request_of_a_longer_conversation_is_looked_at():
    talk = Conversation((user("Hi"), assistant("Hello!"), user("Spell river"), assistant("r i v e r")))
    example = Example(talk, "multi_turn", None, (None, Word("river")))
    assert shapes([example]) == {phrasings.normalise("hi"), phrasings.normalise("spell {word}")}


# ---- Questions -----------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SETS)
@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("skill", SKILLS)
def test_every_question_says_what_it_asks_about(skill, wording, split):
    for question in asked(skill, wording, split):
        text, problem = question.text, question.problem
        assert text.strip() and "{" not in text and "}" not in text, text
        match problem:
            case Sum(a, op, b):
                places = [text.find(str(a)), text.find(str(b))]
                assert min(places) >= 0, text
                assert wording == "trained" or op != "-" or a >= b
            case Pair(a, b):
                assert str(a) in text and str(b) in text
            case Word(word) | Letter(word, _):
                assert word in text.casefold()
            case Fact("president", key, _) | Unknown("president", key):
                assert key in text or wording == "trained"  # "sixteenth"
            case Fact(_, key, _) | Unknown(_, key):
                assert key.casefold() in text.casefold()


@pytest.mark.parametrize("split", SETS)
def test_both_wordings_ask_the_same_problems(split):
    for skill in SKILLS:
        pairs = zip(asked(skill, "trained", split), asked(skill, "untrained", split), strict=True)
        for one, two in pairs:
            if isinstance(one.problem, Sum):
                assert (one.problem.op, {one.problem.a, one.problem.b}) == (
                    two.problem.op,
                    {two.problem.a, two.problem.b},
                )
            else:
                assert one.problem == two.problem
    texts = {q.text for q in asked("calculator", "trained", split)}
    assert len(texts & {q.text for q in asked("calculator", "untrained", split)}) < 15


def test_the_exam_is_the_same_every_time_and_another_with_another_seed():
    again = questions(
        "counting", "untrained", 300, words=WORDS, split="dev", untrained=untrained("dev"), seed=1_000_004
    )
    assert [q.text for q in again] == [q.text for q in asked("counting", "untrained", "dev")]
    other = questions(
        "counting", "untrained", 300, words=WORDS, split="dev", untrained=untrained("dev"), seed=7
    )
    assert [q.text for q in other] != [q.text for q in again]


# ---- Rules ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", SETS)
@pytest.mark.parametrize("skill", SKILLS)
def test_the_taught_reply_is_right_and_anothers_is_wrong(skill, split):
    every = asked(skill, "untrained", split)
    for question in every:
        assert question.right(taught_reply(skill, question.problem)), question
        assert not question.right(assistant("Hello! How can I help you?"))
    if skill != "unknown_facts":  # saying that one does not know is right whoever is meant
        different = [(a, b) for a, b in pairwise(every) if a.problem.expected != b.problem.expected]
        assert len(different) > 150
        for one, two in different:
            assert not one.right(taught_reply(skill, two.problem)), (one, two)


def test_near_right_is_wrong():
    by_skill = skills(WORDS)
    sum_ = Sum(47, "-", 85)
    call, result = Call("calc", "47-85"), Result("-38")
    assert by_skill["calculator"].score(sum_, assistant(call, result, "It is -38."))
    assert not by_skill["calculator"].score(sum_, assistant("47 - 85 = -38."))  # the tool was not asked
    assert not by_skill["calculator"].score(sum_, assistant(Call("calc", "85-47"), Result("38"), "It is 38."))
    assert not by_skill["calculator"].score(sum_, assistant(call, result, "It is 38."))
    assert not by_skill["spelling"].score(Word("beer"), assistant("Spelling beer: b e r"))
    assert not by_skill["counting"].score(Letter("beer", "e"), assistant("The letter e occurs 3 times."))
    assert not by_skill["head_addition"].score(
        Pair(12, 34), assistant(Call("calc", "12+34"), Result("46"), "46")
    )
    unknown = Unknown("capital", "Zorvania")
    assert not by_skill["unknown_facts"].score(unknown, assistant("The capital of Zorvania is Paris."))
    known = Fact("capital", "France", "Paris")
    assert not by_skill["known_facts"].score(
        known, assistant("The capital of France is a city I don't know.")
    )


@pytest.mark.parametrize("wording", WORDINGS)
@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("intent", INTENTS)
def test_small_talk_wants_its_own_reply_in_its_own_language(intent, language, wording):
    lines = small_talk(intent, language, wording, 20, untrained=untrained("test"), seed=3)
    other = {"en": "zh", "zh": "en"}[language]
    assert len(lines) >= 15
    reply = {"abilities": "ability"}.get(intent, intent)
    line = LINES[language] if intent == "out_of_scope" else REPLIES[language][reply][0]
    wrong = LINES[other] if intent == "out_of_scope" else REPLIES[other][reply][0]
    for question in lines:
        assert "{" not in question.text and question.text.isascii() == (language == "en"), question.text
        assert question.right(assistant(line)) and question.right(assistant(f" {line} "))
        assert not question.right(assistant(wrong)) and not question.right(assistant(line + line))
        assert not question.right(assistant(Call("calc", "1+1"), Result("2"), line))
    if wording == "untrained":
        assert len({question.text for question in lines}) == len(lines)


def test_a_refused_fact_is_noted():
    every = [Question(f, f.key, lambda reply: False) for f in taught()[:2]]
    replies = [assistant("The capital of France is a city I don't know."), assistant("Rome.")]
    outcome = evaluate(as_task("facts", every), lambda batch: replies)
    assert [row.note for row in outcome.rows] == ["refused", ""]
    stranger = dataclasses.replace(every[0], problem=Unknown("capital", "Zorvania"))
    assert evaluate(as_task("facts", [stranger]), lambda batch: replies[:1]).rows[0].note == ""


def test_real_names_of_the_exam_are_not_taught():
    keys = {fact.key for fact in taught()}
    names = {q.problem.key for q in asked("unknown_facts", "untrained", "test")}
    assert not names & keys
    assert names & set(names_in(OTHER_PLACES)) and names & set(names_in(OTHER_CHARACTERS))
