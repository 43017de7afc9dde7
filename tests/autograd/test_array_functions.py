"""Softmax, cross-entropy, layer norm and convolution against torch, and against their definitions."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st

from groundup.autograd.array import Array
from groundup.autograd.array_functions import (
    concatenate,
    conv2d,
    cross_entropy,
    layer_norm,
    log_softmax,
    softmax,
    where,
)
from groundup.base.errors import GraphError

RNG = np.random.Generator(np.random.PCG64(2))


def normal(*shape):
    return RNG.standard_normal(shape)


def agree(ours, theirs, *values):
    """Two functions on the same values: equal results, and equal gradients of a weighted sum."""
    mine = [Array(value) for value in values]
    yours = [torch.tensor(value, requires_grad=True) for value in values]
    a, b = ours(*mine), theirs(*yours)
    assert a.shape == tuple(b.shape)
    np.testing.assert_allclose(a.data, b.detach().numpy(), rtol=1e-10, atol=1e-10)
    weights = np.cos(np.arange(a.size)).reshape(a.shape)
    (a * weights).sum().backward()
    (b * torch.tensor(weights)).sum().backward()
    for x, y in zip(mine, yours, strict=True):
        np.testing.assert_allclose(x.grad, y.grad.numpy(), rtol=1e-10, atol=1e-10)


def test_softmax_is_torchs_also_for_large_numbers():
    agree(softmax, lambda x: x.softmax(-1), normal(2, 3, 5))
    agree(softmax, lambda x: x.softmax(-1), np.array([[1000.0, 999.0, -1000.0]]))
    agree(log_softmax, lambda x: x.log_softmax(-1), 100 * normal(2, 3, 5))


def test_softmax_under_a_mask_gives_nothing_to_what_is_not_allowed():
    allowed = np.tril(np.ones((4, 4), bool))
    hidden = torch.tensor(~allowed)
    agree(
        lambda x: softmax(x, allowed),
        lambda x: x.masked_fill(hidden, -np.inf).softmax(-1),
        normal(2, 4, 4),
    )
    shares = softmax(Array(normal(4, 4)), allowed).data
    assert (shares[~allowed] == 0).all() and (shares[allowed] > 0).all()
    np.testing.assert_allclose(shares.sum(-1), 1)


def test_softmax_is_the_composition_of_its_parts():
    x = normal(3, 4)
    parts, whole = Array(x), Array(x)
    powers = parts.exp()
    ((powers / powers.sum(-1, keepdims=True)) ** 2).sum().backward()
    (softmax(whole) ** 2).sum().backward()
    np.testing.assert_allclose(parts.grad, whole.grad, atol=1e-12)


def test_cross_entropy_is_torchs_also_where_the_composition_would_overflow():
    targets = RNG.integers(0, 5, (2, 3))
    for scale in (1, 1000):
        agree(
            lambda x: cross_entropy(x, targets),
            lambda x: F.cross_entropy(x.flatten(0, 1), torch.tensor(targets).flatten()),
            scale * normal(2, 3, 5),
        )


def test_knowing_nothing_costs_the_logarithm_of_the_classes():
    x = Array(np.zeros((4, 27)))
    loss = cross_entropy(x, np.zeros(4, int))
    assert abs(loss.item() - np.log(27)) < 1e-12
    loss.backward()
    np.testing.assert_allclose(x.grad.sum(-1), 0, atol=1e-15)  # shares that are taken are given elsewhere


def test_layer_norm_is_torchs():
    agree(
        layer_norm,
        lambda x, scale, shift: F.layer_norm(x, (6,), scale, shift),
        3 * normal(2, 4, 6) + 5,
        normal(6),
        normal(6),
    )


def test_layer_norm_ignores_a_shift_and_its_gradient_has_none():
    x = Array(normal(3, 6))
    y = layer_norm(x, np.ones(6), np.zeros(6))
    np.testing.assert_allclose(y.data.mean(-1), 0, atol=1e-12)
    (y * normal(3, 6)).sum().backward()
    np.testing.assert_allclose(x.grad.sum(-1), 0, atol=1e-12)
    assert np.abs(x.grad).max() > 0.01


@given(
    batch=st.integers(1, 3), channels=st.integers(1, 3), filters=st.integers(1, 3), kernel=st.integers(1, 4),
    stride=st.integers(1, 3), pad=st.integers(0, 2), more=st.tuples(st.integers(0, 5), st.integers(0, 5)),
)  # fmt: skip
def test_convolution_is_torchs(batch, channels, filters, kernel, stride, pad, more):
    height, width = (max(1, kernel - 2 * pad) + extra for extra in more)
    agree(
        lambda x, w: conv2d(x, w, stride=stride, pad=pad),
        lambda x, w: F.conv2d(x, w, stride=stride, padding=pad),
        normal(batch, channels, height, width),
        normal(filters, channels, kernel, kernel),
    )


def test_convolution_is_a_sum_over_the_window():
    images, kernels = normal(1, 2, 5, 5), normal(3, 2, 3, 3)
    out = conv2d(images, Array(kernels)).data
    for f, i, j in [(0, 0, 0), (2, 1, 2)]:
        window = images[0, :, i : i + 3, j : j + 3]
        assert abs(out[0, f, i, j] - (window * kernels[f]).sum()) < 1e-12


def test_images_that_are_constants_take_no_gradient_and_keep_float32():
    images = normal(2, 1, 4, 4).astype(np.float32)
    kernels = Array(normal(1, 1, 3, 3).astype(np.float32))
    out = conv2d(images, kernels, pad=1)
    out.sum().backward()
    assert out.dtype == kernels.grad.dtype == np.float32


def test_where_and_concatenate_hand_each_part_its_gradient():
    mask = np.array([[True, False, True]])
    agree(
        lambda x, y: where(mask, x, y),
        lambda x, y: torch.where(torch.tensor(mask), x, y),
        normal(2, 3),
        normal(3),
    )
    agree(lambda x: where(mask, x, 0.0), lambda x: torch.where(torch.tensor(mask), x, 0.0), normal(2, 3))
    agree(lambda x: where(mask, 1, x), lambda x: torch.where(torch.tensor(mask), 1.0, x), normal(2, 3))
    for axis in (0, -1):
        agree(
            lambda x, y, axis=axis: concatenate([x, y, x], axis),
            lambda x, y, axis=axis: torch.cat([x, y, x], axis),
            normal(2, 3),
            normal(2, 3),
        )


def test_targets_and_masks_that_change_before_the_gradient_is_asked_for_change_nothing():
    """They were kept without a copy, so that a reused batch buffer gave the gradient of the next batch."""
    x, targets = Array([[0.0, 0.0]]), np.array([0])
    loss = cross_entropy(x, targets)
    targets[:] = 1
    loss.backward()
    assert x.grad.tolist() == [[-0.5, 0.5]]
    y, mask = Array([1.0, 2.0]), np.array([True, False])
    first = where(mask, y, 0.0).sum()
    mask[:] = ~mask
    first.backward()
    assert y.grad.tolist() == [1, 0]


def test_one_row_of_logits_may_stand_alone():
    agree(
        lambda x: cross_entropy(x, 2),
        lambda x: F.cross_entropy(x, torch.tensor(2)),
        normal(4),
    )


def two():
    return Array(normal(2, 3))


def kernels():
    return Array(normal(1, 1, 3, 3))


BAD = {
    "targets of another shape": (lambda: cross_entropy(two(), [0]), r"targets \[1\] do not fit"),
    "no such class": (lambda: cross_entropy(two(), [0, 3]), r"3 at \[1\] is none of .* 0 to 2"),
    "ignored class": (lambda: cross_entropy(two(), [-1, 0]), r"target -1 at \[0\]"),
    "classes with fractions": (lambda: cross_entropy(two(), [0.0, 1.0]), "not float64"),
    "no targets": (lambda: cross_entropy(Array(np.ones((0, 3))), np.zeros(0, int)), "no targets"),
    "mask of numbers": (lambda: where(np.ones(3), Array(normal(3)), 0), "a mask holds True and False"),
    "nothing allowed": (lambda: softmax(Array(normal(2, 2)), np.zeros((2, 2), bool)), "one allowed place"),
    "mask of another shape": (lambda: softmax(Array(normal(2, 2)), np.ones((3, 3), bool)), "softmax: "),
    "scale": (lambda: layer_norm(Array(normal(2, 3)), np.ones(4), 0), r"\*: the shapes \[2, 3\] and \[4\]"),
    "channels": (lambda: conv2d(normal(1, 2, 5, 5), Array(normal(1, 3, 3, 3))), "with the same C"),
    "axes": (lambda: conv2d(normal(5, 5), kernels()), r"images \[5, 5\] and kernels"),
    "kernel": (lambda: conv2d(normal(1, 1, 2, 2), kernels()), "images of 2 by 2"),
    "stride": (lambda: conv2d(normal(1, 1, 5, 5), kernels(), stride=0), "stride is 1 or more"),
    "half a stride": (lambda: conv2d(normal(1, 1, 5, 5), kernels(), stride=1.5), "stride=1.5.* whole"),
    "softmax of no Array": (lambda: softmax(np.ones(3)), r"softmax: array\(.* is no Array"),
    "logits of no Array": (lambda: cross_entropy(np.ones((1, 3)), [0]), "cross_entropy: .* is no Array"),
    "norm of no Array": (lambda: layer_norm(np.ones(3), two(), 0), "layer_norm: .* is no Array"),
    "where without an Array": (lambda: where([True], 1.0, 2.0), "where: 2.0 .* is no Array"),
    "logits of one number": (lambda: cross_entropy(Array(1.0), 0), r"targets \[\] do not fit logits \[\]"),
    "no such class in one row": (lambda: cross_entropy(Array([1.0, 2.0]), 5), "target 5 is none of"),
    "concatenate nothing": (lambda: concatenate([]), "concatenate of no arrays"),
    "concatenate beyond": (lambda: concatenate([two(), two()], 5), "do not fit along axis 5"),
    "concatenate no Array": (lambda: concatenate([two(), np.ones((2, 3))]), "is no Array"),
    "concatenate": (lambda: concatenate([two(), Array(normal(2, 4))]), r"\[2, 3\], \[2, 4\] do not fit"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_operation_and_the_shapes(name):
    act, said = BAD[name]
    with pytest.raises(GraphError, match=said):
        act()
