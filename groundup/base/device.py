"""Where numbers live and how wide they are: explicit choices, checked before a run starts.

Nothing here has a default that depends on anything hidden: "auto" is resolved once, and the answer is written
into the run. torch is imported inside the functions, so that commands that need no torch start at once.

Next: nothing in this floor; autograd/ starts the road.
"""

from __future__ import annotations

import math
import os
import platform
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import ConfigError, suggest

if TYPE_CHECKING:
    import torch

DEVICES = ("auto", "cpu", "cuda", "mps")
DTYPES = ("auto", "float32", "bfloat16", "float16")


def pick_device(name: str = "auto") -> torch.device:
    """The torch device of this name; "auto" is the GPU if there is one. ConfigError if it is not there."""
    import torch

    kind, _, index = name.partition(":")
    if kind not in DEVICES or (index and not index.isdigit()):
        raise ConfigError(
            f"device = {name!r} is unknown.{suggest(kind, DEVICES)} Allowed: {', '.join(DEVICES)}, or "
            "cuda:0, cuda:1 ..."
        )
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if kind == "auto":
        return torch.device(next(k for k in ("cuda", "mps", "cpu") if there[k]))
    if not there[kind]:
        found = ", ".join(k for k in there if there[k])
        raise ConfigError(
            f"device = {name!r} is not available: this machine and this build of torch {torch.__version__} "
            f"have {found}. "
            "Use one of these or auto; `groundup doctor` says more."
        )
    if index and kind == "cuda" and int(index) >= torch.cuda.device_count():
        raise ConfigError(
            f"device = {name!r} does not exist: there are {torch.cuda.device_count()} (from cuda:0)."
        )
    return torch.device(name)


def pick_dtype(name: str, device: torch.device) -> torch.dtype:
    """The torch dtype of this name; "auto" is bfloat16 on a GPU that computes in it, else float32.

    float16 needs a loss scaler, which `fit` does not have: it is for inference on a GPU only.
    """
    import torch

    if name not in DTYPES:
        raise ConfigError(
            f"dtype = {name!r} is unknown.{suggest(name, DTYPES)} Allowed: {', '.join(DTYPES)}."
        )
    if name == "auto":
        fits = device.type == "cuda" and torch.cuda.is_bf16_supported(including_emulation=False)
        return torch.bfloat16 if fits else torch.float32
    if name == "float16" and device.type == "cpu":
        raise ConfigError(
            'dtype = "float16" is slow and overflows on a CPU. Use float32, or bfloat16 to halve memory.'
        )
    return {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}[name]


def set_threads(n: int | None = None) -> int:
    """Give torch `n` threads and say how many it has now.

    None means $OMP_NUM_THREADS if that is set, else the cores that this process may use: torch by itself
    counts the cores of the machine, and in a container with a quota of 2 on a machine of 64 it would run
    thirty times slower.
    """
    import torch

    if n is None:
        asked = os.environ.get("OMP_NUM_THREADS", "")
        n = int(asked) if asked.isdigit() and int(asked) > 0 else usable_cores()
    if n < 1:
        raise ConfigError(
            f"threads = {n} is not possible. Use 1 or more; this process may use {usable_cores()} cores."
        )
    torch.set_num_threads(n)
    return torch.get_num_threads()


@contextmanager
def side_by_side(workers: int) -> Iterator[Callable[[Callable[[Any], Any], Iterable[Any]], list[Any]]]:
    """A `map` whose calls run at once, each in a thread that gives torch one core; results keep their order.

    For work made of many small operations, which are too short to be shared out over cores themselves. One
    worker computes here, with all the threads that torch has.
    """
    import torch

    if workers == 1:
        yield lambda task, items: [task(item) for item in items]
        return
    threads = torch.get_num_threads()
    with ThreadPoolExecutor(workers, thread_name_prefix="groundup-worker") as pool:

        def share(task: Callable[[Any], Any], items: Iterable[Any]) -> list[Any]:
            def alone(item: Any) -> Any:
                torch.set_num_threads(1)  # of this worker
                return task(item)

            try:
                return list(pool.map(alone, items))
            finally:
                torch.set_num_threads(threads)  # what comes next has all cores to itself

        yield share


def usable_cores() -> int:
    """The cores that this process may use: its affinity mask and its container's quota (cgroup v1 or v2)."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else (os.cpu_count() or 1)
    quota = _cpu_quota(Path("/sys/fs/cgroup"))
    return max(1, min(cores, math.ceil(quota))) if quota else cores


def _cpu_quota(root: Path) -> float | None:
    """Cores' worth of time that the container may use, or None if it is not limited."""
    try:
        limit, period = (root / "cpu.max").read_text().split()  # cgroup v2: "max 100000" or "200000 100000"
        return None if limit == "max" else int(limit) / int(period)
    except (OSError, ValueError):
        pass
    try:
        limit = (root / "cpu/cpu.cfs_quota_us").read_text()  # cgroup v1: -1 or microseconds
        return int(limit) / int((root / "cpu/cpu.cfs_period_us").read_text()) if int(limit) > 0 else None
    except (OSError, ValueError):
        return None


def describe_machine() -> str:
    """The processor in a few words, for reports and benchmark files; never a host name.

    It is what makes two timings comparable or not.
    """
    name = platform.processor() or platform.machine()
    try:
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                name = line.split(":", 1)[1].strip()
                break
    except OSError:
        pass
    return f"{name}, {usable_cores()} cores"
