import pytest

from groundup.base import errors
from groundup.base.errors import UserError, suggest


def test_every_kind_is_a_user_error():
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    assert len(kinds) == 10 and all(issubclass(kind, UserError) for kind in kinds)
    assert not issubclass(ValueError, UserError)


@pytest.mark.parametrize(
    ("word", "near"),
    [
        ("shakespear-char", "shakespeare-char"),
        ("ZERO-TO-CHAT", "zero-to-chat"),
        ("zero", ""),
        ("", ""),
        ("xyz", ""),
    ],
)
def test_only_what_is_near_is_suggested(word, near):
    told = suggest(word, ["zero-to-chat", "shakespeare-char", "my-text"])
    assert told == (f" Did you mean '{near}'?" if near else "")


def test_no_options_no_suggestion():
    assert suggest("anything", []) == ""
