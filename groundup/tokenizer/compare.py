"""How many bytes a token of several tokenizers holds, over languages, numbers and code.

The languages say the same: the first article of the Universal Declaration of Human Rights (United Nations,
1948), so beside bytes a token one can compare how many tokens the same sentence costs. A language that the
vocabulary was not trained on pays several times what English pays: for the same words, and so for the same
memory of a conversation.

Does not: judge a tokenizer. Fewer tokens are fewer steps, not better ones.
Source:   Universal Declaration of Human Rights, article 1, in the official translations.
"""

from __future__ import annotations

import inspect
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.base.errors import TokenizerError
from groundup.tokenizer.pieces import utf8
from groundup.tokenizer.protocol import Tokenizer

ARTICLE_1 = {
    "English": "All human beings are born free and equal in dignity and rights. They are endowed with reason "
    "and conscience and should act towards one another in a spirit of brotherhood.",
    "German": "Alle Menschen sind frei und gleich an Würde und Rechten geboren. Sie sind mit Vernunft und "
    "Gewissen begabt und sollen einander im Geist der Brüderlichkeit begegnen.",
    "French": "Tous les êtres humains naissent libres et égaux en dignité et en droits. Ils sont doués de "
    "raison et de conscience et doivent agir les uns envers les autres dans un esprit de fraternité.",
    "Spanish": "Todos los seres humanos nacen libres e iguales en dignidad y derechos y, dotados como están "
    "de razón y conciencia, deben comportarse fraternalmente los unos con los otros.",
    "Russian": "Все люди рождаются свободными и равными в своем достоинстве и правах. Они наделены разумом и "
    "совестью и должны поступать в отношении друг друга в духе братства.",
    "Arabic": "يولد جميع الناس أحراراً متساوين في الكرامة والحقوق، وقد وهبوا عقلاً وضميراً وعليهم أن يعامل "
    "بعضهم بعضاً بروح الإخاء.",
    "Hindi": "सभी मनुष्यों को गौरव और अधिकारों के मामले में जन्मजात स्वतन्त्रता और समानता प्राप्त है। उन्हें बुद्धि और "
    "अन्तरात्मा की देन प्राप्त है और परस्पर उन्हें भाईचारे के भाव से बर्ताव करना चाहिए।",
    "Chinese": "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。",
    "Japanese": "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。"
    "人間は、理性と良心とを授けられており、互いに同胞の精神をもって行動しなければならない。",
    "Korean": "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 "
    "이성과 양심을 부여받았으며 서로 형제애의 정신으로 행동하여야 한다.",
}
NUMBERS = "\n".join(f"{n} + {n * 37 % 1009} = {n + n * 37 % 1009}" for n in range(7, 1_000, 41))


def samples() -> dict[str, str]:
    """The texts by name: ten languages, sums, and Python (this Python's own `textwrap`)."""
    return {**ARTICLE_1, "sums": NUMBERS, "Python": inspect.getsource(textwrap)}


@dataclass(frozen=True)
class Row:
    """One text: its bytes, and for each tokenizer the number of its tokens."""

    text: str
    n_bytes: int
    tokens: tuple[int, ...]

    @property
    def bytes_per_token(self) -> tuple[float, ...]:
        """For each tokenizer."""
        return tuple(self.n_bytes / max(n, 1) for n in self.tokens)


def compare(tokenizers: Sequence[Tokenizer], texts: Mapping[str, str]) -> list[Row]:
    """A row for each text. TokenizerError for an empty one."""
    for name, text in texts.items():
        if not text:
            raise TokenizerError(f"The text {name} is empty: nothing can be compared on it. Leave it out.")
    return [
        Row(name, len(utf8(text)), tuple(len(tokenizer.encode(text)) for tokenizer in tokenizers))
        for name, text in texts.items()
    ]


def told(names: Sequence[str], rows: Sequence[Row]) -> str:
    """A table for the terminal: bytes a token, and how many tokens that are."""
    width = max(12, *(len(row.text) for row in rows))
    column = max(14, *(len(name) for name in names))
    lines = [" " * width + "".join(f"  {name:>{column}}" for name in names)]
    for row in rows:
        cells = zip(row.bytes_per_token, row.tokens, strict=True)
        lines.append(
            f"{row.text:<{width}}" + "".join(f"  {f'{ratio:.2f} ({n:,})':>{column}}" for ratio, n in cells)
        )
    return "\n".join([*lines, "", "bytes a token (tokens)"])


def draw(path: Path, names: Sequence[str], rows: Sequence[Row]) -> None:
    """The same as a picture; the ending of `path` says of which kind."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure: Any = Figure(figsize=(8, 1.5 + 0.14 * len(rows) * (len(names) + 1)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    step = 1 / (len(names) + 1)
    for k, name in enumerate(names):
        places = [place + k * step for place in range(len(rows))]
        axes.barh(places, [row.bytes_per_token[k] for row in rows], height=0.9 * step, label=name)
    axes.set_yticks([place + (len(names) - 1) * step / 2 for place in range(len(rows))])
    axes.set_yticklabels([row.text for row in rows])
    axes.invert_yaxis()
    axes.set_xlabel("bytes a token")
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(frameon=False, loc="upper right")
    figure.savefig(path)
