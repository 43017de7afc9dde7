"""AdamW: a step of about the same size for every weight, however large its gradient is.

Two running means, of the gradient (m) and of its square (v), start at zero and are divided by what they still
miss of a whole mean (1 - beta^t). The step is m / (sqrt(v) + eps): near the rate itself where the gradient
keeps its sign, small where it does not. Decay shrinks the weight directly, apart from the step.

Source:  Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2.
Why not torch.optim.AdamW: its base class loads torch's compiler when it is first used, two seconds in which a
small run has done twenty steps. The kernel is the same, so are the bits (tests/train/test_adamw.py).
Next:    optim.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import torch
from torch import Tensor


def adamw_written_out(
    w: Tensor,
    gradient: Tensor,
    m: Tensor,
    v: Tensor,
    *,
    t: int,
    lr: float,
    betas: tuple[float, float],
    eps: float,
    weight_decay: float,
) -> tuple[Tensor, Tensor, Tensor]:
    """(w, m, v) after step `t`, counted from 1: the oracle of AdamW. All four tensors have one shape.

    The first step moves by the rate, whatever the gradient:

    >>> start = torch.tensor([1.0]), torch.tensor([123.0]), torch.zeros(1), torch.zeros(1)
    >>> adamw_written_out(*start, t=1, lr=0.1, betas=(0.9, 0.99), eps=1e-8, weight_decay=0.0)[0]
    tensor([0.9000])
    """
    m = betas[0] * m + (1 - betas[0]) * gradient
    v = betas[1] * v + (1 - betas[1]) * gradient.square()
    whole_m, whole_v = m / (1 - betas[0] ** t), v / (1 - betas[1] ** t)
    return w * (1 - lr * weight_decay) - lr * whole_m / (whole_v.sqrt() + eps), m, v


class AdamW:
    """AdamW over groups of `{"params", "lr", "weight_decay"}`, by torch's fused kernel: one pass over memory.

    `state` holds for each weight that has moved "exp_avg" (m), "exp_avg_sq" (v) and "step" (t, a float32).
    """

    def __init__(self, groups: Iterable[dict[str, Any]], *, betas: tuple[float, float], eps: float):
        self.param_groups = list(groups)
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self.betas, self.eps = betas, eps

    @torch.no_grad()
    def step(self) -> None:
        """One step on every weight that has a gradient."""
        for group in self.param_groups:
            moving = [weight for weight in group["params"] if weight.grad is not None]
            if not moving:
                continue
            states = [self._state_of(weight) for weight in moving]
            steps = [state["step"] for state in states]
            torch._foreach_add_(steps, 1)
            torch._fused_adamw_(
                moving,
                [weight.grad for weight in moving],
                [state["exp_avg"] for state in states],
                [state["exp_avg_sq"] for state in states],
                [],
                steps,
                lr=group["lr"],
                beta1=self.betas[0],
                beta2=self.betas[1],
                weight_decay=group["weight_decay"],
                eps=self.eps,
                amsgrad=False,
                maximize=False,
            )

    def _state_of(self, weight: Tensor) -> dict[str, Tensor]:
        if weight not in self.state:
            self.state[weight] = {
                "step": torch.zeros((), dtype=torch.float32, device=weight.device),
                "exp_avg": torch.zeros_like(weight),
                "exp_avg_sq": torch.zeros_like(weight),
            }
        return self.state[weight]
