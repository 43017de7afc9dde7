"""Operations on arrays whose derivative is worth deriving once: softmax, cross-entropy, norm, convolution.

Each could be composed of the operations in array.py. Written as one node it is shorter on the way back, for
much cancels, and it never meets the overflow or the log of 0 that the composition can meet.

Letters:  B batch, C channels, F kernels, H and W height and width, K kernel width, V classes. In a
          comment `y` is what the forward gave and `g` its gradient.
Source:   convolution as a product of matrices: Chellapilla et al. 2006, hal inria-00112631, section 3.
Next:     array_nn.py, layers made of these.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from groundup.autograd.array import Array, product
from groundup.autograd.array_errors import at, first_place, shape, told
from groundup.autograd.array_node import compute, constant, result
from groundup.base.errors import GraphError

WHOLE = int | np.integer


def softmax(x: Array, allowed: np.ndarray | None = None) -> Array:
    """Numbers along the last axis as shares that add up to 1; where not `allowed` (a mask), a share of 0.

    >>> softmax(Array([0.0, 0.0])).data.tolist()
    [0.5, 0.5]
    """

    def forward(a: np.ndarray) -> np.ndarray:
        scores = a if allowed is None else np.where(allowed, a, -np.inf)
        powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
        return powers / powers.sum(axis=-1, keepdims=True)

    _check_array("softmax", x)
    if allowed is not None:
        allowed = _mask("softmax", allowed)
    y = compute("softmax", forward, x.data)
    # dy_i/dx_j = y_i (1[i = j] - y_j): so y (g - sum over j of g_j y_j)
    return result("softmax", y, (x, lambda g: y * (g - (g * y).sum(axis=-1, keepdims=True))))


def log_softmax(x: Array) -> Array:
    """The logarithm of softmax along the last axis, finite for any finite x."""

    def forward(a: np.ndarray) -> np.ndarray:
        shifted = a - a.max(axis=-1, keepdims=True)
        return shifted - np.log(np.exp(shifted).sum(axis=-1, keepdims=True))

    _check_array("log_softmax", x)
    y = compute("log_softmax", forward, x.data)
    return result("log_softmax", y, (x, lambda g: g - np.exp(y) * g.sum(axis=-1, keepdims=True)))


def cross_entropy(logits: Array, targets: Any) -> Array:
    """The mean of -ln softmax(logits)[target], one number, in nats.

    logits [..., V], targets [...] of whole numbers in [0, V). GraphError for other shapes or targets.

    >>> round(cross_entropy(Array([[0.0, 0.0, 0.0, 0.0]]), [2]).item(), 4)  # ln 4
    1.3863
    """
    _check_array("cross_entropy", logits)
    classes = _classes(np.array(targets), logits)  # a copy: the way back needs what was asked for
    a = logits.data.reshape(-1, logits.shape[-1])
    rows = np.arange(len(a))

    def forward(a: np.ndarray) -> np.ndarray:
        shifted = a - a.max(axis=-1, keepdims=True)
        return (np.log(np.exp(shifted).sum(axis=-1)) - shifted[rows, classes]).mean()

    def slope(g: np.ndarray) -> np.ndarray:  # (softmax - one-hot) / how many: the classic
        shares = np.exp(a - a.max(axis=-1, keepdims=True))
        shares /= shares.sum(axis=-1, keepdims=True)
        shares[rows, classes] -= 1
        return (shares * (g / len(rows))).reshape(logits.shape)

    return result("cross_entropy", compute("cross_entropy", forward, a), (logits, slope))


def layer_norm(x: Array, scale: Any, shift: Any, eps: float = 1e-5) -> Array:
    """x along the last axis with mean 0 and variance 1, times `scale`, plus `shift`.

    Ba et al. 2016, arXiv 1607.06450; `eps` as in torch, inside the root.
    """

    def forward(a: np.ndarray) -> np.ndarray:
        centred = a - a.mean(axis=-1, keepdims=True)
        return centred / np.sqrt((centred * centred).mean(axis=-1, keepdims=True) + eps)

    _check_array("layer_norm", x)
    y, a = compute("layer_norm", forward, x.data), x.data

    def slope(g: np.ndarray) -> np.ndarray:
        # Mean and variance move with x: without the two means g would change what the norm undoes.
        deviation = np.sqrt(a.var(axis=-1, keepdims=True) + eps)
        along = (g * y).mean(axis=-1, keepdims=True)
        return (g - g.mean(axis=-1, keepdims=True) - y * along) / deviation

    return result("layer_norm", y, (x, slope)) * scale + shift


def where(condition: Any, a: Any, b: Any) -> Array:
    """a where the condition (a mask of bools, a constant) is true, else b; one of the two is an Array."""
    like = a if isinstance(a, Array) else b
    _check_array("where", like)
    x, y = constant(a, like), constant(b, like)
    mask = _mask("where", condition)
    out = compute("where", lambda x, y: np.where(mask, x, y), x, y).astype(like.dtype, copy=False)
    return result("where", out, (a, lambda g: np.where(mask, g, 0)), (b, lambda g: np.where(mask, 0, g)))


def concatenate(arrays: Sequence[Array], axis: int = 0) -> Array:
    """The arrays one after another along an axis; each gets its piece of the gradient back."""
    if not arrays:
        raise GraphError("concatenate of no arrays. Give at least one.")
    for array in arrays:
        _check_array("concatenate", array)
    values = [array.data for array in arrays]
    try:
        out = np.concatenate(values, axis=axis)
    except ValueError:
        shapes = ", ".join(shape(value) for value in values)
        raise GraphError(
            f"concatenate: {shapes} do not fit along axis {axis}, or differ in another. Make them alike."
        ) from None
    ends = np.cumsum([value.shape[axis] for value in values])
    cuts = [(int(end) - value.shape[axis], int(end)) for end, value in zip(ends, values, strict=True)]

    def piece(start: int, end: int) -> Any:
        return lambda g: g.take(range(start, end), axis=axis)

    return result("concatenate", out, *((a, piece(*cut)) for a, cut in zip(arrays, cuts, strict=True)))


def conv2d(images: Any, kernels: Array, *, stride: int = 1, pad: int = 0) -> Array:
    """[B, F, H', W']: each kernel's match with each place of each image; H' = (H + 2 pad - K) // stride + 1.

    images [B, C, H, W], an Array or a constant; kernels [F, C, K, K]. Every window becomes a column of a
    matrix, so that the work is products; one row of the result at a time, so that the copies stay in the
    cache. GraphError for shapes that do not fit.
    """
    a, w = constant(images, kernels), kernels.data
    _check_conv(a, w, stride, pad)
    (_, C, H, W), (F, _, K, _) = a.shape, w.shape
    # Memory runs along the batch: every pixel of a window is then a long piece to copy, and to add to.
    padded = np.pad(a.transpose(1, 2, 3, 0), ((0, 0), (pad, pad), (pad, pad), (0, 0)))
    views = np.lib.stride_tricks.sliding_window_view(padded, (K, K), axis=(1, 2))[:, ::stride, ::stride]
    windows = views.transpose(1, 0, 4, 5, 2, 3)  # [H', C, K, K, W', B], nothing copied yet
    copied = np.empty(windows.shape[1:], padded.dtype)
    down, across, flat = windows.shape[0], windows.shape[4], w.reshape(F, -1)

    def columns(row: int) -> np.ndarray:
        """[C K K, W' B]: what one row of the result looks at."""
        copied[...] = windows[row]
        return copied.reshape(C * K * K, -1)

    def rows(g: np.ndarray) -> np.ndarray:
        return g.transpose(1, 2, 3, 0).reshape(F, down, -1)

    def by_kernels(g: np.ndarray) -> np.ndarray:
        g_rows = rows(g)
        parts = (product(g_rows[:, row], columns(row).T) for row in range(down))
        return sum(parts, np.zeros_like(flat)).reshape(w.shape)

    def by_images(g: np.ndarray) -> np.ndarray:
        g_rows, total = rows(g), np.zeros_like(padded)
        for row in range(down):
            back, top = product(flat.T, g_rows[:, row]).reshape(copied.shape), row * stride
            for j in range(K):  # a pixel lies in up to K * K windows: it gets the sum
                total[:, top : top + K, j : j + (across - 1) * stride + 1 : stride] += back[:, :, j]
        return total[:, pad : pad + H, pad : pad + W].transpose(3, 0, 1, 2)

    out = np.stack([product(flat, columns(row)) for row in range(down)], axis=1)
    out = out.reshape(F, down, across, -1).transpose(3, 0, 1, 2)
    return result("conv2d", out, (kernels, by_kernels), (images, by_images))


def _check_conv(a: np.ndarray, w: np.ndarray, stride: int, pad: int) -> None:
    if np.ndim(a) != 4 or w.ndim != 4 or a.shape[1] != w.shape[1] or w.shape[2] != w.shape[3]:
        raise GraphError(
            f"conv2d: images {shape(a)} and kernels {shape(w)} do not fit. They must be [B, C, H, W] and "
            "[F, C, K, K], with the same C."
        )
    if not (isinstance(stride, WHOLE) and isinstance(pad, WHOLE) and stride >= 1 and pad >= 0):
        raise GraphError(
            f"conv2d: stride={stride}, pad={pad}. Both are whole; a stride is 1 or more, a pad 0 or more."
        )
    if min(a.shape[2:]) + 2 * pad < w.shape[2]:
        raise GraphError(
            f"conv2d: a kernel of {w.shape[2]} by {w.shape[2]} is larger than images of {a.shape[2]} by "
            f"{a.shape[3]} padded by {pad}. Pad more, or take a smaller kernel."
        )


def _classes(targets: np.ndarray, logits: Array) -> np.ndarray:
    """Targets as a flat array of whole numbers; GraphError names the first that is none of the classes."""
    if not logits.ndim or targets.shape != logits.shape[:-1]:
        raise GraphError(
            f"cross_entropy: targets {shape(targets)} do not fit logits {shape(logits.data)}. For logits "
            "[..., V] give targets [...]."
        )
    if targets.dtype.kind not in "iu":
        raise GraphError(
            f"cross_entropy: targets are whole numbers, not {targets.dtype}. Give class numbers."
        )
    wrong = (targets < 0) | (targets >= logits.shape[-1])
    if wrong.any():
        place = first_place(wrong)
        raise GraphError(f"cross_entropy: target {targets[place]}{at(place)} is none of the classes 0 to "
                         f"{logits.shape[-1] - 1}.")  # fmt: skip
    if not targets.size:
        raise GraphError("cross_entropy of no targets has no mean. Give at least one.")
    return targets.reshape(-1)


def _check_array(op: str, x: Any) -> None:
    if not isinstance(x, Array):
        raise GraphError(f"{op}: {told(x)} is no Array, and takes no gradient. Make one: Array(numbers).")


def _mask(op: str, mask: Any) -> np.ndarray:
    """A copy: a mask that was reused before the way back would say something else there."""
    mask = np.array(mask)
    if mask.dtype != bool:
        raise GraphError(
            f"{op}: a mask holds True and False, this one {mask.dtype}. Compare first, as in x > 0."
        )
    return mask
