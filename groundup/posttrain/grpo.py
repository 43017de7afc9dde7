"""Group-relative policy optimisation, plain: sample a group of answers, reward them, prefer the better ones.

For every prompt the model itself writes a group of answers; each earns a reward from a rule that can be
checked (here: is the sum right?). An answer's advantage is how far its reward lies above its own group's
mean, in standard deviations, so the group is its own baseline and no value network is needed:

    A_i  = (r_i - mean(r)) / (std(r) + eps)
    loss = - sum_i A_i * sum_t log p(token_it | before) / tokens

One update per batch of fresh samples: the ratio of new to old policy is 1, so PPO's clipping would never
act, and it is left out. So is the KL penalty: *replay* of supervised examples in every batch keeps the other
skills, and unlike a KL term it needs no second model. A group that is all right or all wrong says nothing
(all its advantages are zero) and is not trained on.

Supervised fine-tuning is the special case in which every token's weight is 1: `weighted_cross_entropy`
serves both.

Letters: B rows, T time, V vocabulary, N = B * T.
Source:  Shao et al. 2024, arXiv 2402.03300, section 4.1.
Not here: several updates per batch, ratios and clipping, a reference model, tools inside a rollout.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import torch
from torch import Tensor
from torch.nn import functional as F

from groundup.base.errors import ConfigError
from groundup.base.seeds import python_rng, torch_generator
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer
from groundup.tokenizer.chat import Conversation, Message, parse_reply, prompt
from groundup.tokenizer.protocol import Tokenizer

Example = tuple[list[int], list[int]]


@dataclass(frozen=True)
class GRPOConfig:
    """How rollouts are sampled and mixed with replay."""

    prompts: int = 16  # different problems per step
    group: int = 16  # answers per problem; the spread of a group is the learning signal
    temperature: float = 1.0  # sample from the model's own distribution, so that the update is on-policy
    max_tokens: int = 32  # an answer cut off here earns nothing
    replay: int = 16  # supervised conversations joined to every step
    replay_weight: float = 0.5  # weight of the replay's mean loss beside the policy's

    def __post_init__(self) -> None:
        if self.group < 2:
            raise ConfigError(
                f"grpo.group={self.group}: a group needs at least 2 answers to be compared. Use 8 to 32."
            )


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for a reply, and the rule that rewards it with a number in [0, 1]."""

    conversation: Conversation
    reward: Callable[[Message], float]


@dataclass(frozen=True)
class WeightedBatch:
    """Tokens with a weight on each target: 1 for imitation, the advantage for a rollout."""

    tokens_BT: Tensor  # int64
    targets_BT: Tensor  # int64, -1 where nothing is learned
    weights_BT: Tensor  # float32
    count: float  # what the summed loss is divided by
    segments_BT: Tensor | None = None
    metrics: dict[str, float] = field(default_factory=dict)


def advantages(rewards: Sequence[float], *, eps: float = 1e-4) -> list[float]:
    """Each reward's distance from its group's mean, in standard deviations.

    >>> [round(a, 2) for a in advantages([1.0, 0.0, 0.0, 1.0])]
    [1.0, -1.0, -1.0, 1.0]
    >>> advantages([1.0, 1.0])
    [0.0, 0.0]
    """
    mean = sum(rewards) / len(rewards)
    std = (sum((reward - mean) ** 2 for reward in rewards) / len(rewards)) ** 0.5
    return [(reward - mean) / (std + eps) for reward in rewards]


def weighted_cross_entropy(
    model: Transformer, batch: WeightedBatch
) -> tuple[Tensor, float, dict[str, float]]:
    """-sum(weight * log p(target)), the number to divide it by, and the batch's metrics."""
    logits_BTV = model(batch.tokens_BT, segments_BT=batch.segments_BT)
    nll_N = F.cross_entropy(
        logits_BTV.flatten(0, 1), batch.targets_BT.flatten(), ignore_index=-1, reduction="none"
    )
    return (nll_N * batch.weights_BT.flatten()).sum(), batch.count, batch.metrics


