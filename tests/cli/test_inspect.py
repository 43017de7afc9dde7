import json

import pytest
import torch

from groundup.base.rundir import RunDir
from groundup.cli.main import main
from groundup.models.catalog import build
from groundup.models.outline import outline
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint


@pytest.fixture
def run(tmp_path):
    """A run as `fit` leaves it: two stages, one with a checkpoint of a real, tiny model."""
    run = RunDir.open(tmp_path / "r", recipe="pretrain", config={"seed": 3}, seed=3, console=False)
    tokens = run.stage("tokens", {})
    (tokens.dir / "tokens.bin").write_bytes(b"12345678")
    tokens.finish(seconds=75)
    train = run.stage("train", {"tokens": tokens.digest})
    tokenizer = CharTokenizer.train("abc")
    config = TransformerConfig(
        vocab_size=tokenizer.vocab_size, context_len=8, n_layer=1, n_head=1, n_kv_head=1, n_embd=8
    )
    torch.manual_seed(0)
    checkpoint.save(train.dir / "last", model=Transformer(config), tokenizer=tokenizer, step=120)
    run.events.write("train", label="train", step=120, loss=1.2345)
    report = {
        "scores": {"calculator": {"value": 0.95, "low": 0.92, "high": 0.97, "n": 300}},
        "bits_per_byte": 1.5,
    }
    (run.path / "report.json").write_text(json.dumps(report))
    return run


def test_a_run_says_what_it_is_and_how_far_it_came(run, capsys):
    assert main(["inspect", str(run.path)]) == 0
    told = capsys.readouterr().out
    for words in (
        "a run of the recipe pretrain, seed 3",
        "torch 2.",
        "tokens               1:15",
        "train            not finished",
        "step 120",
        "checksums ok: 2 files",
        "loss 1.234",
        "calculator            95.0 %  [92.0, 97.0]  n=300",
        "bits_per_byte        1.500",
        "weights only",
    ):
        assert words in told, words
    model = checkpoint.load(run.path / "train" / "last").model
    assert f"{sum(p.numel() for p in model.parameters()):,} parameters" in told


def test_a_checkpoint_alone(run, capsys):
    assert main(["inspect", str(run.path / "train" / "last")]) == 0
    assert "step 120" in capsys.readouterr().out


def test_one_flipped_bit_is_found(run, capsys):
    weights = run.path / "train" / "last" / "model.safetensors"
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(data)
    assert main(["inspect", str(run.path)]) == 2
    told = capsys.readouterr().out
    assert "DAMAGED" in told and "model.safetensors" in told
    assert "tokens               1:15" in told  # and the rest is still shown


def test_a_stage_with_a_file_cut_short_is_found(run, capsys):
    (run.path / "tokens" / "tokens.bin").write_bytes(b"1234")
    assert main(["inspect", str(run.path)]) == 2
    assert "DAMAGED: missing or of another size: tokens.bin" in capsys.readouterr().out


def test_its_model_as_a_tree(run, tmp_path, capsys):
    picture = tmp_path / "tree.svg"
    assert main(["inspect", str(run.path), "--svg", str(picture), "--tokens", "4"]) == 0
    told = capsys.readouterr().out
    model = checkpoint.load(run.path / "train" / "last").model
    tree = outline(model, T=4)
    assert f"{tree.parameters:,}" in told and f"{tree.flops:,}" in told and "with 4 tokens of context" in told
    assert "mlp" in told and "float32" in told
    drawn = picture.read_text()
    assert drawn.startswith("<svg") and f"r: {tree.parameters:,} parameters" in drawn


def test_the_tree_is_of_the_finished_model(run, capsys):
    checkpoint.copy(run.path / "train" / "last", run.path / "model", extra={}, training=False)
    model = Transformer(
        TransformerConfig(vocab_size=4, context_len=8, n_layer=2, n_head=1, n_kv_head=1, n_embd=8)
    )
    tokenizer = checkpoint.load(run.path / "model").tokenizer
    checkpoint.save(run.path / "train" / "best", model=model, tokenizer=tokenizer, step=1)
    assert main(["inspect", str(run.path)]) == 0
    assert "2 alike" not in capsys.readouterr().out
    assert main(["inspect", str(run.path / "train" / "best")]) == 0
    assert "2 alike" in capsys.readouterr().out


def test_names_have_a_tree_and_no_costs(tmp_path, capsys):
    model = build("bengio-mlp", {"vocab_size": 4, "context_len": 3})
    checkpoint.save(tmp_path / "n", model=model, tokenizer=CharTokenizer.train("abc"), step=1)
    assert main(["inspect", str(tmp_path / "n")]) == 0
    told = capsys.readouterr().out
    assert "shape" in told and "FLOPs/token" not in told and "transformers only" in told


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["--tokens", "0"], "--tokens 0 is no context"),
        (["--svg", "tree.png"], "ends in .svg"),
        (["--svg", "FULL"], "is a file and not a folder"),
    ],
)
def test_what_cannot_be_shown(words, says, run, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    words = [str(tmp_path / "file" / "t.svg") if word == "FULL" else word for word in words]
    assert main(["inspect", str(run.path), *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())


def test_a_run_without_a_model_has_no_tree(tmp_path, capsys):
    begun = RunDir.open(tmp_path / "r", recipe="pretrain", config={"seed": 3}, seed=3, console=False)
    assert main(["inspect", str(begun.path)]) == 0
    capsys.readouterr()
    assert main(["inspect", str(begun.path), "--svg", str(tmp_path / "t.svg")]) == 2
    assert "no model to draw yet" in " ".join(capsys.readouterr().err.split())


def test_what_is_no_run_is_refused(tmp_path, capsys):
    assert main(["inspect", str(tmp_path / "none")]) == 2
    assert "does not exist" in " ".join(capsys.readouterr().err.split())
    (tmp_path / "x").mkdir()
    assert main(["inspect", str(tmp_path / "x")]) == 2
    assert "neither a run" in " ".join(capsys.readouterr().err.split())
