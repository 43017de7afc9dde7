import dataclasses
import json
import tomllib
from pathlib import Path

import pytest

from groundup.base.config import to_dict, to_toml
from groundup.base.errors import ConfigError, DataError, RunDirError
from groundup.cli import run
from groundup.cli.main import main
from groundup.recipes.catalog import RECIPES


@dataclasses.dataclass(frozen=True)
class Part:
    size: int = 1
    name: str = "default"
    on: bool = True


@dataclasses.dataclass(frozen=True)
class Count:
    """A recipe small enough to see whether settings arrive: it writes down its sum."""

    seed: int = 0
    part: Part = Part()
    path: Path = Path("x")

    def run(self, run_dir):
        if self.part.name == "interrupt":
            raise KeyboardInterrupt
        stage = run_dir.stage("sum", {"size": self.part.size})
        if self.part.name == "bad":
            raise DataError("the text is bad. Give a good one.")
        if not stage.done:
            stage.finish(total=self.seed + self.part.size)
        return f"the sum is {stage.record['total']}"


@pytest.fixture
def toml(tmp_path, monkeypatch):
    monkeypatch.setitem(RECIPES, "count", Count)
    (tmp_path / "my.toml").write_text(
        '# counts\nrecipe = "count"\nseed = 5\n[part]\nsize = 10\nname = "toml"\n'
    )
    return "./my.toml"


def test_default_then_toml_then_flag(toml, capsys):
    assert main(["run", toml, "--part.size", "100", "--part.on", "False", "--dry"]) == 0
    told = tomllib.loads(capsys.readouterr().out)
    assert told == {
        "recipe": "count",
        "seed": 5,
        "path": "x",
        "part": {"size": 100, "name": "toml", "on": False},
    }
    assert not Path("runs").exists()


def test_a_run_goes_to_its_folder_and_is_skipped_the_second_time(toml, capsys):
    assert main(["run", toml]) == 0
    assert "the sum is 15" in capsys.readouterr().out
    before = Path("runs/my/sum/stage.json").stat().st_mtime_ns
    assert main(["run", toml]) == 0
    assert Path("runs/my/sum/stage.json").stat().st_mtime_ns == before
    assert main(["run", toml, "--out", "elsewhere", "--part.size=1"]) == 0
    assert json.loads(Path("elsewhere/sum/stage.json").read_text())["record"] == {"total": 6}


def test_a_runs_own_recipe_repeats_it(toml):
    main(["run", toml, "--part.size", "100"])
    preset = run.load("runs/my/recipe.toml")
    assert preset == run.Preset("my", "count", Count(5, Part(100, "toml")))


def test_other_settings_in_the_same_folder_are_refused_until_asked_for(toml, capsys):
    main(["run", toml])
    assert main(["run", toml, "--part.size", "11"]) == 2
    assert "part.size: 10 -> 11" in " ".join(capsys.readouterr().err.split())
    assert main(["run", toml, "--part.size", "11", "--update"]) == 0
    assert "the sum is 16" in capsys.readouterr().out


def test_a_mistake_that_shows_late_does_not_block_the_corrected_command(toml, capsys):
    assert main(["run", toml, "--part.name", "bad"]) == 2
    assert "the text is bad" in capsys.readouterr().err and not Path("runs/my").exists()
    assert main(["run", toml]) == 0
    # but a folder that was there before is left as it is
    assert main(["run", toml, "--part.name", "bad", "--update"]) == 2
    assert Path("runs/my/sum/stage.json").exists()


def test_a_failed_run_that_has_trained_something_is_kept(toml, monkeypatch):
    def diverge(self, run_dir):
        (run_dir.path / "train").mkdir()
        (run_dir.path / "train" / "model.safetensors").write_text("")
        raise DataError("the loss is not finite.")

    monkeypatch.setattr(Count, "run", diverge)
    assert main(["run", toml]) == 2 and Path("runs/my/train/model.safetensors").exists()


