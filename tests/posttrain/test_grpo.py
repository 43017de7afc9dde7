"""GRPO against REINFORCE written out by hand, and what rewards, groups and replay do to a tiny model."""

import dataclasses
import random

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from groundup.base.errors import ConfigError
from groundup.base.log import EventLog
from groundup.data.batches import Batch
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.posttrain.grpo import (
    GRPOConfig,
    Interleaved,
    Prompt,
    ReplayBatches,
    RolloutBatches,
    WeightedBatch,
    advantages,
    spread,
    weighted_cross_entropy,
)
from groundup.posttrain.sft import encode
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.chat import SPECIALS, Conversation, assistant, parse_reply, prompt, user
from groundup.train.fit import FitConfig, fit
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

TOKENIZER = CharTokenizer.train("abcdef", specials=SPECIALS)
TALKS = [Conversation((user(a + b), assistant(b + a))) for a in "abc" for b in "def"]
REPLAY = encode(TOKENIZER, TALKS, context_len=24).examples
CONFIG = GRPOConfig(prompts=3, group=8, learn=8, max_tokens=6)


def model() -> Transformer:
    torch.manual_seed(0)
    return Transformer(
        TransformerConfig(TOKENIZER.vocab_size, context_len=24, n_layer=1, n_head=2, n_embd=16)
    )


def asked(rng: random.Random) -> Conversation:
    return Conversation((user("".join(rng.choice("abcdef") for _ in range(4))),))


def likes_b(rng: random.Random) -> Prompt:
    return Prompt(asked(rng), lambda reply: float("b" in reply.text))


def always_right(rng: random.Random) -> Prompt:
    return Prompt(asked(rng), lambda reply: 1.0)


def never_right(rng: random.Random) -> Prompt:
    return Prompt(asked(rng), lambda reply: 0.0)


def rollouts(net: Transformer, problem=likes_b, **changes) -> RolloutBatches:
    config = dataclasses.replace(CONFIG, **changes)
    return RolloutBatches(net, TOKENIZER, problem, config=config, seed=5)


def replay(weight: float = 1.0, size: int = 9, examples=REPLAY) -> ReplayBatches:
    return ReplayBatches(examples, size=size, weight=weight, seed=5)


def gradient(net: Transformer, loss: Tensor) -> list[Tensor]:
    return list(torch.autograd.grad(loss, list(net.parameters()), materialize_grads=True))


def same(one: WeightedBatch, two: WeightedBatch) -> bool:
    return all(
        torch.equal(getattr(one, name), getattr(two, name))
        for name in ("tokens_BT", "targets_BT", "weights_BT")
    )


# ---- The loss ------------------------------------------------------------------------------------


def test_advantages_have_mean_zero_and_spread_one():
    for rewards in ([1.0, 0.0, 0.0, 0.0], [0.2, 0.9, 0.4], [3.0, -1.0]):
        scaled = torch.tensor(advantages(rewards))
        assert scaled.mean().abs() < 1e-6
        assert scaled.std(correction=0) == pytest.approx(1, abs=1e-3)
        assert scaled.argmax() == torch.tensor(rewards).argmax()
    assert advantages([0.0, 0.0]) == advantages([1.0, 1.0]) == [0.0, 0.0]
    assert (
        advantages([1.0, 0.0, 0.0, 0.0])[0] > advantages([1.0, 1.0, 1.0, 0.0])[0]
    )  # the rare success counts more


def test_with_weights_of_one_it_is_cross_entropy():
    tokens_BT = torch.randint(0, 6, (3, 10))
    targets_BT = torch.where(torch.rand(3, 10) < 0.6, torch.randint(0, 6, (3, 10)), -1)
    net, kept = model(), int((targets_BT >= 0).sum())
    batch = WeightedBatch(tokens_BT, targets_BT, torch.ones(3, 10), count=kept)
    loss, count, _ = weighted_cross_entropy(net, batch)
    plain, plain_count, _ = cross_entropy(net, Batch(tokens_BT, targets_BT))
    assert count == int(plain_count) == kept
    torch.testing.assert_close(loss, plain)
    doubled = dataclasses.replace(batch, weights_BT=torch.full((3, 10), 2.0))
    torch.testing.assert_close(weighted_cross_entropy(net, doubled)[0], 2 * plain)


