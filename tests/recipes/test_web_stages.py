import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundup.base.config import replace_path, to_dict
from groundup.base.errors import ConfigError
from groundup.base.rundir import RunDir
from groundup.data import growing
from groundup.data.documents import Document
from groundup.data.shards import TokenShards
from groundup.recipes import web_stages
from groundup.recipes.pretrain import Pretrain
from groundup.tokenizer.load import load
from groundup.weights import checkpoint

PAGES = [f"Page {i}: the cat sat on the mat and the rat on the hat.\n" * (1 + i % 3) for i in range(120)]


class Pages:
    """The pages as a stream; `breaks_after` so many it is cut off."""

    def __init__(self, breaks_after: int | None = None):
        self.next, self.breaks_after = 0, breaks_after

    def take(self, most: int) -> list[Document]:
        if self.breaks_after is not None and self.next >= self.breaks_after:
            raise KeyboardInterrupt
        found = [Document(PAGES[i], f"web/{i}", "web") for i in range(self.next, len(PAGES))][:most]
        self.next += len(found)
        return found

    def place(self) -> dict[str, Any]:
        return {"next": self.next}

    def go_to(self, place: Mapping[str, Any]) -> None:
        self.next = place["next"]


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "CHUNK", 20)
    monkeypatch.setattr(web_stages, "CHUNK", 20)


def recipe(**changes: Any) -> Pretrain:
    made = Pretrain()
    settings = {
        "data.web.dataset": "pages", "data.web.tokens": 3000, "data.web.tokenizer_bytes": 2000,
        "data.held_out": 0.2,
        "tokenizer.kind": "bpe", "tokenizer.vocab_size": 280, "device": "cpu", **changes,
    }  # fmt: skip
    for path, value in settings.items():
        made = replace_path(made, path, value)
    return made


def opened(path: Path) -> RunDir:
    return RunDir.open(path, recipe="pretrain", config={}, seed=1, console=False)


def test_a_stream_becomes_a_tokenizer_and_tokens(tmp_path):
    settings, out = recipe(), opened(tmp_path / "run")
    stage, tokenizer = web_stages.train_tokenizer(settings, out, Pages)
    assert tokenizer.vocab_size == 280
    tokens = web_stages.tokenize(settings, out, tokenizer, stage, Pages)
    train, held_out = (TokenShards.open(tokens.dir / side) for side in ("train", "held_out"))
    assert len(train.tokens) >= 3000 and len(held_out.tokens) >= 600
    texts = {side: {tokenizer.decode(shard[d]) for d in range(len(shard))}
             for side, shard in (("train", train), ("held_out", held_out))}  # fmt: skip
    assert texts["train"] <= set(PAGES) and texts["held_out"] <= set(PAGES)
    assert not texts["train"] & texts["held_out"]
    assert all(shard[0][0] == tokenizer.special("<|bos|>") for shard in (train, held_out))


def test_the_tokenizer_sees_nothing_that_is_held_out(tmp_path, monkeypatch):
    seen: list[str] = []
    monkeypatch.setattr(
        web_stages, "make_tokenizer",
        lambda config, texts, specials: seen.extend(texts) or _bytes(),  # type: ignore[func-returns-value]
    )  # fmt: skip
    settings = recipe(**{"data.web.tokenizer_bytes": 10**6})
    web_stages.train_tokenizer(settings, opened(tmp_path / "run"), Pages)
    sides = {page: web_stages.side(f"web/{i}", settings.data, settings.seed) for i, page in enumerate(PAGES)}
    assert {sides[page] for page in seen} == {"train"}
    assert set(sides.values()) == {"train", "held_out"}
    assert len(seen) == list(sides.values()).count("train")


def _bytes() -> Any:
    from groundup.tokenizer.bpe import BytePairTokenizer

    return BytePairTokenizer([], specials=["<|bos|>"])


def test_cut_off_and_carried_on_gives_the_same_tokens(tmp_path):
    settings = recipe()
    for name in ("whole", "cut"):
        out = opened(tmp_path / name)
        stage, tokenizer = web_stages.train_tokenizer(settings, out, Pages)
        if name == "cut":
            with pytest.raises(KeyboardInterrupt):
                web_stages.tokenize(settings, out, tokenizer, stage, lambda: Pages(breaks_after=60))
            assert json.loads((tmp_path / "cut" / "tokens" / "progress.json").read_text())["place"] == {
                "next": 60
            }
        web_stages.tokenize(settings, out, tokenizer, stage, Pages)
    for file in ("train/tokens.bin", "held_out/tokens.bin", "train/manifest.json"):
        assert (tmp_path / "cut" / "tokens" / file).read_bytes() == (
            tmp_path / "whole" / "tokens" / file
        ).read_bytes()


def test_a_model_is_trained_on_a_stream(tmp_path, monkeypatch):
    monkeypatch.setattr(web_stages, "WebDocuments", lambda config: Pages())
    small = {
        "model.n_layer": 1,
        "model.n_head": 2,
        "model.n_embd": 32,
        "model.context_len": 16,
        "fit.steps": 30,
    }
    settings = recipe(**small)
    run = RunDir.open(
        tmp_path / "run", recipe="pretrain", config=to_dict(settings), seed=settings.seed, console=False
    )
    assert "bits per byte" in settings.run(run)
    made = checkpoint.load(tmp_path / "run" / "model")
    assert made.tokenizer.vocab_size == 280
    assert "nobody here read it" in made.manifest.extra["data"][0]["licence"]


def test_a_tokenizer_that_was_trained_before_is_taken(tmp_path):
    _, tokenizer = web_stages.train_tokenizer(recipe(), opened(tmp_path / "first"), Pages)
    tokenizer.save(tmp_path / "mine.json")
    settings = recipe(**{"tokenizer.path": tmp_path / "mine.json", "tokenizer.kind": "auto"})
    stage, taken = web_stages.train_tokenizer(settings, opened(tmp_path / "second"), Pages)
    assert taken.fingerprint == tokenizer.fingerprint == load(stage.dir).fingerprint


def test_characters_of_a_stream_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="wants to see all characters"):
        web_stages.train_tokenizer(recipe(**{"tokenizer.kind": "chars"}), opened(tmp_path / "run"), Pages)


def test_a_disk_without_room_is_refused_before_the_stream_is_opened(tmp_path):
    settings, out = recipe(**{"data.web.tokens": 10**15}), opened(tmp_path / "run")
    stage, tokenizer = web_stages.train_tokenizer(settings, out, Pages)

    def never() -> Pages:
        raise AssertionError("the stream was opened")

    with pytest.raises(ConfigError, match=r"tokens take .* GB, and the disk .* free"):
        web_stages.tokenize(settings, out, tokenizer, stage, never)


def test_more_processes_are_the_same_corpus():
    one, many = recipe(), recipe(**{"data.web.processes": 8})
    assert web_stages.which(one.data) == web_stages.which(many.data)
    assert web_stages.which(one.data) != web_stages.which(recipe(**{"data.web.subset": "other"}).data)
