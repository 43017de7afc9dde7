import re

from groundup.tokenizer import BytePairTokenizer, CharTokenizer
from groundup.tokenizer.show import shown, summary

HI = BytePairTokenizer([(104, 105)])


def test_colours_tell_neighbours_apart():
    drawn = shown(HI, "hihi\nx", colours=True)
    assert re.findall(r"48;5;(\d+)m", drawn)[:2] == ["153", "223"]
    assert re.sub(r"\x1b\[[0-9;]*m", "", drawn) == "hihi⏎\nx"
    for line in drawn.split("\n"):  # a colour that crossed the line's end would fill the rest of the line
        assert line.count("\x1b[0m") == line.count("\x1b[48") >= 1


def test_ids_on_demand():
    assert shown(HI, "hi\nx", colours=False, ids=True) == "hi[256]|⏎[10]\n|x[120]"
    assert shown(HI, "你", colours=False) == "\\xe4|\\xbd|\\xa0"


def test_any_tokenizer_and_no_text():
    assert shown(CharTokenizer("ab"), "ab", colours=False) == "a|b"
    assert shown(HI, "", colours=True) == "" and summary(HI, "").startswith("0 tokens, 0 characters, 0 bytes")
