"""The server's claims: what is built can be served, what was probed becomes claims, bad input is said."""

import json

import pytest

from benchmarks import serving
from benchmarks.serving import Bench, Effort, build, main, probed, prompts
from groundup.weights.gguf_export import write_file
from groundup.weights.source import load


def test_the_model_of_the_bench_is_one_that_every_contender_can_load(tmp_path):
    bench = Bench(tmp_path, Effort(layers=1, width=64), None)
    build(bench)
    loaded = load(bench.model)
    assert loaded.tokenizer.vocab_size == 8192
    texts = prompts(8, seed=0)
    assert len(set(texts)) == 8 and texts == prompts(8, seed=0) != prompts(8, seed=1)
    assert all(5 < len(loaded.tokenizer.encode(text)) < 40 for text in texts)
    write_file(loaded, tmp_path / "model.gguf", dtype="f32")  # for the peer; refuses what it cannot say


def test_what_the_probes_found_becomes_claims(tmp_path):
    seen = [{"name": "n", "ok": True, "told": "400"}, {"name": "nesting", "ok": False, "told": "500"}]
    found = {"server": "Some Server", "attacks": {"host": [1, 5], "path": [0, 7]}, "probes": seen}
    file = tmp_path / "found.json"
    file.write_text(json.dumps(found))
    attacks, probes = probed(file)
    assert (attacks.id, attacks.ours, attacks.n) == ("attacks.some-server", 1, 12)
    assert (probes.ours, probes.n) == (1, 2) and "nesting (500)" in probes.note


def test_a_part_that_needs_a_peer_says_so(capsys):
    assert main(["--only", "peer"]) == 2
    assert "--peer DIR" in capsys.readouterr().err


@pytest.mark.parametrize("part", serving.PARTS)
def test_every_part_is_described(part):
    assert f"\n  {part} " in (serving.__doc__ or "")
