"""Exercises of lesson 15: a softmax in two halves, attention in blocks, the size of a cache."""

from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise
from groundup.nn.attention_road import attend_in_blocks


def merge(
    top_a: Tensor, total_a: Tensor, sum_a: Tensor, top_b: Tensor, total_b: Tensor, sum_b: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Two halves of one softmax, joined."""
    top = torch.maximum(top_a, top_b)
    a, b = (top_a - top).exp(), (top_b - top).exp()
    return top, total_a * a + total_b * b, sum_a * a + sum_b * b


def attention_in_blocks(q_TD: Tensor, k_TD: Tensor, v_TD: Tensor, block: int) -> Tensor:
    """One causal head."""
    q, k, v = (each[None, None] for each in (q_TD, k_TD, v_TD))
    return attend_in_blocks(q, k, v, causal=True, block=block)[0, 0]


def cache_bytes(n_layer: int, n_kv_head: int, head_dim: int, tokens: int, bytes_per_value: int) -> int:
    """Keys and values of every layer."""
    return 2 * n_layer * n_kv_head * head_dim * tokens * bytes_per_value


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _half(seed: int, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    scores_S, values_SD = scale * _draw(6, seed=seed), _draw(6, 4, seed=seed + 1)
    weights_S = (scores_S - scores_S.max()).exp()
    return scores_S.max(), weights_S.sum(), weights_S @ values_SD


def _merge_cases() -> Iterator[Case]:
    yield Case("six keys and six", (*_half(1, 1.0), *_half(3, 1.0)))
    yield Case("scores up to 200", (*_half(5, 120.0), *_half(7, 120.0)))
    yield Case("the higher half first", (*_half(9, 9.0), *_half(11, 0.1)))


def _block_cases() -> Iterator[Case]:
    for T, block in ((12, 4), (13, 4), (5, 8)):
        yield Case(f"{T} places, blocks of {block}", (*(_draw(T, 8, seed=20 + i) for i in range(3)), block))


def _cache_cases() -> Iterator[Case]:
    yield Case("OPT-13B, one token in 16 bits", (40, 40, 128, 1, 2))
    yield Case("our chat model, 256 tokens in 32 bits", (3, 5, 32, 256, 4))


EXERCISES = (
    Exercise(
        "merge",
        "Two halves of one softmax, each as (highest score, sum of exp(score - highest), those weights times "
        "the values): join them to the same three of the whole.",
        merge,
        _merge_cases,
        outputs=("top", "total", "sum"),
        hint="bring both halves to the higher of the two tops before you add",
    ),
    Exercise(
        "attention_in_blocks",
        "One causal head, softmax(q k^T / sqrt(D)) v, without ever holding more than block x block scores.",
        attention_in_blocks,
        _block_cases,
        hint="a loop over blocks of queries, in it one over blocks of keys, and merge",
        atol=1e-5,
    ),
    Exercise(
        "cache_bytes",
        "Bytes of a key-value cache for so many tokens.",
        cache_bytes,
        _cache_cases,
        rtol=0.0,  # a number of bytes is right or wrong
    ),
)
