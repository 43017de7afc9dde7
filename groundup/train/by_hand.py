"""The gradients of Bengio's network and of WaveNet without autograd: what lesson 05 derives, put to use.

A step of 12,000 weights is so short that most of it is bookkeeping: noting every operation, walking back
through the notes. A network that never changes needs no notes. Here are the same kernels in the same order,
called one after another, so the gradient has autograd's bits; a test compares them.

Letters: B windows of a batch, K context, C channels, F hidden width, V vocabulary, N rows (B times places).
Source:  the lectures "makemore" 4 and 5; nn/backward.py, where each formula stands alone.
Not here: rows that hold more than one window: autograd is asked for those. Other precisions: `fit` asks it.
Next:    fit.py, which asks an objective for `gradients` if it has them.
"""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from groundup.models.bengio_mlp import BengioMLP
from groundup.models.wavenet import WaveNet
from groundup.nn.batch_norm import BatchNorm, deviation_ratio
from groundup.train.objective import IGNORE, Objective, cross_entropy

# Straight to the operator: by way of `torch.ops.aten` a call takes 2 us longer, which is as long as a kernel.
nll_loss_forward = torch.ops.aten.nll_loss_forward.default._op
nll_loss_backward = torch.ops.aten.nll_loss_backward.default._op
tanh_backward = torch.ops.aten.tanh_backward.default._op
batch_norm_backward = torch.ops.aten.native_batch_norm_backward.default._op
SUM = 2  # the code of reduction="sum" in torch's kernels
Found = tuple[Tensor, Tensor, list[Tensor]]  # loss_sum, count, a gradient for each weight


def objective_for(model: nn.Module) -> Objective:
    """Cross-entropy, by hand for the networks that are written out here."""
    if isinstance(model, BengioMLP):
        return BengioByHand(model)
    return WaveNetByHand(model) if isinstance(model, WaveNet) else cross_entropy


