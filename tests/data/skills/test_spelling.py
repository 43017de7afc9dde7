"""Letters are exact, counts are right, the word and the letter stand in every request."""

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import DataError
from groundup.data.skills.spelling import Counting, Letter, Spelling, Word, WordPool, counted, spelled
from groundup.tokenizer.chat import assistant

LETTERS = st.text("abcdefghijklmnopqrstuvwxyz", min_size=1, max_size=15)


@given(LETTERS, st.sampled_from("abcdefghijklmnopqrstuvwxyz"))
def test_counting_walks_over_the_very_letters_of_spelling(word: str, letter: str):
    working, sentence = counted(word, letter).split(". ")
    task, _, walk = working.partition(":")
    assert task == f"Counting {letter} in {word}"
    assert re.sub(r"\d", "", walk) == spelled(word).partition(":")[2]
    marks = [int(n) for n in re.findall(r"\d+", walk)]
    assert marks == list(range(1, word.count(letter) + 1))
    assert re.findall(r"\d+", sentence) == [str(word.count(letter))]


@pytest.mark.parametrize("part", ["train", "dev"])
def test_word_and_letter_stand_in_every_request(part, words):
    rng = random.Random(0)
    spelling, counting = Spelling(words), Counting(words)
    for _ in range(1000):
        assert "quimzzle" in spelling.ask(Word("quimzzle"), rng, part).lower()
        text = counting.ask(Letter("quimzzle", "z"), rng, part).lower()
        assert "quimzzle" in text and "z" in text.replace("quimzzle", ""), text


def test_spelling_score():
    skill = Spelling(["beer"])
    assert skill.score(Word("beer"), assistant(spelled("beer")))
    assert skill.score(Word("beer"), assistant(" b e e r"))
    assert skill.score(Word("beer"), assistant("b-e-e-r."))
    assert not skill.score(Word("beer"), assistant(" b e r"))
    assert not skill.score(Word("beer"), assistant("beer"))


def test_counting_score_and_whole_working():
    skill, problem = Counting(["beer"]), Letter("beer", "e")
    assert skill.score(problem, assistant(counted("beer", "e")))
    assert skill.score_working(problem, assistant(counted("beer", "e")))
    guessed = assistant(" b e1 r. The letter e occurs 2 times.")
    assert skill.score(problem, guessed) and not skill.score_working(problem, guessed)
    assert not skill.score(problem, assistant(" b e1 e2 r. The letter e occurs 3 times."))
    assert not skill.score(problem, assistant("two"))


def test_doubled_letters_are_oversampled_and_zero_counts_occur(words):
    rng = random.Random(0)
    plain = [f"w{a}{b}{c}" for a in "aeiou" for b in "bcdf" for c in "aeiou"]
    pool = WordPool([*plain, "beer", "tree", "hello", "coffee", "bottle", "apple", "letter"])
    drawn = [pool.draw(rng, "train") for _ in range(1000)]
    assert 0.25 < sum(bool(re.search(r"(.)\1", w)) for w in drawn) / 1000 < 0.45
    counts = [p.count for p in Counting(words).problems(rng, "train", 2000)]
    assert 0.08 < counts.count(0) / 2000 < 0.25
    assert max(counts) >= 3


def test_words_of_the_wrong_side_are_refused_with_advice():
    with pytest.raises(DataError, match="pass a few hundred"):
        Spelling(["strawberry"]).problems(random.Random(0), "train", 1)
