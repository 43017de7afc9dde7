"""One item a line: what is read, what is refused, and the course's split."""

import pytest

from groundup.base.errors import DataError, TokenizerError
from groundup.data.names import read_names, split


@pytest.fixture
def written(tmp_path):
    def write(text):
        path = tmp_path / "items.txt"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.needs("course-names")
def test_the_course_s_split():
    names = read_names()
    assert [len(part) for part in (names.train, names.dev, names.test)] == [25_626, 3_203, 3_204]
    assert (names.empty, names.repeated, names.longest, names.tokenizer.vocab_size) == (0, 2_539, 15, 27)
    assert names.tokenizer.encode("\nabz") == [0, 1, 2, 26]


def test_blanks_and_empty_lines_are_dropped_and_counted(written):
    text = "".join(f"{letter}{letter}\n" for letter in "abcdefghijkl")
    plain, untidy = read_names(written(text)), read_names(written("\n \n" + text.replace("aa", " aa\t")))
    assert (plain.train, plain.dev, plain.test) == (untidy.train, untidy.dev, untidy.test)
    assert (plain.empty, untidy.empty) == (0, 2)


def test_equal_lines_stay_unless_asked(written):
    path = written("same\n" * 20 + "".join(f"n{i}\n" for i in range(12)))
    every, different = read_names(path), read_names(path, unique=True)
    assert every.repeated == different.repeated == 19
    assert len(every.train + every.dev + every.test) == 32
    assert sorted(different.train + different.dev + different.test).count("same") == 1
    assert every.seen > different.seen == 0


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is empty"),
        ("\n \n", "no lines"),
        ("emma\n", "1 item cannot be split"),
        ("a\nb\nc\n", "3 items cannot be split"),
        ("a\tb\n" * 20, "control character U\\+0009"),
    ],
)
def test_refused(written, text, says):
    with pytest.raises(DataError, match=says):
        read_names(written(text))


def test_the_mark_is_id_0_whatever_else_an_item_holds(written):
    names = read_names(written("".join(f"St. {letter}-'1\n" for letter in "abcdefghijkl")))
    assert names.tokenizer.encode("\n") == [0]
    with pytest.raises(TokenizerError, match="'z'"):
        names.tokenizer.encode("z")


def test_split_is_a_shuffle_that_a_seed_fixes():
    items = [str(i) for i in range(100)]
    assert sorted(sum(split(items), ())) == sorted(items)
    assert split(items) == split(items) != split(items, seed=7)
