"""What moves the weights: gradient descent with momentum, and AdamW, each update written out.

    SGD     v <- momentum v + g;             p <- p - lr v               Polyak 1964, as torch has it
    AdamW   m <- b1 m + (1 - b1) g           v <- b2 v + (1 - b2) g²     Kingma & Ba 2015, arXiv 1412.6980
            p <- p - lr wd p                                             Loshchilov & Hutter 2019, 1711.05101
            p <- p - lr (m / (1 - b1^t)) / (sqrt(v / (1 - b2^t)) + eps)

m and v start at 0 and are too small at first; dividing by 1 - b^t mends that. Decay is applied to the weight
and not mixed into the gradient, where AdamW differs from Adam.

`state()` is what must be kept to go on exactly where it stopped, next to the weights. Next: program.py.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from groundup.autograd.array import Array
from groundup.base.errors import GraphError


class Optimizer:
    """Parameters, the running averages that their updates need, and how many steps were made."""

    def __init__(self, parameters: Sequence[Array], averages: Sequence[str]):
        self.parameters = list(parameters)
        if len({id(p) for p in self.parameters}) < len(self.parameters):
            raise GraphError("A parameter is listed twice, and would be moved twice. List each once.")
        self.steps = 0
        self.averages = {name: [np.zeros_like(p.data) for p in self.parameters] for name in averages}

    def step(self, lr: float) -> None:
        """Move every parameter by its gradient, then forget the gradients.

        Raises GraphError if one has none (it took no part in the loss) or one that is not finite.
        """
        for place, p in enumerate(self.parameters):
            if p.grad is None or not np.isfinite(p.grad).all():
                what = "no gradient" if p.grad is None else "a gradient that is not finite"
                raise GraphError(
                    f"Parameter {p.label or place} {list(p.shape)} has {what} at step {self.steps + 1}. "
                    "Nothing was moved. Call backward() on a loss that depends on it, or take a smaller lr."
                )
        self.steps += 1
        for place, p in enumerate(self.parameters):
            assert p.grad is not None, "was just checked"
            p.data = p.data - self.change(place, p.data, p.grad, lr)
            p.zero_grad()

    def change(self, place: int, p: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
        """What to subtract from parameter number `place`, whose values are `p` and gradient `g`."""
        raise NotImplementedError

    def state(self) -> dict[str, np.ndarray]:
        """Everything but the weights, as arrays by name; `load_state` takes it back."""
        named = {f"{name}.{i}": a for name, row in self.averages.items() for i, a in enumerate(row)}
        return {"steps": np.array(self.steps), **named}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Go on from what `state()` gave. GraphError if that was of other parameters."""
        for name, array in self.state().items():
            if name not in state or np.shape(state[name]) != array.shape:
                was = list(np.shape(state[name])) if name in state else "missing"
                raise GraphError(
                    f"The optimizer's {name} should be {list(array.shape)} and is {was}: the state is that "
                    "of another model or optimizer. Load the one that was saved with these weights."
                )
        self.steps = int(state["steps"])
        for name, row in self.averages.items():
            for i in range(len(row)):
                row[i][...] = state[f"{name}.{i}"]


class SGD(Optimizer):
    """Gradient descent with momentum.

    >>> p = Array([1.0])
    >>> (p * p).sum().backward()
    >>> SGD([p]).step(lr=0.1)
    >>> p.data.tolist()
    [0.8]
    """

    def __init__(self, parameters: Sequence[Array], *, momentum: float = 0.0, weight_decay: float = 0.0):
        super().__init__(parameters, ("velocity",))
        self.momentum, self.weight_decay = momentum, weight_decay

    def change(self, place: int, p: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
        velocity = self.averages["velocity"][place]
        velocity *= self.momentum
        velocity += g + self.weight_decay * p if self.weight_decay else g
        return lr * velocity


class AdamW(Optimizer):
    """Adam with decoupled weight decay; the defaults are torch's."""

    def __init__(
        self,
        parameters: Sequence[Array],
        *,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        super().__init__(parameters, ("mean", "square"))
        self.betas, self.eps, self.weight_decay = betas, eps, weight_decay

    def change(self, place: int, p: np.ndarray, g: np.ndarray, lr: float) -> np.ndarray:
        mean, square = self.averages["mean"][place], self.averages["square"][place]
        b1, b2 = self.betas
        mean *= b1
        mean += (1 - b1) * g
        square *= b2
        square += (1 - b2) * g * g
        deviation = np.sqrt(square / (1 - b2**self.steps)) + self.eps
        return lr * self.weight_decay * p + (lr / (1 - b1**self.steps)) * mean / deviation
