"""Rotary positions: against complex numbers, by what they promise, and by their derivative."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch.autograd import gradcheck
from torch.testing import assert_close

from groundup.nn.position import rotary_tables, rotate, rotate_written_out, segment_runs


def test_rotation_is_multiplication_by_a_complex_number():
    cos, sin = rotary_tables(6, 8, theta=100.0)
    x = torch.randn(2, 6, 3, 8)
    pairs = torch.complex(x[..., :4], x[..., 4:]).to(torch.complex128)
    angle = torch.arange(6.0, dtype=torch.float64)[:, None] * 100.0 ** (-torch.arange(4.0).double() / 4)
    turned = pairs * torch.polar(torch.ones_like(angle), angle)[:, None]
    expected = torch.cat((turned.real, turned.imag), -1).float()
    assert_close(rotate(x, cos, sin), expected)
    assert_close(rotate_written_out(x, cos, sin), expected)


def test_only_the_distance_between_positions_counts():
    cos, sin = rotary_tables(64, 16)
    q, k = torch.randn(16), torch.randn(16)
    at = [rotate(v.expand(1, 64, 1, 16), cos, sin)[0, :, 0] for v in (q, k)]
    score = at[0] @ at[1].T  # [query position, key position]
    for distance in (0, 3, 20):
        along = score.diagonal(-distance)
        assert_close(along, along[:1].expand_as(along), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(score[20, 0], score[3, 0])


def test_the_derivative_is_right_where_every_row_has_its_own_positions():
    cos, sin = (table.double() for table in rotary_tables(9, 4))
    positions = torch.tensor([[0, 1, 2], [5, 0, 8]])
    x = torch.randn(2, 3, 2, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: rotate(x, cos[positions], sin[positions]), (x,))
    assert_close(rotate(x, cos[positions], sin[positions])[1, 2], rotate(x[1:, 2:], cos[8:9], sin[8:9])[0, 0])


def test_tables_are_exact_far_out():
    cos, _ = rotary_tables(40_001, 4, theta=10_000.0)
    expected = torch.cos(torch.tensor(40_000 * 10_000.0**-0.5, dtype=torch.float64)).float()
    assert cos[40_000, 1] == expected == cos[40_000, 3]


def test_an_odd_head_is_refused():
    with pytest.raises(ValueError, match="head_dim=5 is odd"):
        rotary_tables(4, 5)


@given(st.lists(st.lists(st.integers(0, 2), min_size=6, max_size=6), min_size=1, max_size=3))
def test_runs_restart_wherever_the_segment_changes(rows):
    runs, positions = segment_runs(torch.tensor(rows))
    for row, run, position in zip(rows, runs.tolist(), positions.tolist(), strict=True):
        assert (run[0], position[0]) == (0, 0)
        for t in range(1, 6):
            same = row[t] == row[t - 1]
            assert run[t] == run[t - 1] + (not same)
            assert position[t] == (position[t - 1] + 1 if same else 0)
