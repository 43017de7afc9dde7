"""Where a job on our own engines stands: weights, moments, step and seconds in one file, whole or absent.

safetensors, as for the large models, because it cannot execute code. One file, so that weights and moments
are always of the same step; its checksum is inside, for safetensors has none. And what such a job leaves
when it breaks.

Next: digits.py, which saves one every few hundred steps.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from groundup.base.errors import CheckpointError, DivergedError, GraphError
from groundup.base.files import write_atomic, write_json

FILE = "model.safetensors"


@dataclass(frozen=True)
class TrainingState:
    """Arrays by name after `step` steps, which took `seconds`; no arrays before the first."""

    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    step: int = 0
    seconds: float = 0.0

    def save(self, folder: Path) -> None:
        """Write it into `folder`, over the one before."""
        from safetensors.numpy import save

        whole = {name: array.copy(order="C") for name, array in self.arrays.items()}
        about = {"step": str(self.step), "seconds": repr(self.seconds)}
        about["sha256"] = digest(whole, about)
        write_atomic(folder / FILE, save(whole, metadata=about))


def load_state(folder: Path) -> TrainingState:
    """The state in `folder`, or that of a beginning. Raises CheckpointError if the file is damaged."""
    from safetensors import SafetensorError, safe_open

    path = folder / FILE
    if not path.exists():
        return TrainingState()
    try:
        with safe_open(path, framework="numpy") as file:
            about = file.metadata()
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dict
            if about.pop("sha256") != digest(arrays, about):
                raise ValueError("its SHA-256 is not the one that was written down")
            return TrainingState(arrays, int(about["step"]), float(about["seconds"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Delete it, and the same command begins its training again."
        ) from None


def digest(arrays: Mapping[str, np.ndarray], about: Mapping[str, str]) -> str:
    """SHA-256 of every name, shape, kind of number and byte, in the order of the names."""
    found = hashlib.sha256(repr(sorted(about.items())).encode())
    for name in sorted(arrays):
        array = arrays[name]
        found.update(f"{name} {array.shape} {array.dtype.str} ".encode())
        found.update(array.tobytes())
    return found.hexdigest()


def diverged(
    folder: Path, error: GraphError, *, step: int, lr: float, batch: Any, arrays: Mapping[str, np.ndarray]
) -> DivergedError:
    """The error for a step that an engine refused, its evidence written to `folder`/diverged.json.

    `batch` says which batch it was, so that it can be made again. What was saved before is unharmed.
    """
    path = folder / "diverged.json"
    with np.errstate(over="ignore"):  # the length of numbers near 1e200 is infinite, and that is the finding
        norms = {name: float(np.linalg.norm(array)) for name, array in arrays.items()}
    shown = {name: norm if math.isfinite(norm) else str(norm) for name, norm in norms.items()}
    write_json(path, {"step": step, "error": str(error), "lr": lr, "batch": batch, "norms": shown})
    return DivergedError(
        f"Step {step} was refused: {error} The learning rate there was {lr:.3g}; start a new run with a "
        f"lower one. The batch and the length of each array are in {path}."
    )
