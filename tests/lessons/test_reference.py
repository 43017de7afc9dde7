"""The published results: every file parses, and belongs to a lesson that measures what it promises."""

import re
import tomllib

import pytest

from groundup.base.errors import ConfigError
from groundup.cli.lesson import HOME, Reference, compare, fits, lessons, references

FILES = sorted((HOME / "reference").glob("*.toml"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_reference_file_is_whole_and_its_lesson_measures_what_it_can(path):
    results = references(path.stem)
    ids = [result.id for result in results]
    assert ids and len(ids) == len(set(ids)) == len(tomllib.loads(path.read_text())["result"])
    lesson = lessons()[path.stem].read_text(encoding="utf-8")
    measurable = {result.id for result in results if not result.cost}
    assert measurable <= set(re.findall(r'"([a-z_0-9]+(?:\.[a-z_0-9]+)+)"', lesson))
    assert all(result.expected is True for result in results if result.kind == "property")


def test_there_are_reference_files():
    assert {"08", "12", "13"} <= {path.stem for path in FILES}


def result(**choices):
    return Reference(
        **{"id": "x", "lecture": "l", "settings": "s", "expected": 2.0, "kind": "exact", **choices}
    )


def test_close_means_within_the_tolerance_and_exact_means_equal():
    close = result(kind="close", tolerance=0.1)
    assert fits(close, 2.05) and fits(close, 1.95)
    assert not fits(close, 2.2) and not fits(close, float("nan")) and not fits(close, float("inf"))
    assert fits(result(), 2.0) and not fits(result(), 2.0001)
    assert fits(result(expected=[46, 47]), [46, 47]) and not fits(result(expected=[46, 47]), [46])
    assert not fits(result(expected=True, kind="property"), False)


@pytest.mark.parametrize("choices", [{"kind": "close"}, {"tolerance": 0.1}])
def test_a_tolerance_belongs_to_close_and_to_nothing_else(choices):
    with pytest.raises(ConfigError, match="tolerance"):
        result(**choices)


def test_what_was_not_measured_is_off_unless_it_costs_too_much_or_needs_another_text():
    rows = [result(id="a"), result(id="b", cost="4 days"), result(id="c", needs="tiny-shakespeare")]
    assert [row.verdict for row in compare(rows, {})] == ["OFF", "not run", "not run"]
    assert [row.verdict for row in compare(rows, {"a": 2.0, "c": 3.0})] == ["ok", "not run", "OFF"]


def test_a_measurement_that_nobody_published_is_a_mistake():
    with pytest.raises(ConfigError, match="'y'"):
        compare([result()], {"x": 2.0, "y": 1})
