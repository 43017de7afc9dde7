r"""A text as its tokens, for the eye: each with a background of its own, blanks and newlines visible.

Where there are no colours (a file, a pipe, NO_COLOR) a bar stands between the tokens:

>>> from groundup.tokenizer.bpe import BytePairTokenizer
>>> tokenizer = BytePairTokenizer([(104, 105)])
>>> print(shown(tokenizer, "hi hi\nx", colours=False))
hi|·|hi|⏎
|x

A token may be half a character. Then its bytes are shown, as in \xe4\xbd.

Next: compare.py.
"""

from groundup.tokenizer.merge_tree import visible
from groundup.tokenizer.protocol import Tokenizer

# Backgrounds of the 256 colours that terminals have, light enough for black letters, neighbours unlike.
BACKGROUNDS = (153, 223, 157, 225, 229, 195)
BLACK, RESET = "\x1b[38;5;16m", "\x1b[0m"


def shown(tokenizer: Tokenizer, text: str, *, colours: bool, ids: bool = False) -> str:
    """The text with its tokens apart; `ids` writes each token's number behind it."""
    parts = []
    for place, id in enumerate(tokenizer.encode(text)):
        *lines, last = visible(tokenizer.bytes_of(id), newline="⏎\n").split("\n")
        if ids:
            mark = f"[{id}]"
            lines, last = (lines, last + mark) if last or not lines else ([*lines[:-1], lines[-1] + mark], "")
        if colours:
            begin = f"\x1b[48;5;{BACKGROUNDS[place % len(BACKGROUNDS)]}m{BLACK}"
            parts.append("\n".join(f"{begin}{line}{RESET}" if line else "" for line in (*lines, last)))
        else:
            parts.append("\n".join((*lines, last)))
    return "".join(parts) if colours else "|".join(parts)


def summary(tokenizer: Tokenizer, text: str) -> str:
    """How many tokens, characters and bytes, in one line.

    >>> from groundup.tokenizer.bpe import BytePairTokenizer
    >>> summary(BytePairTokenizer([(104, 105)]), "hi hi")
    '3 tokens, 5 characters, 5 bytes: 1.67 bytes a token'
    """
    n, size = len(tokenizer.encode(text)), len(text.encode("utf-8", errors="replace"))
    return f"{n:,} tokens, {len(text):,} characters, {size:,} bytes: {size / max(n, 1):.2f} bytes a token"
