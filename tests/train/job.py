"""A tiny real training run as a program, to be stopped and killed by tests: `python job.py OUT STEPS PAUSE`.

The text is a cycle with noise, the model a two-layer transformer with dropout, so weights, moments, data
position and dropout all matter to the final bits. PAUSE is in seconds a step, so that a test has time to kill
it.
"""

import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from groundup.base.log import EventLog
from groundup.data.batches import WindowBatches
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.train.fit import FitConfig, FitResult, fit
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

TEXT = "abcdefgh"


def tokenizer() -> CharTokenizer:
    return CharTokenizer.train(TEXT)


def model(**choices: Any) -> Transformer:
    shape = {"vocab_size": 8, "context_len": 16, "n_layer": 2, "n_head": 2, "n_embd": 16, "dropout": 0.1}
    torch.manual_seed(0)
    return Transformer(TransformerConfig(**{**shape, **choices}))


def tokens(n: int = 2000) -> np.ndarray:
    rng = np.random.default_rng(0)
    return np.where(rng.random(n) < 0.9, np.arange(n) % 8, rng.integers(0, 8, n))


def train(
    out: Path, *, steps: int = 12, pause: float = 0.0, net: Transformer | None = None, **changes: Any
) -> FitResult:
    """One run with every part of the loop in use; `changes` replace arguments of `fit` or of FitConfig."""

    def slow_cross_entropy(net: Any, batch: Any) -> Any:
        time.sleep(pause)
        return cross_entropy(net, batch)

    config = {"steps": steps, "save_every": 3, "eval_every": 4, "log_every": 1}
    config.update({key: changes.pop(key) for key in list(changes) if key in FitConfig.__dataclass_fields__})
    held_out = WindowBatches(tokens(), context_len=16, batch_size=4, seed=99).batch(0)

    def evaluate(net: Any) -> dict[str, float]:
        loss, count, _ = cross_entropy(net, held_out)
        return {"loss": float(loss / count)}

    arguments: dict[str, Any] = {
        "batches": WindowBatches(tokens(), context_len=16, batch_size=4, seed=1),
        "objective": slow_cross_entropy,
        "optim": OptimConfig(),
        "schedule": ScheduleConfig(),
        "config": FitConfig(**config),
        "events": EventLog(out / "events.jsonl", console=False),
        "tokenizer": tokenizer(),
        "seed": 7,
        "evaluate": evaluate,
    }
    return fit(net or model(), out=out, **{**arguments, **changes})


if __name__ == "__main__":
    torch.set_num_threads(1)
    result = train(Path(sys.argv[1]), steps=int(sys.argv[2]), pause=float(sys.argv[3]))
    print("interrupted" if result.interrupted else "done", result.step, flush=True)
