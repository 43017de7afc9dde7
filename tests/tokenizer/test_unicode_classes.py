import pytest
import tiktoken

from groundup.tokenizer.unicode_classes import (
    CODE_POINTS,
    LETTER,
    LOWER,
    MARK,
    NEWLINE,
    NUMBER,
    SPACE,
    UPPER,
    class_of,
    class_table,
    runs,
)

EVERY = "".join(chr(point) for point in range(CODE_POINTS) if not 0xD800 <= point < 0xE000)
PATTERNS = {
    r"[\p{Lu}\p{Lt}]": {UPPER},
    r"\p{Ll}": {LOWER},
    r"[\p{Lm}\p{Lo}]": {LETTER},
    r"\p{M}": {MARK},
    r"\p{N}": {NUMBER},
    r"\s": {SPACE, NEWLINE},
}


@pytest.mark.slow
@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_classes_are_those_of_tiktokens_engine(pattern):
    """Its split drops what the pattern does not match, so that what is left is the class."""
    engine = tiktoken.Encoding(
        "bytes", pat_str=pattern, mergeable_ranks={bytes([b]): b for b in range(256)}, special_tokens={}
    )
    theirs = engine.decode(engine.encode_ordinary(EVERY))
    table = class_table()
    assert theirs == "".join(c for c in EVERY if int(table[ord(c)]) in PATTERNS[pattern])
    assert theirs


def test_the_counts_of_unicode_16():
    """As in DerivedGeneralCategory.txt 16.0.0; Unicode 15.1 had 5,185 characters fewer."""
    counts = {kind: int((class_table() == kind).sum()) for kind in range(8)}
    assert counts[UPPER] == 1_858 + 31 and counts[LOWER] == 2_258 and counts[LETTER] == 404 + 136_477
    assert (counts[MARK], counts[NUMBER], counts[SPACE], counts[NEWLINE]) == (2_501, 1_911, 23, 2)
    assert sum(counts.values()) == CODE_POINTS


def test_one_character_at_a_time_and_the_table_agree():
    starts, _ = runs()
    for point in {0, CODE_POINTS - 1, 0xD800, *starts, *(start - 1 for start in starts[1:])}:
        assert class_of(chr(point)) == class_table()[point]
    assert not class_table().flags.writeable
