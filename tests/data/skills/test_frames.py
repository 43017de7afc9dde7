"""Patterns expand as written, held-out lines are never drawn for training, and no pattern is malformed."""

import random
import re

import pytest

from groundup.data.skills import (
    calculator_frames,
    columns_frames,
    fact_frames,
    frames,
    scope_frames,
    smalltalk_frames,
    spelling_frames,
)
from groundup.data.skills.frames import (
    HELD_OUT_PERCENT,
    Frames,
    Node,
    chinese_phrase,
    draw,
    fill,
    parse,
    phrase,
    slip,
    variants,
)
from groundup.data.skills.scope_frames import FILLINGS
from groundup.data.skills.split import percentile

TABLES = (
    calculator_frames,
    columns_frames,
    fact_frames,
    frames,
    scope_frames,
    smalltalk_frames,
    spelling_frames,
)


SLOTS = {"a", "b", "x", "w", "l", "ls", "L", "U", "n", "nth", "m", "q", "r", *FILLINGS}
CALC, SPELL = calculator_frames, spelling_frames
SUMS = (CALC.SYMBOLIC, CALC.WORDED, CALC.NOUN, CALC.VERB, CALC.STORY, CALC.WORDED_CHINESE)
CARRIERS = (CALC.CARRY, CALC.CARRY_SYMBOLIC, CALC.CARRY_NOUN, CALC.CARRY_VERB, CALC.CARRY_CHINESE)
# What every wording of a table must contain: of each group of slots, at least one.
NEEDED: list[tuple[Frames, list[set[str]]]] = [
    *[(table, [{"{a}"}, {"{b}"}]) for tables in SUMS for table in tables.values()],
    *[(table, [{"{a}"}, {"{b}"}]) for table in (columns_frames.WHOLE, columns_frames.WHOLE_CHINESE)],
    *[(table, [{"{x}"}]) for table in (*CARRIERS, fact_frames.CAPITAL, fact_frames.PLAY)],
    (columns_frames.MARKED, [{"{q}", "{r}"}]),
    (fact_frames.PRESIDENT, [{"{n}", "{nth}"}]),
    *[(table, [{"{w}"}]) for table in (SPELL.SPELL, SPELL.SPELL_CHINESE)],
    *[(table, [{"{w}"}, {"{l}", "{ls}", "{L}"}]) for table in (SPELL.COUNT, SPELL.COUNT_CHINESE)],
]


def always(node: Node, slots: set[str]) -> bool:
    """Whether every way through the choices meets one of the slots."""

    def met(piece: str | tuple[Node, ...]) -> bool:
        if isinstance(piece, str):
            return any(slot in piece for slot in slots)
        return all(always(arm, slots) for arm in piece)

    return any(map(met, node))


def all_frames() -> list[tuple[str, Frames]]:
    found = []
    for module in TABLES:
        for name, value in vars(module).items():
            for key, table in value.items() if isinstance(value, dict) else [("", value)]:
                if isinstance(table, Frames):
                    found.append((f"{module.__name__.rsplit('.', 1)[-1]}.{name}{key}", table))
    return found


ALL = all_frames()


def test_nested_choices_expand():
    node = parse("[a|b[c|]] {x}")
    drawn = {draw(node, random.Random(seed)) for seed in range(100)}
    assert drawn == {"a {x}", "bc {x}", "b {x}"}
    assert variants(node) == 3


@pytest.mark.parametrize("pattern", ["[a|b", "a]b", "a|b", "[[a]"])
def test_unbalanced_brackets_are_refused(pattern: str):
    with pytest.raises(ValueError, match="pattern"):
        parse(pattern)


@pytest.mark.parametrize(("name", "table"), ALL, ids=[name for name, _ in ALL])
def test_every_line_parses_and_draws_clean_text(name: str, table: Frames):
    rng = random.Random(0)
    for line in table.lines:
        for _ in range(5):
            text = draw(parse(line), rng)
            assert not re.search(r"[\[\]|]", text), (line, text)
            assert set(re.findall(r"\{(.*?)\}", text)) <= SLOTS, (line, text)


def test_no_way_through_a_pattern_loses_what_is_asked_about():
    lost = [(line, group) for table, groups in NEEDED for line in table.lines for group in groups
            if not always(parse(line), group)]  # fmt: skip
    assert lost == []
    assert not always(parse("spell [it|{w}]"), {"{w}"})
    assert always(parse("spell [it {w}|{w}]"), {"{w}"})


@pytest.mark.parametrize(("name", "table"), ALL, ids=[name for name, _ in ALL])
def test_no_line_is_written_twice(name: str, table: Frames):
    usual = ("{x}", "{w}", "{L}", "{ls}", "{a} plus {b}", "{a} minus {b}", "{a} times {b}")
    lines = [line for line in table.lines if line not in usual]
    repeated = {line for line in lines if lines.count(line) > 1}
    assert not repeated or name.endswith(("LETTER", "LETTERS", "WORD"))  # there a repetition is a weight


def test_held_out_lines_are_about_an_eighth_and_never_drawn_for_training():
    text = "\n".join(f"frame number {i}" for i in range(1000))
    table = Frames(text)
    train = {table.draw(random.Random(i), "train") for i in range(5000)}
    dev = {table.draw(random.Random(i), "dev") for i in range(2000)}
    assert not train & dev
    assert 0.09 < len(dev) / 1000 < 0.15
    assert len(train | dev) > 850
    first = [table.draw(random.Random(i)).removeprefix("frame number ") for i in range(4000)]
    assert sum(int(n) < 100 for n in first) > 3 * sum(int(n) >= 900 for n in first)  # the commonest
    assert all(percentile("frame", line) < HELD_OUT_PERCENT for line in dev)


def test_a_slip_changes_one_word_and_no_slot():
    rng = random.Random(0)
    slipped = [slip("please spell {word} now", rng) for _ in range(200)]
    assert all("{word}" in text for text in slipped)
    assert any(text != "please spell {word} now" for text in slipped)
    assert slip("{word}?", rng) == "{word}?"


def test_a_request_keeps_its_particulars_whatever_the_typing():
    rng = random.Random(0)
    said = [phrase("What is {a} + {b}?", {"a": "12", "b": "345"}, rng) for _ in range(3000)]
    assert all("12 + 345" in text for text in said)
    assert len(set(said)) > 350
    assert any(text.isupper() for text in said) and any(not text.endswith("?") for text in said)
    bare = [phrase("What is {a}?", {"a": "1"}, rng, bare=1.0) for _ in range(500)]
    assert len(set(bare)) < 60 < len({phrase("What is {a}?", {"a": "1"}, rng) for _ in range(500)})


def test_a_chinese_request_keeps_its_particulars():
    rng = random.Random(0)
    said = {chinese_phrase("{a}加{b}等于几？", {"a": "1", "b": "2"}, rng) for _ in range(1000)}
    assert all("1加2等于几" in text for text in said)
    assert len(said) > 50


def test_fill_replaces_every_slot():
    assert fill("{a}{b}{a}", {"a": "x", "b": "y"}) == "xyx"
