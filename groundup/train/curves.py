"""The curves of a run, read from its event log: of each training stage its losses, rates, norms and speed.

A log that is still being written can be read. After a kill the steps since the last checkpoint are run, and
logged, a second time; the last entry of a step counts (metrics.py).

Next: recipes/curves_figure.py, which draws them; tensorboard.py, which hands them on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from groundup.base.errors import RunDirError, UserError, suggest
from groundup.base.log import EventLog
from groundup.train.metrics import curve

Points = list[tuple[int, float]]


@dataclass(frozen=True)
class Curves:
    """One training stage of one run. Each list holds (step, value) and may be empty."""

    run: str  # how it is called in a legend
    stage: str  # the label of its events; "" where they have none
    loss: Points
    held_out: Points
    grad_norm: Points
    lr: Points
    lr_scale: Points
    tokens_per_second: Points
    clipped: Points  # the norm after clipping, where it acted

    @property
    def name(self) -> str:
        """Run and stage, in one line."""
        return " ".join(part for part in (self.run, self.stage) if part)


def read_curves(folders: Sequence[Path], stage: str | None = None) -> list[Curves]:
    """The stages of these runs that trained anything, in the order in which they did; only `stage` if given.

    Raises RunDirError for a folder without a log, UserError for a stage that none of them has.
    """
    found = []
    for name, folder in zip(short_names(folders), folders, strict=True):
        log = events(folder)
        stages = list(dict.fromkeys(e.get("label", "") for e in log if e.get("kind") == "train"))
        found += [_curves(name if len(folders) > 1 else "", label, log) for label in stages]
        if not stages:
            raise RunDirError(
                f"{folder} has logged no training step yet. Wait for the first, or give another."
            )
    there = list(dict.fromkeys(each.stage for each in found))
    if stage is not None and stage not in there:
        raise UserError(f"No stage is called {stage!r}.{suggest(stage, there)} Stages: {', '.join(there)}.")
    return [each for each in found if stage in (None, each.stage)]


def events(folder: Path) -> list[dict[str, Any]]:
    """Everything in the log of a run."""
    path = folder / "events.jsonl" if folder.is_dir() else folder
    if not path.is_file():
        raise RunDirError(
            f"{folder} has no events.jsonl, so it is no run. Give a folder such as runs/my-text."
        )
    return list(EventLog(path, console=False).read())


def short_names(folders: Sequence[Path]) -> list[str]:
    """The parts of the paths that tell them apart: without a beginning or an end that all share.

    >>> short_names([Path("runs/a"), Path("runs/b")]), short_names([Path("x/run/a"), Path("y/run/a")])
    (['a', 'b'], ['x', 'y'])
    >>> short_names([Path("runs/a")])
    ['a']
    """
    parts = [list(folder.resolve().parts) for folder in folders]
    if len(parts) == 1:
        return [folders[0].resolve().name]
    while all(parts) and len({each[0] for each in parts}) == 1:
        parts = [each[1:] for each in parts]
    while all(parts) and len({each[-1] for each in parts}) == 1:
        parts = [each[:-1] for each in parts]
    names = ["/".join(each) for each in parts]
    return names if all(names) else [str(folder) for folder in folders]


def _curves(run: str, label: str, log: list[dict[str, Any]]) -> Curves:
    def points(kind: str, field: str) -> Points:
        return curve(log, kind, field, label)

    return Curves(
        run,
        label,
        loss=points("train", "loss"),
        held_out=points("eval", "loss"),
        grad_norm=points("train", "grad_norm"),
        lr=points("train", "lr"),
        lr_scale=points("train", "lr_scale"),
        tokens_per_second=points("train", "tokens_per_second"),
        clipped=points("clip", "clipped_to"),
    )
