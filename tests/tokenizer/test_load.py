import json

import pytest

from groundup.base.errors import DataError, TokenizerError
from groundup.tokenizer import BytePairTokenizer, CharTokenizer, from_dict, load


@pytest.fixture(params=["chars", "bpe", "bpe without split"])
def saved(request, tmp_path, corpus):
    specials = ("<|end|>", "你")
    if request.param == "chars":
        tokenizer = CharTokenizer.train("abc \0你\U0001f600", specials=specials)
    else:
        pattern = None if "without" in request.param else r"\s+|\S+"
        tokenizer = BytePairTokenizer.train(
            ["abc abc abd"], vocab_size=260, pattern=pattern, specials=specials
        )
    path = tmp_path / "tokenizer.json"
    tokenizer.save(path)
    return tokenizer, path


def test_round_trip(saved):
    tokenizer, path = saved
    again = load(path)
    assert type(again) is type(tokenizer)
    assert again.to_dict() == tokenizer.to_dict()
    assert again.fingerprint == tokenizer.fingerprint
    assert again.encode("abc c") == tokenizer.encode("abc c")
    assert [again.special(name) for name in again.specials] == [
        tokenizer.special(name) for name in again.specials
    ]
    assert load(path.parent).fingerprint == tokenizer.fingerprint  # a folder will do


def test_the_fingerprint_tells_tokenizers_apart():
    fingerprints = {
        tokenizer.fingerprint
        for tokenizer in (
            BytePairTokenizer([]),
            BytePairTokenizer([], pattern=None),
            BytePairTokenizer([(97, 98)]),
            BytePairTokenizer([], specials=("a", "b")),
            BytePairTokenizer([], specials=("b", "a")),
            CharTokenizer("ab"),
        )
    }
    assert len(fingerprints) == 6
    # pinned: a change of the canonical form would orphan every checkpoint
    expected = "344a1913aee2811e9e1ac7e46c185fae42303b1f11cfd482a059ce81fa14d34f"
    assert BytePairTokenizer([(97, 98)], pattern=None, specials=("<|end|>",)).fingerprint == expected


def test_what_encoding_has_cached_is_not_part_of_the_fingerprint():
    used = BytePairTokenizer([(97, 98)])
    used.encode("ab ab")
    assert used.fingerprint == BytePairTokenizer([(97, 98)]).fingerprint


def test_an_altered_file_is_refused(saved):
    _, path = saved
    content = json.loads(path.read_text())
    content["specials"].reverse()
    path.write_text(json.dumps(content))
    with pytest.raises(TokenizerError, match="altered after it was saved"):
        load(path)


def test_a_truncated_file_is_refused(saved):
    _, path = saved
    path.write_text(path.read_text()[:-20])
    with pytest.raises(TokenizerError, match="is not JSON"):
        load(path)


def test_a_missing_file(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        load(tmp_path / "nowhere.json")


BPE = {"schema": 1, "kind": "bpe", "pattern": None, "specials": [], "merges": [[97, 98]]}


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"kind": "wordpiece"}, 'a "kind" of bpe, chars'),
        ({"kind": ["bpe"]}, 'a "kind" of bpe, chars'),
        ({"schema": 2}, "schema 2; this version of groundup reads schema 1"),
        ({"merges": [[97]]}, '"merges" must be a list of pairs'),
        ({"merges": [[97, "98"]]}, '"merges" must be a list of pairs'),
        ({"merges": [[97, True]]}, '"merges" must be a list of pairs'),
        ({"merges": None}, '"merges" must be a list of pairs'),
        ({"merges": [[97, 256]]}, r"Merge 0 joins \(97, 256\), but only ids 0 to 255"),
        ({"merges": [[-1, 97]]}, "Merge 0 joins"),
        ({"merges": [[97, 98], [97, 98]]}, r"pair \(97, 98\) is merged twice"),
        ({"pattern": 7}, '"pattern" must be a string or null'),
        ({"pattern": "("}, "not a regular expression"),
        ({"specials": ["a", "a"]}, "named twice"),
        ({"specials": "abc"}, '"specials" must be a list of strings'),
        ({"fingerprint": "0" * 64}, "altered"),
        ({"kind": "chars"}, '"characters" must be a string'),
        ({"kind": "chars", "characters": "ba"}, "different and sorted"),
    ],
)
def test_damaged_content_is_refused_and_says_why(change, says):
    assert from_dict(BPE).encode("ab") == [256]  # without the change it loads
    with pytest.raises(TokenizerError, match=says):
        from_dict({**BPE, **change})


def test_something_else_is_no_tokenizer():
    for content in ([], "bpe", None, {}):
        with pytest.raises(TokenizerError, match="does not describe a tokenizer"):
            from_dict(content)
