"""Backpropagation by hand: the gradient of every part of a language model, as a formula.

Each function takes `grad`, the gradient of the loss with respect to what the part gave back, and what its
forward pass had, and returns the gradients of what went in. The sums behind them: where a number is used
several times its gradients add up, so what was broadcast forward is summed backward.

Letters: N rows of a batch, I and O inputs and outputs, B batch, T query time, S key time, C channels,
         H query heads, G key/value heads, D head width, F feed-forward width, V vocabulary.
Source:  Karpathy, "makemore part 4: becoming a backprop ninja", exercises 1 to 4, for the first five; the
         others beside their functions. tests/nn/test_backward.py compares each with torch's autograd.
Not here: double backward; anything fast. nn/norm.py and nn/mlp.py have the versions that trainings use.
Next:    mlp_by_hand.py, a network that learns from these alone.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def linear_backward(grad_NO: Tensor, x_NI: Tensor, weight_IO: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(dx_NI, dweight_IO, dbias_O) of y = x W + b: grad W', x' grad, and grad summed over the rows.

    Only these products have the right shapes, which is how one remembers them. (nn.Linear keeps W' instead.)
    """
    return grad_NO @ weight_IO.T, x_NI.T @ grad_NO, grad_NO.sum(0)


def tanh_backward(grad: Tensor, y: Tensor) -> Tensor:
    """dx of y = tanh(x): (1 - y^2) grad.

    1 - y^2 is rounded once, as a processor's fused multiply-add does it: y^2 of a float32 fits a float64
    exactly. Rounding y^2 first is off in the last bit, and so are all gradients behind it.
    """
    if y.dtype != torch.float32:
        return (1 - y * y) * grad
    wide = y.double()
    return (1 - wide * wide).float() * grad


