"""Dialogues written by people, as conversations.

The chatterbot files are YAML lists of lists of lines, spoken in turn. Many dialogues occur twice or more
(over half of the English ones); each is kept once. A dialogue that ends on the questioner's line loses that
line, because there is no answer to learn.

Does not: judge what is said. The bot in these files claims a name, feelings and opinions of its own; `topic`
(the file's name: "greetings", "botprofile", "politics", ...) lets a recipe choose.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath

from groundup.base.errors import DataError
from groundup.data.fetch import Say, read_members, say_on_stderr
from groundup.data.sources import source
from groundup.tokenizer.chat import Conversation, assistant, user


@dataclass(frozen=True)
class Dialogue:
    """A conversation, an id that stays the same ("chatterbot/greetings/0003"), its topic and its source."""

    conversation: Conversation
    id: str
    topic: str
    source: str


def dialogues(name: str, *, say: Say = say_on_stderr) -> Iterator[Dialogue]:
    """The dialogues of `chatterbot` (English) or `chatterbot-chinese`, each once, in the files' order."""
    if name not in ("chatterbot", "chatterbot-chinese"):
        raise DataError(f"{name!r} holds no dialogues. Choose 'chatterbot' or 'chatterbot-chinese'.")
    seen: set[tuple[str, ...]] = set()
    for path, content in read_members(source(name), say=say):
        topic = PurePosixPath(path).stem
        for number, lines in enumerate(turns(content.decode(), where=path)):
            if lines not in seen:
                seen.add(lines)
                yield Dialogue(conversation(lines), f"{name}/{topic}/{number:04}", topic, name)


def turns(yaml_text: str, *, where: str) -> Iterator[tuple[str, ...]]:
    """The usable dialogues of one file: at least a line and its answer, an even number of lines, all text.

    >>> list(turns("conversations: [[Hello, ' Hi  there '], [Bye], [a, b, c]]", where="here"))
    [('Hello', 'Hi there'), ('a', 'b')]
    """
    import yaml  # not needed by anyone who trains on plain text

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # safe both; the one in C is eight times as fast
    try:
        talks = yaml.load(yaml_text, Loader=loader)["conversations"]
    except (yaml.YAMLError, TypeError, KeyError) as error:
        raise DataError(
            f"{where} is not a chatterbot file (YAML with a list 'conversations'): {error}"
        ) from None
    for talk in talks:
        if not isinstance(talk, list):  # one entry of the English files is a bare string
            continue
        lines = [_tidy(str(line)) for line in talk]
        lines = lines[: len(lines) // 2 * 2]
        if lines and all(lines):
            yield tuple(lines)


def conversation(lines: tuple[str, ...]) -> Conversation:
    """Lines spoken in turn, the user first."""
    return Conversation(tuple((user, assistant)[i % 2](line) for i, line in enumerate(lines)))


def _tidy(line: str) -> str:
    """Without blanks at the ends and, where it is prose and not code, without runs of blanks."""
    return line.strip() if "\n" in line else re.sub(r" {2,}", " ", line.strip())
