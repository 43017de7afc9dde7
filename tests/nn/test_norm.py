"""RMSNorm: the written-out derivative against torch's own, and the formula against F.rms_norm."""

import pytest
import torch
from torch.autograd import gradcheck
from torch.testing import assert_close

from groundup.nn.norm import CpuRMSNorm, RMSNorm, build_norm, rms_norm_written_out


def test_the_derivative_is_right():
    x = torch.randn(3, 2, 5, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(5, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x, w: CpuRMSNorm.apply(x, w, 1e-3), (x, weight))


@pytest.mark.parametrize("eps", [1e-6, 0.5])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_every_path_equals_the_formula(eps, dtype):
    norm = RMSNorm(8, eps)
    torch.nn.init.normal_(norm.weight)
    x = torch.randn(4, 3, 8).to(dtype).float()
    expected = rms_norm_written_out(x, norm.weight, eps)
    tolerance = {"rtol": 2e-2, "atol": 2e-2} if dtype == torch.bfloat16 else {}
    norm = norm.to(dtype)
    assert_close(norm(x.to(dtype)).float(), expected, **tolerance)  # torch's kernel: no gradient asked
    assert_close(norm(x.to(dtype).requires_grad_()).float(), expected, **tolerance)  # ours, in float32


def test_eps_and_gain_matter():
    x = torch.randn(4, 8, requires_grad=True)
    norm = RMSNorm(8, 1e-6)
    assert_close(norm(x).square().mean(-1), torch.ones(4), rtol=1e-4, atol=1e-4)
    assert not torch.allclose(RMSNorm(8, 1.0)(x), norm(x))
    norm.weight.data *= 2
    assert not torch.allclose(norm(x).square().mean(-1), torch.ones(4))


def test_a_strided_input_is_normed_in_place_of_its_view():
    whole = torch.randn(2, 3, 12, 8, requires_grad=True)
    head = whole[:, :, 2:6]
    norm = RMSNorm(8)
    norm(head).pow(3).sum().backward()
    found = whole.grad.clone()
    whole.grad = None
    rms_norm_written_out(whole[:, :, 2:6], norm.weight, norm.eps).pow(3).sum().backward()
    assert_close(found, whole.grad)


def test_only_layer_norm_has_a_bias():
    assert build_norm("layer", 4, eps=1e-5, bias=True).bias is not None
    assert build_norm("layer", 4, eps=1e-5, bias=False).bias is None
    assert isinstance(build_norm("rms", 4, eps=1e-5, bias=True), RMSNorm)
    with pytest.raises(ValueError, match=r"'batch' is unknown\. Choose 'rms' or 'layer'"):
        build_norm("batch", 4, eps=1e-5, bias=False)
