"""BatchNorm against the course's formula and against torch's own."""

import pytest
import torch
from torch import nn
from torch.testing import assert_close

from groundup.base.errors import ConfigError, DataError
from groundup.nn.batch_norm import BatchNorm


def by_hand(x_NC, norm):
    return norm.gain * (x_NC - x_NC.mean(0)) / torch.sqrt(x_NC.var(0) + norm.eps) + norm.bias


@pytest.fixture
def norm():
    norm = BatchNorm(4)
    with torch.no_grad():
        norm.gain.uniform_(0.5, 2)
        norm.bias.normal_()
    return norm


def test_values_and_gradients_are_those_of_the_formula(norm):
    x_NC = (torch.randn(8, 4) * 3 + 1).requires_grad_()
    weights_NC = torch.randn(8, 4)
    wanted = torch.autograd.grad((by_hand(x_NC, norm) * weights_NC).sum(), [x_NC, norm.gain, norm.bias])
    found = torch.autograd.grad((norm(x_NC) * weights_NC).sum(), [x_NC, norm.gain, norm.bias])
    assert_close(found, wanted)
    theirs = nn.BatchNorm1d(4)(x_NC.detach())
    assert not torch.allclose(theirs, BatchNorm(4)(x_NC))  # the biased deviation is another function


def test_running_statistics_are_torch_s(norm):
    theirs = nn.BatchNorm1d(4)
    for _ in range(3):
        x_NC = torch.randn(8, 4) * 2 + 5
        norm(x_NC), theirs(x_NC)
    assert_close(norm.running_mean, theirs.running_mean)
    assert_close(norm.running_var, theirs.running_var)


def test_outside_training_it_is_a_line_and_sees_no_other_row(norm):
    norm(torch.randn(64, 4) + 3)
    norm.eval()
    x_NC = torch.randn(5, 4)
    scale_C, shift_C = norm.line()
    assert_close(norm(x_NC), x_NC * scale_C + shift_C)
    assert_close(norm(x_NC)[:1], norm(x_NC[:1]))
    norm.train()
    assert not torch.allclose(norm(x_NC)[:1], norm(x_NC[:2])[:1])


def test_a_sequence_is_normalised_over_rows_and_places(norm):
    x_BTC = torch.randn(3, 5, 4)
    assert_close(norm(x_BTC), by_hand(x_BTC.flatten(0, 1), norm).view(3, 5, 4))


def test_a_training_batch_of_one_is_refused(norm):
    with pytest.raises(DataError, match="batch_size to 2 or more"):
        norm(torch.randn(1, 4))
    assert norm.eval()(torch.randn(1, 4)).shape == (1, 4)


def test_settings_that_are_none():
    with pytest.raises(ConfigError, match="eps=0"):
        BatchNorm(4, eps=0)
