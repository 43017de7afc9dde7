"""Activation checkpointing: remember less, compute it again.

The backward pass needs what every operation of the forward pass saw. Without this it is all kept; with it a
block keeps its input alone, and is run a second time when the backward pass arrives. For L equal blocks the
memory falls from L blocks' activations to L inputs and one block's activations; the time grows by about one
forward pass, a third of a step.

Source:   Chen et al. 2016, arXiv 1604.06174, section 4. What it saves and costs here: docs/log.md.
Does not: change a bit of the result on a CPU: the same operations are done twice on the same numbers, with
          the same random draws where there is dropout.
Next:     memory.py, which measures what is saved.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from groundup.base.errors import ConfigError


@contextmanager
def recomputed(model: nn.Module, on: bool) -> Iterator[None]:
    """Within the block of code, each of the model's `blocks` keeps only its input for the backward pass.

    Applied from outside: the model does not know, and its weights keep their names.
    """
    if not on:
        yield
        return
    blocks = getattr(model, "blocks", None)
    if not isinstance(blocks, nn.ModuleList):
        raise ConfigError(
            f"recompute=True needs a model made of `blocks`, and {type(model).__name__} has none. "
            "Set recompute=False."
        )
    draws = bool(getattr(getattr(model, "config", None), "dropout", 0))
    for block in blocks:
        vars(block)["forward"] = _thrifty(block.forward, draws)  # hides the method of the class
    try:
        yield
    finally:
        for block in blocks:
            del vars(block)["forward"]


def _thrifty(forward: Callable[..., Tensor], draws: bool) -> Callable[..., Tensor]:
    def run(x: Tensor, **context: Any) -> Tensor:
        if not torch.is_grad_enabled():  # an evaluation or a sample in between: nothing is kept anyway
            return forward(x, **context)
        return checkpoint(forward, x, use_reentrant=False, preserve_rng_state=draws, **context)

    return run
