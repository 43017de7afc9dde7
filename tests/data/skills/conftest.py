"""What the tests of the skills share: words, all skills, and a reply made from a skill's own answer."""

import random
from collections.abc import Callable

import pytest

from groundup.data.skills.mix import skills
from groundup.data.skills.skill import Skill
from groundup.data.skills.words import invented_words


@pytest.fixture(scope="session")
def words() -> list[str]:
    return ["strawberry", "mississippi", "banana", "raspberry", *invented_words(random.Random(0), 2000)]


@pytest.fixture(scope="session")
def skill(words: list[str]) -> Callable[[str], Skill]:
    return skills(words).__getitem__
