"""A run's event log as TensorBoard's: every number, at the step and at the time when it was logged.

The event log stays the one source: this copies it, again and again if asked, and nothing is logged that only
TensorBoard can read. It needs the package `tensorboard` (`pip install groundup[tensorboard]`), whose
SummaryWriter lives in torch.

Next: cli/plot.py.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import UserError
from groundup.train.curves import events, short_names

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter

NOT_A_FIGURE = ("time", "kind", "label", "step", "n")


def export(runs: Sequence[Path], folder: Path) -> int:
    """Write each run into a folder of its own below `folder`, in place of what an earlier export left there.

    Returns how many figures were written. Raises UserError if TensorBoard is not installed.
    """
    try:
        from torch.utils.tensorboard import SummaryWriter
    except ImportError:
        raise UserError(
            "TensorBoard is not installed. Install it with `pip install groundup[tensorboard]`, or plot "
            "without --tensorboard."
        ) from None
    count = 0
    for name, run in zip(short_names(runs), runs, strict=True):
        log = events(run)
        target = folder / name
        _clear(target)
        with SummaryWriter(str(target)) as writer:
            count += _write(writer, log)
    return count


def scalars(log: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, float, int, float]]:
    """(tag, value, step, time) of every figure in a log; of a step that was run twice the last.

    >>> list(scalars([{"time": 5.0, "kind": "eval", "label": "pretrain", "step": 10, "loss": 2.5}]))
    [('pretrain/eval/loss', 2.5, 10, 5.0)]
    """
    newest: dict[tuple[str, int], tuple[float, float]] = {}
    for event in log:
        if not isinstance(step := event.get("step"), int):
            continue
        for field, value in event.items():
            if field not in NOT_A_FIGURE and isinstance(value, int | float) and math.isfinite(value):
                tag = "/".join(part for part in (event.get("label", ""), event["kind"], field) if part)
                newest[tag, step] = (float(value), event["time"])
    for (tag, step), (value, time) in newest.items():
        yield tag, value, step, time


def _write(writer: SummaryWriter, log: Sequence[Mapping[str, Any]]) -> int:
    count = 0
    for tag, value, step, time in scalars(log):
        writer.add_scalar(tag, value, step, walltime=time)
        count += 1
    for event in log:
        if event.get("kind") == "sample":
            writer.add_text(f"{event.get('label', '')}/sample", event["text"], event["step"], event["time"])
    return count


def _clear(target: Path) -> None:
    """Remove what an earlier export left; anything else is somebody's, and is refused."""
    if not target.exists():
        return
    others = [path for path in target.iterdir() if not path.name.startswith("events.out.tfevents.")]
    if others:
        raise UserError(f"{target} holds other files ({others[0].name}). Choose another --tensorboard DIR.")
    shutil.rmtree(target)
