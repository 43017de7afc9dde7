"""The network of the course's fourth part, forward in its smallest pieces and backward without autograd.

Embedding, linear, BatchNorm, tanh, linear, cross-entropy: 26 tensors between the parameters and the loss.
`gradients_of_pieces` has a gradient for each, equal to autograd's to the last bit; `gradients` goes through
the same network in five steps and trains it.

Letters: N rows of a batch, T characters of context, V vocabulary. In this file tensors carry the names that
         the lecture gives them, because its exercise asks for them by these names; of shapes [N, H] for the
         hidden layer of H units, [1, H] for its statistics, [N, V] for the output.
Source:  Karpathy, "makemore part 4: becoming a backprop ninja".
Next:    groundup/evals/exercises/lesson_05.py, the exercises; models/, networks that need no hand.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.nn.backward import (
    batch_norm_backward,
    cross_entropy_backward,
    embedding_backward,
    linear_backward,
    tanh_backward,
)

PARAMETERS = ("C", "W1", "b1", "W2", "b2", "bngain", "bnbias")
# The order of the lecture's comparison: from the loss back to the table.
PIECES = (
    "logprobs probs counts_sum_inv counts_sum counts norm_logits logit_maxes logits h W2 b2 hpreact bngain "
    "bnbias bnraw bnvar_inv bnvar bndiff2 bndiff bnmeani hprebn embcat W1 b1 emb C"
).split()
EPS = 1e-5  # under the root of BatchNorm, as in the lecture and in torch


def init(
    *, vocab_size: int, context: int, n_embd: int, n_hidden: int, generator: torch.Generator, norm_seed: int
) -> dict[str, Tensor]:
    """The lecture's parameters by name. Nothing begins at zero: zeros would hide a wrong gradient.

    The lecture draws BatchNorm's two from torch's global stream, unseeded; here `norm_seed` fixes it.
    """
    fan_in = n_embd * context
    of_norm = torch.Generator().manual_seed(norm_seed)
    return {
        "C": torch.randn(vocab_size, n_embd, generator=generator),
        "W1": torch.randn(fan_in, n_hidden, generator=generator) * (5 / 3) / fan_in**0.5,
        "b1": torch.randn(n_hidden, generator=generator) * 0.1,
        "W2": torch.randn(n_hidden, vocab_size, generator=generator) * 0.1,
        "b2": torch.randn(vocab_size, generator=generator) * 0.1,
        "bngain": torch.randn((1, n_hidden), generator=of_norm) * 0.1 + 1.0,
        "bnbias": torch.randn((1, n_hidden), generator=of_norm) * 0.1,
    }


def pieces(p: dict[str, Tensor], x_NT: Tensor, y_N: Tensor) -> dict[str, Tensor]:
    """Every tensor from the embedding to the mean loss ("loss"), by the lecture's names."""
    n = len(x_NT)
    emb = p["C"][x_NT]
    embcat = emb.view(n, -1)
    hprebn = embcat @ p["W1"] + p["b1"]
    bnmeani = 1 / n * hprebn.sum(0, keepdim=True)
    bndiff = hprebn - bnmeani
    bndiff2 = bndiff**2
    bnvar = 1 / (n - 1) * bndiff2.sum(0, keepdim=True)  # Bessel: by n - 1
    bnvar_inv = (bnvar + EPS) ** -0.5
    bnraw = bndiff * bnvar_inv
    hpreact = p["bngain"] * bnraw + p["bnbias"]
    h = torch.tanh(hpreact)
    logits = h @ p["W2"] + p["b2"]
    logit_maxes = logits.max(1, keepdim=True).values
    norm_logits = logits - logit_maxes  # exp of it cannot overflow
    counts = norm_logits.exp()
    counts_sum = counts.sum(1, keepdim=True)
    counts_sum_inv = counts_sum**-1
    probs = counts * counts_sum_inv
    logprobs = probs.log()
    loss = -logprobs[torch.arange(n), y_N].mean()
    here = locals()
    return {name: here[name] for name in (*PIECES, "loss") if name not in PARAMETERS}


