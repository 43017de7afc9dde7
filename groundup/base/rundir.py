"""A run directory: one folder that remembers what it is, so that it can be resumed, believed and repeated.

    runs/zero-to-chat/
        recipe.toml       every setting of this run, resolved; `groundup run recipe.toml` repeats it
        run.json          versions, git state, command line, seed, when
        events.jsonl      what happened (log.py)
        pretrain/         one folder a stage: its outputs,
            inputs.json   what it was made from, written before it starts
            stage.json    seconds, FLOPs, results, written when it is done
        replaced/         stages whose inputs changed, set aside: nothing is lost

A stage is skipped when its inputs have the same digest and its outputs are there. The inputs of a stage
include the digests of the stages that it reads, so a change flows downstream and not further.

Next: cli/run.py, which opens one; cli/inspect.py, which reads one.
"""

import contextlib
import importlib.metadata
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import groundup
from groundup.base.config import diff, digest, load_toml, to_dict, to_toml
from groundup.base.errors import RunDirError
from groundup.base.files import read_json, write_atomic, write_json
from groundup.base.log import EventLog

if sys.platform != "win32":
    import fcntl

PACKAGES = ("torch", "numpy", "regex", "safetensors")  # whose versions can change a result
_locks: dict[Path, int] = {}  # run folder -> the open file whose lock this process holds until it ends


class RunDir:
    """One run on disk. Made by `RunDir.open`; `path` is its folder, `events` its log."""

    def __init__(self, path: Path, recipe: str, seed: int, events: EventLog):
        self.path, self.recipe, self.seed, self.events = path, recipe, seed, events

    @classmethod
    def open(
        cls,
        path: str | Path,
        *,
        recipe: str,
        config: Mapping[str, Any],
        seed: int,
        update: bool = False,
        console: bool = True,
    ) -> "RunDir":
        """Create the folder for this run, or open it again if it already holds the same run.

        Raises RunDirError if it holds a different run (`update` instead takes over the new settings, and the
        stages whose inputs changed run again), something that is no run, or one that another process is
        running now.
        """
        path = Path(path)
        wanted = {"recipe": recipe, **to_dict(dict(config))}
        if path.exists() and not path.is_dir():
            raise RunDirError(f"{path} is a file, and a run needs a folder. Choose another with --out DIR.")
        changed = _changes(path, wanted)
        if changed and not update:
            raise RunDirError(
                f"{path} holds a different run. What differs (there -> asked for): {'; '.join(changed)}. "
                "Choose another folder with --out DIR, add --update to carry on there with the new settings, "
                f"or repeat that run with `groundup run {path / 'recipe.toml'} --out {path}`."
            )
        path.mkdir(parents=True, exist_ok=True)
        _lock(path)
        events = EventLog(path / "events.jsonl", console=console)
        if changed or not (path / "recipe.toml").exists():
            write_atomic(path / "recipe.toml", to_toml(wanted))
        if changed or not (path / "run.json").exists():
            write_json(path / "run.json", provenance(recipe, seed))
        events.write("open", changed=changed, **provenance(recipe, seed))  # a resumed run may have new code
        return cls(path, recipe, seed, events)

    def stage(self, name: str, inputs: Mapping[str, Any]) -> "Stage":
        """The stage of this name, made from `inputs`: plain values, dataclasses, digests of stages.

        If its folder was made from other inputs, it moves to `replaced/` and the stage starts afresh.
        """
        stage = self._stage(name, inputs)
        marker = stage.dir / "inputs.json"
        if stage.dir.exists() and not (marker.exists() and read_json(marker)["digest"] == stage.digest):
            old = read_json(marker)["digest"][:8] if marker.exists() else "unknown"
            aside = _free(self.path / "replaced" / f"{name}-{old}")
            aside.parent.mkdir(exist_ok=True)
            stage.dir.rename(aside)
            self.events.write(
                "note", replaced=name, text=f"{name}: its inputs changed; the old folder is now {aside}"
            )
        if not marker.exists():
            write_json(marker, {"digest": stage.digest, "inputs": stage.inputs})
        return stage

    def finished(self, name: str, inputs: Mapping[str, Any]) -> bool:
        """Whether `stage` would return a stage that is done. Changes nothing."""
        return self._stage(name, inputs).done

    def _stage(self, name: str, inputs: Mapping[str, Any]) -> "Stage":
        plain = to_dict(dict(inputs))
        return Stage(self.path / name, name, plain, digest({"stage": name, **plain}))


