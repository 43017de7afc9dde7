"""Exercises of lesson 03: windows, the network, a calm beginning, a rate that is not too large, splits."""

import math
import random
from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise


def windows(ids: list[int], context_len: int) -> list[tuple[list[int], int]]:
    """Each id of an item and the end mark 0, with the `context_len` ids before it; the mark where none is."""
    padded = [0] * context_len + ids + [0]
    return [(padded[i : i + context_len], padded[i + context_len]) for i in range(len(ids) + 1)]


def split_80_10_10(items: list[str], seed: int) -> tuple[list[str], list[str], list[str]]:
    """Shuffled with `random.Random(seed)`, then cut."""
    shuffled = list(items)
    random.Random(seed).shuffle(shuffled)
    first, second = int(0.8 * len(shuffled)), int(0.9 * len(shuffled))
    return shuffled[:first], shuffled[first:second], shuffled[second:]


def mlp_logits(x_NK: Tensor, table_VC: Tensor, w1: Tensor, b1: Tensor, w2: Tensor, b2: Tensor) -> Tensor:
    """tanh([embeddings side by side] W1 + b1) W2 + b2."""
    rows_NC = table_VC[x_NK].flatten(1)
    return torch.tanh(rows_NC @ w1 + b1) @ w2 + b2


def cross_entropy(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Mean of log(sum exp) minus the target's logit; the largest is taken off first, or exp overflows."""
    calm_NV = logits_NV - logits_NV.max(1, keepdim=True).values
    own_N = calm_NV.gather(1, targets_N[:, None])[:, 0]
    return (calm_NV.exp().sum(1).log() - own_N).mean()


def first_loss(vocab_size: int) -> float:
    """The loss of a model for which all ids are equally likely."""
    return math.log(vocab_size)


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def _window_cases() -> Iterator[Case]:
    yield Case("emma, context 3", ([5, 13, 13, 1], 3))
    yield Case("shorter than its context", ([7], 8))


def _split_cases() -> Iterator[Case]:
    yield Case("101 items, seed 42", ([f"item {n}" for n in range(101)], 42))
    yield Case("10 items, seed 1", (list("abcdefghij"), 1))


def _logit_cases() -> Iterator[Case]:
    x_NK = torch.randint(27, (32, 3), generator=torch.Generator().manual_seed(1))
    sizes = ((27, 10), (30, 200), (200,), (200, 27), (27,))
    yield Case("the lecture's sizes", (x_NK, *(_draw(*size, seed=2 + i) for i, size in enumerate(sizes))))


def _loss_cases() -> Iterator[Case]:
    targets_N = torch.randint(27, (32,), generator=torch.Generator().manual_seed(8))
    yield Case("32 rows of 27", (_draw(32, 27, seed=9), targets_N))
    yield Case("a logit of 100", (torch.tensor([[-5.0, -3.0, 0.0, 100.0]]), torch.tensor([2])))


def _first_cases() -> Iterator[Case]:
    yield Case("27 letters", (27,))
    yield Case("GPT-2's 50,257", (50_257,))


EXERCISES = (
    Exercise(
        "windows",
        "Every prediction of one item: a list of (the context_len ids before, the id that follows), from its "
        "first id to the end mark 0. Where nothing comes before, stands 0.",
        windows,
        _window_cases,
        hint="the lecture's `context = context[1:] + [ix]`",
    ),
    Exercise(
        "split_80_10_10",
        "The items shuffled with `random.Random(seed).shuffle`, then cut at 80 and 90 % (rounded down): "
        "train, dev, test. The list that was given stays as it was.",
        split_80_10_10,
        _split_cases,
        outputs=("train", "dev", "test"),
    ),
    Exercise(
        "mlp_logits",
        "The scores of the network of Bengio et al.: the embeddings of the K ids side by side, W1 and b1, "
        "tanh, W2 and b2.",
        mlp_logits,
        _logit_cases,
        hint="table[x] is (N, K, C); W1 wants (N, K C)",
        atol=1e-4,
    ),
    Exercise(
        "cross_entropy",
        "The mean of -log softmax at the targets, right for large logits too. F.cross_entropy would be no "
        "exercise.",
        cross_entropy,
        _loss_cases,
        hint="softmax does not change when a number is taken off the whole row",
        atol=1e-6,
    ),
    Exercise(
        "first_loss",
        "What the loss should be before the first step, if all ids begin equally likely.",
        first_loss,
        _first_cases,
    ),
)
