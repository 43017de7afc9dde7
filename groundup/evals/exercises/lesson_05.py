"""Exercises of lesson 05, backprop by hand: the four of the lecture, then the parts of a transformer.

Answers: nn/backward.py and nn/mlp_by_hand.py. The inputs are drawn, so no text is needed.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from groundup.evals.exercise import Case, Exercise
from groundup.nn import backward, mlp_by_hand


def all_pieces(p: dict[str, Tensor], of: dict[str, Tensor], x_NT: Tensor, y_N: Tensor) -> dict[str, Tensor]:
    """Exercise 1: the gradient of each of the 26 tensors."""
    return mlp_by_hand.gradients_of_pieces(p, of, x_NT, y_N)


def dlogits(logits_NV: Tensor, targets_N: Tensor) -> Tensor:
    """Exercise 2: through the cross-entropy in one step."""
    return backward.cross_entropy_backward(logits_NV, targets_N)


def dhprebn(dhpreact_NH: Tensor, bnraw_NH: Tensor, bngain_H: Tensor, bnvar_inv_H: Tensor) -> Tensor:
    """Exercise 3: through BatchNorm in one step."""
    return backward.batch_norm_backward(dhpreact_NH, bnraw_NH, bngain_H, bnvar_inv_H)[0]


def gradients(p: dict[str, Tensor], x_NT: Tensor, y_N: Tensor) -> dict[str, Tensor]:
    """Exercise 4: all that a training step without autograd needs."""
    return mlp_by_hand.gradients(p, x_NT, y_N)[1]


def layer_norm(
    grad_BTC: Tensor, x_BTC: Tensor, weight_C: Tensor, eps: float
) -> tuple[Tensor, Tensor, Tensor]:
    """The three gradients of LayerNorm."""
    return backward.layer_norm_backward(grad_BTC, x_BTC, weight_C, eps)


def rms_norm(grad_BTC: Tensor, x_BTC: Tensor, weight_C: Tensor, eps: float) -> tuple[Tensor, Tensor]:
    """The two gradients of RMSNorm."""
    return backward.rms_norm_backward(grad_BTC, x_BTC, weight_C, eps)


def attention(
    grad_BHTD: Tensor, q_BHTD: Tensor, k_BHTD: Tensor, v_BHTD: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The three gradients of causal attention."""
    return backward.attention_backward(grad_BHTD, q_BHTD, k_BHTD, v_BHTD, causal=True)


def embedding(grad_BTC: Tensor, ids_BT: Tensor, rows: int) -> Tensor:
    """The gradient of a table."""
    return backward.embedding_backward(grad_BTC, ids_BT, rows)


def gelu(grad_BTF: Tensor, x_BTF: Tensor) -> Tensor:
    """Through GPT-2's GELU."""
    return backward.gelu_backward(grad_BTF, x_BTF)


def swiglu(grad_BTF: Tensor, gate_BTF: Tensor, up_BTF: Tensor) -> tuple[Tensor, Tensor]:
    """Through SwiGLU."""
    return backward.swiglu_backward(grad_BTF, gate_BTF, up_BTF)


# ---- Inputs --------------------------------------------------------------------------------------


def _draw(*shape: int, seed: int) -> Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def _ids(most: int, *shape: int, seed: int) -> Tensor:
    return torch.randint(most, shape, generator=torch.Generator().manual_seed(seed))


def _network() -> tuple[dict[str, Tensor], Tensor, Tensor]:
    generator = torch.Generator().manual_seed(2147483647)
    p = mlp_by_hand.init(vocab_size=27, context=3, n_embd=10, n_hidden=64, generator=generator, norm_seed=0)
    return p, _ids(27, 32, 3, seed=1), _ids(27, 32, seed=2)


def _pieces_cases() -> Iterator[Case]:
    p, x_NT, y_N = _network()
    yield Case("the lecture's network", (p, mlp_by_hand.pieces(p, x_NT, y_N), x_NT, y_N))


def _network_cases() -> Iterator[Case]:
    yield Case("the lecture's network", _network())


def _dlogits_cases() -> Iterator[Case]:
    yield Case("32 rows of 27", (_draw(32, 27, seed=3), _ids(27, 32, seed=4)))
    yield Case("large logits", (50 * _draw(8, 5, seed=5), _ids(5, 8, seed=6)))