class ByHand(ABC):
    """`cross_entropy` of one model; `gradients` are its value and its gradient at once."""

    def __init__(self, model: Any, weights: Sequence[Tensor]):
        self.model, self.weights, self.context_len = model, list(weights), model.config.context_len
        self._one = torch.ones((), device=self.weights[0].device)
        self._moving: Sequence[Tensor] = ()  # the weights that were asked for last, and where they stand
        self._places: list[int] = []

    def __call__(self, model: Any, batch: Any) -> tuple[Tensor, Tensor, dict[str, float | Tensor]]:
        return cross_entropy(model, batch)

    def gradients(self, batch: Any, moving: Sequence[Tensor]) -> Found:
        """(loss_sum, count, the gradient of the sum with respect to each of `moving`)."""
        tokens_BT = batch.tokens_BT
        if tokens_BT.size(1) != self.context_len:
            loss_sum, count, _ = cross_entropy(self.model, batch)
            return loss_sum.detach(), count, list(torch.autograd.grad(loss_sum, moving))
        if moving is not self._moving:
            at = {id(weight): place for place, weight in enumerate(self.weights)}
            self._moving, self._places = moving, [at[id(weight)] for weight in moving]
        with torch.no_grad():
            loss_sum, count, found = self._there_and_back(tokens_BT, batch.targets_BT.flatten())
        return loss_sum, count, [found[place] for place in self._places]

    @abstractmethod
    def _there_and_back(self, tokens_BK: Tensor, targets_B: Tensor) -> Found:
        """The same, with a gradient for each of `self.weights`."""

    def _loss(self, logits_BV: Tensor, targets_B: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(loss_sum, count, dlogits_BV)."""
        logp_BV = torch.log_softmax(logits_BV, 1)
        loss_sum, count = nll_loss_forward(logp_BV, targets_B, None, SUM, IGNORE)
        dlogp_BV = nll_loss_backward(self._one, logp_BV, targets_B, None, SUM, IGNORE, count)
        return loss_sum, count, torch._log_softmax_backward_data(dlogp_BV, logp_BV, 1, logp_BV.dtype)


class BengioByHand(ByHand):
    """Embedding, W1, BatchNorm or b1, tanh, W2, b2."""

    def __init__(self, model: BengioMLP):
        self.table_VC, self.w1, self.w2, self.b2 = model.embedding.weight, model.w1, model.w2, model.b2
        self.norm = None if model.norm is None else NormByHand(model.norm)
        inner: list[Any] = [model.b1] if self.norm is None else [self.norm.gain_F, self.norm.bias_F]
        self.b1: Any = model.b1  # None behind a BatchNorm
        super().__init__(model, [self.table_VC, self.w1, *inner, self.w2, self.b2])

    def _there_and_back(self, tokens_BK: Tensor, targets_B: Tensor) -> Found:
        ids_N = tokens_BK.flatten()
        rows_BC = self.table_VC.index_select(0, ids_N).view(len(tokens_BK), -1)
        if self.norm is None:
            h_BF = torch.addmm(self.b1, rows_BC, self.w1).tanh_()
        else:
            h_BF = self.norm.there(torch.mm(rows_BC, self.w1)).tanh_()
        loss_sum, count, dlogits_BV = self._loss(torch.addmm(self.b2, h_BF, self.w2), targets_B)
        dy_BF = tanh_backward(torch.mm(dlogits_BV, self.w2.t()), h_BF)
        if self.norm is None:
            inner = [dy_BF.sum(0)]
        else:
            dy_BF, *inner = self.norm.back(dy_BF)
        drows_NC = torch.mm(dy_BF, self.w1.t()).view(len(ids_N), -1)
        return loss_sum, count, [
            torch.zeros_like(self.table_VC).index_add_(0, ids_N, drows_NC),
            torch.mm(rows_BC.t(), dy_BF), *inner, torch.mm(h_BF.t(), dlogits_BV), dlogits_BV.sum(0),
        ]  # fmt: skip


class WaveNetByHand(ByHand):
    """Embedding, the levels of the tree, the head."""

    def __init__(self, model: WaveNet):
        self.table_VC, head = model.embedding.weight, model.unembedding
        self.head_VF, self.bias_V = head.weight, head.bias
        self.levels: list[tuple[Tensor, NormByHand]] = []
        inner: list[Tensor] = []
        level: Any
        for level in model.levels:
            norm = NormByHand(level.norm)
            self.levels.append((level.weight, norm))
            inner += [level.weight, norm.gain_F, norm.bias_F]
        super().__init__(model, [self.table_VC, *inner, self.head_VF, self.bias_V])

    def _there_and_back(self, tokens_BK: Tensor, targets_B: Tensor) -> Found:
        ids_N = tokens_BK.flatten()
        x_NC, seen = self.table_VC.index_select(0, ids_N), []
        for weight_FC, norm in self.levels:
            pairs_NC = x_NC.view(-1, weight_FC.size(1))
            x_NC = norm.there(torch.mm(pairs_NC, weight_FC.t())).tanh_()
            seen.append((pairs_NC, x_NC))
        loss_sum, count, dlogits_BV = self._loss(torch.addmm(self.bias_V, x_NC, self.head_VF.t()), targets_B)
        found = [dlogits_BV.sum(0), torch.mm(dlogits_BV.t(), x_NC)]  # from the last weight to the first
        dx_NC = torch.mm(dlogits_BV, self.head_VF)
        for (weight_FC, norm), (pairs_NC, h_NF) in zip(reversed(self.levels), reversed(seen), strict=True):
            dy_NF, dgain_F, dbias_F = norm.back(tanh_backward(dx_NC.view(h_NF.shape), h_NF))
            found += [dbias_F, dgain_F, torch.mm(dy_NF.t(), pairs_NC)]
            dx_NC = torch.mm(dy_NF, weight_FC)
        dtable_VC = torch.zeros_like(self.table_VC).index_add_(0, ids_N, dx_NC.view(len(ids_N), -1))
        return loss_sum, count, [dtable_VC, *reversed(found)]


class NormByHand:
    """A BatchNorm in training, there and back; nn/batch_norm.py says what r is."""

    def __init__(self, norm: BatchNorm):
        self.gain_F, self.bias_F, self.momentum, self.eps = norm.gain, norm.bias, norm.momentum, norm.eps
        self.mean_F, self.var_F = norm.running_mean, norm.running_var
        self._seen: tuple[Any, ...] = ()  # what the way back needs

    def there(self, y_NF: Tensor) -> Tensor:
        """z_NF."""
        r = deviation_ratio(len(y_NF))
        gain_F = self.gain_F * r
        z_NF, mean_F, inverse_F = torch.native_batch_norm(
            y_NF, gain_F, self.bias_F, self.mean_F, self.var_F, True, self.momentum, self.eps * r * r
        )
        self._seen = y_NF, gain_F, mean_F, inverse_F, r
        return z_NF

    def back(self, dz_NF: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(dy_NF, dgain_F, dbias_F)."""
        y_NF, gain_F, mean_F, inverse_F, r = self._seen
        dy_NF, dgain_F, dbias_F = batch_norm_backward(
            dz_NF, y_NF, gain_F, self.mean_F, self.var_F, mean_F, inverse_F, True, self.eps * r * r,
            [True, True, True],
        )  # fmt: skip
        return dy_NF, dgain_F.mul_(r), dbias_F
