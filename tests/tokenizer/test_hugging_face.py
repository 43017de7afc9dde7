"""tokenizer.json, both ways, against `tokenizers` itself: equal ids for equal files."""

import json
from pathlib import Path

import pytest
import tokenizers
from tokenizers import decoders, models, pre_tokenizers, trainers

from groundup.base.errors import TokenizerError
from groundup.tokenizer import BytePairTokenizer, VocabularyTokenizer, load
from groundup.tokenizer.hugging_face import from_hugging_face, save_hugging_face, to_hugging_face
from groundup.tokenizer.patterns import PATTERNS
from tests.tokenizer.conftest import SCRIPTS
from tests.tokenizer.oracles import PUBLISHED_NAMES, published

TEXTS = (
    SCRIPTS,
    "def f(x):\n    return x**2  # 12345 + 67\n\n\n",
    "I'LL we've don't 'sup ''s",
    "   lead   and   trail   ",
    "\n\n \n\t x\r\n\r\n",
    "camelCaseWords ABCdef HTTPServer's/\n/path/to",
    "",
    " ",
    "a" * 300,
    "hello <|end|> world",
)


def theirs(path: Path) -> tokenizers.Tokenizer:
    return tokenizers.Tokenizer.from_file(str(path))


def assert_equal_ids(ours, hugging_face, texts) -> None:
    for text in texts:
        assert hugging_face.encode(text, add_special_tokens=False).ids == ours.encode(text), text


# ---- Ours, read by theirs ------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*sorted(PATTERNS), None])
def test_theirs_loads_ours(name, corpus, tmp_path):
    ours = BytePairTokenizer.train(
        corpus, vocab_size=700, pattern=PATTERNS[name] if name else None, specials=("<|bos|>", "<|eot|>")
    )
    save_hugging_face(ours, tmp_path / "tokenizer.json")
    hugging_face = theirs(tmp_path / "tokenizer.json")
    assert_equal_ids(ours, hugging_face, (*TEXTS, corpus[0][:5_000]))
    assert hugging_face.get_vocab_size() == ours.vocab_size
    assert hugging_face.token_to_id("<|eot|>") == ours.special("<|eot|>")
    ids = ours.encode(SCRIPTS)
    assert hugging_face.decode(ids) == ours.decode(ids) == SCRIPTS
    again = load(tmp_path / "tokenizer.json")
    assert again.fingerprint == ours.fingerprint  # and ours loads it back as what it was


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED_NAMES)
def test_theirs_loads_a_published_vocabulary(name, corpus, tmp_path):
    save_hugging_face(published(name), tmp_path / "tokenizer.json")
    assert_equal_ids(published(name), theirs(tmp_path / "tokenizer.json"), (*TEXTS, *corpus))
    again = load(tmp_path / "tokenizer.json")
    assert again.vocab_size == published(name).vocab_size
    assert again.specials == published(name).specials
    for text in (*TEXTS, *corpus):
        assert again.encode(text) == published(name).encode(text)


def test_control_tokens_part_ways():
    """Theirs finds a control token in any text; ours never does. That is on purpose, and said."""
    ours = BytePairTokenizer([], specials=("<|end|>",))
    hugging_face = tokenizers.Tokenizer.from_str(json.dumps(to_hugging_face(ours)))
    assert hugging_face.encode("<|end|>").ids == [ours.special("<|end|>")]
    assert ours.encode("<|end|>") == list(b"<|end|>")


# ---- Theirs, read by ours ------------------------------------------------------------------------


def trained_by_them(corpus, pre_tokenizer, specials=("<s>", "</s>")) -> dict:
    hugging_face = tokenizers.Tokenizer(models.BPE())
    hugging_face.pre_tokenizer = pre_tokenizer
    hugging_face.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=600,
        special_tokens=list(specials),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    # a little text: without a split it is one piece, and their trainer is not made for that
    hugging_face.train_from_iterator([text[:4_000] for text in corpus], trainer)
    return json.loads(hugging_face.to_str())


BYTE_LEVEL = pre_tokenizers.ByteLevel(add_prefix_space=False)


def split_on(pattern: str):
    isolated = pre_tokenizers.Split(tokenizers.Regex(pattern), "isolated")
    unsplit = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    return pre_tokenizers.Sequence([isolated, unsplit])


@pytest.mark.parametrize(
    "pre_tokenizer",
    [
        BYTE_LEVEL,
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        split_on(r"\s+|\p{L}+|[^\s\p{L}]+"),
        split_on(PATTERNS["o200k"]),
        pre_tokenizers.Sequence([pre_tokenizers.Digits(individual_digits=True), BYTE_LEVEL]),
    ],
    ids=["gpt2", "no split", "a pattern", "o200k", "digits first"],
)
def test_ours_loads_theirs(pre_tokenizer, corpus, tmp_path):
    content = trained_by_them(corpus, pre_tokenizer)
    path = tmp_path / "tokenizer.json"
    path.write_text(json.dumps(content), encoding="utf-8")
    ours, hugging_face = load(path), theirs(path)
    assert isinstance(ours, VocabularyTokenizer)  # their special tokens come first
    assert_equal_ids(ours, hugging_face, (*TEXTS, corpus[0][:5_000]))
    assert ours.vocab_size == hugging_face.get_vocab_size()
    assert ours.special("</s>") == hugging_face.token_to_id("</s>")
    fast = ours.warm_up()
    assert fast == (ours.pattern is None or ours.pattern in PATTERNS.values())


def test_merges_as_strings_and_as_pairs(corpus):
    content = trained_by_them(corpus, BYTE_LEVEL)
    pairs = content["model"]["merges"]
    ours = from_hugging_face(content)
    content["model"]["merges"] = [pair if isinstance(pair, str) else " ".join(pair) for pair in pairs]
    assert from_hugging_face(content).encode(SCRIPTS) == ours.encode(SCRIPTS)


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"normalizer": {"type": "NFC"}}, "it has a normalizer, NFC, which changes the text"),
        ({"model": {"type": "WordPiece", "vocab": {}}}, 'its model is "WordPiece"'),
        ({"model": {"type": "BPE", "byte_fallback": True, "vocab": {}, "merges": []}}, "byte_fallback"),
        ({"pre_tokenizer": {"type": "Whitespace"}}, "its pre-tokenizer is"),
        ({"decoder": {"type": "WordPiece"}}, "its decoder is WordPiece"),
        ({"added_tokens": [{"id": 1, "content": "  ", "special": False}]}, "white space, which any text has"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}}}, "is damaged: KeyError 'merges'"),
        ({"model": {"type": "BPE", "vocab": {"a": -1}, "merges": []}}, "is damaged: ValueError"),
        ({"model": {"type": "BPE", "vocab": {"a": 10**9}, "merges": []}}, "is damaged: ValueError"),
        ({"model": {"type": "BPE", "vocab": {"a": 0}, "merges": []}}, "no token for 255 of the 256 bytes"),
    ],
)
def test_what_cannot_be_read_exactly_is_refused_by_name(change, says):
    content = to_hugging_face(BytePairTokenizer([(97, 98)]))
    assert from_hugging_face(content).encode("ab") == [256]  # without the change it loads
    with pytest.raises(TokenizerError, match=says):
        from_hugging_face({**content, **change})


def test_a_merge_of_unknown_tokens():
    content = to_hugging_face(BytePairTokenizer([(97, 98)]))
    content["model"]["merges"] = [["a", "zz"]]
    with pytest.raises(TokenizerError, match=r"Merge 0, \['a', 'zz'\], does not name two tokens"):
        from_hugging_face(content)
