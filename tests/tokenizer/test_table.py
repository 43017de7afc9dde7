import pytest

from groundup.base.errors import TokenizerError
from groundup.tokenizer.table import Table, check_specials

TABLE = Table([b"a", b"\xe4\xbd", b"\xa0"], specials=("<|end|>", "<|user|>"))


def test_specials_are_the_last_ids_and_silent():
    assert TABLE.vocab_size == 5
    assert [TABLE.special(name) for name in TABLE.specials] == [3, 4]
    assert TABLE.decode([3, 0, 4]) == "a"
    assert TABLE.bytes_of(4) == b""


def test_bytes_that_are_not_utf8_become_the_replacement_character():
    assert TABLE.decode([1, 2]) == "你"
    assert TABLE.decode([1]) == "\ufffd"
    assert TABLE.decode([1, 3, 2]) == "你"  # a silent token between two halves changes nothing
    assert TABLE.decode_bytes([1]) == b"\xe4\xbd"


@pytest.mark.parametrize("id", [-1, 5, 10**9])
def test_an_unknown_id_is_named_with_what_exists(id):
    with pytest.raises(TokenizerError, match=f"no token {id}: .* ids 0 to 4"):
        TABLE.decode([0, id])
    with pytest.raises(TokenizerError, match=f"no token {id}"):
        TABLE.bytes_of(id)


def test_an_unknown_special_is_answered_with_a_suggestion():
    with pytest.raises(TokenizerError, match=r"no special token '<\|ends\|>'.*Did you mean '<\|end\|>'\?"):
        TABLE.special("<|ends|>")
    with pytest.raises(TokenizerError, match="it has none"):
        Table([b"a"]).special("<|end|>")


@pytest.mark.parametrize(
    ("specials", "says"),
    [
        (("a", "b", "a"), "named twice: a"),
        (("a", ""), "not empty"),
        ("<|end|>", "one string"),
        ((1,), "name"),
    ],
)
def test_bad_special_names(specials, says):
    with pytest.raises(TokenizerError, match=says):
        check_specials(specials)
