"""From logits to the next id: one pure function.

Letters: B batch, V vocabulary.
Order:   repetition penalty, temperature, top-k, top-p, min-p, then one draw. Each filter sees what the one before left,
         renormalised.
Source:  repetition penalty: Keskar et al. 2019 (CTRL), arXiv 1909.05858, section 4.1; top-k: Fan et al. 2018,
         arXiv 1805.04833; top-p: Holtzman et al. 2020, arXiv 1904.09751; min-p: Nguyen et al. 2024, arXiv 2407.01082.
Draw:    u uniform in [0, 1); the answer is the first id at which the cumulated probability exceeds u. One uniform a
         row, so the same uniforms give the same ids on every machine whose logits agree.
Next:    generate.py.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from groundup.base.errors import ConfigError


@dataclass(frozen=True)
class SamplingParams:
    """How to continue a text. The defaults draw from the model's own distribution."""

    temperature: float = 1.0  # 0: the most likely id, always
    top_k: int = 0  # keep the k most likely ids; 0: all
    top_p: float = 1.0  # keep the fewest ids that hold this much probability; 1: all
    min_p: float = 0.0  # keep ids at least this likely, relative to the most likely; 0: all
    repetition_penalty: float = 1.0  # above 1: ids already in the text become less likely
    max_tokens: int = 256  # new tokens, a stop id included
    stop: tuple[int, ...] = ()  # ids that end the text; the stop id is kept as its last id
    seed: int | None = None  # used where no generator is passed

    def __post_init__(self) -> None:
        for name, value, fits, allowed in (
            ("temperature", self.temperature, 0 <= self.temperature < float("inf"), "0 or more"),
            ("top_k", self.top_k, self.top_k >= 0, "0 (off) or more"),
            ("top_p", self.top_p, 0 < self.top_p <= 1, "0 < top_p <= 1"),
            ("min_p", self.min_p, 0 <= self.min_p <= 1, "0 <= min_p <= 1"),
            (
                "repetition_penalty",
                self.repetition_penalty,
                0 < self.repetition_penalty < float("inf"),
                "more than 0; 1 is off",
            ),
            ("max_tokens", self.max_tokens, self.max_tokens >= 1, "1 or more"),
        ):
            if not fits:  # NaN fits nothing
                raise ConfigError(f"{name}={value} is not allowed. Choose {allowed}.")


def sample(
    logits_BV: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    seen_BV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(ids_B, logprob_B): one id a row. `seen_BV` marks the ids already in each text (for the repetition penalty)."""
    uniforms_B = torch.rand(
        logits_BV.size(0), generator=generator, dtype=torch.float64, device=logits_BV.device
    )
    return choose(logits_BV, params, uniforms_B, seen_BV)


def choose(
    logits_BV: Tensor, params: SamplingParams, uniforms_B: Tensor, seen_BV: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """`sample` for given uniforms: no randomness left.

    logprob_B is the log-probability of the chosen id under the model's own distribution at this temperature, before
    penalty and filters: what policy gradients need. At temperature 0 it is the one at temperature 1. Ties at
    temperature 0 go to the lowest id.
    """
    logits_BV = logits_BV.float()
    logprobs_BV = (logits_BV / (params.temperature or 1.0)).log_softmax(-1)
    scored_BV = logprobs_BV
    if params.repetition_penalty != 1 and seen_BV is not None:
        penalised_BV = penalise(logits_BV, seen_BV, params.repetition_penalty)
        scored_BV = (penalised_BV / (params.temperature or 1.0)).log_softmax(-1)
    if params.temperature == 0:
        ids_B = scored_BV.argmax(-1)  # torch promises the first of equals
    else:
        ids_B = inverse_cdf(filtered(scored_BV.exp(), params), uniforms_B)
    return ids_B, logprobs_BV.gather(-1, ids_B[:, None])[:, 0]


def penalise(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """Logits of seen ids divided by the penalty where positive, multiplied where negative: always less likely."""
    return torch.where(
        seen_BV, torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty), logits_BV
    )


def filtered(probs_BV: Tensor, params: SamplingParams) -> Tensor:
    """Probabilities with what top-k, top-p and min-p drop set to zero; not renormalised.

    The most likely id always stays. Ids exactly as likely as the last one kept by top-k stay too.

    >>> filtered(torch.tensor([[0.1, 0.2, 0.3, 0.4]]), SamplingParams(top_k=3, top_p=0.7))  # 0.4 + 0.3 = 0.77 of 0.9
    tensor([[0.0000, 0.0000, 0.3000, 0.4000]])
    """
    if 0 < params.top_k < probs_BV.size(-1):
        kth_B1 = probs_BV.topk(params.top_k, -1).values[:, -1:]
        probs_BV = probs_BV.masked_fill(probs_BV < kth_B1, 0)
    if params.top_p < 1:
        sorted_BV, order_BV = probs_BV.sort(-1, descending=True, stable=True)
        before_BV = sorted_BV.cumsum(-1) - sorted_BV  # probability of everything more likely
        drop_BV = before_BV >= params.top_p * sorted_BV.sum(-1, keepdim=True)
        drop_BV[:, 0] = False
        probs_BV = probs_BV.masked_fill(drop_BV.scatter(-1, order_BV, drop_BV), 0)
    if params.min_p > 0:
        probs_BV = probs_BV.masked_fill(probs_BV < params.min_p * probs_BV.amax(-1, keepdim=True), 0)
    return probs_BV


def inverse_cdf(weights_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """ids_B: the first id of each row whose cumulated weight exceeds u times the whole; never one of weight zero.

    >>> inverse_cdf(torch.tensor([[1.0, 0.0, 3.0]] * 3), torch.tensor([0.0, 0.24, 0.25]))
    tensor([0, 0, 2])
    """
    cdf_BV = weights_BV.double().cumsum(-1)
    total_B1 = cdf_BV[:, -1:]
    target_B1 = torch.minimum(
        uniforms_B.double()[:, None] * total_B1, torch.nextafter(total_B1, torch.zeros_like(total_B1))
    )
    return torch.searchsorted(cdf_BV, target_B1, right=True)[:, 0]
