import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from groundup.base.errors import CheckpointError, UserError
from groundup.base.files import sha256_file
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint

TOKENIZER = CharTokenizer.train("abcdefgh")


def model(**choices) -> Transformer:
    torch.manual_seed(0)
    shape = {"vocab_size": 8, "context_len": 16, "n_layer": 2, "n_head": 2, "n_embd": 16}
    return Transformer(TransformerConfig(**{**shape, **choices}))


def save(path: Path, net: Transformer | None = None, step: int = 5, **more) -> Path:
    checkpoint.save(path, model=net or model(), tokenizer=TOKENIZER, step=step, **more)
    return path


def rewrite(path: Path, **changes) -> None:
    """A manifest edited by somebody who also mends its checksum."""
    content = json.loads((path / "manifest.json").read_text())
    content.pop("sha256")
    content.update(changes)
    content["sha256"] = checkpoint._digest(content)
    (path / "manifest.json").write_text(json.dumps(content))


@pytest.mark.parametrize(
    "choices", [{}, {"tie": True}, {"mlp": "gelu", "norm": "layer", "position": "learned", "bias": True}]
)
def test_what_was_saved_comes_back(tmp_path, choices):
    net = model(**choices)
    loaded = checkpoint.load(save(tmp_path / "c", net, extra={"source": "a test"}))
    assert loaded.model.state_dict().keys() == net.state_dict().keys()
    for name, value in net.state_dict().items():
        assert torch.equal(loaded.model.state_dict()[name], value), name
    tokens_BT = torch.tensor([[1, 2, 3]])
    assert torch.equal(loaded.model(tokens_BT), net.eval()(tokens_BT))
    assert not loaded.model.training
    assert (loaded.step, loaded.manifest.extra) == (5, {"source": "a test"})
    assert loaded.config["n_embd"] == 16
    assert loaded.tokenizer.encode("cab") == TOKENIZER.encode("cab")


class Aliased(Transformer):
    """A tied model that names the shared weight twice, as foreign ones do."""

    def __init__(self, config: TransformerConfig):
        super().__init__(config)
        assert self.unembedding is not None
        self.unembedding.weight = self.embedding.weight


def test_a_shared_weight_is_written_once_and_stays_shared(tmp_path, monkeypatch):
    monkeypatch.setitem(checkpoint.build.__globals__["MODELS"], "aliased", (TransformerConfig, Aliased))
    net = Aliased(model().config)
    path = save(tmp_path / "c", net)
    assert "unembedding.weight" not in load_file(path / "model.safetensors")
    loaded = checkpoint.load(path).model
    assert isinstance(loaded, Aliased)
    assert loaded.unembedding.weight.data_ptr() == loaded.embedding.weight.data_ptr()
    assert torch.equal(loaded.unembedding.weight, net.embedding.weight)


def test_training_state_comes_back_with_its_types(tmp_path):
    training = {
        "a|moment": torch.arange(3.0),
        "position": {"step": 5, "best_loss": None},
        "list": [1, 2.5, "x"],
    }
    path = save(tmp_path / "c", training=training)
    net = model()
    with torch.no_grad():
        net.embedding.weight.zero_()
    manifest, back = checkpoint.restore(path, model=net, tokenizer=TOKENIZER)
    assert manifest.step == 5
    assert torch.equal(back.pop("a|moment"), training.pop("a|moment"))
    assert back == training
    assert torch.equal(net.embedding.weight, model().embedding.weight)


def test_weights_without_training_state_cannot_be_trained_on(tmp_path):
    with pytest.raises(CheckpointError, match="no training state"):
        checkpoint.restore(save(tmp_path / "c"), model=model(), tokenizer=TOKENIZER)


@pytest.mark.parametrize(
    "name", ["model.safetensors", "tokenizer.json", "training.safetensors", "training.json", "manifest.json"]
)
@pytest.mark.parametrize("harm", ["truncate", "flip", "remove", "grow"])
def test_every_harm_to_every_file_is_refused_and_the_neighbour_named(tmp_path, name, harm):
    save(tmp_path / "best", step=3)
    path = save(tmp_path / "last", training={"m": torch.zeros(9), "step": 5})
    data = (path / name).read_bytes()
    middle = len(data) // 2
    if harm == "remove":
        (path / name).unlink()
    else:
        flipped = data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
        (path / name).write_bytes({"truncate": data[:middle], "flip": flipped, "grow": data + b"x"}[harm])
    with pytest.raises(CheckpointError) as caught:
        checkpoint.load(path)
    assert "best (step 3)" in str(caught.value)
    assert name in str(caught.value)


