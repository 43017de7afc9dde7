"""Group-relative policy optimisation, plain: sample a group of answers, reward them, prefer the better ones.

For every prompt the model itself writes a group of answers; each earns a reward from a rule that can be
checked (here: is the sum right?). An answer's advantage is how far its reward lies above its own group's
mean, in standard deviations, so the group is its own baseline and no value network is needed:

    A_i  = (r_i - mean(r)) / (std(r) + eps)
    loss = - sum_i A_i * sum_t log p(token_it | before) / tokens

Writing an answer is cheap, learning from it is not: of each group only the answers with the highest and the
lowest rewards are learned from, half each, and the advantages are taken among those.

What the model can do already teaches nothing more, so problems may be *screened*: each is answered greedily
first, and only the ones that come out wrong are sampled. Their greedy answer joins its group, where it is the
one to move away from. An answer that was wrong may also weigh less than one that was right: the first says
what not to do, and takes its probability from everywhere.

One update per batch of fresh samples: the ratio of new to old policy is 1, so PPO's clipping would never
act, and it is left out. So is the KL penalty: *replay* of supervised examples in every step keeps the other
skills, and unlike a KL term it needs no second model. A group that is all right or all wrong says nothing
(all its advantages are zero) and is not trained on.

Supervised fine-tuning is the special case in which every token's weight is 1: `weighted_cross_entropy`
serves both.

Letters: B rows, T time, V vocabulary, N = B * T.
Source:  Shao et al. 2024, arXiv 2402.03300, section 4.1; fewer updates than rollouts: Xu et al. 2025, arXiv
         2504.13818, algorithm 1 (max-variance down-sampling); leaving out problems that say nothing: Yu et
         al. 2025, arXiv 2503.14476, section 3.2 (dynamic sampling); the greedy answer to compare with: Li et
         al. 2023, arXiv 2310.10505 (ReMax).
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
from groundup.infer.generate import Generation, generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer
from groundup.tokenizer.chat import Conversation, Message, parse_reply, prompt
from groundup.tokenizer.protocol import Tokenizer

Example = tuple[list[int], list[int]]
Graded = tuple[Generation, float]  # an answer and its reward


@dataclass(frozen=True)
class GRPOConfig:
    """How rollouts are sampled and mixed with replay."""

    prompts: int = 16  # different problems per step
    screen: int = 0  # if above 0: up to so many are answered greedily, until `prompts` of them are wrong
    group: int = 16  # answers per problem; the spread of a group is the learning signal
    learn: int = 8  # of these, how many are learned from: half with the highest rewards, half with the lowest
    wrong_weight: float = 1.0  # of answers below their mean; at less than 1, other skills are disturbed less
    temperature: float = 1.0  # sample from the model's own distribution, so that the update is on-policy
    max_tokens: int = 32  # an answer cut off here earns nothing
    replay: int = 16  # supervised conversations beside them
    replay_weight: float = 0.5  # weight of the replay's mean loss beside the policy's

    def __post_init__(self) -> None:
        for name in ("prompts", "max_tokens", "replay"):
            if getattr(self, name) < 1:
                raise ConfigError(f"grpo.{name}={getattr(self, name)} is too small. Choose 1 or more.")
        if self.screen and self.screen < self.prompts:
            raise ConfigError(
                f"grpo.screen={self.screen} problems are too few to choose grpo.prompts={self.prompts} from. "
                f"Choose {self.prompts} or more, or 0 to sample every problem."
            )
        if not 0 <= self.wrong_weight <= 1:
            raise ConfigError(
                f"grpo.wrong_weight={self.wrong_weight}: choose from 0 (only good answers teach) to 1 (GRPO)."
            )
        if not self.temperature > 0 or not self.replay_weight >= 0:
            raise ConfigError(
                f"grpo.temperature={self.temperature} must be above 0 (greedy answers of a group are all the "
                f"same), and grpo.replay_weight={self.replay_weight} at least 0."
            )
        if self.group < 2:
            raise ConfigError(
                f"grpo.group={self.group}: a group needs at least 2 answers to be compared. Use 8 to 32."
            )
        if not 2 <= self.learn <= self.group or self.learn % 2:
            raise ConfigError(
                f"grpo.learn={self.learn} answers of each group of {self.group}: choose an even number from "
                f"2 to {self.group}."
            )


@dataclass(frozen=True)
class Prompt:
    """A conversation that waits for a reply, and the rule that rewards it with a number in [0, 1]."""

    conversation: Conversation
    reward: Callable[[Message], float]


Asked = tuple[Prompt, list[int]]  # and its ids


@dataclass(frozen=True)
class WeightedBatch:
    """Tokens with a weight on each target: 1 for imitation, the advantage for a rollout."""

    tokens_BT: Tensor  # int64
    targets_BT: Tensor  # int64, -1 where nothing is learned
    weights_BT: Tensor  # float32
    count: (
        float  # what the summed loss of a step is divided by, together with the other micro-batches' counts
    )
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


def spread(rewards: Sequence[float], keep: int) -> list[int]:
    """Which `keep` answers to learn from: half with the lowest rewards, half with the highest.

    >>> spread([1, 0, 1, 1, 1, 0], 4)
    [0, 1, 2, 5]
    >>> spread([1, 1, 1, 0, 1, 1], 4)
    [0, 1, 2, 3]
    """
    order = sorted(range(len(rewards)), key=lambda i: rewards[i])
    low, rest = order[: keep // 2], order[keep // 2 :]
    return sorted(low + sorted(rest, key=lambda i: -rewards[i])[: keep - keep // 2])


def weighted_cross_entropy(
    model: Transformer, batch: WeightedBatch
) -> tuple[Tensor, float, dict[str, float]]:
    """-sum(weight * log p(target)), the number to divide it by, and the batch's metrics."""
    asked_BT = batch.targets_BT != -1
    x_NC = model.hidden(batch.tokens_BT, segments_BT=batch.segments_BT, asked_BT=asked_BT)
    nll_N = F.cross_entropy(model.head(x_NC).float(), batch.targets_BT[asked_BT], reduction="none")
    return (nll_N * batch.weights_BT[asked_BT]).sum(), batch.count, batch.metrics