class Stage:
    """One step of a run: `if not stage.done: ...; stage.finish(flops=..., loss=...)`, then `stage.record`."""

    def __init__(self, dir: Path, name: str, inputs: dict[str, Any], digest: str):
        self.dir, self.name, self.inputs, self.digest = dir, name, inputs, digest
        self._began = time.monotonic()

    @property
    def done(self) -> bool:
        """Whether it was finished from these inputs, and every file that it left is there in its size."""
        if not (self.dir / "stage.json").exists():
            return False
        finished = self._finished
        sizes = finished["files"]
        return finished["digest"] == self.digest and _sizes(self.dir, sizes) == sizes

    @property
    def record(self) -> dict[str, Any]:
        """What `finish` was told. Raises RunDirError if the stage is not finished."""
        return self._finished["record"]

    @property
    def seconds(self) -> float:
        """How long the finished stage took."""
        return self._finished["seconds"]

    @property
    def elapsed(self) -> float:
        """Seconds since this stage was opened in this process."""
        return time.monotonic() - self._began

    @property
    def flops(self) -> float:
        """How many floating-point operations the finished stage's training took."""
        return self._finished["flops"]

    def finish(self, *, seconds: float | None = None, flops: float = 0, **record: Any) -> None:
        """Mark the stage done, with what later stages and the report want to know of it.

        `seconds` is by default the time since the stage was opened; a stage that was interrupted and resumed
        knows its true sum and says it. Everything in the folder now is an output that `done` will look for.
        """
        files = sorted(
            str(p.relative_to(self.dir))
            for p in self.dir.rglob("*")
            if p.is_file() and p.name != "stage.json" and ".building-" not in str(p)
        )
        body = {
            "name": self.name,
            "digest": self.digest,
            "seconds": self.elapsed if seconds is None else seconds,
            "flops": flops,
            "finished": _now(),
            "files": _sizes(self.dir, files),
            "record": record,
        }
        write_json(self.dir / "stage.json", body)

    @property
    def _finished(self) -> dict[str, Any]:
        if not (self.dir / "stage.json").exists():
            raise RunDirError(
                f"The stage {self.name} in {self.dir} is not finished. Run the same command again."
            )
        return read_json(self.dir / "stage.json")


def provenance(recipe: str, seed: int) -> dict[str, Any]:
    """What must be known to repeat a run on another day: versions, git state, command line, seed, time."""
    return {
        "schema": 1,
        "recipe": recipe,
        "seed": seed,
        "created": _now(),
        "argv": sys.argv,
        "versions": {
            "groundup": groundup.__version__,
            "python": platform.python_version(),
            **{name: _version(name) for name in PACKAGES},
        },
        "platform": f"{platform.system()} {platform.machine()}",
        "git": git_state(Path(groundup.__file__).parent),
    }


def git_state(folder: Path) -> dict[str, Any] | None:
    """The commit of the source tree and whether it has changes, or None without a git tree or without git."""

    def git(*words: str) -> str:
        done = subprocess.run(
            ["git", "-C", str(folder), *words], capture_output=True, text=True, timeout=10, check=True
        )
        return done.stdout.strip()

    try:
        return {
            "commit": git("rev-parse", "HEAD"),
            "changed": bool(git("status", "--porcelain", "-uno", "--", ".")),
        }
    except (OSError, subprocess.SubprocessError):
        return None


def _changes(path: Path, wanted: dict[str, Any]) -> list[str]:
    """How the run in `path` differs from the wanted one. Raises RunDirError if it holds no run but files."""
    if (path / "recipe.toml").exists():
        return diff(load_toml(path / "recipe.toml"), wanted)
    if path.exists() and any(not p.name.startswith(".") for p in path.iterdir()):
        raise RunDirError(
            f"{path} has files in it but no recipe.toml, so it is not a run. Choose an empty or new folder: "
            "--out DIR."
        )
    return []


def _lock(path: Path) -> None:
    """Refuse a second process in one run: both would write the same checkpoint. Ends with this process."""
    key = path.resolve()
    if sys.platform == "win32" or key in _locks:
        return
    handle = os.open(key / ".lock", os.O_RDWR | os.O_CREAT, 0o666)
    try:
        fcntl.lockf(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        os.close(handle)
        raise RunDirError(
            f"{path} is in use: another process is running there now. Wait for it, stop it, or choose "
            "another folder "
            "with --out DIR."
        ) from None
    except OSError:  # a network file-system without locks: the user is on their own
        os.close(handle)
        return
    _locks[key] = handle


def _sizes(folder: Path, names: Any) -> dict[str, int]:
    sizes = {}
    for name in names:
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            sizes[name] = (folder / name).stat().st_size
    return sizes


def _free(path: Path) -> Path:
    number, free = 1, path
    while free.exists():
        number, free = number + 1, path.with_name(f"{path.name}.{number + 1}")
    return free


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _now() -> str:
    return time.strftime("%Y-%m-%dT%H:%M:%S%z")
