"""The training set is a pure function of seed and index, holds every skill, and only what is right."""

import random
import subprocess
import sys
import time
from collections import Counter
from itertools import pairwise

import pytest

from groundup.base.errors import ConfigError
from groundup.data.skills.mix import MULTI_TURN, SKILLS, Mix, MixConfig, conversations, skills, stream
from groundup.data.skills.split import split_of_word
from groundup.tokenizer.chat import assistant


def test_an_example_depends_on_seed_and_index_alone(words):
    whole = conversations(7, 60, MixConfig(), words)
    again = Mix(7, MixConfig(), tuple(words))
    assert [again[i] for i in (59, 3, 30)] == [whole[59], whole[3], whole[30]]
    assert conversations(7, 20, MixConfig(), words) == whole[:20]
    assert conversations(8, 20, MixConfig(), words) != whole[:20]
    assert list(stream(7, 5, MixConfig(), words, frames="dev")) != whole[:5]


def test_weights_are_kept(words):
    count = Counter(e.skill for e in conversations(1, 4000, MixConfig(), words))
    total = sum(getattr(MixConfig(), name) for name in SKILLS)
    single = 4000 - count[MULTI_TURN]
    assert 0.07 < count[MULTI_TURN] / 4000 < 0.11
    for name in SKILLS:
        assert count[name] / single == pytest.approx(getattr(MixConfig(), name) / total, abs=0.02)


def test_a_weight_of_zero_removes_a_skill(words):
    only = MixConfig(**dict.fromkeys(SKILLS, 0.0) | {"counting": 1.0, "multi_turn": 0.0})
    assert {e.skill for e in conversations(1, 50, only, words)} == {"counting"}


@pytest.mark.parametrize("wrong", [{"counting": -0.1}, dict.fromkeys(SKILLS, 0.0), {"multi_turn": 1.5}])
def test_impossible_weights_are_refused(wrong):
    with pytest.raises(ConfigError):
        MixConfig(**wrong)


def test_every_reply_taught_scores_under_its_own_rule(words):
    by_name = skills(words)
    for example in conversations(3, 1500, MixConfig(), words):
        messages = example.conversation.messages
        assert [m.role for m in messages] == ["user", "assistant"] * (len(messages) // 2)
        assert len(messages) == 2 * len(example.problems)
        if example.skill != MULTI_TURN:
            assert by_name[example.skill].score(example.problems[0], messages[1])
            assert example.expected == example.problems[0].expected


def test_no_reply_scores_for_another_problem_of_its_skill(words):
    """A score that accepts anything would pass the test above."""
    by_name, rng = skills(words), random.Random(0)
    for name in ("calculator", "spelling", "counting", "known_facts", "head_addition"):
        skill = by_name[name]
        problems = skill.problems(rng, "train", 100)
        pairs = [(one, two) for one, two in pairwise(problems) if one.expected != two.expected]
        assert len(pairs) > 40
        for one, two in pairs:
            assert not skill.score(one, assistant(*skill.answer(two, rng)))


def test_test_words_do_not_occur_in_the_training_set(words):
    spelled = [
        p.word for e in conversations(5, 3000, MixConfig(), words) for p in e.problems if hasattr(p, "word")
    ]
    assert len(spelled) > 800
    assert {split_of_word(w) for w in spelled} == {"train"}
    assert {split_of_word(p.word) for e in conversations(5, 300, MixConfig(), words, split="test")
            for p in e.problems if hasattr(p, "word")} == {"test"}  # fmt: skip


def test_requests_hardly_repeat(words):
    asked = [
        m.parts[0] for e in conversations(1, 5000, MixConfig(), words) for m in e.conversation.messages[::2]
    ]
    assert len(set(asked)) > 0.97 * len(asked)


def test_sixty_thousand_examples_take_seconds(words):
    conversations(1, 200, MixConfig(), words)  # parse the tables
    start = time.process_time()
    conversations(2, 2000, MixConfig(), words)
    assert (time.process_time() - start) * 30 < 20  # measured 4 to 6; the rest is for a busy machine


def test_torch_is_not_imported():
    code = "import sys, groundup.data.skills.mix; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
