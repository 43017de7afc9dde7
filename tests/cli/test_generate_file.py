"""A file of prompts: each line as asked, resumed as in one go, and what is wrong is said with its line."""

import json

import pytest
import torch

from groundup.base.errors import ConfigError, DataError, UserError
from groundup.cli import generate
from groundup.infer.engine import Engine
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint

PROMPTS = [
    {"prompt": "ab"},
    {"prompt": "c", "temperature": 0, "max_tokens": 3, "id": "x"},
    {"prompt": "hab"},
] * 5


@pytest.fixture
def run(tmp_path):
    """A finished run whose model likes to count a, b, c, ... h, a, ..."""
    net = Transformer(
        TransformerConfig(vocab_size=8, context_len=16, n_layer=1, n_head=1, n_embd=8, zero_init_out=True)
    )
    with torch.no_grad():
        net.embedding.weight.copy_(torch.eye(8))
        net.unembedding.weight.copy_(0.5 * torch.eye(8).roll(1, 0))
    checkpoint.save(tmp_path / "run", model=net, tokenizer=CharTokenizer.train("abcdefgh"), step=1)
    return tmp_path / "run"


def lines(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.fixture
def asked(run, tmp_path):
    source = tmp_path / "in.jsonl"
    source.write_text("\n".join(json.dumps(prompt) for prompt in PROMPTS) + "\n\n")
    return [str(run), "--prompts", str(source), "--max-tokens", "9", "--out", str(tmp_path / "out.jsonl")]


def test_each_line_as_it_was_asked_in_order(asked, tmp_path, capsys):
    assert generate.main(asked) == 0
    rows = lines(tmp_path / "out.jsonl")
    assert [row["index"] for row in rows] == list(range(15))
    assert [row["prompt"] for row in rows] == [prompt["prompt"] for prompt in PROMPTS]
    assert {row["text"] for row in rows[1::3]} == {"def"}
    assert {(row["tokens"], row["finish"]) for row in rows[::3]} == {(9, "length")}
    assert len({row["text"] for row in rows[::3]}) > 3  # equal prompts, draws of their own
    assert not (tmp_path / "out.jsonl.partial").exists()
    assert "15 continuations in" in capsys.readouterr().out


def test_a_run_that_was_cut_off_goes_on_and_says_the_same(asked, tmp_path, capsys, monkeypatch):
    generate.main(asked)
    out, partial = tmp_path / "out.jsonl", tmp_path / "out.jsonl.partial"
    whole = out.read_text()
    out.unlink()
    steps, step = iter(range(6)), Engine.step

    def killed(engine):
        if next(steps, None) is None:
            raise KeyboardInterrupt
        return step(engine)

    monkeypatch.setattr(Engine, "step", killed)
    with pytest.raises(KeyboardInterrupt):
        generate.main(asked)
    monkeypatch.undo()
    assert not out.exists() and len(lines(partial)) == 1 + 5  # those of three tokens were done
    with partial.open("a") as file:
        file.write('{"index": 3, "te')  # and it was killed while it wrote
    with pytest.raises(UserError, match="begun with other prompts, settings or weights"):
        generate.main([*asked, "--stop", "f"])
    capsys.readouterr()
    generate.main(asked)
    assert out.read_text() == whole
    assert "5 were there already" in capsys.readouterr().out


def test_stop_strings_and_one_more_run_do_not_mix(asked, tmp_path):
    generate.main([*asked, "--stop", "f", "--temperature", "0"])
    rows = lines(tmp_path / "out.jsonl")
    assert [(row["text"], row["finish"]) for row in rows[:3]] == [
        ("cde", "stop"),
        ("de", "stop"),
        ("cde", "stop"),
    ]
    with pytest.raises(UserError, match="exists already"):
        generate.main(asked)


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "line 2 is not JSON"),
        ("[1]", "line 2 has no prompt"),
        ('{"prompt": 3}', "line 2 has no prompt"),
        ('{"prompt": "a", "temprature": 1}', "'temprature' is unknown. Did you mean 'temperature'"),
        ('{"prompt": "a", "top_k": "5"}', "top_k='5' is not a number"),
        ('{"prompt": "a", "top_p": 2}', "top_p=2 is not allowed"),
        ('{"prompt": "abcdefghabcdefgh"}', "line 2: The prompt has 16 tokens and leaves no room"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(run, tmp_path, line, message):
    source = tmp_path / "in.jsonl"
    source.write_text('{"prompt": "a"}\n' + line + "\n")
    with pytest.raises(UserError, match=message):
        generate.main([str(run), "--prompts", str(source), "--out", str(tmp_path / "out.jsonl")])
    assert not (tmp_path / "out.jsonl").exists()


def test_files_that_are_no_prompts(run, tmp_path):
    (tmp_path / "empty").write_text("\n")
    with pytest.raises(DataError, match="holds no prompts"):
        generate.main([str(run), "--prompts", "empty", "--out", "out"])
    with pytest.raises(DataError, match="cannot be read"):
        generate.main([str(run), "--prompts", "nothing", "--out", "out"])
    with pytest.raises(ConfigError, match="belong together"):
        generate.main([str(run), "--prompts", "empty"])
