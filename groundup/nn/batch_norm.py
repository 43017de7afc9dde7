"""Batch normalisation: every channel with mean 0 and deviation 1 over the batch, then a gain and a bias.

Letters: N rows (all dimensions before the last), C channels.
Source:  Ioffe and Szegedy 2015, arXiv 1502.03167, algorithms 1 and 2.
The course's variant divides by the *unbiased* deviation (N - 1), where torch's `nn.BatchNorm1d` divides by
the biased one in training and keeps the unbiased one for later. With N = 32 that is 1.6 %, enough to miss
every number of the lecture. It is had from torch's own kernel by rescaling: with v = v_b N / (N - 1)

    g (x - m) / sqrt(v + e)  =  g r (x - m) / sqrt(v_b + e r²)        r = sqrt((N - 1) / N)

which is three times as fast as the formula written out.
What it costs: the rows of a batch see each other, so a model behaves otherwise in training than alone. It is
the reason why later models normalise each row by itself (norm.py).
Next:    models/deep_mlp.py.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from groundup.base.errors import ConfigError, DataError


class BatchNorm(nn.Module):
    """x_NC normalised over its rows while training, by running statistics afterwards.

    `momentum` is the weight of the newest batch in the running mean and variance. Anything before the last
    dimension counts as rows, so a sequence x_BTC is normalised over B and T.

    >>> norm = BatchNorm(1)
    >>> norm(torch.tensor([[1.0], [3.0]])).flatten().detach()  # mean 2, unbiased variance 2
    tensor([-0.7071,  0.7071])
    >>> norm.running_mean, norm.running_var  # a tenth of the way from 0 and 1
    (tensor([0.2000]), tensor([1.1000]))
    """

    running_mean: Tensor
    running_var: Tensor

    def __init__(self, n_channel: int, *, eps: float = 1e-5, momentum: float = 0.1):
        super().__init__()
        if not eps > 0 or not 0 < momentum <= 1:
            raise ConfigError(
                f"eps={eps}, momentum={momentum}: choose eps above 0, momentum above 0 up to 1."
            )
        self.eps, self.momentum = eps, momentum
        self.gain = nn.Parameter(torch.ones(n_channel))
        self.bias = nn.Parameter(torch.zeros(n_channel))
        self.register_buffer("running_mean", torch.zeros(n_channel))
        self.register_buffer("running_var", torch.ones(n_channel))

    def forward(self, x_NC: Tensor) -> Tensor:
        """The same shape. Raises DataError for a training batch of one row, which has no deviation."""
        rows_NC = x_NC if x_NC.ndim == 2 else x_NC.flatten(0, -2)
        if self.training:
            y_NC = self._over_the_batch(rows_NC)
        else:
            y_NC = F.batch_norm(
                rows_NC, self.running_mean, self.running_var, self.gain, self.bias, eps=self.eps
            )
        return y_NC if x_NC.ndim == 2 else y_NC.view(x_NC.shape)

    def _over_the_batch(self, x_NC: Tensor) -> Tensor:
        r = deviation_ratio(x_NC.size(0))
        return F.batch_norm(
            x_NC, self.running_mean, self.running_var, self.gain * r, self.bias,
            training=True, momentum=self.momentum, eps=self.eps * r * r,
        )  # fmt: skip

    def line(self) -> tuple[Tensor, Tensor]:
        """(scale_C, shift_C): outside training this layer is x * scale + shift, and can be folded away."""
        scale_C = self.gain / torch.sqrt(self.running_var + self.eps)
        return scale_C, self.bias - self.running_mean * scale_C


def deviation_ratio(N: int) -> float:
    """r: the biased deviation of N rows over the unbiased one. Raises DataError for one row, which has none.

    >>> deviation_ratio(2) ** 2
    0.5000000000000001
    """
    if N < 2:
        raise DataError(
            "BatchNorm has a training batch of one row: its deviation is 0/0. Set batch_size to 2 or "
            "more, or call model.eval() to use the running statistics."
        )
    return math.sqrt((N - 1) / N)
