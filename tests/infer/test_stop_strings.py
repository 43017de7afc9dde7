"""Stop strings: wherever tokens are cut, the text is what stands before the first of them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.base.errors import UserError
from groundup.infer.stop_strings import TextUntil
from groundup.tokenizer.bpe import BytePairTokenizer

BYTES = BytePairTokenizer([])


def until(text, stops):
    stream = TextUntil(BYTES, stops)
    pieces = [stream.push(id) for id in BYTES.encode(text)]
    return "".join(pieces) + stream.flush(), stream.stopped


@given(st.text("ab你", max_size=12), st.lists(st.text("ab你", min_size=1, max_size=4), max_size=3))
def test_it_is_the_text_before_the_first_stop(text, stops):
    shown, stopped = until(text, stops)
    places = [text.index(stop) for stop in stops if stop in text]
    # among stops that end at different places the one that is complete first counts
    assert stopped == bool(places)
    if stopped:
        assert text.startswith(shown) and any(text[len(shown) :].startswith(stop) for stop in stops)
        assert not any(stop in shown for stop in stops)
    else:
        assert shown == text


def test_nothing_of_a_stop_is_shown_and_all_else_is():
    assert until("Answer: 4\nUser: 5", ["\nUser:"]) == ("Answer: 4", True)
    assert until("Answer: 4\nUse", ["\nUser:"]) == ("Answer: 4\nUse", False)
    stream = TextUntil(BYTES, ["###"])
    assert [stream.push(id) for id in BYTES.encode("a##b")] == ["a", "", "", "##b"]
    assert [stream.push(id) for id in BYTES.encode("###c")] == ["", "", "", ""] and stream.flush() == ""


def test_half_a_character_is_never_shown():
    stream = TextUntil(BYTES, ["x"])
    assert [stream.push(id) for id in BYTES.encode("你")] == ["", "", "你"]
    assert (stream.push(0xE4), stream.flush()) == ("", "\ufffd")


def test_an_empty_stop_is_refused():
    with pytest.raises(UserError, match="stands everywhere"):
        TextUntil(BYTES, ["a", ""])
