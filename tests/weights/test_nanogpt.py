"""Checkpoints of nanoGPT's: real files of torch.save, and pickles that want to do something else."""

import os
import pickle
import socket
import subprocess
import sys
import zipfile

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.base.errors import CheckpointError
from groundup.cli.main import main
from groundup.models.transformer import Transformer, gpt2
from groundup.weights import pickle_child
from groundup.weights.foreign_names import NANOGPT, their_tensors
from groundup.weights.nanogpt import read_nanogpt
from groundup.weights.source import load

CHARACTERS = "\n abcdefgh"
SIZE = {"vocab_size": len(CHARACTERS), "context_len": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}


def model_of(bias=True):
    torch.manual_seed(0)
    model = Transformer(gpt2(**SIZE, bias=bias, mlp="gelu_erf")).eval()
    for parameter in model.parameters():
        parameter.data += 0.1 * torch.randn_like(parameter)
    return model


def save(path, *, bias=True, compiled=False, **changes):
    """What nanoGPT's train.py saves: weights with a tied head and tables of masks, optimizer, settings."""
    weights = their_tensors(model_of(bias), NANOGPT)
    weights["lm_head.weight"] = weights["transformer.wte.weight"]
    weights["transformer.h.0.attn.bias"] = torch.ones(1, 1, 16, 16).tril()
    sizes = {name: SIZE[name] for name in ("vocab_size", "n_layer", "n_head", "n_embd")}
    before = "_orig_mod." if compiled else ""
    content = {
        "model": {before + name: weight for name, weight in weights.items()},
        "optimizer": {
            "state": {0: {"step": torch.tensor(1.0), "exp_avg": torch.zeros(3)}},
            "param_groups": [],
        },
        "model_args": {**sizes, "block_size": 16, "bias": bias, "dropout": 0.0},
        "iter_num": 7,
        "best_val_loss": torch.tensor(1.5),
        "config": {"out_dir": "out", "learning_rate": 6e-4, "compile": True},
    }
    torch.save({**content, **changes}, path)
    return path


@pytest.fixture
def meta(tmp_path):
    table = dict(enumerate(CHARACTERS))
    content = {"vocab_size": len(table), "itos": table, "stoi": {c: i for i, c in table.items()}}
    (tmp_path / "meta.pkl").write_bytes(pickle.dumps(content))
    return tmp_path / "meta.pkl"


@pytest.mark.parametrize("compiled", [False, True])
@pytest.mark.parametrize("bias", [False, True])
def test_the_model_that_was_saved(bias, compiled, meta, tmp_path):
    found = read_nanogpt(save(tmp_path / "ckpt.pt", bias=bias, compiled=compiled), meta=meta)
    tokens_BT = torch.randint(len(CHARACTERS), (2, 12))
    assert torch.equal(found.model(tokens_BT), model_of(bias)(tokens_BT))
    assert found.tokenizer.encode("bad\n") == [3, 2, 5, 0]


def test_its_gelu_is_the_exact_one():
    mlp = model_of().blocks[0].mlp
    x = torch.randn(3, 16)
    assert_close(mlp(x), mlp.down(F.gelu(mlp.up(x))))
    assert not torch.allclose(mlp(x), mlp.down(F.gelu(mlp.up(x), approximate="tanh")), atol=1e-7)


def test_the_command_is_explicit(meta, tmp_path, capsys):
    path = save(tmp_path / "ckpt.pt")
    assert main(["convert", str(path), "-o", str(tmp_path / "run")]) == 2  # never silently
    assert "--from nanogpt" in capsys.readouterr().err
    words = ["convert", str(path), "--from", "nanogpt", "--meta", str(meta), "-o", str(tmp_path / "run")]
    assert main(words) == 0
    assert load(tmp_path / "run").tokenizer.encode("a") == [2]
    assert main([*words[:4], "-o", str(tmp_path / "other")]) == 2
    assert "does not say what they mean" in " ".join(capsys.readouterr().err.split())


# ---- Pickles that want something -----------------------------------------------------------------


