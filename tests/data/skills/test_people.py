"""People's requests get our own line in their language; only answers about computers are kept as they are."""

import random
from collections import Counter

import pytest

from groundup.data.dialogues import Dialogue
from groundup.data.skills.people import ANSWERED, ASKED, LONGEST_ANSWER, from_people
from groundup.data.skills.scope import LINES
from groundup.tokenizer.chat import Conversation, assistant, user


def dialogue(asked: str, replied: str, topic: str, source: str = "chatterbot") -> Dialogue:
    talk = Conversation((user(asked), assistant(replied), user("And more?"), assistant("Much more.")))
    return Dialogue(talk, f"{source}/{topic}/{asked}", topic, source)


DIALOGUES = [
    dialogue("What is a CPU?", "A processor.", "computers"),
    dialogue("What is Linux?", "x" * (LONGEST_ANSWER + 1), "computers"),
    dialogue("Do you like music?", "I love it, I have two guitars.", "humor"),
    dialogue("Who won the cup?", "My team.", "sports"),
    dialogue("Who is your father?", "A mad scientist.", "botprofile"),
    dialogue("你会唱歌吗", "我会", "humor", "chatterbot-chinese"),
    dialogue("电脑是什么", "一台机器", "computers", "chatterbot-chinese"),
]


def taken(count: int = 400, seed: int = 0) -> list[tuple[str, str]]:
    return [
        (talk.messages[0].text, talk.messages[1].text)
        for talk in from_people(DIALOGUES, count, random.Random(seed))
    ]


def test_whose_words_are_taken_and_whose_are_not():
    assert set(taken()) == {
        ("What is a CPU?", "A processor."),
        ("Do you like music?", LINES["en"]),
        ("Who won the cup?", LINES["en"]),
        ("你会唱歌吗", LINES["zh"]),
    }
    assert all(len(talk.messages) == 2 for talk in from_people(DIALOGUES, 50, random.Random(1)))


def test_a_fifth_of_them_are_answers():
    kinds = Counter(reply == "A processor." for _, reply in taken(2000))
    assert kinds[True] / 2000 == pytest.approx(0.2, abs=0.03)


def test_the_same_draws_give_the_same_conversations():
    assert taken(seed=3) == taken(seed=3) != taken(seed=4)
    assert len(taken(0)) == 0


@pytest.mark.parametrize("left", [ANSWERED, ASKED, ()])
def test_without_one_kind_there_are_none(left):
    some = [d for d in DIALOGUES if d.topic in left]
    assert from_people(some, 10, random.Random(0)) == []
