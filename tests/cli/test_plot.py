"""`groundup plot`, from the words on the command line to the files."""

import json

import pytest

from groundup.cli.main import main


@pytest.fixture
def runs(tmp_path):
    found = []
    for name, loss in (("slow", 4.0), ("fast", 2.0)):
        folder = tmp_path / name
        folder.mkdir()
        lines = [
            {"time": 1.0, "kind": "train", "label": "train", "step": step, "loss": loss / step,
             "grad_norm": 1.0, "lr": 0.1, "lr_scale": 1.0, "tokens_per_second": 5000.0}
            for step in range(1, 9)
        ]  # fmt: skip
        (folder / "events.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
        found.append(str(folder))
    return found


def test_one_run_is_drawn_in_its_folder(runs, tmp_path, capsys):
    assert main(["plot", runs[0]]) == 0
    assert (tmp_path / "slow" / "curves.png").read_bytes().startswith(b"\x89PNG")
    said = capsys.readouterr().out
    assert "step      8  loss 4.000 █" in said and "▁ 0.500  5,000 tokens/s" in said


def test_several_runs_have_names(runs, tmp_path, capsys):
    assert main(["plot", *runs, "--out", "both.svg"]) == 0
    assert (tmp_path / "both.svg").is_file()
    said = capsys.readouterr().out
    assert "slow train" in said and "fast train" in said


def test_mistakes_are_told_in_a_sentence(runs, capsys):
    assert main(["plot", "nowhere"]) == 2
    assert "no events.jsonl" in capsys.readouterr().err
    assert main(["plot", runs[0], "--out", "x.pdf"]) == 2
    assert ".png or .svg" in capsys.readouterr().err
    assert main(["plot", runs[0], "--stage", "trian"]) == 2
    assert "Did you mean 'train'" in capsys.readouterr().err