class Evil:
    """Unpickled anywhere else, this runs a command."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return os.system, (f"touch {self.path}",)


def test_a_pickle_that_runs_a_command_does_not(meta, tmp_path):
    owned = tmp_path / "owned"
    pickle.loads(pickle.dumps(Evil(owned)))
    assert owned.exists(), "the attack itself works"
    owned.unlink()
    path = save(tmp_path / "ckpt.pt", config=Evil(owned))
    with pytest.raises(CheckpointError, match=r"is refused: it asks for posix\.system\. .*Nothing was run"):
        read_nanogpt(path, meta=meta)
    meta.write_bytes(pickle.dumps({"itos": Evil(owned)}))
    with pytest.raises(CheckpointError, match=r"posix\.system"):
        read_nanogpt(save(tmp_path / "ckpt.pt"), meta=meta)
    assert not owned.exists()


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"cbuiltins\neval\n(S'1'\ntR.", "it asks for builtins.eval"),
        (b"\x80\x04\x8c\x08builtins\x8c\x04exec\x93.", "it asks for builtins.exec"),
        (b"(S'a'\nios\nsystem\n.", "it uses the instruction"),
        (b"ccollections\nOrderedDict\n(K\x01tR.", "it calls"),
        (b"\x80\x02}", "does not end|no more data|pickle exhausted"),
        (b"", "pickle exhausted|does not end"),
    ],
)
def test_no_name_is_looked_up(data, words, meta):
    meta.write_bytes(data)
    with pytest.raises(CheckpointError, match=words):
        read_nanogpt(save(meta.parent / "ckpt.pt"), meta=meta)


def test_the_room_is_locked():
    """After `lock` no file, socket or process can be opened, whatever would run there."""
    code = (
        "import sys, runpy, socket, subprocess\n"
        f"room = runpy.run_path({pickle_child.__file__!r})\n"
        "if len(sys.argv) > 1: room['lock']()\n"
        "for what in (lambda: open('/etc/hosts'), socket.socket, lambda: subprocess.run(['true']),"
        " lambda: bytearray(1 << 31)):\n"
        "    try: what(); print('open')\n"
        "    except (OSError, MemoryError): print('shut')\n"
    )
    said = [
        subprocess.run([sys.executable, "-c", code, *more], capture_output=True, text=True).stdout.split()
        for more in ([], ["lock"])
    ]
    assert said == [["open"] * 4, ["shut"] * 4]
    assert socket.socket().close() is None


# ---- Other damage --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"model_args": {"n_layer": 2}}, "model_args lacks block_size, n_embd, n_head, vocab_size"),
        (
            {
                "model_args": {
                    **dict.fromkeys(("n_layer", "n_head", "n_embd", "block_size", "vocab_size"), 2),
                    "moe": 1,
                }
            },
            "sets moe",
        ),
        ({"model": {"transformer.wte.weight": torch.zeros(10, 16)}}, "says 2 layers, and has 1 tensors"),
        ({"model": {"transformer.wte.weight": torch.zeros(16, 10).T}}, "is not one that can be read"),
        ({"model": {"transformer.wte.weight": 3}}, "is not one that can be read"),
        ({"model": 3}, "|".join(["has no", "is not one"])),
    ],
)
def test_what_is_no_checkpoint_of_nanogpt(changes, words, meta, tmp_path):
    with pytest.raises(CheckpointError, match=words):
        read_nanogpt(save(tmp_path / "ckpt.pt", **changes), meta=meta)


def test_a_packed_file_and_a_cut_one(meta, tmp_path):
    path = save(tmp_path / "ckpt.pt")
    whole = path.read_bytes()
    packed = tmp_path / "packed.pt"
    with zipfile.ZipFile(path) as there, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as here:
        for name in there.namelist():
            here.writestr(name, there.read(name))
    with pytest.raises(CheckpointError, match="is packed"):
        read_nanogpt(packed, meta=meta)
    for length in (0, 10, 1_000, len(whole) // 2, len(whole) - 30):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            read_nanogpt(path, meta=meta)
    with pytest.raises(CheckpointError, match="does not exist"):
        read_nanogpt(tmp_path / "none.pt")
