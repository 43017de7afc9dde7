import importlib.util
import json
from pathlib import Path

import pytest

from groundup.base.errors import ConfigError, DataError, FetchError
from groundup.data import web
from groundup.data.growing import collect
from groundup.data.web import WebConfig, WebDocuments, encoder
from groundup.tokenizer.bpe import BytePairTokenizer


def jsonl(path: Path, rows: list[dict]) -> str:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


@pytest.fixture
def corpus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> WebConfig:
    """Two files of thirty pages, one of them blank, read by the real library."""
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hub"))
    rows = [{"text": f"Page {i} says {'so ' * (i % 4)}on.", "id": f"p{i}"} for i in range(30)]
    rows[7]["text"] = "  \n"
    files = (jsonl(tmp_path / "a.jsonl", rows[:18]), jsonl(tmp_path / "b.jsonl", rows[18:]))
    return WebConfig(dataset="json", files=files)


def test_without_the_library_it_says_how_to_get_it(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'groundup\[web\]'"):
        WebDocuments(WebConfig(dataset="json"))


def test_impossible_numbers_are_refused():
    with pytest.raises(ConfigError, match="tokens=0 is too small"):
        WebConfig(tokens=0)


def test_processes_give_the_ids_of_one_in_the_same_order(tmp_path):
    tokenizer = BytePairTokenizer.train(["the cat sat on the mat"], vocab_size=262)
    tokenizer.save(tmp_path / "tokenizer.json")
    texts = [f"the cat {i} sat" for i in range(40)]
    with encoder(tokenizer, tmp_path / "tokenizer.json", processes=1, first=[7]) as encode:
        alone = encode(texts)
    assert alone[3] == [7, *tokenizer.encode(texts[3])]
    with encoder(tokenizer, tmp_path / "tokenizer.json", processes=2, first=[7]) as encode:
        assert encode(texts) == alone


@pytest.mark.slow
def test_rows_become_documents_and_blank_ones_do_not(corpus):
    stream = WebDocuments(corpus)
    documents = stream.take(10)
    assert [d.id for d in documents[:2]] == ["json/p0", "json/p1"]
    assert len(documents) == 10 and "json/p7" not in {d.id for d in documents}
    rest = stream.take(100)
    assert documents[-1].id == "json/p10" and rest[0].id == "json/p11" and len(rest) == 19
    assert stream.take(1) == []


@pytest.mark.slow
@pytest.mark.parametrize("taken", [3, 10, 20])  # within the first file, and in the second
def test_a_place_that_went_through_json_is_gone_back_to(corpus, taken):
    first = WebDocuments(corpus)
    first.take(taken)
    place = json.loads(json.dumps(first.place()))
    second = WebDocuments(corpus)
    second.go_to(place)
    assert second.take(5) == first.take(5)
    assert second.place()["row"] == first.place()["row"]
    assert WebDocuments(corpus).take(5) != second.take(5)


@pytest.mark.slow
def test_a_web_corpus_becomes_shards_also_when_it_was_cut_off(corpus, tmp_path):
    def grow(path: Path, stream: WebDocuments) -> None:
        collect(
            path, stream, encode=lambda texts: [list(t.encode()) for t in texts],
            side_of=lambda id: "held_out" if id.endswith("3") else "train",
            most={"train": 10**6, "held_out": 10**6}, vocab_size=256, tokenizer_fingerprint="0" * 64,
        )  # fmt: skip

    class Breaks(WebDocuments):
        def take(self, most: int) -> list:
            if self._row > 10:
                raise KeyboardInterrupt
            return super().take(12)

    grow(tmp_path / "whole", WebDocuments(corpus))
    with pytest.raises(KeyboardInterrupt):
        grow(tmp_path / "cut", Breaks(corpus))
    grow(tmp_path / "cut", WebDocuments(corpus))
    for file in ("train/tokens.bin", "train/offsets.bin", "held_out/tokens.bin"):
        assert (tmp_path / "cut" / file).read_bytes() == (tmp_path / "whole" / file).read_bytes()


@pytest.mark.slow
def test_what_is_wrong_is_named(corpus, tmp_path):
    with pytest.raises(DataError, match=r"no text in 'content'; its fields are 'text', 'id'"):
        WebDocuments(WebConfig(dataset="json", files=corpus.files, text_field="content")).take(1)
    with pytest.raises(FetchError, match="cannot be had"):
        WebDocuments(WebConfig(dataset="json", files=(str(tmp_path / "none.jsonl"),))).take(1)
    with pytest.raises(FetchError, match="cannot be had"):
        WebDocuments(WebConfig(dataset="json", files=corpus.files, split="tset")).take(1)
    assert web.Document("a", "b", "c").text == "a"
