"""Where a job on our own engines stands: weights, moments, step and seconds in one file, whole or absent.

safetensors, as for the large models, because it cannot execute code. One file, so that weights and moments
are always of the same step.

Next: digits.py, which saves one every few hundred steps.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from groundup.base.errors import CheckpointError
from groundup.base.files import write_atomic

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
            return TrainingState(arrays, int(about["step"]), float(about["seconds"]))
    except (SafetensorError, KeyError, TypeError, ValueError) as error:
        raise CheckpointError(
            f"{path} is damaged ({error}). Delete it, and the same command begins its training again."
        ) from None