def test_stopping_says_how_to_go_on(toml, capsys):
    assert main(["run", toml, "--part.name", "interrupt"]) == 130
    assert "The same command carries on" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["shakespear-char"], "Did you mean 'shakespeare-char'?"),
        (["missing.toml"], "missing.toml does not exist"),
        (["--seed", "3", "shakespeare-char"], "The preset comes first"),
        (["."], "no preset '.'"),
        (["./"], "is a folder"),
        (["none.toml"], 'does not say which recipe it sets. Add a first line recipe = "'),
        (["wrong.toml"], "recipe = 'cuont' is unknown. Did you mean 'count'?"),
        (["type.toml"], 'type.toml: part.size = "ten" (a string) but it must be an integer.'),
        (["key.toml"], "[part] has no setting 'sise'. Did you mean 'size'?"),
        (["broken.toml"], "is not valid TOML"),
        (["binary.toml"], "is not UTF-8 text"),
    ],
)
def test_bad_input_is_one_paragraph_and_leaves_nothing(words, told, toml, capsys):
    Path("none.toml").write_text("seed = 1\n")
    Path("wrong.toml").write_text('recipe = "cuont"\n')
    Path("type.toml").write_text('recipe = "count"\n[part]\nsize = "ten"\n')
    Path("key.toml").write_text('recipe = "count"\n[part]\nsise = 10\n')
    Path("broken.toml").write_text("recipe = \n")
    Path("binary.toml").write_bytes(b"\xff\xfe\x00\x01"[::-1])
    assert main(["run", *words]) == 2
    out = capsys.readouterr()
    assert told in " ".join(out.err.split()) and "Traceback" not in out.err
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--part.sise", "3"], "--part.size"),
        (["--part.size", "ten"], "invalid literal"),
        (["stray"], "stray"),
    ],
)
def test_a_wrong_flag_exits_with_2_and_says_which(words, told, toml, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", toml, *words])
    assert stop.value.code == 2 and told in capsys.readouterr().err and not Path("runs").exists()


def test_help_shows_the_settings_that_would_run(toml, capsys):
    with pytest.raises(SystemExit) as stop:
        main(["run", toml, "--help"])
    assert stop.value.code == 0
    assert "--part.size" in (told := capsys.readouterr().out) and "10" in told
    assert main(["run"]) == 0 and "--update" in capsys.readouterr().out


@pytest.mark.parametrize("path", run.preset_files(), ids=lambda path: path.stem)
def test_every_shipped_preset_is_read_into_its_recipe(path, capsys):
    """Names, types and the checks of every dataclass; and written out and read again it is the same."""
    preset = run.load(path.stem)
    assert isinstance(preset.settings, RECIPES[preset.recipe]) and isinstance(preset.settings.seed, int)
    assert run.from_dict(type(preset.settings), tomllib.loads(to_toml(preset.settings))) == preset.settings
    assert main(["run", path.stem, "--dry"]) == 0
    assert tomllib.loads(capsys.readouterr().out)["recipe"] == preset.recipe
    lines = path.read_text().splitlines()
    assert lines[0].startswith("# "), "the first line is what `groundup run --list` says of it"
    assert f"{path.stem} " in run.listing() and lines[0][2:] in run.listing()


def test_there_are_presets_and_each_recipe_has_one():
    used = {run.load(path.stem).recipe for path in run.preset_files()}
    assert used == set(RECIPES)


def test_a_preset_that_is_wrong_would_be_found(tmp_path):
    name = run.preset_files()[0]
    bad = tmp_path / "bad.toml"
    bad.write_text("no_such_setting = 1\n" + name.read_text())
    with pytest.raises(ConfigError, match="no setting 'no_such_setting'"):
        run.load(str(bad))


def test_execute_refuses_a_folder_of_something_else(toml, tmp_path):
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("x")
    with pytest.raises(RunDirError):
        run.execute("count", Count(), tmp_path / "full")
    assert to_dict(Count())["seed"] == 0
