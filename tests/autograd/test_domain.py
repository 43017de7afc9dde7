"""Where an operation is defined: the cases in which Python and compiled code would part."""

import math

import pytest
import torch

from groundup.autograd.domain import EXP_MAX, defined, logistic, power, power_slope, refusal


@pytest.mark.parametrize("x", [-1e200, -10.0, -2.0, -0.5, -0.0, 0.0, 0.5, 3.0, 1e200, math.inf])
@pytest.mark.parametrize("n", [-3.0, -1.0, 0.0, 0.5, 1.0, 2.0, 3.0, 400.0, 401.0])
def test_power_is_infinite_where_python_raises(x, n):
    if x < 0 and n != math.floor(n):
        assert not defined("**", x, n) and isinstance(power(x, n), complex)  # so it is never asked for
        return
    expected = torch.tensor(x, dtype=torch.float64).pow(n).item()
    assert power(x, n) == expected
    assert defined("**", x, n) == math.isfinite(expected)


@pytest.mark.parametrize(
    ("x", "n"), [(2.0, 3.0), (-2.0, 3.0), (0.0, 0.5), (0.0, 1.0), (0.0, 2.0), (0.0, 0.0), (4.0, -0.5)]
)
def test_the_slope_of_a_power_is_torchs(x, n):
    leaf = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    leaf.pow(n).backward()
    assert power_slope(x, n) == pytest.approx(leaf.grad.item(), rel=1e-14)


def test_the_largest_argument_of_exp():
    assert defined("exp", EXP_MAX) and math.isfinite(math.exp(EXP_MAX))
    above = math.nextafter(EXP_MAX, math.inf)
    assert not defined("exp", above)
    with pytest.raises(OverflowError):
        math.exp(above)


def test_the_logistic_function_is_torchs_and_does_not_overflow():
    for x in (-1000.0, -40.0, -1.0, 0.0, 1.0, 40.0, 1000.0):
        expected = torch.tensor(x, dtype=torch.float64).sigmoid().item()
        assert logistic(x) == pytest.approx(expected, rel=1e-14, abs=0)


@pytest.mark.parametrize(
    ("kind", "x", "n"),
    [
        ("log", 0.0, 0),
        ("exp", 1e3, 0),
        ("**", 0.0, -1.0),
        ("**", -1.0, 0.5),
        ("**", 1e300, 2.0),
        ("log", math.nan, 0),
        ("**", 2.0, math.inf),
    ],
)
def test_what_is_not_defined_has_a_reason_with_its_numbers(kind, x, n):
    assert not defined(kind, x, n)
    assert str(x) in str(refusal(kind, x, n))
    assert defined(kind, 1.0, 1.0)
