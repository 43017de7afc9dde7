"""The vocabularies of GPT-2, GPT-3, GPT-4 and GPT-4o, exactly, without a network once they are fetched.

They come inside archives that `groundup data get gpt2 cl100k o200k` keeps (data/sources.py has their
addresses and licences). Here is which file of which archive, and its SHA-256, the one that tiktoken pins
too; a file with another is refused. p50k is r50k and 24 tokens more, the runs of 2 to 25 blanks: made here,
and proved by its own hash.

A `.tiktoken` file is a line for each token: its bytes as base64, a blank, its id.

    IQ== 0
    Ig== 1

Next: load.py.
"""

import binascii
import hashlib
import os
import tarfile
import zipfile
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from groundup.base.errors import TokenizerError
from groundup.base.files import cache_dir, write_atomic
from groundup.tokenizer.patterns import CL100K, GPT2, O200K
from groundup.tokenizer.table import Table
from groundup.tokenizer.vocabulary import VocabularyTokenizer


@dataclass(frozen=True, kw_only=True)
class Published:
    """One vocabulary. `source` is its name for `groundup data get`, `sha256` that of the .tiktoken file."""

    source: str
    archive: str
    member: str
    sha256: str
    pattern: str
    specials: Mapping[str, int] = field(default_factory=dict)
    blanks: range = range(0)  # runs of blanks of these lengths are tokens too, after the id of <|endoftext|>


_WHISPER = "openai_whisper-20250625.tar.gz"
_GPT2 = "openai_whisper-20250625/whisper/assets/gpt2.tiktoken"
_LLAMA_INDEX = "llama_index_core-0.14.25-py3-none-any.whl"
_FOLDER = "llama_index/core/_static/tiktoken_cache"
END = "<|endoftext|>"
FILL = ("<|fim_prefix|>", "<|fim_middle|>", "<|fim_suffix|>")
END_PROMPT = "<|endofprompt|>"

PUBLISHED = {
    "r50k": Published(
        source="gpt2",
        archive=_WHISPER,
        member=_GPT2,
        sha256="306cd27f03c1a714eca7108e03d66b7dc042abe8c258b44c199a7ed9838dd930",
        pattern=GPT2,
        specials={END: 50256},
    ),
    "p50k": Published(
        source="gpt2",
        archive=_WHISPER,
        member=_GPT2,
        sha256="94b5ca7dff4d00767bc256fdd1b27e5b17361d7b8a5f968547f9f23eb70d2069",
        pattern=GPT2,
        specials={END: 50256},
        blanks=range(2, 26),
    ),
    "cl100k": Published(
        source="cl100k",
        archive=_LLAMA_INDEX,
        member=f"{_FOLDER}/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",
        sha256="223921b76ee99bde995b7ff738513eef100fb51d18c93597a113bcffe865b2a7",
        pattern=CL100K,
        specials={END: 100257, **dict(zip(FILL, (100258, 100259, 100260), strict=True)), END_PROMPT: 100276},
    ),
    "o200k": Published(
        source="o200k",
        archive=_LLAMA_INDEX,
        member=f"{_FOLDER}/fb374d419588a4632f3f557e76b4b70aebbca790",
        sha256="446a9538cb6c348e3516120d7c08b09f57c36495e2acfffe59a5bf8b0cfb1a2d",
        pattern=O200K,
        specials={END: 199999, END_PROMPT: 200018},
    ),
}
ALIASES = {
    "gpt2": "r50k",
    "r50k_base": "r50k",
    "p50k_base": "p50k",
    "cl100k_base": "cl100k",
    "o200k_base": "o200k",
}


def is_published(name: str) -> bool:
    """Whether `load_published` knows the name."""
    return name in PUBLISHED or name in ALIASES


def load_published(name: str) -> VocabularyTokenizer:
    """The vocabulary of that name: r50k (or gpt2), p50k, cl100k, o200k.

    Raises TokenizerError if it is not on this machine, with the command that fetches it, or is not the file
    that was published.
    """
    about = PUBLISHED[ALIASES.get(name, name)]
    data = _member(name, about)
    if about.blanks:
        first = max(about.specials.values()) + 1
        lines = (b64encode(b" " * length) + b" %d\n" % (first + i) for i, length in enumerate(about.blanks))
        data += b"".join(lines)
    found = hashlib.sha256(data).hexdigest()
    if found != about.sha256:
        raise TokenizerError(
            f"The vocabulary {name} in {about.archive} is not the published one: expected SHA-256 "
            f"{about.sha256}, got {found}. Delete the archive and fetch it again: groundup data get "
            f"{about.source}"
        )
    return parse_tiktoken(data, name, pattern=about.pattern, specials=about.specials)


def _member(name: str, about: Published) -> bytes:
    folders = [Path(os.environ["GROUNDUP_DATA"]).expanduser()] if os.environ.get("GROUNDUP_DATA") else []
    for folder in (*folders, cache_dir() / "archives"):
        path = folder / about.archive
        if not path.is_file():
            continue
        try:
            if path.suffix == ".whl":
                with zipfile.ZipFile(path) as zipped:
                    return zipped.read(about.member)
            with tarfile.open(path) as tarred:
                file = tarred.extractfile(about.member)
                assert file is not None, "a regular file of the archive"
                return file.read()
        except (KeyError, EOFError, zipfile.BadZipFile, tarfile.TarError) as error:
            raise TokenizerError(
                f"{path} is damaged ({error}), so the vocabulary {name} cannot be read from it. Delete it "
                f"and fetch it again: groundup data get {about.source}"
            ) from None
    raise TokenizerError(
        f"The vocabulary {name} is not on this machine yet. Fetch it once, after that no network is needed: "
        f"groundup data get {about.source}"
    )


# ---- .tiktoken files -----------------------------------------------------------------------------


def parse_tiktoken(
    data: bytes, where: str, *, pattern: str | None, specials: Mapping[str, int] | None = None
) -> VocabularyTokenizer:
    """The tokenizer of a .tiktoken file's bytes; `where` names it in errors.

    The file has no pattern and no special tokens, so they must be said.
    """
    ids: dict[int, bytes] = {}
    for number, line in enumerate(data.splitlines(), start=1):
        text, _, id = line.partition(b" ")
        try:
            token = binascii.a2b_base64(text, strict_mode=True)
        except binascii.Error:
            token = b""
        if not token or not id.isdigit() or int(id) in ids:
            raise TokenizerError(
                f"{where} is no .tiktoken file, or is damaged: line {number} is {line[:40]!r}. Each line "
                "needs a token as base64, a blank, and an id that no other line has."
            )
        ids[int(id)] = token
    if not ids or max(ids) > 2 * len(ids) + 1_000:
        raise TokenizerError(
            f"{where} has {len(ids)} tokens with ids up to {max(ids, default=0)}: it is damaged."
        )
    tokens = [ids.get(id) for id in range(max(ids) + 1)]
    return VocabularyTokenizer(tokens, pattern=pattern, specials=specials)


def save_tiktoken(tokenizer: Table, path: str | Path) -> None:
    """Write the tokens as a .tiktoken file. Its pattern and special tokens have no place in it."""
    lines = (
        b64encode(token) + b" %d\n" % id
        for id in range(tokenizer.vocab_size)
        if (token := tokenizer.bytes_or_none(id))
    )
    write_atomic(path, b"".join(lines))