class RolloutBatches:
    """Batches that the model writes itself: `batch(step)` samples, rewards and weighs one step's answers.

    The one kind of batch that depends on the weights as well as on (seed, step, rank): a resumed run repeats
    it exactly because the weights are restored exactly.
    """

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        problem: Callable[[random.Random], Prompt],
        *,
        replay: Sequence[Example],
        config: GRPOConfig,
        seed: int,
    ) -> None:
        self.model, self.tokenizer, self.problem = model, tokenizer, problem
        self.replay, self.config, self.seed = replay, config, seed
        self.stop = (tokenizer.special("<|end|>"), tokenizer.special("<|result|>"))

    def batch(self, step: int, rank: int = 0) -> WeightedBatch:
        """One step's rollouts and replay, padded to the longest row."""
        config = self.config
        rng = python_rng(self.seed, "grpo.problems", step=step, rank=rank)
        prompts = [self.problem(rng) for _ in range(config.prompts)]
        rollouts, metrics = self._rollouts(prompts, step=step, rank=rank)
        rows: list[tuple[list[int], list[float]]] = []
        learned = 0
        for prompt_ids, reply_ids, advantage in rollouts:
            learned += len(reply_ids)
            if advantage:
                rows.append((prompt_ids + reply_ids, [0.0] * len(prompt_ids) + [advantage] * len(reply_ids)))
        replayed = rng.sample(range(len(self.replay)), min(config.replay, len(self.replay)))
        imitated = sum(sum(self.replay[i][1]) for i in replayed)
        if imitated:
            weight = config.replay_weight * learned / imitated  # both parts are means over their own tokens
            rows += [(self.replay[i][0], [weight * keep for keep in self.replay[i][1]]) for i in replayed]
        return _pad(rows, count=max(1, learned), metrics=metrics, pad=self.tokenizer.special("<|end|>"))

    def _rollouts(
        self, prompts: Sequence[Prompt], *, step: int, rank: int
    ) -> tuple[list[tuple[list[int], list[int], float]], dict[str, float]]:
        """(prompt ids, reply ids, advantage) of every answer, and the step's mean reward and length."""
        config = self.config
        prompt_ids = [prompt(self.tokenizer, item.conversation) for item in prompts]
        generator = torch_generator(self.seed, "grpo.sample", step=step, rank=rank)
        params = SamplingParams(temperature=config.temperature, max_tokens=config.max_tokens, stop=self.stop)
        repeated = [ids for ids in prompt_ids for _ in range(config.group)]
        answers = generate(self.model, repeated, params, generator)
        rows, rewards_all, useful = [], [], 0
        for g, item in enumerate(prompts):
            group = [answer.ids for answer in answers[g * config.group : (g + 1) * config.group]]
            rewards = [item.reward(parse_reply(self.tokenizer, ids)) for ids in group]
            rewards_all += rewards
            scaled = advantages(rewards)
            useful += any(scaled)
            rows += [(prompt_ids[g], ids, a) for ids, a in zip(group, scaled, strict=True)]
        metrics = {
            "reward": sum(rewards_all) / len(rewards_all),
            "useful_groups": useful / len(prompts),
            "reply_tokens": sum(len(answer.ids) for answer in answers) / len(answers),
        }
        return rows, metrics


def _pad(
    rows: Sequence[tuple[list[int], list[float]]], *, count: float, metrics: dict[str, float], pad: int
) -> WeightedBatch:
    """Rows of (ids, weight of each id) as one right-padded batch: a weight is that of predicting its id."""
    T = max((len(ids) for ids, _ in rows), default=2) - 1
    tokens_BT = torch.full((max(1, len(rows)), T), pad, dtype=torch.int64)
    targets_BT = torch.full_like(tokens_BT, -1)
    weights_BT = torch.zeros(tokens_BT.shape)
    for b, (ids, weights) in enumerate(rows):
        t = len(ids) - 1
        tokens_BT[b, :t] = torch.tensor(ids[:-1])
        weights_BT[b, :t] = torch.tensor(weights[1:], dtype=torch.float32)
        targets_BT[b, :t] = torch.where(weights_BT[b, :t] != 0, torch.tensor(ids[1:]), -1)
    return WeightedBatch(tokens_BT, targets_BT, weights_BT, count, metrics=metrics)