def _dhprebn_cases() -> Iterator[Case]:
    for N, C in ((32, 64), (4, 3)):
        x_NC = _draw(N, C, seed=7)
        r_C = (x_NC.var(0) + mlp_by_hand.EPS) ** -0.5
        normed_NC = (x_NC - x_NC.mean(0)) * r_C
        yield Case(f"{N} rows of {C}", (_draw(N, C, seed=8), normed_NC, _draw(C, seed=9), r_C))


def _norm_cases() -> Iterator[Case]:
    x_BTC = 3 * _draw(2, 5, 16, seed=10) + 1
    yield Case("2 x 5 x 16", (_draw(2, 5, 16, seed=11), x_BTC, _draw(16, seed=12), 1e-5))


def _attention_cases() -> Iterator[Case]:
    yield Case("2 heads, 6 places", tuple(_draw(3, 2, 6, 8, seed=seed) for seed in (13, 14, 15, 16)))
    yield Case("1 place", tuple(_draw(1, 1, 1, 4, seed=seed) for seed in (17, 18, 19, 20)))


def _embedding_cases() -> Iterator[Case]:
    yield Case("ids that come twice", (_draw(4, 8, 6, seed=21), _ids(10, 4, 8, seed=22), 10))


def _gelu_cases() -> Iterator[Case]:
    yield Case("2 x 3 x 8", (_draw(2, 3, 8, seed=23), 2 * _draw(2, 3, 8, seed=24)))


def _swiglu_cases() -> Iterator[Case]:
    yield Case("2 x 3 x 8", tuple(_draw(2, 3, 8, seed=seed) for seed in (25, 26, 27)))


EXERCISES = (
    Exercise(
        "all_pieces",
        "Exercise 1 of the lecture. `p` holds the parameters, `of` every tensor of the forward pass in "
        "nn/mlp_by_hand.py: a dict with the gradient of each of the 26, by the same names.",
        all_pieces,
        _pieces_cases,
        hint="go through `pieces` from the last line to the first; what was broadcast is summed",
    ),
    Exercise(
        "dlogits",
        "Exercise 2. The gradient of the mean cross-entropy with respect to the logits, in one expression.",
        dlogits,
        _dlogits_cases,
        hint="which probability was given, and which would have been right?",
    ),
    Exercise(
        "dhprebn",
        "Exercise 3. The gradient of what goes into BatchNorm, from that of what comes out: "
        "hpreact = bngain bnraw + bnbias, bnraw = (hprebn - mean) bnvar_inv, a variance over N - 1.",
        dhprebn,
        _dhprebn_cases,
        hint="x also moves the mean and the variance, and through them every other row",
    ),
    Exercise(
        "gradients",
        "Exercise 4. A dict with the gradient of each parameter (C W1 b1 W2 b2 bngain bnbias) of the mean "
        "loss, through the whole network: all that training without autograd needs.",
        gradients,
        _network_cases,
    ),
    Exercise(
        "layer_norm",
        "The gradients of y = weight n + bias, n = (x - mean) / sqrt(var + eps) over the channels, a "
        "variance over C.",
        layer_norm,
        _norm_cases,
        outputs=("dx", "dweight", "dbias"),
        atol=1e-6,
    ),
    Exercise(
        "rms_norm",
        "The gradients of y = weight x / sqrt(mean(x^2) + eps) over the channels.",
        rms_norm,
        _norm_cases,
        outputs=("dx", "dweight"),
        atol=1e-6,
    ),
    Exercise(
        "attention",
        "The gradients of y = softmax(q k' / sqrt(D), causal) v.",
        attention,
        _attention_cases,
        outputs=("dq", "dk", "dv"),
        hint="through a softmax: p (grad - sum(grad p))",
        atol=1e-6,
    ),
    Exercise(
        "embedding",
        "The gradient of a table with so many rows, of y = table[ids].",
        embedding,
        _embedding_cases,
        hint="index_add_",
        atol=1e-6,
    ),
    Exercise(
        "gelu", "The gradient of x through GPT-2's GELU, the one with tanh.", gelu, _gelu_cases, atol=1e-6
    ),
    Exercise(
        "swiglu",
        "The gradients of y = silu(gate) up.",
        swiglu,
        _swiglu_cases,
        outputs=("dgate", "dup"),
        atol=1e-6,
    ),
)