def gradients_of_pieces(
    p: dict[str, Tensor], of: dict[str, Tensor], x_NT: Tensor, y_N: Tensor
) -> dict[str, Tensor]:
    """The gradient of the loss with respect to each of PIECES, from the last to the first; `of` as `pieces`.

    Each line is one operation of `pieces` turned round: the chain rule, and a sum wherever the forward pass
    broadcast. With float32 on the platforms of evals/reference.py the same bits as autograd.
    """
    n, d = len(x_NT), {}
    d["logprobs"] = torch.zeros_like(of["logprobs"])
    d["logprobs"][torch.arange(n), y_N] = -1.0 / n
    d["probs"] = (1.0 / of["probs"]) * d["logprobs"]
    d["counts_sum_inv"] = (of["counts"] * d["probs"]).sum(1, keepdim=True)
    d["counts_sum"] = (-(of["counts_sum"] ** -2)) * d["counts_sum_inv"]
    d["counts"] = of["counts_sum_inv"] * d["probs"] + d["counts_sum"]  # used twice: a product and the sum
    d["norm_logits"] = of["counts"] * d["counts"]
    d["logit_maxes"] = (-d["norm_logits"]).sum(1, keepdim=True)  # 0 but for rounding: it cancels in the loss
    where_max = F.one_hot(of["logits"].max(1).indices, of["logits"].size(1))
    d["logits"] = d["norm_logits"] + where_max * d["logit_maxes"]
    d["h"], d["W2"], d["b2"] = linear_backward(d["logits"], of["h"], p["W2"])
    d["hpreact"] = tanh_backward(d["h"], of["h"])
    d["bngain"] = (of["bnraw"] * d["hpreact"]).sum(0, keepdim=True)
    d["bnbias"] = d["hpreact"].sum(0, keepdim=True)
    d["bnraw"] = p["bngain"] * d["hpreact"]
    d["bnvar_inv"] = (of["bndiff"] * d["bnraw"]).sum(0, keepdim=True)
    d["bnvar"] = (-0.5 * (of["bnvar"] + EPS) ** -1.5) * d["bnvar_inv"]
    d["bndiff2"] = (1.0 / (n - 1)) * torch.ones_like(of["bndiff2"]) * d["bnvar"]
    d["bndiff"] = of["bnvar_inv"] * d["bnraw"] + 2 * of["bndiff"] * d["bndiff2"]
    d["bnmeani"] = (-d["bndiff"]).sum(0, keepdim=True)
    d["hprebn"] = d["bndiff"] + 1.0 / n * d["bnmeani"]
    d["embcat"], d["W1"], d["b1"] = linear_backward(d["hprebn"], of["embcat"], p["W1"])
    d["emb"] = d["embcat"].view(of["emb"].shape)
    d["C"] = embedding_backward(d["emb"], x_NT, rows=len(p["C"]))
    return {name: d[name] for name in PIECES}


def gradients(
    p: dict[str, Tensor], x_NT: Tensor, y_N: Tensor
) -> tuple[Tensor, dict[str, Tensor], tuple[Tensor, Tensor]]:
    """(loss, the gradient of each parameter, BatchNorm's (mean, variance) of this batch), in five steps."""
    emb = p["C"][x_NT]
    embcat = emb.flatten(1)
    hprebn = embcat @ p["W1"] + p["b1"]
    mean, variance = hprebn.mean(0, keepdim=True), hprebn.var(0, keepdim=True, unbiased=True)
    inverse_std = (variance + EPS) ** -0.5
    bnraw = (hprebn - mean) * inverse_std
    h = torch.tanh(p["bngain"] * bnraw + p["bnbias"])
    logits = h @ p["W2"] + p["b2"]
    d: dict[str, Tensor] = {}
    dh, d["W2"], d["b2"] = linear_backward(cross_entropy_backward(logits, y_N), h, p["W2"])
    dhprebn, dgain, dbias = batch_norm_backward(tanh_backward(dh, h), bnraw, p["bngain"], inverse_std)
    d["bngain"], d["bnbias"] = dgain[None], dbias[None]
    dembcat, d["W1"], d["b1"] = linear_backward(dhprebn, embcat, p["W1"])
    d["C"] = embedding_backward(dembcat.view(emb.shape), x_NT, rows=len(p["C"]))
    return F.cross_entropy(logits, y_N), d, (mean, variance)
