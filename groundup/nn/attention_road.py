"""Attention's road: a head at a time, all heads at once, and in blocks, where no square is ever in memory.

Letters: B batch, T query time, S key time, H query heads, G key/value heads, D head width.
Source:  Milakov & Gimelshein 2018, arXiv 1805.02867 (softmax in one pass); Rabe & Staats 2021, arXiv
         2112.05682 (attention without its square in memory); Dao et al. 2022, arXiv 2205.14135, algorithm 1
         (FlashAttention), in the order of Dao 2023, arXiv 2307.08691, algorithm 1: queries outside, keys
         inside, divided once at the end.

                           multiply-adds    scratch memory      passes over the square
    a head at a time       2 H T S D        T S                 to memory and back, thrice
    all heads at once      2 H T S D        H T S               the same, in one call
    in blocks              2 H T S D        H block (block + D) none: a block stays in the processor's cache
    the fused call         2 H T S D        a few blocks        none

The memory stops growing with the square, the arithmetic does not: every query still meets every key (half of
them under a causal mask). That is true of every exact method known, and under a usual assumption of
complexity theory (SETH) of every one that can be: Keles et al. 2022, arXiv 2209.04881; Alman & Song 2023,
arXiv 2302.13214. What runs in n log n or less computes something else.

Not here: gradients in blocks (they recompute the weights from `top` and `total`); arbitrary masks.
Next:    attention.py, the fused call that everything above uses; cache.py, which spares the queries.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from groundup.nn.attention import attend_written_out, causal_mask


def attend_head_by_head(q_BHTD: Tensor, k_BGSD: Tensor, v_BGSD: Tensor, *, causal: bool) -> Tensor:
    """y_BHTD with a loop over heads: only one head's square is in memory at a time."""
    repeat = q_BHTD.size(1) // k_BGSD.size(1)
    heads = [
        attend_written_out(
            q_BHTD[:, [h]],
            k_BGSD[:, [h // repeat]],
            v_BGSD[:, [h // repeat]],
            "causal" if causal else None,
        )
        for h in range(q_BHTD.size(1))
    ]
    return torch.cat(heads, 1)


def attend_in_blocks(
    q_BHTD: Tensor, k_BGSD: Tensor, v_BGSD: Tensor, *, causal: bool, block: int = 128
) -> Tensor:
    """y_BHTD, equal to `attend` up to rounding, with blocks of `block` queries by `block` keys as scratch.

    The T queries are the last T of S positions, as in `causal_mask`. Blocks that a causal mask would hide
    whole are not computed. Raises ValueError for a block below 1, or causal with T > S.
    """
    T, S = q_BHTD.size(2), k_BGSD.size(2)
    if block < 1:
        raise ValueError(f"block={block} holds nothing. Choose 1 or more; 64 to 256 fit a processor's cache.")
    if causal and T > S:
        causal_mask(T, S)  # raises, and says why
    repeat = q_BHTD.size(1) // k_BGSD.size(1)
    y_BHTD = torch.empty_like(q_BHTD)
    for t in range(0, T, block):
        rows_BHtD = q_BHTD[:, :, t : t + block] / math.sqrt(q_BHTD.size(-1))
        first, last = S - T + t, S - T + t + rows_BHtD.size(2) - 1  # positions of these queries
        state = empty_state(rows_BHtD)
        for s in range(0, last + 1 if causal else S, block):
            keys_BHsD = k_BGSD[:, :, s : s + block].repeat_interleave(repeat, 1)
            values_BHsD = v_BGSD[:, :, s : s + block].repeat_interleave(repeat, 1)
            scores_BHts = rows_BHtD @ keys_BHsD.mT
            if causal and s + scores_BHts.size(3) - 1 > first:  # some of these keys lie in the future
                position_t1 = torch.arange(first, last + 1, device=q_BHTD.device)[:, None]
                position_s = torch.arange(s, s + scores_BHts.size(3), device=q_BHTD.device)
                scores_BHts = scores_BHts.masked_fill(position_s > position_t1, -torch.inf)
            state = seen_more(state, scores_BHts, values_BHsD)
        _, total_BHt1, sum_BHtD = state
        y_BHTD[:, :, t : t + block] = sum_BHtD / total_BHt1
    return y_BHTD


State = tuple[Tensor, Tensor, Tensor]  # top, the highest score so far; total and sum, both relative to it


def empty_state(rows_BHtD: Tensor) -> State:
    """(top_BHt1, total_BHt1, sum_BHtD) before any key was seen."""
    top_BHt1 = rows_BHtD.new_full((*rows_BHtD.shape[:-1], 1), -torch.inf)
    return top_BHt1, torch.zeros_like(top_BHt1), torch.zeros_like(rows_BHtD)


def seen_more(state: State, scores_BHts: Tensor, values_BHsD: Tensor) -> State:
    """The state after some more keys: a softmax that can be gone on with.

    softmax needs the highest score m, to subtract it, and the sum of exp(score - m). Should a higher one turn
    up later, what was added so far was too large by exp(new m - old m): both sums are shrunk by that, and no
    score is ever looked at twice. The first keys must show every query at least one.

    >>> one, two = torch.tensor([[[[1.0, 3.0]]]]), torch.tensor([[[[2.0]]]])
    >>> state = seen_more(empty_state(torch.zeros(1, 1, 1, 1)), one, torch.tensor([[[[10.0], [20.0]]]]))
    >>> top, total, sum = seen_more(state, two, torch.tensor([[[[30.0]]]]))
    >>> weights = torch.tensor([1.0, 3.0, 2.0]).softmax(0)
    >>> torch.allclose((sum / total).flatten(), weights @ torch.tensor([10.0, 20.0, 30.0]))
    True
    """
    top_BHt1, total_BHt1, sum_BHtD = state
    higher_BHt1 = torch.maximum(top_BHt1, scores_BHts.amax(-1, keepdim=True))
    shrink_BHt1 = (top_BHt1 - higher_BHt1).exp()
    weights_BHts = (scores_BHts - higher_BHt1).exp()
    total_BHt1 = total_BHt1 * shrink_BHt1 + weights_BHts.sum(-1, keepdim=True)
    return higher_BHt1, total_BHt1, sum_BHtD * shrink_BHt1 + weights_BHts @ values_BHsD
