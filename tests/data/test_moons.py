import numpy as np
import pytest

from groundup.base.errors import ConfigError
from groundup.data.moons import moons


@pytest.mark.parametrize(("n", "noise", "seed"), [(100, 0.1, 1337), (7, 0.0, 0), (2, 0.3, 5)])
def test_the_points_are_those_of_scikit_learn_to_the_last_bit(n, noise, seed):
    from sklearn.datasets import make_moons

    theirs_N2, their_labels_N = make_moons(n, noise=noise, random_state=seed)
    points_N2, labels_N = moons(n, noise=noise, seed=seed)
    assert np.array_equal(points_N2, theirs_N2) and np.array_equal(labels_N, their_labels_N)


def test_the_first_point_of_the_course_is_where_it_was():
    """Without scikit-learn, as measured: the draws may never change."""
    points_N2, labels_N = moons(100, noise=0.1, seed=1337)
    assert points_N2[0] == pytest.approx([1.1221146075409685, 0.08147717341718697], abs=1e-12)
    assert labels_N[:8].tolist() == [0, 0, 1, 0, 1, 1, 1, 1]


def test_without_noise_each_moon_is_half_a_circle_of_its_own():
    points_N2, labels_N = moons(50, noise=0.0, seed=3)
    upper, lower = points_N2[labels_N == 0], points_N2[labels_N == 1]
    assert len(upper) == len(lower) == 25
    np.testing.assert_allclose((upper**2).sum(1), 1)
    np.testing.assert_allclose(((lower - [1, 0.5]) ** 2).sum(1), 1)
    assert (upper[:, 1] > -1e-9).all() and (lower[:, 1] < 0.5 + 1e-9).all()


def test_no_straight_line_separates_them_though_two_far_apart_could_be():
    points_N2, labels_N = moons(200, noise=0.05, seed=1)
    with_one = np.column_stack([points_N2, np.ones(200)])
    best = np.linalg.lstsq(with_one, 2.0 * labels_N - 1, rcond=None)[0]
    assert 0.75 < ((with_one @ best > 0) == labels_N).mean() < 0.95
    with_one[labels_N == 1, 1] -= 2
    best = np.linalg.lstsq(with_one, 2.0 * labels_N - 1, rcond=None)[0]
    assert ((with_one @ best > 0) == labels_N).all()


@pytest.mark.parametrize(
    "wrong", [{"n": 1}, {"noise": -0.1}, {"noise": float("nan")}, {"seed": -1}, {"seed": 2**32}]
)
def test_what_makes_no_moons_is_refused(wrong):
    with pytest.raises(ConfigError, match="choose n of 2 or more"):
        moons(**{"n": 10, "noise": 0.1, "seed": 0, **wrong})
