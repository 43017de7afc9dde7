"""pass@k: how likely is it that one of k attempts is right?

With n attempts of which c were right, the share of the sets of k among them that hold a right one:

    pass@k = 1 - C(n - c, k) / C(n, k)

which is unbiased, where 1 - (1 - c/n)^k is not. Greedy decoding gives the same answer every time, so its
pass@k is its pass@1 for every k: sampling can only be compared with it fairly at k = 1, or where something
can tell right answers from wrong ones.

Source: Chen et al. 2021 (HumanEval), arXiv 2107.03374, eq. 1.
Next:   intervals.py.
"""

from __future__ import annotations

from math import comb


def pass_at_k(n: int, right: int, k: int) -> float:
    """The estimate from n attempts of which `right` were right. Raises ValueError unless 1 <= k <= n.

    >>> pass_at_k(4, 1, 1), pass_at_k(4, 1, 2), pass_at_k(4, 0, 4), pass_at_k(4, 1, 4)
    (0.25, 0.5, 0.0, 1.0)
    """
    if not 1 <= k <= n or not 0 <= right <= n:
        raise ValueError(f"pass@{k} of {n} attempts with {right} right is not defined. Choose 1 <= k <= n.")
    return 1 - comb(n - right, k) / comb(n, k)
