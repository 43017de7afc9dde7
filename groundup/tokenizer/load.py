"""A tokenizer by its name or from its file, checked before it is believed.

A tokenizer that is a little wrong does not fail, it speaks nonsense: every id means another word. So our file
carries the fingerprint of what it was when it was saved, and a file that no longer has it is refused;
published vocabularies are known by their hash (published.py); and a tokenizer.json of Hugging Face's that
asks for anything that we do not do exactly is refused too (hugging_face.py).

Next: chat.py.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from groundup.base.errors import TokenizerError, suggest
from groundup.base.files import read_text
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.hugging_face import from_hugging_face, is_hugging_face
from groundup.tokenizer.patterns import PATTERNS
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.published import ALIASES, PUBLISHED, is_published, load_published, parse_tiktoken
from groundup.tokenizer.vocabulary import VocabularyTokenizer

Kind = type[BytePairTokenizer] | type[CharTokenizer] | type[VocabularyTokenizer]

KINDS: dict[str, Kind] = {
    "bpe": BytePairTokenizer,
    "chars": CharTokenizer,
    "vocabulary": VocabularyTokenizer,
}
SCHEMA = 1


def load(name: str | Path, *, pattern: str | None = None) -> Tokenizer:
    """The tokenizer of that name, or saved in that file, or in the tokenizer.json of that folder.

    Names: gpt2 (r50k), p50k, cl100k, o200k, which `groundup data get vocabularies` fetches once. A file may
    be ours, Hugging Face's tokenizer.json with byte-level BPE, or a .tiktoken file; the last does not say
    how text is split, so `pattern` must: a name of PATTERNS, or a regular expression.

    Raises TokenizerError if the file is damaged, was altered, or asks for what this version cannot do
    exactly.
    """
    path = Path(name)
    if isinstance(name, str) and is_published(name):
        return load_published(name)
    if not path.exists() and path.name == str(name) and not path.suffix:
        names = [*PUBLISHED, *ALIASES]
        near = suggest(str(name), names)
        raise TokenizerError(
            f"{name!r} is neither a published vocabulary nor a file or folder here.{near} Vocabularies: "
            f"{', '.join(names)}."
        )
    if path.is_dir():
        path = path / "tokenizer.json"
    if path.suffix == ".tiktoken":
        return _load_tiktoken(path, pattern)
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise TokenizerError(
            f"{path} is not JSON ({error}): it is no tokenizer, or it was cut short."
        ) from None
    if is_hugging_face(content):
        return from_hugging_face(content, where=str(path))
    return from_dict(content, where=str(path))


def _load_tiktoken(path: Path, pattern: str | None) -> VocabularyTokenizer:
    if pattern is None:
        raise TokenizerError(
            f"{path} holds tokens, but not how text is split. Say it: load({str(path)!r}, pattern=...), "
            f"with one of {', '.join(PATTERNS)}, or a regular expression."
        )
    data = read_text(path).encode()
    return parse_tiktoken(data, str(path), pattern=PATTERNS.get(pattern, pattern))


def from_dict(content: Any, *, where: str = "the tokenizer") -> Tokenizer:
    """The tokenizer that `to_dict` described; `where` names it in errors."""
    kind = content.get("kind") if isinstance(content, Mapping) else None
    if not isinstance(kind, str) or kind not in KINDS:
        raise TokenizerError(
            f'{where} does not describe a tokenizer: it needs a "kind" of {", ".join(KINDS)}.'
        )
    if content.get("schema") != SCHEMA:
        raise TokenizerError(
            f"{where} has schema {content.get('schema')!r}; this version of groundup reads schema {SCHEMA}. "
            "Use the version that wrote it, or train the tokenizer again."
        )
    _check_types(content, where)
    tokenizer = KINDS[kind].from_dict(content)
    if content.get("fingerprint", tokenizer.fingerprint) != tokenizer.fingerprint:
        raise TokenizerError(
            f"{where} was altered after it was saved: its fingerprint does not fit its content. Ids would "
            "mean other words than the model learned. Copy it again from where it was trained."
        )
    return tokenizer


def _check_types(content: Mapping[str, Any], where: str) -> None:
    def is_pair(value: Any) -> bool:
        return isinstance(value, list) and len(value) == 2 and all(type(id) is int for id in value)

    def is_list(key: str, fits: Any) -> bool:
        return isinstance(content.get(key), list) and all(map(fits, content[key]))

    wrong: list[str] = []
    if content["kind"] == "vocabulary":
        wrong += _wrong_in_vocabulary(content, is_list, is_pair)
    elif not is_list("specials", lambda name: isinstance(name, str)):
        wrong.append('"specials" must be a list of strings')
    if content["kind"] == "chars" and not isinstance(content.get("characters"), str):
        wrong.append('"characters" must be a string')
    if content["kind"] == "bpe" and not is_list("merges", is_pair):
        wrong.append('"merges" must be a list of pairs of ids')
    if content["kind"] != "chars" and (
        "pattern" not in content or not isinstance(content["pattern"], str | None)
    ):
        wrong.append('"pattern" must be a string or null')
    if wrong:
        raise TokenizerError(
            f"{where} is damaged: {'; '.join(wrong)}. Copy it again from where it was trained."
        )


def _wrong_in_vocabulary(
    content: Mapping[str, Any], is_list: Callable[..., bool], is_pair: Callable[[Any], bool]
) -> Iterator[str]:
    specials = content.get("specials")
    if not isinstance(specials, dict) or not all(type(id) is int for id in specials.values()):
        yield '"specials" must give each name its id'
    if not is_list("tokens", lambda token: isinstance(token, str | None)):
        yield '"tokens" must be a list of base64 strings and nulls'
    if "merges" not in content or (content["merges"] is not None and not is_list("merges", is_pair)):
        yield '"merges" must be null or a list of pairs of ids'
    if not isinstance(content.get("whole_pieces"), bool):
        yield '"whole_pieces" must be true or false'