def cross_entropy_backward(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """dlogits_NV of the mean cross-entropy: (softmax(logits) - one_hot(targets)) / N.

    Each row sums to 0: what the right answer is pulled up by, the others are pushed down by, each in
    proportion to how much was wrongly put on it.
    """
    grad_NV = F.softmax(logits_NV, -1)
    grad_NV[torch.arange(len(targets_N)), targets_N] -= 1
    return grad_NV / len(targets_N)


def batch_norm_backward(
    grad_NC: Tensor, normed_NC: Tensor, gain_C: Tensor, inverse_std_C: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """(dx_NC, dgain_C, dbias_C) of y = gain n + bias, n = (x - mean) r, r = 1/sqrt(var + eps), over the rows.

    dx = gain r / N (N grad - sum(grad) - N/(N-1) n sum(grad n)): the mean and the part along n are taken out,
    because moving x along either changes nothing that comes out. N/(N-1) is there because the lecture's
    variance divides by N - 1, in training too (nn.BatchNorm1d divides by N there).
    """
    N = len(grad_NC)
    sum_C, along_C = grad_NC.sum(0), (grad_NC * normed_NC).sum(0)
    dx_NC = gain_C * inverse_std_C / N * (N * grad_NC - sum_C - N / (N - 1) * normed_NC * along_C)
    return dx_NC, along_C, sum_C


def embedding_backward(grad_BTC: Tensor, ids_BT: Tensor, rows: int) -> Tensor:
    """dtable_VC of y = table[ids]: each place adds its gradient to the row that it read.

    >>> embedding_backward(torch.tensor([[[1.0], [2.0], [4.0]]]), torch.tensor([[2, 0, 2]]), rows=3)
    tensor([[2.],
            [0.],
            [5.]])
    """
    table_VC = torch.zeros(rows, grad_BTC.size(-1), dtype=grad_BTC.dtype, device=grad_BTC.device)
    return table_VC.index_add_(0, ids_BT.flatten(), grad_BTC.flatten(0, -2))


def layer_norm_backward(
    grad_C: Tensor, x_C: Tensor, weight_C: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """(dx, dweight_C, dbias_C) of y = weight n + bias, n = (x - mean) / sqrt(var + eps), over the channels.

    With g = grad weight: dx = r (g - mean(g) - n mean(g n)). BatchNorm's formula, turned by ninety degrees,
    with a variance that divides by C. Ba et al. 2016, arXiv 1607.06450, eq. 3.
    """
    centred_C = x_C - x_C.mean(-1, keepdim=True)
    r_1 = torch.rsqrt(centred_C.square().mean(-1, keepdim=True) + eps)
    n_C, g_C = centred_C * r_1, grad_C * weight_C
    dx_C = r_1 * (g_C - g_C.mean(-1, keepdim=True) - n_C * (g_C * n_C).mean(-1, keepdim=True))
    rows = tuple(range(grad_C.dim() - 1))
    return dx_C, (grad_C * n_C).sum(rows), grad_C.sum(rows)


def rms_norm_backward(grad_C: Tensor, x_C: Tensor, weight_C: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """(dx, dweight_C) of y = weight n, n = x / sqrt(mean(x^2) + eps).

    With g = grad weight: dx = r (g - n mean(g n)). No mean was taken out forward, so none is backward.
    Zhang & Sennrich 2019, arXiv 1910.07467, eq. 4.
    """
    r_1 = torch.rsqrt(x_C.square().mean(-1, keepdim=True) + eps)
    n_C, g_C = x_C * r_1, grad_C * weight_C
    dx_C = r_1 * (g_C - n_C * (g_C * n_C).mean(-1, keepdim=True))
    return dx_C, (grad_C * n_C).sum(tuple(range(grad_C.dim() - 1)))


def softmax_backward(grad: Tensor, p: Tensor) -> Tensor:
    """dx of p = softmax(x), over the last dimension: p (grad - sum(grad p)).

    The sum is how much everything would gain together, and probabilities cannot: they add to 1.
    """
    return p * (grad - (grad * p).sum(-1, keepdim=True))


def attention_backward(
    grad_BHTD: Tensor, q_BHTD: Tensor, k_BGSD: Tensor, v_BGSD: Tensor, *, causal: bool
) -> tuple[Tensor, Tensor, Tensor]:
    """(dq_BHTD, dk_BGSD, dv_BGSD) of y = p v, p = softmax(q k' / sqrt(D)); if causal, T queries end at S.

    dv = p' grad; dp = grad v'; ds as of the softmax, 0 where p is, so the mask needs no line of its own;
    dq = ds k / sqrt(D), dk = ds' q / sqrt(D). Where H/G query heads share a key head, its gradients add up.
    Vaswani et al. 2017, arXiv 1706.03762, eq. 1; Dao et al. 2022, arXiv 2205.14135, appendix B.2.
    """
    G, T, S = k_BGSD.size(1), q_BHTD.size(2), k_BGSD.size(2)
    repeat, scale = q_BHTD.size(1) // G, 1 / math.sqrt(q_BHTD.size(-1))
    k_BHSD, v_BHSD = k_BGSD.repeat_interleave(repeat, 1), v_BGSD.repeat_interleave(repeat, 1)
    scores_BHTS = q_BHTD @ k_BHSD.transpose(-1, -2) * scale
    if causal:
        hidden_TS = ~torch.ones(T, S, dtype=torch.bool, device=q_BHTD.device).tril(diagonal=S - T)
        scores_BHTS = scores_BHTS.masked_fill(hidden_TS, -torch.inf)
    p_BHTS = scores_BHTS.softmax(-1)
    dv_BHSD = p_BHTS.transpose(-1, -2) @ grad_BHTD
    ds_BHTS = softmax_backward(grad_BHTD @ v_BHSD.transpose(-1, -2), p_BHTS) * scale
    dq_BHTD, dk_BHSD = ds_BHTS @ k_BHSD, ds_BHTS.transpose(-1, -2) @ q_BHTD
    return dq_BHTD, dk_BHSD.unflatten(1, (G, repeat)).sum(2), dv_BHSD.unflatten(1, (G, repeat)).sum(2)


def gelu_backward(grad_F: Tensor, x_F: Tensor) -> Tensor:
    """dx of y = x/2 (1 + t), t = tanh(u), u = sqrt(2/pi) (x + 0.044715 x^3): GPT-2's GELU.

    dy/dx = (1 + t)/2 + x/2 (1 - t^2) du/dx. Hendrycks & Gimpel 2016, arXiv 1606.08415, section 2.
    """
    root = math.sqrt(2 / math.pi)
    t_F = torch.tanh(root * (x_F + 0.044715 * x_F**3))
    return grad_F * (0.5 * (1 + t_F) + 0.5 * x_F * (1 - t_F * t_F) * root * (1 + 3 * 0.044715 * x_F**2))


def swiglu_backward(grad_F: Tensor, gate_F: Tensor, up_F: Tensor) -> tuple[Tensor, Tensor]:
    """(dgate, dup) of y = silu(gate) up, silu(z) = z s, s = 1/(1 + exp(-z)): silu' = s (1 + z (1 - s)).

    Shazeer 2020, arXiv 2002.05202, eq. 6.
    """
    s_F = torch.sigmoid(gate_F)
    return grad_F * up_F * s_F * (1 + gate_F * (1 - s_F)), grad_F * gate_F * s_F
