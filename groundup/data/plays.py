"""Shakespeare's plays, from an editor's file to what is spoken, in the layout of Tiny Shakespeare.

    SCENE II. Venice. Another street.            (dropped)

    [Enter Othello, Iago, and Attendants.]       (dropped)

    IAGO.                                         Iago:
    Though in the trade of war I have slain men,  Though in the trade of war I have slain men,

The files of the `shakespeare` archive agree on blank lines between speeches and on a speaker's name, with a
full stop, on a line of its own; a dozen write names in capitals, a few abbreviate ("Ham."), a few leave a
bracket open. What is not certain is left in: a wrongly kept stage direction costs less than a lost speech.
"""

import re
import string
from collections import Counter

_BRACKETS = re.compile(r"\[(?:[^\[\]\n]|\n(?![ \t]*\n))*\]")  # never across a blank line: some are not closed
_OPEN_BRACKET = re.compile(r"\[[^\]\n]*$", re.MULTILINE)
_HEADING = re.compile(r"(?:ACT|Act|SCENE|Scene|EPILOGUE|PROLOGUE|INDUCTION|THE END)\b[ .,:\-IVX\d]*")
_FIRST_HEADING = re.compile(r"^(?:ACT|Act) (?:I|1|FIRST)\b|^SCENE I\. ", re.MULTILINE)
_NAME = re.compile(r"[A-Z][A-Za-z'-]*\.?(?: (?:and|of|the|to|&|[A-Z\d][A-Za-z\d'-]*\.?,?)){0,5}\.")
_SPEAKER_IN_LINE = re.compile(r"([A-Z][A-Z' ]{2,30})\. (?=\S)")


def clean_shakespeare(text: str) -> str:
    """What is spoken or sung. Poems lose only title and author.

    >>> play = "HAMLET\\n\\nby W. S.\\n\\nACT I.\\n\\nScene I. A castle.\\n\\n[Enter Ber.]\\n\\nBER.\\nWho's
    there?"
    >>> clean_shakespeare(play)
    "Ber:\\nWho's there?"
    """
    _, _, text = (
        text.partition("by William Shakespeare") if "by William Shakespeare" in text else ("", "", text)
    )
    if first := _FIRST_HEADING.search(text):
        text = text[first.start() :]
    text = _OPEN_BRACKET.sub("", _BRACKETS.sub("", text)).replace("]", "")
    paragraphs = [_tidy(part) for part in re.split(r"\n\s*\n", text)]
    paragraphs = [part for part in paragraphs if part]
    if not first:
        return "\n\n".join(paragraphs)
    return "\n\n".join(_spoken(paragraphs))


def _tidy(paragraph: str) -> str:
    lines = (re.sub(r"[ \t]+", " ", line).strip() for line in paragraph.splitlines())
    return "\n".join(line for line in lines if line)


def _spoken(paragraphs: list[str]) -> list[str]:
    names = _speakers(paragraphs)
    kept: list[str] = []
    after_bare_heading = waiting = False  # waiting: a speaker's name whose words are in the next paragraph
    for paragraph in paragraphs:
        first, _, rest = paragraph.partition("\n")
        heading = _HEADING.match(first)
        in_line = _SPEAKER_IN_LINE.match(first)
        if heading and first not in names:
            after_bare_heading = heading.end() == len(first)  # the place follows in a paragraph of its own
        elif first in names:
            kept.append(_as_label(first[:-1]) + (f"\n{rest}" if rest else ""))
            after_bare_heading, waiting = False, not rest
        elif in_line:
            kept.append(f"{_as_label(in_line[1])}\n{paragraph[in_line.end() :]}")
            after_bare_heading = waiting = False
        elif after_bare_heading or re.match(r"(?:Enter|Exit|Exeunt|Re-enter)\b", first):
            after_bare_heading = False
        elif waiting:
            kept[-1], waiting = f"{kept[-1]}\n{paragraph}", False
        else:
            kept.append(paragraph)
    return kept[:-1] if waiting else kept


def _speakers(paragraphs: list[str]) -> set[str]:
    """First lines that look like a name and are all capitals or come three times: "Farewell." comes less
    often.
    """
    first_lines = Counter(paragraph.partition("\n")[0] for paragraph in paragraphs)
    return {
        line
        for line, times in first_lines.items()
        if len(line) <= 42 and _NAME.fullmatch(line) and (line.isupper() or times >= 3)
    }


def _as_label(name: str) -> str:
    return string.capwords(name) + ":"
