"""Attention of many texts that add one token each, read where it lies: compiled, one row after the other.

Gathering the pages of every text into one rectangle would write all keys and values and read them again, in
every layer, for a sum that needs each of them once. Here each row walks its own table of blocks.

Letters: B rows, H query heads, G key/value heads, D head width, L tokens of a block, M blocks.
Order:   scores, their maximum, exp, sum, mix: softmax(q k^T / sqrt(D)) v in float32, row by row, so a row's
         result does not depend on the others. `attend` of nn/attention.py is its oracle.
Not here: several threads (rows of different processes' requests share the two cores anyway), other devices.
Next:    paged_cache.py, who calls it.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from groundup.tokenizer.fast_compile import cache_folder


def attend_pages(
    q_BHD: Tensor, keys_MLGD: Tensor, values_MLGD: Tensor, tables_BM: np.ndarray, ends_B: np.ndarray
) -> Tensor:
    """y_BHD: each query's mix of the first `ends_B[b]` tokens that the blocks of its table hold."""
    y_BHD = torch.empty(q_BHD.shape)
    scores = np.empty(int(ends_B.max()), dtype=np.float32)
    _compiled()(
        q_BHD.contiguous().numpy(),
        keys_MLGD.numpy(),
        values_MLGD.numpy(),
        tables_BM,
        ends_B,
        scores,
        y_BHD.numpy(),
    )
    return y_BHD


def rows(
    q_BHD: np.ndarray,
    keys_MLGD: np.ndarray,
    values_MLGD: np.ndarray,
    tables_BM: np.ndarray,
    ends_B: np.ndarray,
    scores_S: np.ndarray,
    y_BHD: np.ndarray,
) -> None:
    """The loops, with keys and values cut into blocks of L."""
    B, H, D = q_BHD.shape
    L, G = keys_MLGD.shape[1], keys_MLGD.shape[2]
    scale = np.float32(1.0 / math.sqrt(D))
    for b in range(B):
        end = ends_B[b]
        for h in range(H):
            g = h * G // H
            largest = np.float32(-np.inf)
            for s in range(end):
                block, place = tables_BM[b, s // L], s % L
                score = np.float32(0.0)
                for d in range(D):
                    score += q_BHD[b, h, d] * keys_MLGD[block, place, g, d]
                score *= scale
                scores_S[s] = score
                largest = max(largest, score)
            total = np.float32(0.0)
            for d in range(D):
                y_BHD[b, h, d] = np.float32(0.0)
            for s in range(end):
                block, place = tables_BM[b, s // L], s % L
                weight = np.exp(scores_S[s] - largest)
                total += weight
                for d in range(D):
                    y_BHD[b, h, d] += weight * values_MLGD[block, place, g, d]
            for d in range(D):
                y_BHD[b, h, d] /= total


@functools.cache
def _compiled() -> Callable[..., None]:
    """`rows` as machine code, kept on disk; sums of products may be reordered, nothing else is assumed."""
    import numba

    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder((rows,), before or None))
    try:
        flags = {"reassoc", "contract", "nsz"}
        return numba.njit(cache=True, nogil=True, error_model="numpy", fastmath=flags)(rows)
    finally:
        config.CACHE_DIR = before
