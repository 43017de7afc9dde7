"""nanoGPT as a peer: its files set up, its training run as it is, its model scored.

The checkout that --peer names is only read: what is needed is copied. Not a line of it is changed.

Next: shakespeare_char.py.
"""

import importlib.util
import os
import pickle
import re
import resource
import shutil
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.base.device import usable_cores
from groundup.base.errors import DataError
from groundup.data.batches import windows_in_order

CONTEXT = 64
PEER_STEPS = 2000
README = (  # "I only have a macbook" in nanoGPT's README, word for word
    "--device=cpu --compile=False --eval_iters=20 --log_interval=1 --block_size=64 --batch_size=12 "
    "--n_layer=4 --n_head=4 --n_embd=128 --max_iters={steps} --lr_decay_iters={steps} --dropout=0.0"
)
FILES = ("train.py", "model.py", "configurator.py", "config/train_shakespeare_char.py")


@dataclass(frozen=True)
class Timed:
    """A command that ran: wall clock and CPU seconds, when it began (seconds since 1970), what it printed."""

    began: float
    seconds: float
    cpu: float
    log: str


def prepare(peer: Path, folder: Path, text: str) -> Path:
    """A working copy of the peer in `folder`, with the data files that its prepare.py would write."""
    if missing := [name for name in FILES if not (peer / name).is_file()]:
        raise DataError(f"{peer} is no checkout of nanoGPT: it has no {missing[0]}.")
    for name in FILES:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(peer / name, folder / name)
    data = folder / "data" / "shakespeare_char"
    data.mkdir(parents=True, exist_ok=True)
    letters = sorted(set(text))
    of = {letter: id for id, letter in enumerate(letters)}
    ids = np.array([of[letter] for letter in text], dtype=np.uint16)
    cut = int(len(ids) * 0.9)
    ids[:cut].tofile(data / "train.bin")
    ids[cut:].tofile(data / "val.bin")
    meta = {"vocab_size": len(letters), "itos": dict(enumerate(letters)), "stoi": of}
    (data / "meta.pkl").write_bytes(pickle.dumps(meta))  # its format, not ours; only train.py reads it
    return folder


def run_peer(folder: Path, out: Path, *, steps: int = PEER_STEPS) -> Timed:
    """Its training, from the copy in `folder`, into `out`."""
    flags = README.format(steps=steps).split()
    command = [sys.executable, "train.py", "config/train_shakespeare_char.py", *flags, f"--out_dir={out}"]
    return run(command, out.with_suffix(".log"), cwd=folder)


def run(command: Sequence[str], log: Path, *, cwd: Path | None = None) -> Timed:
    """Run it to its end with all cores, showing its last line as it goes. DataError if it fails."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(usable_cores()), "PYTHONUNBUFFERED": "1",
                   "GROUNDUP_PROGRESS": "lines"}  # fmt: skip
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    log.parent.mkdir(parents=True, exist_ok=True)
    began, clock = time.time(), time.monotonic()
    with open(log, "w", encoding="utf-8") as file:
        process = subprocess.Popen(command, cwd=cwd, env=environment, stdout=file, stderr=subprocess.STDOUT)
        while process.poll() is None:
            time.sleep(0.2)
            _show(log, time.monotonic() - clock)
    seconds = time.monotonic() - clock
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    text = log.read_text(encoding="utf-8", errors="replace")
    if process.returncode:
        raise DataError(f"{' '.join(command)} failed; its last lines:\n{text[-2000:]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Timed(began, seconds, cpu, text)


def _show(log: Path, seconds: float) -> None:
    """The progress line: how long it has run, and the last thing that it said."""
    if sys.stderr.isatty():
        with open(log, "rb") as file:
            file.seek(max(0, log.stat().st_size - 400))
            said = file.read().decode("utf-8", "replace").strip().splitlines()
        print(
            f"\r{seconds:6.0f} s  {said[-1][:100] if said else '':<100}",
            end="\r",
            file=sys.stderr,
            flush=True,
        )


def tokens_per_second(log: str, tokens: int = 12 * CONTEXT) -> float:
    """The median over the steps that its log gives a time for, without the first ten.

    >>> first = "iter 0: loss 4.2, time 900.00ms, mfu -100%\\n" * 10
    >>> tokens_per_second(first + "iter 10: loss 3.9, time 48.00ms, mfu 0.1%")
    16000.0
    """
    times = [float(found) for found in re.findall(r"^iter \d+: .*time ([\d.]+)ms", log, re.M)][10:]
    if not times:
        raise DataError("nanoGPT's log names no step times. Was it run with --log_interval=1?")
    return tokens / (statistics.median(times) / 1000)


def peer_module(folder: Path) -> Any:
    """Its model.py, imported from the copy in `folder`."""
    spec = importlib.util.spec_from_file_location("nanogpt_model", folder / "model.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # its dataclass looks itself up there
    spec.loader.exec_module(module)
    return module


def loss_of(folder: Path, checkpoint: Path, held_out: np.ndarray, *, context: int = CONTEXT) -> float:
    """Nats a token of its checkpoint on the held-out text, by its own model.py."""
    module = peer_module(folder)
    saved: dict[str, Any] = torch.load(checkpoint, map_location="cpu", weights_only=True)
    model = module.GPT(module.GPTConfig(**saved["model_args"]))
    # torch.compile puts this before every name
    weights = {name.removeprefix("_orig_mod."): tensor for name, tensor in saved["model"].items()}
    model.load_state_dict(weights)
    model.eval()
    # Without targets it would compute the logits of the last place only.
    return windows_loss(lambda tokens_BT: model(tokens_BT, tokens_BT)[0], held_out, context=context)


@torch.inference_mode()
def windows_loss(
    logits_of: Callable[[Tensor], Tensor], held_out: np.ndarray, *, context: int = CONTEXT
) -> float:
    """Nats a token over windows of `context` side by side, each token but the first predicted once."""
    total, count = 0.0, 0
    for batch in windows_in_order(held_out, context_len=context, batch_size=64):
        logits_BTV = logits_of(batch.tokens_BT)
        total += F.cross_entropy(
            logits_BTV.flatten(0, 1), batch.targets_BT.flatten(), ignore_index=-1, reduction="sum"
        ).item()
        count += int((batch.targets_BT != -1).sum())
    return total / count