def test_a_harmed_model_of_a_run_names_the_stage_that_has_the_same_weights(tmp_path):
    save(tmp_path / "run" / "train" / "best")
    save(tmp_path / "run" / "other" / "best", net=model(n_layer=1))
    checkpoint.copy(tmp_path / "run" / "train" / "best", tmp_path / "run" / "model", extra={})
    file = tmp_path / "run" / "model" / "model.safetensors"
    harmed = file.read_bytes()[:-1]
    file.unlink()  # it is a link to that of the stage
    file.write_bytes(harmed)
    with pytest.raises(CheckpointError, match=r"is truncated.*The same weights lie unharmed in .*train/best"):
        checkpoint.load(tmp_path / "run" / "model")
    (tmp_path / "run" / "train" / "best" / "tokenizer.json").write_text("{}")
    with pytest.raises(CheckpointError, match="No other valid checkpoint"):
        checkpoint.load(tmp_path / "run" / "model")


def test_bytes_are_refused_even_when_the_checksums_were_mended(tmp_path):
    path = save(tmp_path / "c")
    broken = path / "model.safetensors"
    broken.write_bytes(b"\x10" + b"\0" * 200)
    files = {**json.loads((path / "manifest.json").read_text())["files"]}
    files["model.safetensors"] = {"bytes": 201, "sha256": sha256_file(broken)}
    rewrite(path, files=files)
    with pytest.raises(CheckpointError, match="not a safetensors file"):
        checkpoint.load(path)


def test_weights_of_another_shape_are_refused(tmp_path):
    path = save(tmp_path / "c")
    tensors = load_file(path / "model.safetensors")
    del tensors["norm.weight"]
    save_file(tensors, path / "model.safetensors")
    files = json.loads((path / "manifest.json").read_text())["files"]
    changed = path / "model.safetensors"
    files["model.safetensors"] = {"bytes": changed.stat().st_size, "sha256": sha256_file(changed)}
    rewrite(path, files=files)
    with pytest.raises(CheckpointError, match=r"norm\.weight"):
        checkpoint.load(path)


def test_an_unknown_schema_and_an_edited_manifest_are_refused(tmp_path):
    path = save(tmp_path / "c")
    text = (path / "manifest.json").read_text()
    (path / "manifest.json").write_text(text.replace('"step": 5', '"step": 6'))
    with pytest.raises(CheckpointError, match="altered"):
        checkpoint.load(path)
    rewrite(path, schema=99)
    with pytest.raises(CheckpointError, match=r"schema version 99.*reads version 1"):
        checkpoint.load(path)


def test_another_tokenizer_is_refused_with_both_fingerprints(tmp_path):
    path = save(tmp_path / "c", training={"step": 5})
    other = CharTokenizer.train("abcdefgx")
    for use in (
        lambda: checkpoint.load(path, tokenizer=other),
        lambda: checkpoint.restore(path, model=model(), tokenizer=other),
    ):
        with pytest.raises(CheckpointError) as caught:
            use()
        assert other.fingerprint in str(caught.value)
        assert TOKENIZER.fingerprint in str(caught.value)
    assert checkpoint.load(path, tokenizer=CharTokenizer.train("hgfedcba")).step == 5  # the same alphabet


def test_another_model_is_refused_with_the_difference(tmp_path):
    path = save(tmp_path / "c", training={"step": 5})
    with pytest.raises(CheckpointError, match=r"n_layer: 2 -> 3"):
        checkpoint.restore(path, model=model(n_layer=3), tokenizer=TOKENIZER)


def test_a_checkpoint_from_before_a_setting_existed_is_still_ours(tmp_path):
    """A setting that is off by default, and that an older manifest does not name, changes no model."""
    path = save(tmp_path / "c", training={"step": 5})
    config = json.loads((path / "manifest.json").read_text())["config"]
    assert config.pop("layer_scale") is None
    rewrite(path, config=config)
    assert checkpoint.restore(path, model=model(), tokenizer=TOKENIZER)[0].step == 5
    with pytest.raises(CheckpointError, match=r"layer_scale: .* -> 0\.1"):
        checkpoint.restore(path, model=model(layer_scale=0.1), tokenizer=TOKENIZER)


def test_what_is_no_checkpoint_says_so(tmp_path):
    with pytest.raises(CheckpointError, match="no checkpoint at"):
        checkpoint.load(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match=r"no manifest\.json"):
        checkpoint.load(tmp_path / "empty")


def test_a_failed_save_leaves_the_old_one(tmp_path, monkeypatch):
    path = save(tmp_path / "c", step=1)

    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoint, "save_file", full)
    with pytest.raises(UserError, match="disk is full"):
        save(path, step=2)
    assert checkpoint.load(path).step == 1
    assert [p.name for p in tmp_path.iterdir()] == ["c"]  # nothing half-written beside it


