"""`groundup run`: a recipe with its settings, in a run directory.

Precedence: the dataclass's default, then the preset's TOML, then the flag. The flags are made by tyro from
the same dataclass, with the values of the preset as defaults, so `groundup run PRESET --help` shows what
would run.

Next: recipes/catalog.py, the recipes there are; base/rundir.py, where they run.
"""

import argparse
import importlib.resources
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.base.config import from_dict, load_toml, to_dict, to_toml
from groundup.base.errors import ConfigError, DataError, FetchError, GraphError, TokenizerError, suggest

USAGE = """usage: groundup run PRESET [--section.setting VALUE ...] [--out DIR] [--update] [--dry] [--help]
       groundup run PRESET [...] --dry-run
       groundup run --list

PRESET is a name from --list, or a TOML file with `recipe = "name"` and the settings to change.

  --out DIR   the run directory (default: runs/PRESET); an unfinished run there is carried on
  --update    carry on there although the settings changed: only the stages that they touch run again
  --dry       print every setting, resolved, and stop
  --dry-run   print what would be built (shapes, cost, memory, a batch), fetching nothing, and stop

`groundup run PRESET --help` lists every setting of that preset."""


@dataclass(frozen=True)
class Preset:
    """A recipe with its settings. `name` is what its run directory is called by default."""

    name: str
    recipe: str
    settings: Any  # an instance of RECIPES[recipe]


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    if not words or words[0] in ("-h", "--help"):
        print(USAGE)
        return 0
    if words[0] == "--list":
        print(listing())
        return 0
    if words[0].startswith("-"):
        raise ConfigError(f"The preset comes first, before {words[0]}: groundup run PRESET {words[0]} ...")
    preset = load(words[0])
    own = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    own.add_argument("--out", type=Path, default=Path("runs") / preset.name)
    own.add_argument("--update", action="store_true")
    own.add_argument("--dry", action="store_true")
    own.add_argument("--dry-run", action="store_true")
    flags, rest = own.parse_known_args(words[1:])
    settings = with_flags(preset, rest)
    if flags.dry:
        print(to_toml({"recipe": preset.recipe, **to_dict(settings)}), end="")
        return 0
    if flags.dry_run:
        print(plan_of(preset.recipe, settings))
        return 0
    return execute(preset.recipe, settings, flags.out, update=flags.update)


def plan_of(recipe: str, settings: Any) -> str:
    """What the recipe says that it would build. Raises ConfigError if it cannot say."""
    if not hasattr(settings, "dry_run"):
        raise ConfigError(
            f"The recipe {recipe} has no dry run. --dry prints its settings; --dry-run is for pretraining."
        )
    return settings.dry_run()


def execute(recipe: str, settings: Any, out: Path, *, update: bool = False) -> int:
    """Run the recipe in `out` and say what came of it."""
    from groundup.base.device import set_threads
    from groundup.base.rundir import RunDir

    fresh = not out.exists()
    run_dir = RunDir.open(out, recipe=recipe, config=to_dict(settings), seed=settings.seed, update=update)
    set_threads()
    try:
        result = settings.run(run_dir)
    except (ConfigError, DataError, FetchError, GraphError, TokenizerError):
        # Nothing was trained: leave nothing, or the corrected command would meet "a different run". After a
        # full disk, say, the same command is given again, and carries on.
        if fresh and not any(out.rglob("model.safetensors")):
            shutil.rmtree(out, ignore_errors=True)
        raise
    except KeyboardInterrupt:
        print(f"\nStopped. The same command carries on where it was; what is done so far is in {out}.")
        raise
    if result is not None:
        print(result)
    return 0


def load(name: str) -> Preset:
    """The preset of this name, or in this TOML file, with its settings checked. Raises ConfigError."""
    from groundup.recipes.catalog import RECIPES

    path = find(name)
    content = load_toml(path)
    recipe = content.pop("recipe", None)
    if not isinstance(recipe, str):
        raise ConfigError(
            f'{path} does not say which recipe it sets. Add a first line recipe = "{min(RECIPES)}".'
        )
    if recipe not in RECIPES:
        raise ConfigError(
            f"{path}: recipe = {recipe!r} is unknown.{suggest(recipe, RECIPES)} Recipes: "
            f"{', '.join(sorted(RECIPES))}."
        )
    # A run's own recipe.toml is called by its folder: runs/a/recipe.toml is the run a.
    called = path.parent.name if path.name == "recipe.toml" and path.parent.name else path.stem
    return Preset(called, recipe, from_dict(RECIPES[recipe], content, where=str(path)))


def find(name: str) -> Path:
    """The TOML file that a name on the command line means."""
    if name.endswith(".toml") or "/" in name:
        path = Path(name)
        if path.is_dir():
            raise ConfigError(
                f"{name} is a folder. Give the TOML file in it, such as {path / 'recipe.toml'}."
            )
        return path
    presets = {path.stem: path for path in preset_files()}
    if name not in presets:
        raise ConfigError(
            f"There is no preset {name!r}.{suggest(name, presets)} Presets: {', '.join(presets)}. Or give a "
            "TOML file."
        )
    return presets[name]


def preset_files() -> list[Path]:
    """The presets that come with the package, by name."""
    folder = Path(str(importlib.resources.files("groundup.recipes") / "presets"))
    return sorted(folder.glob("*.toml"))


def listing() -> str:
    """Each preset with the first comment line of its file."""
    rows = []
    for path in preset_files():
        lines = path.read_text(encoding="utf-8").splitlines()
        comment = next((line.lstrip("# ") for line in lines if line.startswith("#")), "")
        rows.append(f"  {path.stem:<20} {comment}")
    return "\n".join(
        ["groundup run PRESET, where PRESET is one of", "", *rows, "", "or a TOML file of your own."]
    )


def with_flags(preset: Preset, words: Sequence[str]) -> Any:
    """The preset's settings as the flags change them; at a wrong flag tyro explains and exits with 2."""
    import tyro

    return tyro.cli(
        type(preset.settings),
        default=preset.settings,
        args=list(words),
        prog=f"groundup run {preset.name}",
        use_underscores=True,  # as in the TOML
        config=(
            tyro.conf.FlagConversionOff,
        ),  # --model.tie False, not --model.no-tie: every setting has a value
    )
