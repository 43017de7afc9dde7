import hashlib
import shutil
import tarfile

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.data.fetch import kept_path
from groundup.data.sources import GROUPS, SOURCES
from groundup.tokenizer import load
from groundup.tokenizer.published import ALIASES, PUBLISHED, parse_tiktoken, save_tiktoken
from tests.tokenizer.oracles import PUBLISHED_NAMES, oracle_of, published


def test_the_archives_are_those_of_the_sources():
    assert {about.source for about in PUBLISHED.values()} == set(GROUPS["vocabularies"])
    for about in PUBLISHED.values():
        source = SOURCES[about.source]
        assert (source.archive, source.members) == (about.archive, (about.member,))
        assert about.archive == kept_path(source).name


@pytest.mark.parametrize(
    ("name", "size", "hello"),
    [
        ("r50k", 50_257, [15496, 995]),
        ("p50k", 50_281, [15496, 995]),
        ("cl100k", 100_277, [9906, 1917]),
        ("o200k", 200_019, [13225, 2375]),
    ],
)
def test_names(name, size, hello):
    published(name)
    tokenizer = load(name)
    assert tokenizer.vocab_size == size
    assert tokenizer.encode("Hello world") == hello
    assert tokenizer.special("<|endoftext|>") == oracle_of(name).eot_token
    assert set(tokenizer.specials) == oracle_of(name).special_tokens_set


def test_gpt2_is_r50k():
    published("r50k")
    assert load("gpt2").fingerprint == load("r50k_base").fingerprint == load("r50k").fingerprint
    assert load("gpt2").fingerprint != load("p50k").fingerprint
    assert ALIASES.keys().isdisjoint(PUBLISHED)


SPELLINGS = ["<|endoftext|>", "<|fim_prefix|>", "<|endofprompt|>", "<|", "|>", "endoftext", " ", "\n", "<"]


@pytest.mark.parametrize("name", PUBLISHED_NAMES)
@settings(max_examples=200)
@given(text=st.lists(st.sampled_from(SPELLINGS) | st.text(max_size=3)).map("".join))
def test_no_text_yields_a_special_id(name, text):
    """Through every way in; only the name, asked for, gives the id."""
    tokenizer = published(name)
    specials = {tokenizer.special(special) for special in tokenizer.specials}
    ways = [tokenizer.encode(text), tokenizer.encode_bytes(text.encode("utf-8", "surrogatepass"))]
    ways += [tokenizer.encode_batch([text, text])[1], tokenizer.encode_array(text).tolist()]
    ways += [
        tokenizer.encode_arrays([text])[0].tolist(),
        tokenizer._path.encode([text.encode("utf-8", "ignore")])[0],
    ]
    for ids in ways:
        assert specials.isdisjoint(ids)
    if text.strip() == "<|endoftext|>":
        assert oracle_of(name).encode(text.strip(), allowed_special="all") == [
            tokenizer.special(text.strip())
        ]


def test_the_special_ids_can_be_had():
    """What the test above guards can happen: tiktoken gives the id where it is told to."""
    assert oracle_of("r50k").encode("<|endoftext|>", allowed_special="all") == [50_256]
    assert 50_256 not in published("r50k").encode("<|endoftext|>")


def test_a_vocabulary_that_was_not_fetched(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path))
    monkeypatch.delenv("GROUNDUP_DATA", raising=False)
    with pytest.raises(TokenizerError, match=r"not on this machine yet.* groundup data get cl100k"):
        load("cl100k")


def test_a_folder_of_local_copies(monkeypatch, tmp_path):
    published("r50k")
    shutil.copy(kept_path(SOURCES["gpt2"]), tmp_path)
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "empty"))
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    assert load("gpt2").encode("Hello world") == [15496, 995]


def test_damaged_archives(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    for name, data in ((PUBLISHED["r50k"].archive, b"\x1f\x8b"), (PUBLISHED["cl100k"].archive, b"PK")):
        (tmp_path / name).write_bytes(data)
    for name in ("gpt2", "cl100k"):
        with pytest.raises(TokenizerError, match=r"is damaged .*Delete it and fetch it again"):
            load(name)


def test_another_file_in_the_archive_is_refused(monkeypatch, tmp_path):
    monkeypatch.setenv("GROUNDUP_DATA", str(tmp_path))
    (tmp_path / "forged").write_bytes(b"IQ== 0\n")
    with tarfile.open(tmp_path / PUBLISHED["r50k"].archive, "w:gz") as tarred:
        tarred.add(tmp_path / "forged", PUBLISHED["r50k"].member)
    with pytest.raises(TokenizerError, match=r"is not the published one: expected SHA-256 306cd27f.*, got "):
        load("gpt2")


# ---- .tiktoken files -----------------------------------------------------------------------------


def test_a_tiktoken_file_there_and_back(tmp_path):
    path = tmp_path / "own.tiktoken"
    save_tiktoken(published("cl100k"), path)
    assert hashlib.sha256(path.read_bytes()).hexdigest() == PUBLISHED["cl100k"].sha256
    again = load(path, pattern="cl100k")
    assert again.encode("Hello world <|endoftext|>") == published("cl100k").encode(
        "Hello world <|endoftext|>"
    )
    assert again.specials == ()
    with pytest.raises(TokenizerError, match=r"but not how text is split\. Say it"):
        load(path)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"IQ==",
        b"IQ== x\n",
        b"I 0\n",
        b"!! 0\n",
        b"IQ== 0\nIg== 0\n",
        b" 0\n",
        b"IQ== 0 1\n",
        b"IQ== 99999999\n",
    ],
)
def test_a_damaged_tiktoken_file(data):
    with pytest.raises(TokenizerError, match=r"is no \.tiktoken file|it is damaged"):
        parse_tiktoken(data, "a file", pattern=None)


def test_an_unknown_name():
    with pytest.raises(TokenizerError, match=r"'cl100' is neither .* Did you mean 'cl100k'\?"):
        load("cl100")