@pytest.mark.skipif(sys.platform == "win32", reason="file-size limits are POSIX")
def test_a_real_limit_on_file_size_leaves_the_old_one(tmp_path):
    """The disk refuses in the middle of writing the weights."""
    program = (
        "import resource, runpy, sys\nfrom pathlib import Path\nfrom groundup.base.errors import UserError\n"
        f"saver = runpy.run_path({str(Path(__file__).with_name('saver.py'))!r})\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "try:\n    saver['save_for_ever'](Path(sys.argv[1]), 2)\n"
        "except UserError as error:\n    print(error)\n"
    )
    path = save(tmp_path / "c", step=1)
    done = subprocess.run(
        [sys.executable, "-c", program, str(path)], capture_output=True, text=True, timeout=120
    )
    assert "The disk is full" in done.stdout, done.stderr
    assert checkpoint.load(path).step == 1


def test_a_copy_is_a_checkpoint_of_its_own(tmp_path):
    last = save(tmp_path / "last", step=1, extra={"source": "x"})
    checkpoint.copy(last, tmp_path / "best", extra={"evaluation": {"loss": 2.0}})
    save(last, model(n_layer=1), step=2)
    shutil.rmtree(last)
    best = checkpoint.load(tmp_path / "best")
    assert best.step == 1
    assert best.manifest.extra == {"source": "x", "evaluation": {"loss": 2.0}}


def test_a_copy_can_leave_the_training_state_behind(tmp_path):
    last = save(tmp_path / "last", step=1, training={"m": torch.zeros(9)})
    checkpoint.copy(last, tmp_path / "model", extra={}, training=False)
    names = {p.name for p in (tmp_path / "model").iterdir()}
    assert names == {"manifest.json", "model.safetensors", "tokenizer.json"}
    assert checkpoint.load(tmp_path / "model").step == 1


def test_find_takes_a_checkpoint_or_a_finished_run_and_never_guesses(tmp_path):
    direct = save(tmp_path / "runs" / "a" / "model")
    assert checkpoint.find(direct) == direct
    assert checkpoint.find(tmp_path / "runs" / "a") == direct
    save(tmp_path / "runs" / "b" / "train" / "last")
    save(tmp_path / "runs" / "b" / "train" / "best")
    with pytest.raises(CheckpointError, match=r"choose one of: .*best, .*last"):
        checkpoint.find(tmp_path / "runs" / "b")
    with pytest.raises(CheckpointError, match="does not exist"):
        checkpoint.find(tmp_path / "nothing")


def kill_while_saving(path: Path, kills: int, seed: int) -> list[int]:
    """Let another process save, kill it at a random moment, load what it left: the steps found."""
    rng, found = random.Random(seed), [0]
    program = [sys.executable, str(Path(__file__).with_name("saver.py")), str(path)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as server:
        assert server.stdin is not None and server.stdout is not None
        for _ in range(kills):
            print(found[-1] + 1, file=server.stdin, flush=True)
            pid = int(server.stdout.readline().split()[1])
            said, patience = [server.stdout.readline()], rng.randint(1, 3)
            while said[-1].startswith("saved"):
                if len(said) == patience:
                    time.sleep(rng.uniform(0, 0.03))
                    os.kill(pid, signal.SIGKILL)
                said.append(server.stdout.readline())
            assert said[-1] == f"dead {signal.SIGKILL.value}\n", f"the saver failed by itself: {said}"
            spoken = int(said[-2].split()[1])
            net = Transformer(TransformerConfig(vocab_size=8, context_len=16, n_layer=2, n_head=2, n_embd=64))
            manifest, training = checkpoint.restore(path, model=net, tokenizer=TOKENIZER)
            assert manifest.step in (
                spoken,
                spoken + 1,
            )  # what it said is on the disk; perhaps the next one too
            assert {value for p in net.parameters() for value in p.unique().tolist()} == {
                float(manifest.step)
            }
            assert training["step"] == manifest.step == training["moment"].max() == training["moment"].min()
            found.append(manifest.step)
        server.stdin.close()
    return found


def test_killed_while_saving_leaves_a_valid_checkpoint(tmp_path):
    found = kill_while_saving(tmp_path / "c", kills=10, seed=0)
    assert len(set(found)) == 11


@pytest.mark.slow
def test_killed_while_saving_many_times(tmp_path):
    found = kill_while_saving(tmp_path / "c", kills=200, seed=1)
    assert len(set(found)) == 201
