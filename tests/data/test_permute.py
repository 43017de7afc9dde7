import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.data.permute import permutation


@given(n=st.integers(1, 2000), seed=st.integers(0, 2**32), epoch=st.integers(0, 5))
def test_every_index_has_exactly_one_place(n, seed, epoch):
    places = permutation(n, seed=seed, purpose="test", epoch=epoch)(np.arange(n))
    assert sorted(places.tolist()) == list(range(n))


def test_seed_purpose_and_epoch_each_change_the_order():
    def order(**changed):
        return permutation(100, **{"seed": 0, "purpose": "a", "epoch": 0, **changed})(np.arange(100)).tolist()

    orders = [order(), order(seed=1), order(purpose="b"), order(epoch=1)]
    assert len({tuple(each) for each in orders}) == 4
    assert order() == orders[0]


def test_an_index_has_the_same_place_whoever_asks_with_it():
    shuffle = permutation(1000, seed=3, purpose="test")
    together = shuffle(np.arange(1000))
    assert [int(shuffle(np.array([i]))[0]) for i in range(0, 1000, 7)] == together[::7].tolist()


def test_the_order_looks_shuffled():
    n = 10_000
    places = permutation(n, seed=0, purpose="test")(np.arange(n))
    correlation = np.corrcoef(np.arange(n), places)[0, 1]
    steps = np.diff(places)
    assert abs(correlation) < 0.05  # 5 standard errors of independent draws
    assert abs(np.mean(steps > 0) - 0.5) < 0.03
    assert np.mean(np.abs(steps)) == pytest.approx(n / 3, rel=0.05)  # E|U - V| of two uniform draws


def test_ten_billion_indices_need_no_list():
    n = 10**10
    places = permutation(n, seed=0, purpose="test")(np.array([0, 1, n - 1]))
    assert len(set(places.tolist())) == 3
    assert all(0 <= place < n for place in places.tolist())


def test_an_index_outside_is_refused():
    with pytest.raises(ValueError, match=r"outside 0\.\.9"):
        permutation(10, seed=0, purpose="test")(np.array([10]))
    with pytest.raises(ValueError, match="cannot permute n=0"):
        permutation(0, seed=0, purpose="test")
