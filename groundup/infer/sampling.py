"""From logits to the next id: one pure function.

Letters: B batch, V vocabulary.
Order:   repetition penalty, temperature, what a constraint allows, top-k, top-p, min-p, then one draw. Each
         filter sees what the one before it left, as shares of what is left.
Source:  repetition penalty: Keskar et al. 2019 (CTRL), arXiv 1909.05858, section 4.1; top-k: Fan et al. 2018,
         arXiv 1805.04833; top-p: Holtzman et al. 2020, arXiv 1904.09751; min-p: Nguyen et al. 2024,
         arXiv 2407.01082.
Draw:    u uniform in [0, 1); the answer is the first id at which the cumulated probability exceeds u. One
         uniform a row, so equal uniforms and equal logits give equal ids on every machine.
Next:    generate.py.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

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
    stop: tuple[int, ...] = ()  # ids that end the text; the one that did is kept as its last id
    seed: int | None = None  # used where no generator is passed

    def __post_init__(self) -> None:
        for name, fits, allowed in (
            ("temperature", 0 <= self.temperature < inf, "0 (greedy) or more"),
            ("top_k", self.top_k >= 0, "0 (off) or more"),
            ("top_p", 0 < self.top_p <= 1, "more than 0, at most 1 (off)"),
            ("min_p", 0 <= self.min_p <= 1, "0 (off) to 1"),
            ("repetition_penalty", 0 < self.repetition_penalty < inf, "more than 0; 1 is off"),
            ("max_tokens", self.max_tokens >= 1, "1 or more"),
            ("stop", all(token >= 0 for token in self.stop), "ids of the vocabulary, 0 or more"),
        ):
            if not fits:  # NaN fits nothing
                raise ConfigError(f"{name}={getattr(self, name)} is not allowed. Choose {allowed}.")


def sample(
    logits_BV: Tensor,
    params: SamplingParams,
    generator: torch.Generator | None,
    seen_BV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """(ids_B, logprob_B): one id a row. `seen_BV` is True for ids already in the text."""
    on = logits_BV.device if generator is None else generator.device
    uniforms_B = torch.rand(logits_BV.size(0), generator=generator, dtype=torch.float64, device=on)
    return choose(logits_BV, params, uniforms_B.to(logits_BV.device), seen_BV)


def choose(
    logits_BV: Tensor,
    params: SamplingParams,
    uniforms_B: Tensor,
    seen_BV: Tensor | None = None,
    allowed_BV: Tensor | None = None,
) -> tuple[Tensor, Tensor]:
    """`sample` for given uniforms: no randomness left. Only ids where `allowed_BV` is True can be chosen.

    logprob_B is the chosen id's log-probability under the model's own distribution at this temperature,
    before penalty and filters: what policy gradients need. At temperature 0 it is the one at temperature 1,
    and of equally likely ids the lowest is chosen.
    """
    logits_BV = logits_BV.float()
    temperature = params.temperature or 1.0
    logprobs_BV = (logits_BV / temperature if temperature != 1 else logits_BV).log_softmax(-1)
    scored_BV = logprobs_BV
    if params.repetition_penalty != 1 and seen_BV is not None:
        scored_BV = (penalised(logits_BV, seen_BV, params.repetition_penalty) / temperature).log_softmax(-1)
    if allowed_BV is not None:
        scored_BV = scored_BV.masked_fill(~allowed_BV, -inf).log_softmax(-1)
    if params.temperature == 0:
        ids_B = scored_BV.argmax(-1)  # the first of equals: torch promises it
    else:
        ids_B = inverse_cdf(filtered(scored_BV.exp(), params), uniforms_B)
    return ids_B, logprobs_BV.gather(-1, ids_B[:, None])[:, 0]


def likeliest(logits_V: Tensor, params: SamplingParams, count: int) -> tuple[tuple[int, float], ...]:
    """The `count` likeliest ids with their log-probabilities, as `choose` counts them, best first.

    >>> [(id, round(logprob, 3)) for id, logprob in likeliest(torch.tensor([0.0, 2.0]), SamplingParams(), 1)]
    [(1, -0.127)]
    """
    top = (logits_V.float() / (params.temperature or 1.0)).log_softmax(-1).topk(count)
    return tuple(zip(top.indices.tolist(), top.values.tolist(), strict=True))


def penalised(logits_BV: Tensor, seen_BV: Tensor, penalty: float) -> Tensor:
    """Logits of seen ids divided by the penalty where positive, multiplied by it where negative.

    >>> penalised(torch.tensor([[2.0, -2.0, 2.0]]), torch.tensor([[True, True, False]]), 2.0)
    tensor([[ 1., -4.,  2.]])
    """
    lowered_BV = torch.where(logits_BV > 0, logits_BV / penalty, logits_BV * penalty)
    return torch.where(seen_BV, lowered_BV, logits_BV)


def filtered(probs_BV: Tensor, params: SamplingParams) -> Tensor:
    """Probabilities with what top-k, top-p and min-p drop set to zero; what stays is not rescaled.

    The most likely id always stays. Ids exactly as likely as the last one that top-k keeps stay too.

    >>> probs = torch.tensor([[0.1, 0.2, 0.3, 0.4]])
    >>> filtered(probs, SamplingParams(top_k=3, top_p=0.7))  # 0.4 + 0.3 is 78 % of the 0.9 that top-k leaves
    tensor([[0.0000, 0.0000, 0.3000, 0.4000]])
    """
    if 0 < params.top_k < probs_BV.size(-1):
        kth_B1 = probs_BV.topk(params.top_k, -1).values[:, -1:]
        probs_BV = probs_BV.masked_fill(probs_BV < kth_B1, 0)
    if params.top_p < 1:
        sorted_BV, order_BV = probs_BV.sort(dim=-1, descending=True, stable=True)
        before_BV = sorted_BV.cumsum(-1) - sorted_BV  # what is more likely holds this much
        drop_BV = before_BV >= params.top_p * sorted_BV.sum(-1, keepdim=True)
        drop_BV[:, 0] = False
        probs_BV = probs_BV.masked_fill(torch.empty_like(drop_BV).scatter_(-1, order_BV, drop_BV), 0)
    if params.min_p > 0:
        probs_BV = probs_BV.masked_fill(probs_BV < params.min_p * probs_BV.amax(-1, keepdim=True), 0)
    return probs_BV


def inverse_cdf(weights_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """ids_B: the first id of each row whose cumulated weight exceeds u times the whole: never of weight 0.

    >>> inverse_cdf(torch.tensor([[1.0, 0.0, 3.0]] * 3), torch.tensor([0.0, 0.24, 0.25]))
    tensor([0, 0, 2])
    """
    cdf_BV = weights_BV.cumsum(-1)
    total_B1 = cdf_BV[:, -1:]
    target_B1 = (uniforms_B[:, None] * total_B1).to(cdf_BV.dtype)
    # u * total can round up to the total, which no cumulated weight exceeds: stay below it
    target_B1 = torch.minimum(target_B1, torch.nextafter(total_B1, torch.zeros_like(total_B1)))
    return torch.searchsorted(cdf_BV, target_B1, right=True)[:, 0]
