"""The claims of the tokenizer floor, measured a little: a stand-in that encodes with ours plays the peer."""

import pytest

from benchmarks import tokenizer as benchmark
from benchmarks.tokenizer import (
    Contender,
    Effort,
    agree,
    decode_claims,
    encode_claims,
    main,
    ours,
    prompt_claims,
)
from groundup.base.errors import DataError
from tests.tokenizer.oracles import published

A_LITTLE = Effort(rounds=2, starts=1, most=4_000)
TEXTS = {
    "english": ["some words, and more of them. " * 40, "the end"],
    "multilingual": ["你好，世界 мир " * 40],
}


@pytest.fixture(scope="module")
def contenders() -> dict[str, Contender]:
    tokenizer = published("cl100k")
    return {
        "ours": ours(tokenizer),
        "tiktoken": benchmark.in_tiktoken(tokenizer),
        "gigatoken": Contender(
            name="a stand-in",
            arrays=lambda texts: [tokenizer.encode_array(text) for text in texts],
            lists=lambda texts: [tokenizer.encode(text) for text in texts],
            prompt=tokenizer.encode,
            join=tokenizer.decode_array,
            forget=lambda: None,
        ),
    }


def test_every_claim(contenders, monkeypatch):
    monkeypatch.setattr(benchmark, "PROMPTS", 3)
    claims = [
        *encode_claims(contenders, TEXTS, A_LITTLE),
        *decode_claims(contenders, TEXTS, A_LITTLE),
        *prompt_claims(contenders, A_LITTLE),
    ]
    ids = {claim.id for claim in claims}
    assert len(ids) == len(claims)
    assert {
        "encode-cold-vs-tiktoken",
        "encode-warm-vs-tiktoken",
        "encode-english-vs-gigatoken",
        "encode-multilingual-vs-gigatoken",
        "decode-array-vs-gigatoken",
    } <= ids
    for claim in claims:
        assert claim.n == 2 and claim.ratio == pytest.approx(claim.ours / claim.theirs)


def test_all_the_ids_are_decoded(contenders):
    seen = []
    spy = Contender(**{**vars(contenders["tiktoken"]), "join": seen.append})
    decode_claims({**contenders, "tiktoken": spy}, TEXTS, A_LITTLE)
    expected = sum(len(published("cl100k").encode(text)) for texts in TEXTS.values() for text in texts)
    assert [len(ids) for ids in seen] == [expected, expected]


def test_other_ids_are_not_claimed(contenders):
    agree(contenders, TEXTS["english"])
    liar = Contender(**{**vars(contenders["ours"]), "lists": lambda texts: [[1] for _ in texts]})
    with pytest.raises(DataError, match=r"groundup differs from tiktoken on 'some words.*Nothing is claimed"):
        agree({**contenders, "ours": liar}, TEXTS["english"])
    mute = Contender(**{**vars(contenders["ours"]), "join": lambda ids: b""})
    with pytest.raises(DataError, match="Nothing is claimed"):
        agree({**contenders, "ours": mute}, TEXTS["english"])


def test_texts_are_shortened_and_not_english():
    assert benchmark.shortened(["abc", "def", "g"], 4) == ["abc", "d"]
    assert benchmark.shortened(["abc", "def"], None) == ["abc", "def"]
    texts = benchmark.multilingual(None)
    assert len(texts) > 50 and any("你" in text for text in texts) and any("и" in text for text in texts)


def test_a_folder_without_the_peer(tmp_path, capsys):
    published("cl100k")
    assert main(["--peers", str(tmp_path), "--most", "2000"]) == 2
    assert "holds no gigatoken" in capsys.readouterr().err
