"""The claims about training a tokenizer, measured a little: the peers where they are installed."""

import json
from dataclasses import replace

import pytest

from benchmarks import tokenizer_train, tokenizer_trainers
from benchmarks.tokenizer_train import Effort, agree, main, speed_claims, thread_claims
from benchmarks.tokenizer_trainers import CONTENDERS, mixed, ours_cl100k, ours_gpt2
from groundup.base.errors import DataError
from groundup.tokenizer.bpe import BytePairTokenizer

A_LITTLE = Effort(vocab_size=300, rounds=2, megabytes=0.2, processes=1, first_uses=1)
TEXTS = [
    "What a piece of work is a man!\n\nHow noble in reason, how infinite in faculty! " * 9,
    "It's 4242\n" * 9,
]


def test_ours_are_the_tokens_of_the_tokenizer():
    tokenizer = BytePairTokenizer.train(TEXTS, vocab_size=300)
    assert ours_gpt2(TEXTS, 300) == [tokenizer.bytes_of(id) for id in range(256, 300)]
    assert ours_gpt2(TEXTS, 300) != ours_cl100k(TEXTS, 300)


def test_the_text_has_the_size_that_was_asked_for(monkeypatch):
    monkeypatch.setattr(tokenizer_trainers, "prose", lambda: ["é" * 100, "b" * 50])
    assert [len(text.encode()) for text in mixed(0.00022)] == [200, 20]
    assert sum(len(text.encode()) for text in mixed(0.5)) == 500_000
    with pytest.raises(DataError, match="MB less than 1e\\+99 MB"):
        monkeypatch.setattr(tokenizer_trainers, "_mixed", lambda: iter(["a"]))
        mixed(1e99)


def test_contenders_that_learn_other_tokens_are_not_claimed():
    same = dict.fromkeys(CONTENDERS, "tokens")
    agree(same)
    agree(same | {"hugging-face": "others"})  # another tie rule
    with pytest.raises(DataError, match="gigatoken learned other tokens"):
        agree(same | {"gigatoken": "others"})
    with pytest.raises(DataError, match="rustbpe learned other tokens"):
        agree(same | {"rustbpe": "others"})


def test_threads_are_timed():
    [claim] = thread_claims(TEXTS, A_LITTLE)
    assert claim.ratio == pytest.approx(claim.theirs / claim.ours) and claim.n == 2


def test_a_peer_that_is_missing_is_named(monkeypatch, capsys):
    monkeypatch.setattr(tokenizer_trainers, "PEERS", ("rustbpe_of_another_world",))
    assert main([]) == 2
    assert "pip install rustbpe_of_another_world" in capsys.readouterr().err


@pytest.fixture
def stand_ins(monkeypatch):
    """Ours in the place of the peers, which no test needs; but rustbpe, which is an oracle anyway."""
    for peer, ours in (("gigatoken", "ours-gpt2"), ("hugging-face", "ours-gpt2")):
        monkeypatch.setitem(CONTENDERS, peer, CONTENDERS[ours])
    monkeypatch.setattr(tokenizer_trainers, "PEERS", ("rustbpe",))
    monkeypatch.setattr(tokenizer_train, "PEERS", ("rustbpe",))


def test_contenders_are_timed_in_turns(stand_ins, monkeypatch):
    claims = {claim.id: claim for claim in speed_claims(TEXTS, A_LITTLE)}
    assert set(claims) == {f"train-32k-vs-{peer}" for peer in ("rustbpe", "gigatoken", "hf")}
    assert all(claim.ratio == pytest.approx(claim.theirs / claim.ours) for claim in claims.values())
    monkeypatch.setitem(CONTENDERS, "gigatoken", CONTENDERS["ours-cl100k"])
    with pytest.raises(DataError, match="gigatoken learned other tokens"):
        speed_claims(TEXTS, A_LITTLE)


@pytest.mark.slow
def test_the_table_goes_to_a_file(stand_ins, monkeypatch, tmp_path, capsys):
    alone = tokenizer_train._alone
    measured = {name: alone(name, A_LITTLE) for name in ("ours-cl100k", "ours-gpt2", "rustbpe")}
    assert measured["rustbpe"]["tokens"] == measured["ours-cl100k"]["tokens"]
    assert measured["rustbpe"]["tokens"] != alone("rustbpe", replace(A_LITTLE, vocab_size=301))["tokens"]
    measured["gigatoken"] = measured["ours-gpt2"]
    monkeypatch.setattr(tokenizer_train, "_alone", lambda name, effort: measured[name])
    monkeypatch.setattr(tokenizer_train, "Effort", lambda: A_LITTLE)
    monkeypatch.setattr(tokenizer_train, "prose", lambda: TEXTS)
    assert main(["--out", str(tmp_path / "out.json")]) == 0
    assert "train-64mb-memory-vs-rustbpe" in capsys.readouterr().out
    claims = {claim["id"]: claim for claim in json.loads((tmp_path / "out.json").read_text())["claims"]}
    assert claims["train.first-use-cold"]["ours"] > claims["train.first-use-warm"]["ours"]
    assert claims["train-64mb-memory-vs-rustbpe"]["ours"] > 0.1
