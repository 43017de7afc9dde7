"""Stochastic gradient descent, the first optimizer: weight -= rate * gradient.

    weight <- weight - lr (gradient + weight_decay weight)

No moments, so nothing to save. The product is rounded before it is added, as in the lectures' own line
`p.data += -lr * p.grad`; torch's SGD rounds once, which after 200,000 steps is a different last digit.

Source: Robbins and Monro 1951, "A stochastic approximation method".
Next:   muon.py and optim.py.
"""

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


class SGD:
    """All weights at one rate, in two calls of torch.

    >>> weight = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> weight.grad = torch.tensor([1.0, -1.0])
    >>> SGD([weight], lr=0.5).step()
    >>> weight.detach()
    tensor([0.5000, 2.5000])
    """

    def __init__(self, weights: Iterable[Tensor], *, lr: float, weight_decay: float = 0.0):
        self.param_groups: list[dict[str, Any]] = [
            {"params": list(weights), "lr": lr, "weight_decay": weight_decay}
        ]
        self.state: dict[Tensor, dict[str, Any]] = {}  # it remembers nothing

    @torch.no_grad()
    def step(self) -> None:
        """One step on every weight that has a gradient, which is used up."""
        for group in self.param_groups:
            moving = [weight for weight in group["params"] if weight.grad is not None]
            gradients = [weight.grad for weight in moving]
            if group["weight_decay"]:
                torch._foreach_add_(gradients, moving, alpha=group["weight_decay"])
            rate: Any = -group["lr"]
            if gradients and gradients[0].is_cpu:  # a number becomes a tensor once for each weight: 3 us
                rate = torch.tensor(rate, dtype=gradients[0].dtype)
            torch._foreach_mul_(gradients, rate)
            torch._foreach_add_(moving, gradients)
