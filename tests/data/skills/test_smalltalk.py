"""Replies are in the language of the request, intents do not overlap, and there are very many wordings."""

import random
import re
from collections import defaultdict

import pytest

from groundup.data.skills.frames import Node, parse, variants
from groundup.data.skills.scope import LINES, OutOfScope, Request
from groundup.data.skills.scope_frames import CHINESE as SCOPE_CHINESE
from groundup.data.skills.scope_frames import ENGLISH as SCOPE_ENGLISH
from groundup.data.skills.smalltalk import INTENTS, REPLIES, SmallTalk, Talk
from groundup.data.skills.smalltalk_frames import CHINESE, ENGLISH
from groundup.tokenizer.chat import Call, Result, assistant

HAN = re.compile(r"[\u4e00-\u9fff]")


def expand(node: Node) -> list[str]:
    texts = [""]
    for piece in node:
        arms = [piece] if isinstance(piece, str) else [text for arm in piece for text in expand(arm)]
        texts = [text + arm for text in texts for arm in arms]
    return texts


def test_every_intent_has_many_wordings_in_both_languages():
    for intent in INTENTS:
        assert ENGLISH[intent].count()[1] >= 1000
        assert CHINESE[intent].count()[1] >= 1000
    for table in (SCOPE_ENGLISH, SCOPE_CHINESE):
        assert table.count()[1] >= 300


def test_no_wording_belongs_to_two_intents():
    owners = defaultdict(set)
    for table in (ENGLISH, CHINESE):
        for intent, frames in table.items():
            for line in frames.lines:
                for text in expand(parse(line)):
                    owners[re.sub(r"[\W_]+", " ", text.lower()).strip()].add(intent)
    for table in (SCOPE_ENGLISH, SCOPE_CHINESE):
        for line in table.lines:
            if "{" not in line and variants(parse(line)) < 5000:
                for text in expand(parse(line)):
                    owners[re.sub(r"[\W_]+", " ", text.lower()).strip()].add("out_of_scope")
    assert len(owners) > 30000
    assert {text: owner for text, owner in owners.items() if len(owner) > 1} == {}


@pytest.mark.parametrize("part", ["train", "dev"])
@pytest.mark.parametrize("language", ["en", "zh"])
def test_request_and_reply_are_in_one_language(language, part):
    rng = random.Random(0)
    skill = SmallTalk()
    for intent in INTENTS:
        problem = Talk(intent, language)
        asked = [skill.ask(problem, rng, part) for _ in range(100)]
        chinese = sum(bool(HAN.search(text)) for text in asked)
        assert chinese == 0 if language == "en" else chinese > 90
        (reply,) = skill.answer(problem, rng)
        assert bool(HAN.search(reply)) == (language == "zh")
        assert skill.score(problem, assistant(reply))
        other = REPLIES["zh" if language == "en" else "en"][intent][0]
        assert not skill.score(problem, assistant(other))


def test_the_shares_of_languages_follow_the_setting():
    rng = random.Random(0)
    assert {p.language for p in SmallTalk(chinese=0.0).problems(rng, "train", 200)} == {"en"}
    assert {p.language for p in OutOfScope(chinese=1.0).problems(rng, "train", 200)} == {"zh"}


def test_out_of_scope_score():
    skill = OutOfScope()
    assert skill.score(Request("en"), assistant(LINES["en"]))
    assert not skill.score(Request("zh"), assistant(LINES["en"]))
    assert not skill.score(Request("en"), assistant(Call("calc", "1+1"), Result("2"), LINES["en"]))
    asked = {skill.ask(Request("en"), random.Random(i)) for i in range(1000)}
    assert len(asked) > 900
    assert not any("{" in text for text in asked)
