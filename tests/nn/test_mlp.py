"""Feed-forward parts against their formulas, and the written-out derivative of the squared ReLU."""

import math

import pytest
import torch
import torch.nn.functional as F
from torch.autograd import gradcheck
from torch.testing import assert_close

from groundup.nn.mlp import build_mlp, relu2


def test_the_derivative_of_relu2_is_right():
    x = torch.randn(3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(relu2, (x,))
    assert_close(relu2(x), F.relu(x).square())


def test_each_kind_equals_its_formula():
    x = torch.randn(2, 3, 4)
    kinds = ("gelu", "gelu_erf", "relu2", "swiglu")
    gelu, exact, squared, gated = (build_mlp(kind, 4, 6, bias=True) for kind in kinds)
    h = gelu.up(x)
    bent = 0.5 * h * (1 + torch.tanh(math.sqrt(2 / math.pi) * (h + 0.044715 * h**3)))  # GPT-2's own code
    assert_close(gelu(x), gelu.down(bent))
    h = exact.up(x)
    assert_close(exact(x), exact.down(h * torch.special.ndtr(h)))  # x times the normal distribution function
    assert not torch.equal(F.gelu(h), F.gelu(h, approximate="tanh"))
    assert_close(squared(x), squared.down(squared.up(x).clamp(min=0) ** 2))
    gate, up = gated.gate_up(x)[..., :6], gated.gate_up(x)[..., 6:]
    assert_close(gated(x), gated.down(gate / (1 + torch.exp(-gate)) * up))


def test_bias_is_a_choice_and_kinds_are_closed():
    assert build_mlp("swiglu", 4, 6, bias=False).down.bias is None
    assert build_mlp("gelu", 4, 6, bias=True).up.bias is not None
    with pytest.raises(ValueError, match="mlp='relu' is unknown"):
        build_mlp("relu", 4, 6, bias=False)
