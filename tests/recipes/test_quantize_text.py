"""The text is of the kind that the model is for; what is scored is the same each time."""

import json

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from groundup.base.errors import CheckpointError, DataError
from groundup.models.transformer import Transformer, llama
from groundup.recipes.quantize_text import conversations_in, rendered, text_for, windows
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS, Conversation, assistant, render, user
from groundup.weights import checkpoint
from groundup.weights.source import load

TOKENIZER = BytePairTokenizer.train(
    "what is your name? my name is groundup. " * 9, vocab_size=280, specials=SPECIALS
)
TALKS = [
    {
        "messages": [
            {"role": "user", "content": f"what is {n}?"},
            {"role": "assistant", "content": "a name" * n},
        ]
    }
    for n in range(1, 7)
]


def found(tmp_path, tokenizer=TOKENIZER, **extra):
    torch.manual_seed(0)
    model = Transformer(
        llama(vocab_size=tokenizer.vocab_size, context_len=24, n_layer=1, n_head=2, n_embd=32)
    )
    checkpoint.save(tmp_path / "m", model=model, tokenizer=tokenizer, step=1, extra=extra)
    return load(tmp_path / "m")


def lines(path, rows):
    path.write_text("\n".join(json.dumps(row) for row in rows) + "\n")
    return path


def test_half_of_the_conversations_calibrates_and_the_replies_of_the_other_are_scored(tmp_path):
    model = found(tmp_path)
    used = text_for(model, tmp_path / "m", lines(tmp_path / "talks.jsonl", TALKS))
    assert used.what == "the replies in talks.jsonl" and len(used.calibration) == 3
    talks = [render(TOKENIZER, Conversation.from_dict(talk)) for talk in TALKS]
    assert used.calibration[0].tolist() == [talks[0][0]]
    scores = used.score(model.model)
    for (ids, asked), score in zip(talks[3:], scores, strict=True):
        ids, asked = torch.tensor(ids[:24]), torch.tensor(asked[:24])
        losses = F.cross_entropy(model.model(ids[None, :-1])[0].detach(), ids[1:], reduction="none")
        assert score.nats == pytest.approx(float((losses * asked[1:]).sum()), rel=1e-5)
        assert score.tokens == int(asked[1:].sum())
        assert score.bytes == sum(
            len(TOKENIZER.bytes_of(int(id)))
            for id, is_asked in zip(ids[1:], asked[1:], strict=True)
            if is_asked
        )
    assert [score.nats for score in used.score(model.model)] == [score.nats for score in scores]


def test_plain_text(tmp_path):
    model = found(tmp_path)
    (tmp_path / "t.txt").write_text("what is your name? " * 40)
    used = text_for(model, tmp_path / "m", tmp_path / "t.txt")
    assert used.what == "t.txt" and used.calibration[0].shape[1] == 24
    (tmp_path / "s.txt").write_text("a")
    with pytest.raises(DataError, match="too few to measure"):
        text_for(model, tmp_path / "m", tmp_path / "s.txt")
    nothing = text_for(model, tmp_path / "m", None)
    assert nothing.score is None and not nothing.calibration


def test_windows_come_from_all_over_the_text():
    (batch,) = windows(np.arange(100), 20)
    assert batch[0].tolist() == list(range(20)) and batch[-1].tolist() == list(range(80, 100))
    assert windows(np.arange(0), 20) == []


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        (["{"], "line 1 is not JSON"),
        ([json.dumps(TALKS[0]), json.dumps({"messages": [{"role": "robot", "content": "x"}]})], "line 2: "),
        ([json.dumps(TALKS[0])], "holds 1 conversations"),
        (["[" * 100_000], "line 1 is not JSON"),
    ],
)
def test_files_that_are_no_conversations(rows, says, tmp_path):
    (tmp_path / "t.jsonl").write_text("\n".join(rows))
    with pytest.raises(DataError, match=says):
        conversations_in(tmp_path / "t.jsonl")


def test_conversations_that_do_not_fit(tmp_path):
    long = Conversation((user("what is your name? " * 20), assistant("groundup")))
    with pytest.raises(DataError, match="a reply that fits"):
        rendered(found(tmp_path), [long, long])


def test_a_model_that_was_not_taught_to_chat_is_not_asked_to(tmp_path):
    tokenizer = BytePairTokenizer.train("what is your name? " * 9, vocab_size=270)
    with pytest.raises(CheckpointError, match="never taught to chat"):
        text_for(found(tmp_path, tokenizer), tmp_path / "m", lines(tmp_path / "t.jsonl", TALKS))
