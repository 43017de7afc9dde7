import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from groundup.base.errors import DataError
from groundup.data import growing
from groundup.data.documents import Document
from groundup.data.growing import collect
from groundup.data.shards import TokenShards, write_shards


class ListStream:
    """Documents of a list, as a stream that may break off after so many have been taken."""

    def __init__(self, texts: list[str], breaks_after: int | None = None):
        self.texts, self.next, self.breaks_after, self.taken = texts, 0, breaks_after, 0

    def take(self, most: int) -> list[Document]:
        found = [Document(text, str(i), "list") for i, text in enumerate(self.texts)][self.next :][:most]
        self.next += len(found)
        self.taken += len(found)
        if self.breaks_after is not None and self.taken > self.breaks_after:
            raise KeyboardInterrupt
        return found

    def place(self) -> dict[str, Any]:
        return {"next": self.next}

    def go_to(self, place: Mapping[str, Any]) -> None:
        self.next = place["next"]


TEXTS = ["abcdefgh"[: 1 + i % 8] * (1 + i % 3) for i in range(60)]


def take(path: Path, stream: ListStream, most: int = 150, vocab_size: int = 256) -> dict[str, TokenShards]:
    return collect(
        path,
        stream,
        encode=lambda texts: [list(text.encode()) for text in texts],
        side_of=lambda id: "held_out" if int(id) % 5 == 0 else "train",
        most={"train": most, "held_out": 30},
        vocab_size=vocab_size,
        tokenizer_fingerprint="f" * 64,
    )


@pytest.fixture(autouse=True)
def small_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(growing, "CHUNK", 7)


def files(path: Path) -> dict[str, bytes]:
    return {str(f.relative_to(path)): f.read_bytes() for f in sorted(path.rglob("*")) if f.is_file()}


def test_both_sides_stop_when_they_have_enough(tmp_path):
    sides = take(tmp_path / "corpus", ListStream(TEXTS))
    for side, most in (("train", 150), ("held_out", 30)):
        sides[side].verify()
        assert most <= len(sides[side].tokens) < most + 7 * 24  # the chunk in which it got enough is finished
    assert bytes(sides["train"][0].tolist()).decode() == TEXTS[1]
    assert bytes(sides["held_out"][1].tolist()).decode() == TEXTS[5]
    assert not (tmp_path / "corpus" / "progress.json").exists()


def test_the_files_are_those_of_write_shards(tmp_path):
    take(tmp_path / "corpus", ListStream(TEXTS), most=10**9)
    train = [list(text.encode()) for i, text in enumerate(TEXTS) if i % 5]
    write_shards(tmp_path / "plain", train, vocab_size=256, tokenizer_fingerprint="f" * 64)
    assert files(tmp_path / "corpus" / "train") == files(tmp_path / "plain")


@pytest.mark.parametrize("breaks_after", range(0, 60, 9))
def test_cut_off_anywhere_and_carried_on_gives_the_same_bytes(tmp_path, breaks_after):
    take(tmp_path / "whole", ListStream(TEXTS), most=10**9)
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "cut", ListStream(TEXTS, breaks_after), most=10**9)
    with pytest.raises(DataError, match=r"no manifest\.json"):
        TokenShards.open(tmp_path / "cut" / "train")
    second = ListStream(TEXTS)
    take(tmp_path / "cut", second, most=10**9)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")
    assert (
        second.taken <= len(TEXTS) - breaks_after + 7
    )  # it did not start again: what it may lose is a chunk


def test_what_was_written_after_the_last_mark_is_cut_away(tmp_path):
    take(tmp_path / "whole", ListStream(TEXTS), most=10**9)
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "cut", ListStream(TEXTS, 30), most=10**9)
    with open(tmp_path / "cut" / "train" / "tokens.bin", "ab") as file:
        file.write(b"half a document")
    take(tmp_path / "cut", ListStream(TEXTS), most=10**9)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


@pytest.mark.parametrize("where", ["write_manifest", "sha256_file"])
def test_killed_while_it_is_being_completed(tmp_path, monkeypatch, where):
    take(tmp_path / "whole", ListStream(TEXTS), most=10**9)
    monkeypatch.setattr(growing, where, _killed)
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "cut", ListStream(TEXTS), most=10**9)
    monkeypatch.undo()
    second = ListStream(TEXTS)
    take(tmp_path / "cut", second, most=10**9)
    assert files(tmp_path / "cut") == files(tmp_path / "whole")


def _killed(*_: object, **__: object) -> None:
    raise KeyboardInterrupt


def test_a_finished_corpus_reads_no_stream(tmp_path):
    take(tmp_path / "corpus", ListStream(TEXTS))
    again = ListStream(TEXTS, breaks_after=0)
    take(tmp_path / "corpus", again)
    assert again.taken == 0


def test_another_vocabulary_is_not_mixed_in(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "corpus", ListStream(TEXTS, 20))
    with pytest.raises(DataError, match="vocab_size: 256 -> 300"):
        take(tmp_path / "corpus", ListStream(TEXTS), vocab_size=300)


def test_damage_is_refused(tmp_path):
    with pytest.raises(KeyboardInterrupt):
        take(tmp_path / "corpus", ListStream(TEXTS, 20))
    (tmp_path / "corpus" / "train" / "tokens.bin").write_bytes(b"")
    with pytest.raises(DataError, match=r"shorter than its progress\.json says"):
        take(tmp_path / "corpus", ListStream(TEXTS))


def test_a_side_without_text_is_refused(tmp_path):
    with pytest.raises(DataError, match="none of its documents is for train"):
        take(tmp_path / "corpus", ListStream(TEXTS[:1]))
    assert json.loads((tmp_path / "corpus" / "progress.json").read_text())["place"] == {"next": 1}


def test_an_id_that_the_vocabulary_lacks_is_refused(tmp_path):
    with pytest.raises(DataError, match="document 0 holds id 97"):
        take(tmp_path / "corpus", ListStream(TEXTS), vocab_size=97)
