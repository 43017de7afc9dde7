import itertools

import pytest

from groundup.evals.pass_at_k import pass_at_k


@pytest.mark.parametrize("n, right", [(5, 0), (5, 1), (6, 3), (4, 4)])
def test_it_is_the_share_of_sets_with_a_right_one(n, right):
    attempts = [True] * right + [False] * (n - right)
    for k in range(1, n + 1):
        sets = list(itertools.combinations(attempts, k))
        assert pass_at_k(n, right, k) == pytest.approx(sum(map(any, sets)) / len(sets))


def test_it_is_not_the_formula_with_replacement():
    assert pass_at_k(4, 1, 2) == 0.5 != 1 - (1 - 1 / 4) ** 2


@pytest.mark.parametrize("asked", [(3, 1, 0), (3, 1, 4), (3, 4, 1), (3, -1, 1)])
def test_what_is_not_defined_is_refused(asked):
    with pytest.raises(ValueError, match="not defined"):
        pass_at_k(*asked)
