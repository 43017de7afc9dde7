"""A tokenizer from its file, checked before it is believed.

A tokenizer that is a little wrong does not fail, it speaks nonsense: every id means another word. So the file
carries the fingerprint of what it was when it was saved, and a file that no longer has it is refused.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from groundup.base.errors import TokenizerError
from groundup.base.files import read_text
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.protocol import Tokenizer

KINDS: dict[str, type[BytePairTokenizer] | type[CharTokenizer]] = {
    "bpe": BytePairTokenizer,
    "chars": CharTokenizer,
}
SCHEMA = 1


def load(path: str | Path) -> Tokenizer:
    """The tokenizer saved in `path`, a file or a folder with tokenizer.json.

    Raises TokenizerError if the file is damaged, was altered, or has a schema that this version cannot read.
    """
    path = Path(path)
    if path.is_dir():
        path = path / "tokenizer.json"
    try:
        content = json.loads(read_text(path))
    except json.JSONDecodeError as error:
        raise TokenizerError(
            f"{path} is not JSON ({error}): it is no tokenizer, or it was cut short."
        ) from None
    return from_dict(content, where=str(path))


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

    wrong = []
    if not is_list("specials", lambda name: isinstance(name, str)):
        wrong.append('"specials" must be a list of strings')
    if content["kind"] == "chars" and not isinstance(content.get("characters"), str):
        wrong.append('"characters" must be a string')
    if content["kind"] == "bpe":
        if not is_list("merges", is_pair):
            wrong.append('"merges" must be a list of pairs of ids')
        if "pattern" not in content or not isinstance(content["pattern"], str | None):
            wrong.append('"pattern" must be a string or null')
    if wrong:
        raise TokenizerError(
            f"{where} is damaged: {'; '.join(wrong)}. Copy it again from where it was trained."
        )