class Interleaved:
    """Micro-batch m is the next of source m mod n: rollouts and replay in turn, each padded on its own."""

    def __init__(self, *sources: RolloutBatches | ReplayBatches) -> None:
        self.sources = sources

    def batch(self, step: int, rank: int = 0) -> WeightedBatch:
        turn, source = divmod(step, len(self.sources))
        return self.sources[source].batch(turn, rank)


class ReplayBatches:
    """Supervised conversations: the mean loss of their learned tokens, at `weight`, added to the step's."""

    def __init__(self, examples: Sequence[Example], *, size: int, weight: float, seed: int) -> None:
        self.examples, self.size = examples, min(size, len(examples))
        self.weight, self.seed = weight, seed

    def batch(self, step: int, rank: int = 0) -> WeightedBatch:
        """`size` examples. Their count is 0: a step's loss is divided by its number of rollout batches."""
        rng = python_rng(self.seed, "grpo.replay", step=step, rank=rank)
        chosen = [
            self.examples[i]
            for i in rng.sample(range(len(self.examples)), min(self.size, len(self.examples)))
        ]
        learned = max(1, sum(sum(mask) for _, mask in chosen))
        rows = [(ids, [self.weight * keep / learned for keep in mask]) for ids, mask in chosen]
        return _pad(rows, count=0)


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
        config: GRPOConfig,
        seed: int,
    ) -> None:
        self.model, self.tokenizer, self.problem = model, tokenizer, problem
        self.config, self.seed = config, seed
        self.stop = (tokenizer.special("<|end|>"), tokenizer.special("<|result|>"))

    def prompts(self, step: int, rank: int = 0) -> list[Prompt]:
        """The problems of one step; they do not depend on the weights."""
        rng = python_rng(self.seed, "grpo.problems", step=step, rank=rank)
        return [self.problem(rng) for _ in range(self.config.screen or self.config.prompts)]

    def batch(self, step: int, rank: int = 0) -> WeightedBatch:
        """One step's rollouts; their loss is already a mean over their tokens, so their count is 1."""
        rollouts, metrics = self._rollouts(self.prompts(step, rank), step=step, rank=rank)
        learned = max(1, sum(len(reply_ids) for _, reply_ids, _ in rollouts))
        rows = [
            (prompt_ids + reply_ids, [0.0] * len(prompt_ids) + [advantage / learned] * len(reply_ids))
            for prompt_ids, reply_ids, advantage in rollouts
        ]
        return _pad(rows, count=1, metrics=metrics)

    def _rollouts(
        self, prompts: Sequence[Prompt], *, step: int, rank: int
    ) -> tuple[list[tuple[list[int], list[int], float]], dict[str, float]]:
        """(prompt ids, reply ids, advantage) of what is learned from, and the metrics of the step."""
        config = self.config
        generator = torch_generator(self.seed, "grpo.sample", step=step, rank=rank)
        asked = [(item, prompt(self.tokenizer, item.conversation)) for item in prompts]
        metrics: dict[str, float] = {}
        groups: list[list[Graded]] = [[] for _ in asked]
        if config.screen:
            asked, greedy, metrics["reward"] = self._unsolved(asked, generator)
            groups = [[answer] for answer in greedy]
        repeated = [item for item in asked for _ in range(config.group)]
        sampled = self._answers(repeated, config.temperature, generator)
        rows, useful = [], 0
        for g, (_, prompt_ids) in enumerate(asked):
            group = groups[g] + sampled[g * config.group : (g + 1) * config.group]
            chosen = spread([reward for _, reward in group], config.learn)
            scaled = advantages([group[i][1] for i in chosen])
            weights = [a if a > 0 else a * config.wrong_weight for a in scaled]
            if any(scaled):  # else all were right or all wrong
                useful += 1
                rows += [(prompt_ids, group[i][0].ids, w) for i, w in zip(chosen, weights, strict=True)]
        metrics.setdefault("reward", sum(reward for _, reward in sampled) / max(1, len(sampled)))
        metrics["useful_groups"] = useful / max(1, len(asked))
        metrics["reply_tokens"] = sum(len(answer.ids) for answer, _ in sampled) / max(1, len(sampled))
        return rows, metrics

    def _unsolved(
        self, asked: Sequence[Asked], generator: torch.Generator
    ) -> tuple[list[Asked], list[Graded], float]:
        """Those whose greedy answer is not fully right, that answer, and how right all asked were on average.

        Asked in rounds, until `prompts` are found: the less the model can do, the fewer it is asked.
        """
        found, rewards = [], []
        for start in range(0, len(asked), 2 * self.config.prompts):
            turn = asked[start : start + 2 * self.config.prompts]
            greedy = self._answers(turn, 0.0, generator)
            rewards += [reward for _, reward in greedy]
            found += [pair for pair in zip(turn, greedy, strict=True) if pair[1][1] < 1]
            if len(found) >= self.config.prompts:
                break
        found = found[: self.config.prompts]
        return [item for item, _ in found], [answer for _, answer in found], sum(rewards) / len(rewards)

    def _answers(
        self, asked: Sequence[Asked], temperature: float, generator: torch.Generator
    ) -> list[Graded]:
        """One answer to each, with its reward."""
        if not asked:
            return []
        params = SamplingParams(temperature=temperature, max_tokens=self.config.max_tokens, stop=self.stop)
        answers = generate(self.model, [ids for _, ids in asked], params, generator)
        return [
            (answer, self._reward(item, answer)) for (item, _), answer in zip(asked, answers, strict=True)
        ]

    def _reward(self, item: Prompt, answer: Generation) -> float:
        if answer.finish == "length":
            return 0.0  # or a reply that is right so far, and never ends, would be learned
        return item.reward(parse_reply(self.tokenizer, answer.ids))


def _pad(
    rows: Sequence[tuple[list[int], list[float]]], *, count: float, metrics: dict[str, float] | None = None
) -> WeightedBatch:
    """Rows of (ids, weight of each id) as one right-padded batch: a weight is that of predicting its id."""
    T = max((len(ids) for ids, _ in rows), default=2) - 1
    tokens_BT = torch.zeros((max(1, len(rows)), T), dtype=torch.int64)
    targets_BT = torch.full_like(tokens_BT, -1)
    weights_BT = torch.zeros(tokens_BT.shape)
    for b, (ids, weights) in enumerate(rows):
        t = len(ids) - 1
        tokens_BT[b, :t] = torch.tensor(ids[:-1])
        weights_BT[b, :t] = torch.tensor(weights[1:], dtype=torch.float32)
        targets_BT[b, :t] = torch.where(weights_BT[b, :t] != 0, torch.tensor(ids[1:]), -1)
    return WeightedBatch(tokens_BT, targets_BT, weights_BT, count, metrics=metrics or {})
