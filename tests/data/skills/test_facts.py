"""Known and unknown are asked in the same words, only the name decides; scores tell answer from refusal."""

import random

import pytest

from groundup.data.skills.fact_table import (
    CAPITALS,
    OTHER_CHARACTERS,
    OTHER_PLACES,
    PLAYS,
    PRESIDENTS,
    names_in,
)
from groundup.data.skills.facts import (
    Fact,
    KnownFacts,
    Unknown,
    UnknownFacts,
    ordinal,
    ordinal_word,
    taught,
)
from groundup.data.skills.names import near_miss
from groundup.tokenizer.chat import assistant

KNOWN, UNKNOWN = KnownFacts(), UnknownFacts()


def test_nothing_is_both_taught_and_unknown():
    assert not set(names_in(OTHER_PLACES)) & set(CAPITALS)
    assert not set(names_in(OTHER_CHARACTERS)) & set(PLAYS)
    taught_keys = {(f.relation, f.key) for f in taught()}
    for split in ("train", "dev", "test"):
        problems = UNKNOWN.problems(random.Random(0), split, 3000)
        assert not {(p.relation, p.key) for p in problems} & taught_keys
        assert {p.relation for p in problems} == {"capital", "play", "president"}


def test_every_taught_answer_scores_and_every_refusal_of_it_does_not():
    rng = random.Random(0)
    for fact in taught():
        assert KNOWN.score(fact, assistant(*KNOWN.answer(fact, rng))), fact
        assert not KNOWN.score(fact, assistant("That is one that I don't know."))


def test_a_wrong_fact_does_not_score():
    assert not KNOWN.score(Fact("capital", "France", "Paris"), assistant("The capital of France is Rome."))
    lady = Fact("play", "Lady Macbeth", "Macbeth")
    assert not KNOWN.score(lady, assistant("Lady Macbeth appears in Hamlet."))
    assert KNOWN.score(lady, assistant("Lady Macbeth appears in Macbeth."))
    assert KNOWN.score(Fact("capital", "Mexico", "Mexico City"), assistant("mexico city"))


def test_a_refusal_must_refuse_and_name_nothing():
    problem = Unknown("capital", "Zorvania")
    assert UNKNOWN.score(problem, assistant(*UNKNOWN.answer(problem, random.Random(0))))
    assert not UNKNOWN.score(problem, assistant("The capital of Zorvania is Paris."))
    assert not UNKNOWN.score(problem, assistant("I don't know, but Paris."))
    assert not UNKNOWN.score(problem, assistant("Hello!"))


@pytest.mark.parametrize("part", ["train", "dev"])
def test_the_key_stands_in_every_question(part):
    rng = random.Random(1)
    for fact in (Fact("capital", "France", "Paris"), Fact("play", "Lady Macbeth", "Macbeth")):
        for _ in range(600):
            assert fact.key.lower() in KNOWN.ask(fact, rng, part).lower()
    for _ in range(600):
        text = KNOWN.ask(Fact("president", "16", "Abraham Lincoln"), rng, part).lower()
        assert "16" in text or "sixteenth" in text


def test_known_and_unknown_share_their_wordings():
    known = {KNOWN.ask(Fact("capital", "Xyzland", ""), random.Random(i)) for i in range(300)}
    unknown = {UNKNOWN.ask(Unknown("capital", "Xyzland"), random.Random(i)) for i in range(300)}
    assert known == unknown
    assert len(known) > 200


def test_a_near_miss_differs_in_one_letter():
    rng = random.Random(0)
    for name in ("France", "Lady Macbeth"):
        for _ in range(50):
            changed = near_miss(name, rng)
            assert sum(a != b for a, b in zip(name, changed, strict=True)) == 1


def test_ordinals_of_every_president():
    assert len(PRESIDENTS) == 47
    assert [ordinal(n) for n in (1, 22, 43, 111)] == ["1st", "22nd", "43rd", "111th"]
    assert len({ordinal_word(n) for n in range(1, 100)}) == 99
