"""The published results: every file parses, and belongs to a lesson that measures what it promises."""

import re
import tomllib

import pytest

from groundup.cli.lesson import lessons
from groundup.evals.reference import HOME, references

FILES = sorted((HOME / "reference").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_file_is_whole_and_its_lesson_measures_what_it_can(path):
    results = references(path.stem)
    assert results and len(results) == len(tomllib.loads(path.read_text())["result"])
    lesson = lessons()[path.stem].read_text(encoding="utf-8")
    measurable = {result.id for result in results if not result.cost}
    assert measurable <= set(re.findall(r'"([a-z_0-9]+(?:\.[a-z_0-9]+)+)"', lesson))


def test_there_are_reference_files():
    assert {"01", "04", "05", "08", "12", "13"} <= {path.stem for path in FILES}
