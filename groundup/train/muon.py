"""Muon: momentum, made orthogonal, for the matrices inside a network.

A gradient matrix of a transformer is nearly of low rank: a few directions are large, the rest tiny. Adam
rescales each entry by itself and leaves that so. Muon rescales each *direction*: it replaces the momentum M =
U S V^T by U V^T, so that every direction moves by the same amount. U V^T needs no singular value
decomposition: a few steps of the Newton-Schulz polynomial, which are matrix products and nothing else, push
all singular values towards 1.

Letters: N matrices of one shape, R rows (outputs), K columns (inputs).
Source:  Keller Jordan et al. 2024, https://kellerjordan.github.io/posts/muon/ (coefficients,
         Nesterov, scale);
         Amsel et al. 2025 (Polar Express), arXiv 2505.16932, section 3 (a polynomial for each step).
Rejected: the 0.2 sqrt(max(R, K)) scale of Moonlight, arXiv 2502.16982 (it is for sharing one rate with
AdamW).
Next:    optim.py, which chooses the matrices.
"""

from collections import defaultdict
from collections.abc import Iterable
from typing import Any, cast

import torch
from torch import Tensor

# Each step applies an odd quintic a x + b x^3 + c x^5 to the singular values, which lie in (0, 1] at first.
Quintic = tuple[float, float, float]
SCHEDULES: dict[str, tuple[Quintic, ...]] = {
    # Keller Jordan's: five times the one with the steepest slope at zero that still ends near 1. Values that
    # were not tiny end within about [0.7, 1.2]; exactly 1 is not needed, and would cost more steps.
    "jordan5": ((3.4445, -4.7750, 2.0315),) * 5,
    # Three different ones, each the best for the interval that the one before leaves (Polar Express's greedy
    # rule, a linear program): values from 0.01 up end within [0.73, 1.27]. Two fifths less arithmetic.
    "polar3": ((8.0934, -23.6205, 17.4462), (3.6366, -2.7219, 0.5365), (2.6613, -1.9772, 0.4526)),
}


def newton_schulz(matrices_NRK: Tensor, *, schedule: str = "jordan5", eps: float = 1e-7) -> Tensor:
    """orthogonal_NRK: each matrix U S V^T replaced by about U V^T, all of them in one batch of products.

    On a GPU the products run in bfloat16, which the iteration forgives; on a CPU in float32, which is faster
    there.
    """
    X_NRK = matrices_NRK.bfloat16() if matrices_NRK.is_cuda else matrices_NRK.float()
    tall = X_NRK.size(-2) > X_NRK.size(-1)
    if tall:  # the Gram matrix is taken over the shorter side: fewer operations, same result
        X_NRK = X_NRK.mT
    X_NRK = X_NRK / X_NRK.norm(dim=(-2, -1), keepdim=True).clamp(
        min=eps
    )  # Frobenius >= spectral: all values <= 1
    for a, b, c in SCHEDULES[schedule]:
        gram_NRR = X_NRK @ X_NRK.mT
        poly_NRR = torch.baddbmm(gram_NRR, gram_NRR, gram_NRR, beta=b, alpha=c)  # b A + c A^2
        X_NRK = torch.baddbmm(X_NRK, poly_NRR, X_NRK, beta=a)  # a X + (b A + c A^2) X
    return (X_NRK.mT if tall else X_NRK).to(matrices_NRK.dtype)


class Muon:
    """Muon over matrices, Newton-Schulz batched over all pieces of one shape.

    `pieces[i]` says that parameter i is several matrices stored in one (query, key and value, say): the row
    counts to cut it into. Each piece is made orthogonal by itself, as if it were its own layer.
    """

    def __init__(
        self,
        matrices: Iterable[Tensor],
        *,
        lr: float = 0.02,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
        schedule: str = "jordan5",
        pieces: dict[int, tuple[int, ...]] | None = None,
    ):
        matrices = list(matrices)
        pieces = pieces or {}
        for index, matrix in enumerate(matrices):
            if matrix.ndim != 2:
                raise ValueError(
                    f"Muon takes matrices, not a tensor of shape {tuple(matrix.shape)}. Use AdamW for it."
                )
            if index in pieces and sum(pieces[index]) != matrix.size(0):
                raise ValueError(
                    f"pieces {pieces[index]} do not add up to the {matrix.size(0)} rows of matrix {index}."
                )
        self.param_groups: list[dict[str, Any]] = [
            {"params": matrices, "lr": lr, "momentum": momentum, "weight_decay": weight_decay}
            | {"schedule": schedule}
        ]
        self.state: dict[Tensor, dict[str, Tensor]] = {}
        self._pieces = {id(matrices[index]): rows for index, rows in pieces.items()}

    @torch.no_grad()
    def step(self) -> None:
        """One step on every matrix that has a gradient."""
        for group in self.param_groups:
            moving = [matrix for matrix in group["params"] if matrix.grad is not None]
            for matrix, update in zip(moving, self._updates(moving, group), strict=True):
                matrix.mul_(1 - group["lr"] * group["weight_decay"])
                matrix.add_(update, alpha=-group["lr"])

    def _updates(self, matrices: list[Tensor], group: dict) -> list[Tensor]:
        """For each matrix the orthogonal, scaled direction against which it moves."""
        updates = []
        by_shape = defaultdict(list)
        for matrix in matrices:
            state = self.state.setdefault(matrix, {})
            if "momentum" not in state:
                state["momentum"] = torch.zeros_like(matrix)
            momentum = state["momentum"]
            gradient = cast(Tensor, matrix.grad)
            momentum.lerp_(gradient, 1 - group["momentum"])
            update = gradient.lerp(momentum, group["momentum"])  # Nesterov: look one momentum step ahead
            updates.append(update)
            for piece in update.split(self._pieces.get(id(matrix), (matrix.size(0),))):
                by_shape[piece.shape].append(piece)  # a view: what is written to it below lands in `update`
        for (rows, columns), same in by_shape.items():
            scale = (
                max(1, rows / columns) ** 0.5
            )  # a tall U V^T has entries this much smaller than a square one
            for piece, direction in zip(
                same, newton_schulz(torch.stack(same), schedule=group["schedule"]), strict=True
            ):
                piece.copy_(direction.mul_(scale))
        return updates
