"""A model with fewer bits: which matrices get how many, and which codes.

    bits 8   every matrix in 8 bits
    bits 4   the matrices of the blocks in 4 bits; embedding, positions and head in 8

Gains and biases stay as they are: they are few. There are two ways to choose the codes of a block's matrix:

    nearest  the nearest code for each weight (quantized.py). Needs nothing.
    gptq     what counts is not the error of a weight but of what the matrix gives for real inputs. Columns
             are rounded one after the other, and those still to come are changed so that they make up for
             the error so far, as well as the inputs of a calibration text allow.

What follows a matrix y = W x: with H the sum of x x^T over the text, the squared error of all outputs is
trace(E H E^T), E = W - W'. Rounding column c by e changes it least if the columns after c move by
-e U[c, later] / U[c, c], where U is upper triangular and U^T U the inverse of H.

Every x is brought to the same length first, so that each token counts the same. In SmolLM2 the inputs of some
matrices are a hundred times as long for a few tokens as for the others: H was about those few, all others
paid, and the model came out worse than with the nearest codes (docs/log.md).

Letters: R rows, C columns (inputs), N tokens.
Source:  GPTQ, Frantar et al. 2022, arXiv 2210.17323, algorithm 1; H gets 10 %
         of its mean diagonal, there 1 %: a text is finite, and what it happens to correlate is not believed.
         The scales of a block are set when its first column is reached, as in their code with groups.
Not here: activations in fewer bits, and kernels that compute with the codes.
Next:    recipes/quantize.py, which measures what it costs.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor, nn

from groundup.base.errors import CheckpointError
from groundup.models.transformer import Transformer
from groundup.weights.quantized import GROUP, Bits, Quantized, nearest, rounded, scales_of

Method = Literal["nearest", "gptq"]
DAMPING = 0.1  # of the mean diagonal of H


@dataclass(frozen=True)
class MatrixError:
    """What rounding did to one matrix. Both are shares: the root of squared error over squared size."""

    name: str
    bits: int
    weights: float
    outputs: float | None  # of what it gives for the calibration text, all tokens alike; None without one


def quantizable(model: Transformer) -> dict[str, nn.Parameter]:
    """The matrices by name, each once. CheckpointError for rows that are not whole blocks."""
    found = {name: weight for name, weight in model.named_parameters() if weight.dim() == 2}
    for name, weight in found.items():
        if weight.size(1) % GROUP:
            raise CheckpointError(
                f"The rows of {name} have {weight.size(1)} weights, and a block has {GROUP}. Only models "
                f"whose n_embd, n_head x head_dim and mlp_width are multiples of {GROUP} can be quantized."
            )
    return found


def bits_of(name: str, bits: Bits) -> Bits:
    """The bits of a matrix in a model of so many."""
    return bits if name.startswith("blocks.") else 8


@torch.no_grad()
def quantize(
    model: Transformer, bits: Bits, *, inputs: dict[str, Tensor] | None = None, method: Method = "nearest"
) -> tuple[dict[str, Quantized], list[MatrixError]]:
    """The codes of every matrix, and what that did to each; `model` itself is not changed.

    `inputs` are the H of the blocks' matrices (`input_squares`), which "gptq" needs.
    """
    inputs = inputs or {}
    if method == "gptq" and not inputs:
        raise ValueError("gptq chooses codes for the inputs of a text: pass `inputs`.")
    codes, errors = {}, []
    for name, weight in quantizable(model).items():
        width, H_CC = bits_of(name, bits), inputs.get(name)
        weights_RC = weight.detach().float().cpu()
        if method == "gptq" and H_CC is not None:
            codes[name] = gptq(weights_RC, H_CC, width)
        else:
            codes[name] = rounded(weights_RC, width)
        errors.append(_error(name, weights_RC, codes[name], H_CC))
    return codes, errors


@torch.no_grad()
def put_into(model: Transformer, codes: dict[str, Quantized]) -> Transformer:
    """The model itself, now with the weights that the codes stand for."""
    for name, weight in quantizable(model).items():
        weight.copy_(codes[name].weights())
    return model


@torch.no_grad()
def input_squares(model: Transformer, batches: Iterable[Tensor]) -> dict[str, Tensor]:
    """H_CC, the sum of x x^T over all tokens, for each matrix of the blocks; `batches` are tokens_BT.

    Each x is divided by the root of its mean square first: every token counts the same.
    """
    found: dict[str, Tensor] = {}

    def watch(name: str) -> Callable[..., None]:
        def before(module: nn.Module, args: tuple[Tensor, ...]) -> None:
            x_NC = args[0].reshape(-1, args[0].size(-1)).float()
            x_NC = x_NC / x_NC.square().mean(1, keepdim=True).sqrt().clamp_min(1e-12)
            found[name] = found.get(name, torch.zeros(())) + (x_NC.T @ x_NC).cpu()

        return before

    hooks = [
        module.register_forward_pre_hook(watch(f"{name}.weight"))
        for name, module in model.named_modules()
        if isinstance(module, nn.Linear) and name.startswith("blocks.")
    ]
    try:
        for tokens_BT in batches:
            model.hidden(tokens_BT)
    finally:
        for hook in hooks:
            hook.remove()
    return found


def gptq(weights_RC: Tensor, H_CC: Tensor, bits: Bits) -> Quantized:
    """Codes with which W x is nearly right for the x that made H, column by column."""
    left_RC = weights_RC.double().clone()
    U_CC = _upper(H_CC.double())
    C = left_RC.size(1)
    codes_RC = torch.empty(weights_RC.shape, dtype=torch.int8)
    scales_RK = torch.empty(len(weights_RC), C // GROUP, dtype=torch.float16)
    for start in range(0, C, GROUP):
        end = start + GROUP
        scale_R1 = scales_of(left_RC[:, start:end].float(), bits)
        scales_RK[:, start // GROUP] = scale_R1[:, 0]
        made_up = torch.empty(len(weights_RC), GROUP, dtype=torch.float64)
        for c in range(start, end):
            code_R1 = nearest(left_RC[:, c : c + 1].float(), scale_R1, bits)
            codes_RC[:, c] = code_R1[:, 0].to(torch.int8)
            error_R = (left_RC[:, c] - (code_R1 * scale_R1.float())[:, 0]) / U_CC[c, c]
            left_RC[:, c + 1 : end] -= error_R[:, None] * U_CC[c, c + 1 : end]
            made_up[:, c - start] = error_R
        left_RC[:, end:] -= made_up @ U_CC[start:end, end:]  # later blocks, all columns of this one at once
    return Quantized(codes_RC, scales_RK, bits)


def _upper(H_CC: Tensor) -> Tensor:
    """U_CC, upper triangular, U^T U the inverse of the damped H; an unused input counts as a mean one."""
    diagonal_C = H_CC.diagonal()
    mean = diagonal_C.mean()
    extra_C = torch.where(diagonal_C == 0, mean.clamp_min(1e-12), DAMPING * mean)
    inverse_CC = torch.cholesky_inverse(torch.linalg.cholesky(H_CC + extra_C.diag()))
    return torch.linalg.cholesky(inverse_CC, upper=True)


def _error(name: str, weights_RC: Tensor, made: Quantized, H_CC: Tensor | None) -> MatrixError:
    error_RC = weights_RC - made.weights()
    outputs = None
    if H_CC is not None:
        outputs = _share(((error_RC @ H_CC) * error_RC).sum(), ((weights_RC @ H_CC) * weights_RC).sum())
    return MatrixError(name, made.bits, _share(error_RC.square().sum(), weights_RC.square().sum()), outputs)


def _share(part: Tensor, whole: Tensor) -> float:
    return 0.0 if whole <= 0 else float((part.clamp_min(0) / whole).sqrt())
