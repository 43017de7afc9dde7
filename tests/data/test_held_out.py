import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import DataError
from groundup.data.documents import Document
from groundup.data.held_out import WHOLE_DOCUMENTS, sides, survey
from groundup.data.passages import Passage, cut, passages_of


def texts(passages, found, side):
    return [passage.text for where, passage in sides(passages, found) if where == side]


def letters(n: int, length: int = 50) -> list[Passage]:
    return list(passages_of(Document(f"{i} ".ljust(length, "x"), f"letter/{i}", "s") for i in range(n)))


def test_many_documents_are_held_out_whole_and_by_their_names():
    passages = letters(400)
    found = survey(passages, share=0.1, seed=1)
    assert found.keep is None and found.documents == 400 and found.characters == 400 * 50
    held, kept = texts(passages, found, "held_out"), texts(passages, found, "train")
    assert sum(map(len, held)) == found.held_out and 20 * 50 <= found.held_out <= 70 * 50
    assert sorted(held + kept) == sorted(p.text for p in passages)
    fewer = [p for p in passages if p.id != "letter/7"]  # whoever leaves moves nobody else
    assert set(texts(fewer, survey(fewer, share=0.1, seed=1), "held_out")) == set(held) - {passages[7].text}
    assert set(texts(passages, survey(passages, share=0.1, seed=2), "held_out")) != set(held)


def test_all_passages_of_a_document_are_on_one_side():
    long = [p for i in range(60) for p in cut(["some words " * 20], f"d{i}", size=50)]
    found = survey(long, share=0.2, seed=0)
    where: dict[str, set[str]] = {}
    for side, passage in sides(long, found):
        where.setdefault(passage.id, set()).add(side)
    assert found.keep is None and all(len(of) == 1 for of in where.values())
    assert {side for of in where.values() for side in of} == {"train", "held_out"}


@pytest.mark.parametrize("n", range(1, 120, 7))
def test_whatever_the_number_of_documents_something_is_held_out_and_not_far_from_what_was_asked(n):
    """Names alone would hold out none of 20 documents at 10 % one time in eight."""
    passages = letters(n)
    for seed in range(20):
        found = survey(passages, share=0.1, seed=seed)
        assert 0.03 < found.held_out / found.characters < 0.3
        assert (found.keep is not None) or n >= WHOLE_DOCUMENTS


def test_one_document_that_is_most_of_the_text_is_cut_instead():
    """Whichever side it were on whole, the other would have nearly nothing."""
    giant = [*letters(30), Passage("y" * 100_000, "giant")]
    for seed in range(20):
        found = survey(giant, share=0.1, seed=seed)
        assert 0.03 < found.held_out / found.characters < 0.3
    held = texts(giant, survey(giant, share=0.1, seed=0), "held_out")
    assert held == ["y" * len(held[0])]


@given(st.lists(st.text("abc", min_size=1, max_size=30), min_size=1, max_size=5), st.floats(0.05, 0.95))
def test_the_end_of_a_few_documents_is_held_out_to_the_character(documents, share):
    passages = [Passage(text, f"d{i}") for i, text in enumerate(documents)]
    whole = "".join(documents)
    keep = round(len(whole) * (1 - share))
    if keep in (0, len(whole)):
        with pytest.raises(DataError, match=r"none is left to (learn from|hold out)"):
            survey(passages, share=share, seed=0)
        return
    found = survey(passages, share=share, seed=0)
    assert "".join(texts(passages, found, "train")) == whole[:keep]
    assert "".join(texts(passages, found, "held_out")) == whole[keep:]


def test_only_the_part_that_begins_a_document_says_so():
    passages = [Passage("abcdef", "d", 0), Passage("ghij", "d", 1)]
    parts = [(side, p.text, p.number) for side, p in sides(passages, survey(passages, share=0.8, seed=0))]
    assert parts == [("train", "ab", 0), ("held_out", "cdef", 1), ("held_out", "ghij", 1)]


def test_a_survey_counts():
    found = survey([Passage("Größe 世", "a"), Passage("\n", "b")], share=0.5, seed=3)
    assert (found.documents, found.characters, found.bytes) == (2, 8, 8 + 1 + 1 + 2)
    assert found.alphabet == "".join(sorted("Größe 世\n")) and found.train == 4
    assert found.bytes_per_character == 12 / 8


def test_an_empty_side_is_refused():
    with pytest.raises(DataError, match=r"Of 1 characters none is left to hold out at held_out=0\.1"):
        survey([Passage("x", "a")], share=0.1, seed=0)


@pytest.mark.parametrize(
    "changed",
    [
        [Passage("abcdefgX", "a")],
        [Passage("abcd", "a"), Passage("efgh", "b")],
        [Passage("abcdefgh", "z")],
        [Passage("abcdefgh", "a"), Passage("i", "b")],
        [],
    ],
)
def test_a_text_that_changes_between_two_readings_is_noticed(changed):
    passages = [Passage("abcdefgh", "a")]
    found = survey(passages, share=0.25, seed=0)
    assert list(sides(passages, found))
    with pytest.raises(DataError, match="changed while it was being read"):
        list(sides(changed, found))
