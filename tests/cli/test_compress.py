"""`groundup compress` and `decompress`: there and back in files, and the table beside other compressors."""

import builtins
import gzip
import subprocess
import sys

import pytest
import torch

from groundup.base.errors import CheckpointError, DataError, UserError
from groundup.cli import compress, decompress
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.train import train
from groundup.weights import checkpoint

POEM = "The cat sat on the mat,\nthe rat sat on the hat.\n" * 30


@pytest.fixture
def run(tmp_path):
    tokenizer = train([POEM], vocab_size=270, pattern="gpt2")
    net = Transformer(TransformerConfig(vocab_size=270, context_len=16, n_layer=1, n_head=1, n_embd=8))
    checkpoint.save(tmp_path / "run" / "model", model=net, tokenizer=tokenizer, step=1)
    (tmp_path / "poem.txt").write_text(POEM)
    return tmp_path


def test_there_and_back_in_files(run, capsys):
    assert compress.main(["poem.txt", "-o", "poem.gu", "--model", "run"]) == 0
    said = capsys.readouterr().out
    assert f"{len(POEM):,} bytes in, " in said and said.endswith(", checked\n")
    assert decompress.main(["poem.gu", "-o", "again.txt", "--model", "run"]) == 0
    assert (run / "again.txt").read_text() == POEM
    assert capsys.readouterr().out == f"again.txt: {len(POEM):,} bytes, checksum as written\n"


def test_another_process_reads_it(run):
    compress.main(["poem.txt", "-o", "poem.gu", "--model", "run", "--no-check"])
    words = [sys.executable, "-m", "groundup", "decompress", "poem.gu", "-o", "again.txt", "--model", "run"]
    subprocess.run(words, check=True, capture_output=True)
    assert (run / "again.txt").read_text() == POEM


def test_the_table_has_every_compressor_the_smallest_first(run, capsys):
    assert compress.main(["poem.txt", "--model", "run", "--compare", "--lanes", "2"]) == 0
    lines = capsys.readouterr().out.splitlines()
    names = [line.split()[0] for line in lines[1:-1]]
    assert sorted(names) == ["bzip2", "groundup", "gzip", "xz", "zstd"]
    sizes = [int(line[11:23].replace(",", "")) for line in lines[1:-1]]
    assert sizes == sorted(sizes)
    assert sizes[names.index("gzip")] == len(gzip.compress(POEM.encode(), 9))
    assert "not counted" in lines[-1]


def test_without_zstd_the_table_says_how_to_get_it(run, capsys, monkeypatch):
    def missing(name):
        raise ModuleNotFoundError(name)

    monkeypatch.setattr(compress.importlib, "import_module", missing)
    assert compress._zstd() is None
    assert "pip install 'groundup[zstd]'" in "\n".join(compress.table(3, list(compress.others(b"abc"))))


def test_the_empty_file_has_a_table_too():
    rows = list(compress.table(0, [("groundup", 100, 0.0)]))
    assert "-" in rows[1] and compress.told(0, 100) == "0 bytes in, 100 out"


def test_what_does_not_come_back_is_not_written(run, monkeypatch):
    monkeypatch.setattr(
        "groundup.infer.compressed_file.decompress", lambda *args, **more: POEM.encode() + b"!"
    )
    with pytest.raises(DataError, match="nothing was written"):
        compress.main(["poem.txt", "-o", "poem.gu", "--model", "run"])
    assert not (run / "poem.gu").exists()


def test_what_cannot_be_done_is_refused_and_nothing_is_written(run):
    with pytest.raises(DataError, match="does not exist"):
        compress.main(["nothing.txt", "-o", "x", "--model", "run"])
    with pytest.raises(DataError, match="is a folder"):
        compress.main(["run", "-o", "x", "--model", "run"])
    with pytest.raises(UserError, match="Where should it go"):
        compress.main(["poem.txt", "--model", "run"])
    with pytest.raises(UserError, match="exists, and would be overwritten"):
        compress.main(["poem.txt", "-o", "poem.txt", "--model", "run"])
    with pytest.raises(CheckpointError, match="does not exist"):
        compress.main(["poem.txt", "-o", "x", "--model", "no-run"])
    with pytest.raises(DataError, match="does not begin with GULM"):
        decompress.main(["poem.txt", "-o", "x", "--model", "run"])
    assert not (run / "x").exists()


def test_a_torn_file_is_refused_before_a_model_is_loaded(run, monkeypatch):
    compress.main(["poem.txt", "-o", "poem.gu", "--model", "run"])
    (run / "torn.gu").write_bytes((run / "poem.gu").read_bytes()[:-5])
    monkeypatch.setattr(builtins, "open", None)
    with pytest.raises(DataError, match="was cut short"):
        decompress.main(["torn.gu", "-o", "x", "--model", "run"])


def test_the_weights_are_counted_once():
    tied = TransformerConfig(vocab_size=10, context_len=4, n_layer=1, n_head=1, n_embd=8, tie=True)
    model = Transformer(tied)
    loaded = checkpoint.Checkpoint(model, None, None)
    assert compress.weights_bytes(loaded) == 4 * sum(p.numel() for p in model.parameters())
    assert torch.equal(model.head(torch.eye(8)), model.embedding.weight.T)
