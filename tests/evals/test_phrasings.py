"""The exam phrasings are well formed, many enough, and the two sets share no wording."""

from __future__ import annotations

from collections import Counter
from string import Formatter

import pytest

from groundup.evals.phrasings import INTENTS, LANGUAGES, PLACEHOLDERS, SETS, load, normalise

AT_LEAST = {
    "calculator_add": 25,
    "calculator_sub": 25,
    "calculator_mul": 25,
    "head_addition": 20,
    "spell": 30,
    "count": 30,
    "capital": 20,
    "character": 20,
    "president": 20,
}
# 420 lines of small talk and 400 out of scope: the exam drops some and still needs 300 of each.
AT_LEAST_IN_LANGUAGE = {"en": 42, "zh": 42}
AT_LEAST_OUT_OF_SCOPE = {"en": 300, "zh": 100}


def placeholders(template: str) -> list[str]:
    return [field for _, field, _, _ in Formatter().parse(template) if field is not None]


def wordings(name: str) -> list[str]:
    """Every template and line of one set, whatever its skill or intent."""
    return [line for templates in load(name).skills.values() for line in templates] + small_talk(name)


def small_talk(name: str) -> list[str]:
    """Every line of one set that has no placeholders, in both languages."""
    return [
        line
        for by_language in load(name).intents.values()
        for lines in by_language.values()
        for line in lines
    ]


@pytest.mark.parametrize("name", SETS)
def test_a_set_has_exactly_the_documented_skills_and_intents(name):
    phrasings = load(name)
    assert set(phrasings.skills) == set(PLACEHOLDERS)
    assert set(phrasings.intents) == set(INTENTS)
    for by_language in phrasings.intents.values():
        assert set(by_language) == set(LANGUAGES)


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("skill", PLACEHOLDERS)
def test_each_template_has_its_placeholders_once(name, skill):
    for template in load(name).skills[skill]:
        found = placeholders(template)
        assert len(found) == len(set(found)) and frozenset(found) in PLACEHOLDERS[skill], template


@pytest.mark.parametrize("name", SETS)
def test_small_talk_has_no_placeholders_and_its_own_script(name):
    for line in small_talk(name):
        assert placeholders(line) == [], line
    for by_language in load(name).intents.values():
        assert [line for line in by_language["en"] if not line.isascii()] == []
        assert [line for line in by_language["zh"] if line.isascii()] == []


@pytest.mark.parametrize("name", SETS)
def test_there_are_enough_phrasings(name):
    phrasings = load(name)
    for skill, least in AT_LEAST.items():
        assert len(phrasings.skills[skill]) >= least, skill
    for intent in INTENTS:
        needed = AT_LEAST_OUT_OF_SCOPE if intent == "out_of_scope" else AT_LEAST_IN_LANGUAGE
        for language, least in needed.items():
            assert len(phrasings.intents[intent][language]) >= least, (intent, language)


@pytest.mark.parametrize("name", SETS)
def test_no_line_is_given_twice_in_a_set(name):
    assert [line for line, n in Counter(wordings(name)).items() if n > 1] == []


@pytest.mark.parametrize("name", SETS)
def test_lines_are_tidy(name):
    for line in wordings(name):
        assert line == line.strip() and line and "\n" not in line and "  " not in line, line


def test_dev_and_test_share_no_wording():
    dev = {normalise(line): line for line in wordings("dev")}
    shared = [(dev[normalise(line)], line) for line in wordings("test") if normalise(line) in dev]
    assert shared == []


def test_normalise_joins_what_differs_in_case_space_and_punctuation_only():
    assert normalise("Spell  {word}, please!") == normalise("spell {w} please")
    assert normalise("{a} x {b}") == normalise("{a}×{b}") == normalise("{a} times {b}")
    assert normalise("你好！") == normalise("你好")
    assert normalise("spell {word}") != normalise("spelling {word}")  # the test can fail


def test_an_unknown_set_is_refused():
    with pytest.raises(ValueError, match="dev, test"):
        load("train")
