"""`groundup bench`, from the words to the table, the JSON and the picture."""

import json

import pytest

from groundup.base.errors import CheckpointError, ConfigError, UserError
from groundup.cli import bench, generate
from groundup.cli.main import main
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.weights import checkpoint


@pytest.fixture
def run(tmp_path, monkeypatch):
    net = Transformer(TransformerConfig(vocab_size=256, context_len=32, n_layer=1, n_head=1, n_embd=8))
    checkpoint.save(tmp_path / "run" / "model", model=net, tokenizer=BytePairTokenizer([]), step=1)
    monkeypatch.setattr("groundup.infer.bench.measure_roof.__kwdefaults__", {"size": 1 << 16, "rounds": 1})
    return tmp_path


def test_a_table_a_file_and_a_picture(run, capsys):
    words = ["run", "--batch", "1,3", "--rounds", "2", "--tokens", "6", "--threads", "1"]
    assert bench.main([*words, "--out", "b.json", "--plot", "b.svg"]) == 0
    said = capsys.readouterr().out
    assert "rows  first token" in said and "6 written, 2 rounds, 1 threads" in said
    found = json.loads((run / "b.json").read_text())
    assert [row["batch"] for row in found["rows"]] == [1, 3]
    assert found["prompt_tokens"] == 16 and found["roof"]["memory"] > 0
    assert all(row["token"][1] <= row["token"][0] <= row["token"][2] for row in found["rows"])
    assert (run / "b.svg").read_text().startswith("<?xml")


def test_what_cannot_be_timed_is_refused(run):
    with pytest.raises(ConfigError, match="do not fit the 32"):
        bench.main(["run", "--prompt-tokens", "30", "--tokens", "30"])
    with pytest.raises(ConfigError, match="measures nothing"):
        bench.main(["run", "--rounds", "0"])
    with pytest.raises(CheckpointError, match="does not exist"):
        bench.main(["no-run"])
    with pytest.raises(SystemExit):
        bench.main(["run", "--batch", "1,1"])


def test_a_trace_is_written_and_drawn(run, capsys):
    words = ["run", "--prompt", "ab", "--max-tokens", "50", "--seed", "1"]
    generate.main(words)
    plain = capsys.readouterr().out
    generate.main([*words, "--trace", "t.jsonl"])
    assert capsys.readouterr().out == plain
    assert len((run / "t.jsonl").read_text().splitlines()) == 50
    assert main(["plot", "t.jsonl", "--out", "t.svg"]) == 0
    assert "least expected: " in capsys.readouterr().out
    assert (run / "t.svg").read_text().startswith("<?xml")


def test_what_is_no_trace_is_not_drawn(run, capsys):
    (run / "empty.jsonl").write_text("\n")
    (run / "events.jsonl").write_text('{"kind": "train"}\n')
    assert main(["plot", "events.jsonl"]) == 2
    assert "line 1 is no step of a trace" in " ".join(capsys.readouterr().err.split())
    with pytest.raises(UserError, match="is drawn alone"):
        from groundup.cli import plot

        plot.main(["events.jsonl", "run"])
