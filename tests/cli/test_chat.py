"""`groundup chat`, from a pipe and at a terminal, with a tiny real model that knows two answers."""

import io

import pytest
import torch

from groundup.base.errors import CheckpointError, ConfigError, UserError
from groundup.cli import chat as command
from groundup.cli.main import main
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer import chat
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import Call, Conversation, Result, assistant, user
from groundup.weights.checkpoint import load, save

TALKS = (
    Conversation((user("hi"), assistant("hello"))),
    Conversation((user("6*7?"), assistant(Call("calc", "6*7"), Result("42"), "it is 42"))),
)


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A finished run directory whose model has the two talks by heart."""
    torch.manual_seed(0)
    tokenizer = BytePairTokenizer([], specials=chat.SPECIALS)
    model = Transformer(
        TransformerConfig(tokenizer.vocab_size, context_len=64, n_layer=2, n_head=2, n_embd=32)
    )
    rows = [chat.render(tokenizer, talk) for talk in TALKS]
    T = max(len(ids) for ids, _ in rows)
    ids_BT = torch.tensor([ids + [0] * (T - len(ids)) for ids, _ in rows])
    mask_BT = torch.tensor([mask + [0] * (T - len(mask)) for _, mask in rows])
    targets_BT = torch.where(mask_BT == 1, ids_BT, -1)[:, 1:]
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
    for _ in range(80):
        logits_BTV = model(ids_BT[:, :-1])
        loss = torch.nn.functional.cross_entropy(
            logits_BTV.flatten(0, 1), targets_BT.flatten(), ignore_index=-1
        )
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.05, "the fixture has not learned its two talks"
    folder = tmp_path_factory.mktemp("run")
    extra = {"can_do": ["It greets, and multiplies six by seven."]}
    save(folder / "model", model=model, tokenizer=tokenizer, step=80, extra=extra)
    return folder


def session(run, **options):
    return command.Session(load(run / "model"), SamplingParams(temperature=0, max_tokens=40), **options)


def piped(monkeypatch, text):
    monkeypatch.setattr("sys.stdin", io.StringIO(text))


class Keyboard:
    """What is typed at a terminal; an exception in the list is that key."""

    def __init__(self, *lines):
        self.lines = list(lines)

    def __call__(self, prompt):
        line = self.lines.pop(0)
        if isinstance(line, str):
            return line
        raise line


def test_a_pipe_gets_replies_and_nothing_else(run, monkeypatch, capsys):
    piped(monkeypatch, "6*7?\n\n/reset\nhi\n")
    assert main(["chat", str(run), "--temperature", "0"]) == 0
    assert capsys.readouterr().out.splitlines() == ["[calc 6*7 → 42] it is 42", "  (forgotten)", "hello"]


def test_the_same_seed_says_the_same(run, monkeypatch, capsys):
    said = []
    for seed in ("1", "1", "2"):
        piped(monkeypatch, "hi\n")
        main(["chat", str(run), "--temperature", "5", "--max-tokens", "20", "--seed", seed])
        said.append(capsys.readouterr().out)
    assert said[0] == said[1] != said[2]


def test_the_conversation_is_remembered_until_reset(run, capsys):
    talk = session(run)
    talk.take("hi")
    assert talk.conversation == TALKS[0]
    talk.take("/reset")
    talk.take("6*7?")
    assert talk.conversation == TALKS[1]


def test_the_greeting_says_what_the_model_can_do(run, capsys):
    lines = command.greeting(run, load(run / "model")).splitlines()
    assert "parameters, step 80" in lines[0]
    assert lines[1] == "  It greets, and multiplies six by seven."
    assert "/help" in lines[-1]


def test_commands(run, capsys):
    talk = session(run)
    talk.take("/temp 0.7")
    assert talk.params.temperature == 0.7
    for wrong in ("/temperature hot", "/temperature -1", "/temperature nan"):
        with pytest.raises(ConfigError):
            talk.take(wrong)
    assert talk.params.temperature == 0.7
    with pytest.raises(UserError, match=r"no command /rest\. Did you mean '/reset'\?"):
        talk.take("/rest")
    talk.take("/help")
    shown = capsys.readouterr().out
    assert all(name in shown for name in command.COMMANDS)
    assert not talk.over
    talk.take("/quit")
    assert talk.over


def test_a_message_too_long_is_refused_and_the_talk_goes_on(run, capsys):
    talk = session(run)
    command.at_terminal(talk, Keyboard("x" * 100, "hi", EOFError()))
    out = capsys.readouterr().out
    assert "Shorten the message" in out and "hello" in out
    assert talk.conversation == TALKS[0]


def test_ctrl_c_stops_a_reply_and_a_second_one_leaves(run, monkeypatch, capsys):
    talk = session(run)
    shown = []

    def interrupt(self, event):
        shown.append(event)
        if len(shown) == 3:
            raise KeyboardInterrupt
        show(self, event)

    show = command.Printer.show
    monkeypatch.setattr(command.Printer, "show", interrupt)
    keys = Keyboard("hi", KeyboardInterrupt(), "never read")
    command.at_terminal(talk, keys)
    assert keys.lines == ["never read"]
    assert "he (stopped)" in capsys.readouterr().out
    assert talk.conversation == Conversation((user("hi"), assistant("he")))


def test_one_ctrl_c_at_the_prompt_does_not_leave(run, capsys):
    talk = session(run)
    keys = Keyboard(KeyboardInterrupt(), "hi", KeyboardInterrupt(), KeyboardInterrupt(), "never read")
    command.at_terminal(talk, keys)
    assert keys.lines == ["never read"] and talk.conversation == TALKS[0]


def test_a_terminal_is_not_steered_by_the_model():
    assert command.printable("\x1b[2Ja\u202eb\x07\n你") == "\ufffd[2Ja\ufffdb\ufffd\n你"


def test_a_model_that_cannot_chat_is_refused(tmp_path, monkeypatch, capsys):
    tokenizer = BytePairTokenizer([])
    model = Transformer(TransformerConfig(tokenizer.vocab_size, context_len=8, n_layer=1, n_head=1, n_embd=8))
    save(tmp_path / "model", model=model, tokenizer=tokenizer, step=0)
    with pytest.raises(CheckpointError, match=r"never taught to chat.*groundup generate"):
        session(tmp_path)
    piped(monkeypatch, "hi\n")
    assert main(["chat", str(tmp_path)]) == 2
    assert "never taught to chat" in " ".join(capsys.readouterr().err.split())
    assert main(["chat", str(tmp_path / "nowhere")]) == 2
