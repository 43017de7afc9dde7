"""A running mean of the weights, kept beside the weights that move.

The last step of a run is one draw from a cloud around a minimum; its centre is often better than any draw.
An exponential mean of the weights is an estimate of that centre:

    mean <- decay mean + (1 - decay) weight

A falling learning rate shrinks the cloud itself, so the two buy the same thing twice: docs/log.md says what
is left of the gain behind a decayed schedule.

Source: Polyak and Juditsky 1992 (the mean); its exponential form with a ramp, decay_t = min(decay,
        (1 + t) / (10 + t)): TensorFlow's ExponentialMovingAverage.
Next:   journal.py, which evaluates and keeps the mean.
"""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
from torch import Tensor, nn


class Average:
    """The mean of every trainable weight of a model; it costs one more copy of them."""

    def __init__(self, model: nn.Module, decay: float):
        self.decay = decay
        self._weights = {name: p for name, p in model.named_parameters() if p.requires_grad}
        self._means = {name: p.detach().clone() for name, p in self._weights.items()}

    @torch.no_grad()
    def update(self, step: int) -> None:
        """Take in the weights as step `step`, counted from 0, left them.

        The ramp forgets the initial weights within the first steps; without it they would still be felt after
        1 / (1 - decay) steps.
        """
        decay = min(self.decay, (1 + step) / (10 + step))
        torch._foreach_lerp_(list(self._means.values()), list(self._weights.values()), 1 - decay)

    @contextmanager
    def in_place(self) -> Iterator[None]:
        """Within the block the model has the mean weights; then its own again, bit for bit."""
        own = {name: weight.data for name, weight in self._weights.items()}
        for name, weight in self._weights.items():
            weight.data = self._means[name]
        try:
            yield
        finally:
            for name, weight in self._weights.items():
                weight.data = own[name]

    def state_dict(self) -> dict[str, Tensor]:
        """The means, by the names of their weights."""
        return dict(self._means)

    def load_state_dict(self, means: Mapping[str, Tensor]) -> None:
        """Continue from a `state_dict` of the same weights."""
        for name, mean in self._means.items():
            mean.copy_(means[name])
