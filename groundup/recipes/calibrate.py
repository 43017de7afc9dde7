"""How long a step takes here: a few real ones, on real text, with the real optimizer, and then forgotten.

No formula knows what caches, clocks and other programs make of a shape, so the shape itself is asked. The
median of a few steps is within some per cent of what a run then takes, on a machine that does nothing else.

Next: my_text_plan.py, which asks for one shape after another.
"""

import statistics
import time
from collections.abc import Callable

import numpy as np
import torch

from groundup.data.batches import WindowBatches
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.train.fit import FitConfig, accumulate
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer

STEPS = 4  # timed ones, after one that is not: it fills caches and makes the optimizer's state


def seconds_per_step(
    shape: TransformerConfig,
    tokens: np.ndarray,
    *,
    batch_size: int,
    optim: OptimConfig,
    config: FitConfig,
    device: torch.device,
    most_seconds: float,
    clock: Callable[[], float] = time.perf_counter,
) -> float:
    """The median seconds of a training step of this model on windows of `tokens`.

    At least one step is timed, further ones as long as all together stay within `most_seconds`. `tokens` may
    be shorter than a window: they are repeated.
    """
    enough = -(-(shape.context_len + 1) // len(tokens))
    stream = np.tile(tokens, enough) if enough > 1 else tokens
    batches = WindowBatches(stream, context_len=shape.context_len, batch_size=batch_size, seed=0)
    model = Transformer(shape).to(device)
    optimizer = build_optimizer(model, optim)

    def step(number: int) -> float:
        began = clock()
        accumulate(model, batches, cross_entropy, config=config, step=number)
        optimizer.step()
        optimizer.zero_grad()
        if device.type == "cuda":
            torch.cuda.synchronize(device)
        return clock() - began

    timed: list[float] = []
    began = clock()
    step(0)
    while len(timed) < STEPS and (not timed or clock() - began + timed[-1] < most_seconds):
        timed.append(step(1 + len(timed)))
    return statistics.median(timed)