def reinforce_by_hand(net: Transformer, rows: list[tuple[list[int], list[int], float]]) -> Tensor:
    """- sum_i A_i sum_t log p(token_it | before), one unpadded row and one token at a time."""
    total = torch.zeros(())
    for before, reply, advantage in rows:
        for t, token in enumerate(reply):
            logits_V = net(torch.tensor([before + reply[:t]]))[0, -1]
            total = total - advantage * F.log_softmax(logits_V, dim=0)[token]
    return total


def rows_of(batch: WeightedBatch) -> list[tuple[list[int], list[int], float]]:
    """Each row as (prompt, reply, advantage); its weights must be one number, on the reply alone."""
    rows = []
    for tokens, targets, weights in zip(batch.tokens_BT, batch.targets_BT, batch.weights_BT, strict=True):
        on = weights.nonzero()[:, 0]
        first, last = int(on[0]), int(on[-1])
        assert on.tolist() == list(range(first, last + 1)) == (targets >= 0).nonzero()[:, 0].tolist()
        assert len(weights[on].unique()) == 1
        assert tokens[first + 1 : last + 1].tolist() == targets[first:last].tolist()
        rows.append((tokens[: first + 1].tolist(), targets[on].tolist(), float(weights[first])))
    return rows


def test_the_gradient_is_that_of_reinforce():
    net = model()
    batch = rollouts(net).batch(0)
    rows = rows_of(batch)
    assert len({len(reply) for _, reply, _ in rows}) > 1  # padding is exercised
    assert sum(abs(weight) * len(reply) for _, reply, weight in rows) < 2  # a mean, not a sum
    loss, _, _ = weighted_cross_entropy(net, batch)
    for ours, theirs in zip(gradient(net, loss), gradient(net, reinforce_by_hand(net, rows)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=1e-4, atol=1e-5)
    loss, _, _ = weighted_cross_entropy(net, batch)
    turned = [(before, reply, -advantage) for before, reply, advantage in rows]
    assert not torch.allclose(gradient(net, loss)[0], gradient(net, reinforce_by_hand(net, turned))[0])


# ---- The batches ---------------------------------------------------------------------------------


def test_a_row_weighs_what_its_reward_stands_above_its_group():
    net, groups = model(), {}
    batch = rollouts(net, temperature=1.5).batch(0)
    for before, reply, advantage in rows_of(batch):
        groups.setdefault(tuple(before), []).append((reply, advantage))
    assert 1 <= len(groups) <= CONFIG.prompts
    for before, members in groups.items():
        assert TOKENIZER.decode(before[:1]) == "" and before[-1] == TOKENIZER.special("<|assistant|>")
        ended = [reply[-1] in rollouts(net).stop for reply, _ in members]
        rewards = [
            done * float("b" in parse_reply(TOKENIZER, r).text)
            for done, (r, _) in zip(ended, members, strict=True)
        ]
        assert len(members) == CONFIG.group and 0 < sum(rewards) < CONFIG.group
        learned = sum(len(reply) for of_group in groups.values() for reply, _ in of_group)
        assert [weight * learned for _, weight in members] == pytest.approx(advantages(rewards), rel=1e-4)
    assert batch.metrics["useful_groups"] == pytest.approx(len(groups) / CONFIG.prompts)


def test_a_batch_is_a_function_of_weights_seed_step_and_rank():
    net = model()
    batches = rollouts(net)
    first = batches.batch(3)
    batches.batch(9)
    assert same(first, batches.batch(3)) and same(first, rollouts(model()).batch(3))
    assert not same(first, batches.batch(4)) and not same(first, batches.batch(3, rank=1))
    other = RolloutBatches(net, TOKENIZER, likes_b, config=batches.config, seed=6)
    assert not same(first, other.batch(3))
    with torch.no_grad():
        net.unembedding.weight.mul_(30)
    assert not same(first, batches.batch(3))


def test_groups_without_a_difference_carry_no_gradient():
    net = model()
    batch = rollouts(net, never_right).batch(0)
    loss, count, metrics = weighted_cross_entropy(net, batch)
    assert metrics["useful_groups"] == metrics["reward"] == 0 and count == 1
    assert not any(part.any() for part in gradient(net, loss))
    useful = rollouts(net).batch(0)
    assert any(part.any() for part in gradient(net, weighted_cross_entropy(net, useful)[0]))


def test_an_answer_that_never_ends_earns_nothing():
    """However right it is so far: else a model learns to go on for ever."""
    net = model()
    with torch.no_grad():
        net.unembedding.weight.zero_()  # every token as likely: some end within six, some do not
    batch = rollouts(net, always_right, group=32).batch(0)
    for _, reply, advantage in rows_of(batch):
        assert (advantage > 0) == (reply[-1] in rollouts(net).stop)
    assert 0 < batch.metrics["reward"] < 1


def test_of_a_group_the_extremes_are_learned_from():
    assert spread([0.1, 0.9, 0.5, 0.2, 0.8, 0.3], 4) == [0, 1, 3, 4]
    net = model()
    batch = rollouts(net, group=16, learn=4, temperature=1.5).batch(0)
    groups: dict[tuple[int, ...], list[float]] = {}
    for before, _, weight in rows_of(batch):
        groups.setdefault(tuple(before), []).append(weight)
    assert all(len(weights) == 4 for weights in groups.values())
    assert all(sum(weights) == pytest.approx(0, abs=1e-4) for weights in groups.values())
    assert len(rows_of(rollouts(net, group=16, learn=16, temperature=1.5).batch(0))) == 4 * len(
        rows_of(batch)
    )


def test_wrong_answers_may_weigh_less():
    whole, half, none = (
        rollouts(model(), temperature=1.5, wrong_weight=weight).batch(0) for weight in (1.0, 0.5, 0.0)
    )
    assert torch.equal(whole.tokens_BT, half.tokens_BT) and bool((whole.weights_BT < 0).any())
    for batch, weight in ((half, 0.5), (none, 0.0)):
        expected_BT = torch.where(whole.weights_BT > 0, whole.weights_BT, weight * whole.weights_BT)
        torch.testing.assert_close(batch.weights_BT, expected_BT)


@pytest.fixture(scope="module")
def talker(tmp_path_factory) -> Transformer:
    """Replies as replayed: d, e or f, another letter, and the end."""
    net = model()
    fit(
        net, batches=Interleaved(replay(1.0), replay(1.0)), objective=lambda net, batch: (
            weighted_cross_entropy(net, dataclasses.replace(batch, count=1))
        ), optim=OptimConfig(kind="adamw", lr=0.02), schedule=ScheduleConfig(kind="constant", warmup=0),
        config=FitConfig(steps=40), out=tmp_path_factory.mktemp("talker"),
        events=EventLog(None, console=False), tokenizer=TOKENIZER, seed=1,
    )  # fmt: skip
    return net.eval()


def wants_its_letter(rng: random.Random) -> Prompt:
    """To a, b and c the talker was never shown a reply: some come out right, some wrong."""
    wanted = rng.choice("abcdef")
    return Prompt(
        Conversation((user(wanted),)),
        lambda reply: float(reply.text[:1] == {"a": "d", "b": "e"}.get(wanted, "f")),
    )


def greedy(net: Transformer, before: list[int]) -> list[int]:
    """The likeliest token, one at a time, up to the end."""
    reply: list[int] = []
    while not reply or (reply[-1] not in rollouts(net).stop and len(reply) < CONFIG.max_tokens):
        reply.append(int(net(torch.tensor([before + reply]))[0, -1].argmax()))
    return reply


@torch.no_grad()
@pytest.mark.parametrize("wanted", [5, 24])
def test_screened_problems_are_sampled_only_where_the_greedy_answer_is_wrong(talker, wanted):
    """In rounds of twice the wanted number, until it is found: 5 are, 24 are not."""
    batches = rollouts(talker, wants_its_letter, screen=40, prompts=wanted, group=6, learn=2, temperature=2.0)
    solved = []
    right = {}
    for item in batches.prompts(0):
        ids = prompt(TOKENIZER, item.conversation)
        right[tuple(ids)] = item.reward(parse_reply(TOKENIZER, greedy(talker, ids)))
        if len(solved) % (2 * wanted) or solved.count(0.0) < wanted:
            solved.append(right[tuple(ids)])
    assert (len(solved) < 40) == (wanted == 5) and 0 < sum(solved) < len(solved)
    batch = batches.batch(0)
    assert batch.metrics["reward"] == pytest.approx(sum(solved) / len(solved))
    rows, unsolved = rows_of(batch), min(wanted, solved.count(0.0))
    assert 0 < len(rows) <= 2 * unsolved
    assert batch.metrics["useful_groups"] == pytest.approx(len(rows) / 2 / unsolved)
    for before, reply, weight in rows:
        assert not right[tuple(before)] and (weight > 0) == (reply != greedy(talker, before))
    everything = rollouts(talker, wants_its_letter, prompts=40, group=6, learn=2, temperature=2.0).batch(0)
    assert any(right[tuple(before)] for before, _, _ in rows_of(everything))  # unscreened, solved ones too


def test_where_everything_is_solved_nothing_is_learned(talker):
    batch = rollouts(talker, always_right, screen=6).batch(0)
    assert batch.metrics["reward"] == 1 and batch.metrics["useful_groups"] == 0
    assert not any(part.any() for part in gradient(talker, weighted_cross_entropy(talker, batch)[0]))


@pytest.mark.parametrize("weight", [0.5, 2.0])
def test_replay_is_a_mean_loss_beside_the_policys(weight):
    """In a step of one batch each, (sum of losses) / (sum of counts) adds weight x the mean loss."""
    net = model()
    policy, kept = Interleaved(rollouts(net), replay(weight)).batch(0), replay(weight).batch(0)
    policy_loss, policy_count, _ = weighted_cross_entropy(net, policy)
    loss, count, _ = weighted_cross_entropy(net, kept)
    total = torch.zeros(())
    for ids, mask in REPLAY:
        logits_TV = net(torch.tensor([ids]))[0, :-1]
        nll_T = F.cross_entropy(logits_TV, torch.tensor(ids[1:]), reduction="none")
        total = total + (nll_T * torch.tensor(mask[1:])).sum()
    mean = total / sum(sum(mask) for _, mask in REPLAY)
    assert (policy_count, count) == (1, 0)
    torch.testing.assert_close((policy_loss + loss) / (policy_count + count), policy_loss + weight * mean)
    loss, _, _ = weighted_cross_entropy(net, kept)
    for one, two in zip(gradient(net, loss), gradient(net, weight * mean), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-6)


def test_rollouts_and_replay_take_turns():
    net = model()
    both = Interleaved(rollouts(net), replay(size=2))
    assert same(both.batch(4), rollouts(net).batch(2)) and same(both.batch(5), replay(size=2).batch(2))
    assert not same(both.batch(5), both.batch(7))


def test_a_group_of_one_is_refused():
    with pytest.raises(ConfigError, match=r"group=1: a group needs at least 2"):
        GRPOConfig(group=1)
    for wrong in (
        {"prompts": 0},
        {"temperature": 0.0},
        {"replay_weight": -1.0},
        {"replay": 0},
        {"wrong_weight": 1.5},
    ):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            GRPOConfig(**wrong)
    with pytest.raises(ConfigError, match=r"learn=3"):
        GRPOConfig(learn=3)
    with pytest.raises(ConfigError, match=r"learn=10"):
        GRPOConfig(group=8, learn=10)
    with pytest.raises(ConfigError, match=r"screen=9 problems are too few .* Choose 16 or more"):
        GRPOConfig(prompts=16, screen=9)


# ---- Training ------------------------------------------------------------------------------------


def train(net: Transformer, problem, out, replayed: float = 0.0, **changes) -> Transformer:
    fit(
        net, batches=Interleaved(rollouts(net, problem, **changes), replay(replayed)),
        objective=weighted_cross_entropy, optim=OptimConfig(kind="adamw", lr=0.01),
        schedule=ScheduleConfig(kind="constant", warmup=0), config=FitConfig(steps=12, accumulate=2), out=out,
        events=EventLog(None, console=False), tokenizer=TOKENIZER, seed=1,
    )  # fmt: skip
    return net


@torch.no_grad()
def first_token(net: Transformer, letter: str) -> float:
    """How likely a reply begins with the letter, over a few prompts."""
    net.eval()
    rng = random.Random(0)
    prompts = [prompt(TOKENIZER, asked(rng)) for _ in range(20)]
    return float(net(torch.tensor(prompts))[:, -1].softmax(-1)[:, TOKENIZER.encode(letter)[0]].mean())


def test_what_is_rewarded_becomes_likelier(tmp_path):
    before, after = model(), train(model(), likes_b, tmp_path, group=16, learn=16)
    assert first_token(after, "b") > 2 * first_token(before, "b")
    assert first_token(after, "c") < first_token(before, "c")


def test_without_a_difference_in_reward_only_replay_teaches(tmp_path):
    untouched = train(model(), never_right, tmp_path / "none").state_dict()
    assert all(torch.equal(value, untouched[name]) for name, value in model().state_dict().items())
    replayed = train(model(), never_right, tmp_path / "replay", replayed=0.5)
    assert first_token(replayed, "d") > first_token(
        model(), "d"
    )  # every replayed reply begins with d, e or f
    assert first_token(replayed, "b") < first_token(model(), "b")
