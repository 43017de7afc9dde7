"""How near is near enough, and where exact means to the last digit."""

import math
import platform

import pytest

from groundup.base.errors import ConfigError
from groundup.evals import reference
from groundup.evals.reference import ELSEWHERE, Platform, Reference, compare, fits, references, this_platform

RESULT = '[[result]]\nid = "x"\nlecture = "l"\nsettings = "s"\nexpected = 1\nkind = "exact"\n'


def result(**choices):
    return Reference(
        **{"id": "x", "lecture": "l", "settings": "s", "expected": 2.0, "kind": "exact", **choices}
    )


def test_close_means_within_the_tolerance_and_exact_means_equal():
    close = result(kind="close", tolerance=0.1)
    assert fits(close, 2.05) and fits(close, 1.95)
    assert not fits(close, 2.2) and not fits(close, float("nan")) and not fits(close, float("inf"))
    pair = result(kind="close", tolerance=0.1, expected=[1.0, 2.0])
    assert fits(pair, [1.05, 1.95]) and not fits(pair, [1.05]) and not fits(pair, [1.05, 2.2])
    assert fits(result(), 2.0) and not fits(result(), 2.0001)
    assert fits(result(expected=[46, 47]), [46, 47]) and not fits(result(expected=[46, 47]), [46])
    assert not fits(result(expected=True, kind="property"), False)


def test_on_other_machines_fractions_may_be_off_and_nothing_else():
    assert fits(result(), 2.00015, ELSEWHERE) and not fits(result(), 2.0003, ELSEWHERE)
    assert not fits(result(), 2.00015) and not fits(result(), math.nan, ELSEWHERE)
    assert fits(result(expected=[0.5, 3.0]), [0.50005, 3.0], ELSEWHERE)
    assert not fits(result(expected=[0.5, 3.0]), [0.5002, 3.0], ELSEWHERE)
    assert not fits(result(expected=10_000), 10_001, ELSEWHERE)
    assert not fits(result(expected="abc"), "abd", ELSEWHERE)
    assert not fits(result(expected=True, kind="property"), False, ELSEWHERE)
    close = result(kind="close", tolerance=1e-9)
    assert not fits(close, 2.00015, ELSEWHERE)  # its tolerance says what it means


@pytest.mark.parametrize(
    ("system", "processor", "torch", "threads", "slack"),
    [
        ("Linux", "x86_64", "2.13.0+cpu", 1, 0.0),
        ("Linux", "x86_64", "2.13.1", 1, 0.0),
        ("Linux", "x86_64", "2.13.0+cpu", 2, ELSEWHERE),
        ("Linux", "x86_64", "2.12.0", 1, ELSEWHERE),
        ("Linux", "x86_64", "2.130.0", 1, ELSEWHERE),
        ("Linux", "x86_64", "none", 1, ELSEWHERE),
        ("Linux", "aarch64", "2.13.0", 1, ELSEWHERE),
        ("Darwin", "arm64", "2.13.0", 1, ELSEWHERE),
        ("Windows", "AMD64", "2.13.0", 1, ELSEWHERE),
    ],
)
def test_exact_is_claimed_where_it_was_measured(system, processor, torch, threads, slack):
    here = Platform(system, processor, {"torch": torch, "numpy": "2.4.6"}, threads)
    assert here.slack == slack
    assert ("to the last digit" in str(here)) == (slack == 0.0)


def test_this_platform_is_detected():
    here = this_platform()
    assert (here.system, here.processor) == (platform.system(), platform.machine())
    assert here.threads == 1 and here.versions["torch"][0].isdigit()


@pytest.mark.parametrize("choices", [{"kind": "close"}, {"tolerance": 0.1}])
def test_a_tolerance_belongs_to_close_and_to_nothing_else(choices):
    with pytest.raises(ConfigError, match="tolerance"):
        result(**choices)


def test_a_property_holds():
    with pytest.raises(ConfigError, match="write true"):
        result(kind="property", expected=3)


def test_what_was_not_measured_is_off_unless_it_costs_too_much_or_needs_another_text():
    rows = [result(id="a"), result(id="b", cost="4 days"), result(id="c", needs="tiny-shakespeare")]
    assert [row.verdict for row in compare(rows, {})] == ["OFF", "not run", "not run"]
    assert [row.verdict for row in compare(rows, {"a": 2.0, "c": 3.0})] == ["ok", "not run", "OFF"]
    assert compare([result()], {"x": 2.0001})[0].verdict == "OFF"
    assert compare([result()], {"x": 2.0001}, ELSEWHERE)[0].verdict == "ok"


def test_a_measurement_that_nobody_published_is_a_mistake():
    with pytest.raises(ConfigError, match="'y'"):
        compare([result()], {"x": 2.0, "y": 1})


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (RESULT + RESULT, "has the id 'x' twice"),
        (RESULT.replace("expected", "expcted"), "no setting 'expcted'"),
        (RESULT.replace('"exact"', '"roughly"'), "kind"),
        (RESULT.replace("[[result]]", "[[results]]"), "has 'results'"),
        ("[[result]]\nid = 'x'\n", "lecture is missing"),
    ],
)
def test_a_reference_file_that_is_wrong_is_refused(tmp_path, monkeypatch, text, says):
    monkeypatch.setattr(reference, "HOME", tmp_path)
    (tmp_path / "reference").mkdir()
    (tmp_path / "reference" / "77.toml").write_text(text)
    with pytest.raises(ConfigError, match=says):
        references("77")
    assert references("78") == []
