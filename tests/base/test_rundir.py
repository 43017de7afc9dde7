import json
import subprocess
import sys
import textwrap
import tomllib

import pytest

from groundup.base.errors import RunDirError
from groundup.base.rundir import RunDir, git_state

CONFIG = {"seed": 7, "model": {"n_head": 4, "teacher": None}, "path": "a"}


def opened(path, config=CONFIG, **more):
    return RunDir.open(path, recipe="pretrain", config=config, seed=config["seed"], console=False, **more)


def test_what_a_run_is_stands_there_before_it_starts(tmp_path):
    run = opened(tmp_path / "deep" / "r")
    recipe = tomllib.loads((run.path / "recipe.toml").read_text())
    assert recipe == {"recipe": "pretrain", "seed": 7, "path": "a", "model": {"n_head": 4}}
    about = json.loads((run.path / "run.json").read_text())
    assert (
        about["seed"] == 7 and about["versions"]["torch"] and about["versions"]["groundup"] and about["argv"]
    )
    assert [event["kind"] for event in run.events.read()] == ["open"]


def test_the_same_run_opens_again_and_remembers_when_it_began(tmp_path):
    first = (opened(tmp_path / "r").path / "run.json").read_bytes()
    again = opened(tmp_path / "r")
    assert (again.path / "run.json").read_bytes() == first
    assert len(list(again.events.read("open"))) == 2


def test_a_different_run_is_refused_by_the_keys_that_differ(tmp_path):
    opened(tmp_path / "r")
    other = {**CONFIG, "seed": 8, "model": {"n_head": 2, "teacher": None}}
    before = (tmp_path / "r" / "recipe.toml").read_bytes()
    with pytest.raises(RunDirError) as error:
        opened(tmp_path / "r", other)
    for words in ("seed: 7 -> 8", "model.n_head: 4 -> 2", "--out DIR", "--update"):
        assert words in str(error.value)
    assert "path" not in str(error.value).replace(str(tmp_path), "")
    assert (tmp_path / "r" / "recipe.toml").read_bytes() == before
    opened(tmp_path / "r", other, update=True)
    opened(tmp_path / "r", other)


def test_a_folder_of_something_else_is_refused(tmp_path):
    (tmp_path / "r").mkdir()
    (tmp_path / "r" / "thesis.txt").write_text("precious")
    with pytest.raises(RunDirError, match=r"has files in it but no recipe\.toml"):
        opened(tmp_path / "r")
    assert [p.name for p in (tmp_path / "r").iterdir()] == ["thesis.txt"]
    with pytest.raises(RunDirError, match="is a file"):
        opened(tmp_path / "r" / "thesis.txt")


def test_a_kill_between_the_two_first_files_is_mended(tmp_path):
    run = opened(tmp_path / "r")
    (run.path / "run.json").unlink()
    assert (opened(tmp_path / "r").path / "run.json").exists()


def test_a_second_process_is_kept_out_while_the_first_runs(tmp_path):
    code = f"""
        from groundup.base.rundir import RunDir
        folder = {str(tmp_path / "r")!r}
        run = RunDir.open(folder, recipe="pretrain", config={CONFIG!r}, seed=7, console=False)
        print("in", flush=True)
        input()
        """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as first:
        assert first.stdout.readline() == "in\n"
        with pytest.raises(RunDirError, match="is in use"):
            opened(tmp_path / "r")
        first.communicate("\n", timeout=30)
    opened(tmp_path / "r")


def test_a_stage_is_done_once_and_skipped_afterwards(tmp_path):
    stage = opened(tmp_path / "r").stage("tokens", {"text": "abc", "size": 3})
    assert not stage.done
    with pytest.raises(RunDirError, match="not finished"):
        _ = stage.record
    (stage.dir / "sub").mkdir()
    (stage.dir / "sub" / "out.bin").write_bytes(b"1234")
    stage.finish(flops=5, seconds=2.5, tokens=4)
    again = opened(tmp_path / "r").stage("tokens", {"text": "abc", "size": 3})
    assert again.done and again.record == {"tokens": 4} and (again.flops, again.seconds) == (5, 2.5)


@pytest.mark.parametrize("harm", ["missing", "short"])
def test_a_stage_whose_output_is_harmed_is_not_done(tmp_path, harm):
    stage = opened(tmp_path / "r").stage("tokens", {})
    (stage.dir / "out.bin").write_bytes(b"1234")
    stage.finish()
    assert stage.done
    if harm == "missing":
        (stage.dir / "out.bin").unlink()
    else:
        (stage.dir / "out.bin").write_bytes(b"12")
    assert not opened(tmp_path / "r").stage("tokens", {}).done


def test_changed_inputs_start_afresh_downstream_only_and_lose_nothing(tmp_path):
    def build(size, rate):
        run = opened(tmp_path / "r")
        tokens = run.stage("tokens", {"size": size})
        train = run.stage("train", {"tokens": tokens.digest, "rate": rate})
        state = tokens.done, train.done
        for stage in (tokens, train):
            (stage.dir / "out").write_text(f"{size} {rate}")
            stage.finish()
        return state

    assert build(1, 0.1) == (False, False)
    assert build(1, 0.1) == (True, True)
    assert build(1, 0.2) == (True, False)
    assert build(2, 0.2) == (False, False)
    assert build(3, 0.2) == (False, False)
    kept = sorted(p.read_text() for p in (tmp_path / "r" / "replaced").glob("*/out"))
    assert len(kept) == 5 and "1 0.1" in kept and "2 0.2" in kept


def test_an_unfinished_stage_keeps_what_it_has(tmp_path):
    stage = opened(tmp_path / "r").stage("train", {"rate": 1})
    (stage.dir / "half").write_text("x")
    again = opened(tmp_path / "r").stage("train", {"rate": 1})
    assert not again.done and (again.dir / "half").exists()


def test_git_state_where_there_is_a_tree_and_where_there_is_none(tmp_path, monkeypatch):
    assert git_state(tmp_path) is None
    git = ["git", "-C", str(tmp_path), "-c", "user.name=a", "-c", "user.email=a@example.org"]
    for words in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "x"]):
        subprocess.run([*git, *words], check=True)
    state = git_state(tmp_path)
    assert state is not None and len(state["commit"]) == 40 and not state["changed"]
    monkeypatch.setenv("PATH", "")
    assert git_state(tmp_path) is None


def test_finished_says_what_stage_would_find_and_changes_nothing(tmp_path):
    run = RunDir.open(tmp_path / "run", recipe="toy", config={"seed": 1}, seed=1)
    assert not run.finished("part", {"n": 1})
    assert not (run.path / "part").exists()
    run.stage("part", {"n": 1}).finish()
    assert run.finished("part", {"n": 1})
    assert not run.finished("part", {"n": 2})  # other inputs: `stage` would set the old folder aside
    assert (run.path / "part").exists() and not (run.path / "replaced").exists()
