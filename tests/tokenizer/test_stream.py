from hypothesis import given
from hypothesis import strategies as st

from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.stream import StreamDecoder

BYTES = BytePairTokenizer([], specials=("<|end|>",))  # a token for each byte: the worst case


def streamed(tokenizer, ids):
    stream = StreamDecoder(tokenizer)
    return [*map(stream.push, ids), stream.flush()]


@given(st.lists(st.integers(0, 256)))
def test_equal_to_the_whole_decode_for_any_bytes(ids):
    assert "".join(streamed(BYTES, ids)) == BYTES.decode(ids)


@given(st.binary(), st.text(), st.binary())
def test_equal_to_the_whole_decode_for_text_between_rubbish(before, text, after):
    ids = BYTES.encode_bytes(before + text.encode() + after)
    assert "".join(streamed(BYTES, ids)) == BYTES.decode(ids)


@given(st.text())
def test_valid_text_never_shows_half_a_character(text):
    text = text.replace("\ufffd", "")
    pieces = streamed(BYTES, BYTES.encode(text))
    assert "".join(pieces) == text
    assert not any("\ufffd" in piece for piece in pieces)


def test_decoding_each_token_by_itself_would_show_half_characters():
    ids = BYTES.encode("你")
    assert "".join(BYTES.decode([id]) for id in ids) == "\ufffd" * 3
    assert streamed(BYTES, ids) == ["", "", "你", ""]


def test_with_merged_tokens(tokenizer):
    text = "你好 👩‍💻 naïve\ud800"
    ids = tokenizer.encode(text)
    assert "".join(streamed(tokenizer, ids)) == tokenizer.decode(ids)


def test_after_flush_it_is_as_new():
    stream = StreamDecoder(BYTES)
    assert (stream.push(0xE4), stream.flush(), stream.flush()) == ("", "\ufffd", "")
    assert stream.push(ord("a")) == "a"


def test_what_cannot_become_a_character_is_given_up_at_once():
    stream = StreamDecoder(BYTES)
    assert [stream.push(id) for id in (0xE4, ord("a"), 0xFF)] == ["", "\ufffda", "\ufffd"]
