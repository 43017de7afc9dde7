# %% [markdown]
# # 15 · Fast inference: attention's road, the cache, the batch
#
# Three ideas make a language model fast, and none of them changes what it says. Attention can be computed
# without its square ever being in memory. What was computed for the past need not be computed again. And
# several texts together cost little more than one. Each is derived here naively, once, and then compared
# with the library to the last digits that floats have.
#
# Letters for shapes: B rows of a batch, T queries, S keys, H heads, D head width.

# %%
import math
import time

import torch
from torch import Tensor

torch.set_num_threads(1)
torch.manual_seed(15)
measured: dict[str, object] = {}  # what this run found, by the ids of reference/15.toml

# %% [markdown]
# ## The square
#
# softmax(q k^T / sqrt(D)) v. With T queries and as many keys the scores are a square, and three of them pass
# through memory: scores, masked scores, weights. At 4,096 tokens and 12 heads one is 805 MB in float32.


# %%
def written_out(q_TD: Tensor, k_TD: Tensor, v_TD: Tensor) -> Tensor:
    """One causal head, by the formula."""
    T, D = q_TD.shape
    scores_TT = q_TD @ k_TD.T / math.sqrt(D)
    future_TT = torch.ones(T, T, dtype=torch.bool).triu(1)
    return scores_TT.masked_fill(future_TT, -torch.inf).softmax(-1) @ v_TD


H, T, D = 3, 37, 16
q, k, v = torch.randn(3, 1, H, T, D)
by_hand = torch.stack([written_out(q[0, h], k[0, h], v[0, h]) for h in range(H)])[None]

from groundup.nn.attention import attend, attend_written_out
from groundup.nn.attention_road import attend_head_by_head, attend_in_blocks

torch.testing.assert_close(attend_head_by_head(q, k, v, causal=True), by_hand)
assert 12 * 4096 * 4096 * 4 == 805_306_368

# %% [markdown]
# All heads at once is the same with one more axis: a batched matrix product instead of a loop. Nothing is
# saved in arithmetic, and all squares are in memory together; what is saved is H - 1 calls of everything.

# %%
torch.testing.assert_close(attend_written_out(q, k, v, "causal"), by_hand)

# %% [markdown]
# ## A softmax that can be gone on with
#
# softmax subtracts the highest score before it takes exp, because exp(89) is beyond float32. So it seems to
# need three passes: find the highest, sum, divide. But suppose we have seen only some keys: the highest so
# far (`top`), the sum of exp(score - top), and the sum of exp(score - top) times the values. If a higher
# score comes, both sums were taken relative to the wrong top, and both are off by the same factor,
# exp(old top - new top).
# So multiply, add the new ones, go on. One pass, and three things to remember.

# %%
scores, values = 3 * torch.randn(12), torch.randn(12, 4)
top, total, mixed = torch.tensor(-torch.inf), torch.tensor(0.0), torch.zeros(4)
for score, value in zip(scores, values, strict=True):
    higher = torch.maximum(top, score)
    shrink, weight = torch.exp(top - higher), torch.exp(score - higher)
    total, mixed, top = total * shrink + weight, mixed * shrink + weight * value, higher
print("in one pass ", [f"{x:+.5f}" for x in (mixed / total).tolist()])
print("in three    ", [f"{x:+.5f}" for x in (scores.softmax(0) @ values).tolist()])
measured["softmax.online"] = torch.allclose(mixed / total, scores.softmax(0) @ values, atol=1e-6)
assert measured["softmax.online"]

too_large = torch.tensor([100.0, 99.0])
assert too_large.exp().isinf().all() and torch.isfinite(too_large.softmax(0)).all()

# %% [markdown]
# ## FlashAttention's algorithm
#
# Take the keys in blocks instead of one by one, and the queries too. A block of scores fits the processor's
# cache (on a GPU: its shared memory), is used and forgotten. That is the forward pass of FlashAttention (Dao
# et al. 2022, algorithm 1). Under a causal mask the blocks that lie wholly in the future are left out.


# %%
def in_blocks(q_TD: Tensor, k_TD: Tensor, v_TD: Tensor, block: int) -> Tensor:
    """One causal head, never more than block x block scores at a time."""
    T, D = q_TD.shape
    y_TD = torch.empty_like(v_TD)
    for t in range(0, T, block):
        rows = q_TD[t : t + block] / math.sqrt(D)
        top, total, mixed = torch.full((len(rows), 1), -torch.inf), torch.zeros(len(rows), 1), 0.0
        for s in range(0, t + len(rows), block):  # the last block ends where the queries end
            keys, their_values = k_TD[s : s + block], v_TD[s : s + block]
            scores = rows @ keys.T
            future = torch.arange(s, s + len(keys)) > torch.arange(t, t + len(rows))[:, None]
            scores = scores.masked_fill(future, -torch.inf)
            higher = torch.maximum(top, scores.amax(1, keepdim=True))
            shrink, weights = torch.exp(top - higher), torch.exp(scores - higher)
            total, mixed = (
                total * shrink + weights.sum(1, keepdim=True),
                mixed * shrink + weights @ their_values,
            )
            top = higher
        y_TD[t : t + block] = mixed / total
    return y_TD


for block in (1, 8, 64):
    torch.testing.assert_close(in_blocks(q[0, 0], k[0, 0], v[0, 0], block), by_hand[0, 0])

equal = []
for T in (1, 16, 37, 130):
    q, k, v = torch.randn(3, 1, H, T, D)
    for causal in (True, False):
        mask = "causal" if causal else None
        fused = attend(q, k, v, mask)
        ways = (
            attend_head_by_head(q, k, v, causal=causal),
            attend_written_out(q, k, v, mask),
            attend_in_blocks(q, k, v, causal=causal, block=32),
        )
        equal += [torch.allclose(way, fused, rtol=1e-5, atol=1e-5) for way in ways]
measured["road.equal"] = all(equal)
assert all(equal) and len(equal) == 24

# %% [markdown]
# ## What grows, and how
#
# Count instead of believing. `Allocations` notes every tensor that an operation makes; torch's counter adds
# up multiply-adds. Twice the length, and:
#
# - written out, the memory is four times as much; in blocks, and in the fused call, it doubles, because the
#   result itself doubles;
# - the arithmetic is four times as much **in every one of them**. The causal mask halves it, twice the length
#   quadruples it all the same. (Into the CPU's fused call the counter does not see: its line says nan. The
#   clock does, and says the same: `benchmarks/attention.py`.)
#
# FlashAttention is fast because it does not wait for memory, not because it computes less. You may read that
# some method makes exact attention O(n log n). None does, and if SETH holds, none can (Keles et al. 2022):
# what scales better, as linear attention or a sliding window do, computes another function.

# %%
from torch.utils.flop_counter import FlopCounterMode

from groundup.train.memory import Allocations

WAYS = {
    "a head at a time": lambda q, k, v: attend_head_by_head(q, k, v, causal=True),
    "all heads at once": lambda q, k, v: attend_written_out(q, k, v, "causal"),
    "in blocks": lambda q, k, v: attend_in_blocks(q, k, v, causal=True, block=32),
    "the fused call": lambda q, k, v: attend(q, k, v, "causal"),
}


def counted(way, T: int) -> tuple[int, int]:
    """(bytes at the peak, multiply-adds) for T tokens."""
    q, k, v = torch.randn(3, 1, 4, T, 32)
    with torch.no_grad(), Allocations() as memory:
        way(q, k, v)
    with torch.no_grad(), FlopCounterMode(display=False) as arithmetic:
        way(q, k, v)
    return memory.peak, arithmetic.get_total_flops() // 2


growth = {}
print(f"{'':<18} {'KB at 512':>10} {'1,024':>10} {'times':>6} {'M mult-adds':>12} {'1,024':>9} {'times':>6}")
for name, way in WAYS.items():
    (bytes_1, adds_1), (bytes_2, adds_2) = counted(way, 512), counted(way, 1024)
    growth[name] = (bytes_2 / bytes_1, adds_2 / adds_1 if adds_1 else math.nan)
    shown = f"{adds_1 / 1e6:>12.1f} {adds_2 / 1e6:>9.1f} {growth[name][1]:>6.2f}"
    print(f"{name:<18} {bytes_1 / 1e3:>10.0f} {bytes_2 / 1e3:>10.0f} {growth[name][0]:>6.2f} {shown}")

memory = {name: times for name, (times, _) in growth.items()}
measured["memory.square"] = (
    min(memory["a head at a time"], memory["all heads at once"]) > 3.5
    and max(memory["in blocks"], memory["the fused call"]) < 2.2
)
known = [times for _, times in growth.values() if not math.isnan(times)]  # nan: not known to the counter
measured["arithmetic.square"] = len(known) >= 3 and all(3.85 < times < 4.15 for times in known)
assert measured["memory.square"] and measured["arithmetic.square"]

# %% [markdown]
# How long each takes over the length, and its peak as the system sees it, is measured and drawn by
# `benchmarks/attention.py`.
#
# ## The cache: nothing twice
#
# To write one more token we need one more query. Its keys and values are new too; all the others are what
# they were, because no token looks ahead. So we keep them. The T-th token then costs T scores instead of T
# squared, and attention over a text of T tokens costs a square instead of a cube. The price is memory: for
# every token, layer and key/value head two vectors.

# %%
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.cost import kv_bytes
from groundup.models.transformer import Transformer, qwen3

config = qwen3(vocab_size=64, context_len=128, n_layer=2, n_head=4, n_kv_head=2, n_embd=64)
model = Transformer(config).eval()
for parameter in model.parameters():
    parameter.data += 0.2 * torch.randn_like(parameter)  # else it would say one token for ever
prompt, greedy = [1, 2, 3], SamplingParams(temperature=0, max_tokens=100)


def timed(**how) -> tuple[list[int], float]:
    """(ids, seconds) of a hundred greedy tokens."""
    began = time.perf_counter()
    (made,) = generate(model, [prompt], greedy, **how)
    return made.ids, time.perf_counter() - began


with_cache, seconds = timed()
without, longer = timed(use_cache=False)
print(f"a hundred tokens: {seconds * 1e3:.0f} ms with the cache, {longer * 1e3:.0f} ms without")
measured["cache.equal"] = with_cache == without
assert with_cache == without and len(set(with_cache)) > 5

one_token = kv_bytes(config, 1)
assert one_token == 2 * config.n_layer * config.kv_heads * config.head_width * 4
opt_13b = 2 * 40 * 5120 * 2  # keys and values, layers, all heads together, bytes of a float16
print(f"this model: {one_token:,} bytes a token; OPT-13B: {opt_13b:,}, or 1.7 GB for its 2,048 tokens")
measured["cache.opt13b"] = opt_13b
assert opt_13b == 819_200 and round(2048 * opt_13b / 1e9, 1) == 1.7

# %% [markdown]
# Grouped heads pay half of that here: two key/value heads serve four query heads.
#
# ## The batch: weights are read once
#
# For one token every weight is read from memory and used for one multiply-add: the processor waits for
# memory. With eight texts side by side it is read once and used eight times. So eight cost much less than
# eight times one; `groundup bench` measures how much on your machine, and how near one row comes to the speed
# at which memory can be read at all. The texts must not notice each other:

# %%
prompts = [[i + 1, i + 2, i + 3] for i in range(8)]


def all_together() -> list[list[int]]:
    return [made.ids for made in generate(model, prompts, greedy)]


def one_by_one() -> list[list[int]]:
    return [generate(model, [each], greedy)[0].ids for each in prompts]


took = {}
for name, way in {"together": all_together, "one by one": one_by_one}.items():
    began = time.perf_counter()
    took[name] = (way(), time.perf_counter() - began)
print(", ".join(f"eight texts {name}: {seconds * 1e3:.0f} ms" for name, (_, seconds) in took.items()))
measured["batch.equal"] = took["together"][0] == took["one by one"][0]
assert measured["batch.equal"]

# %% [markdown]
# ## To write yourself
#
# `groundup lesson exercises 15 -o mine.py` gives three tasks, `groundup lesson check 15 mine.py` compares.
# The first is the heart of it: two halves of a softmax, joined.

# %%
from groundup.evals.exercise import check


def my_merge(top_a, total_a, sum_a, top_b, total_b, sum_b):
    """The answer; yours instead."""
    top = torch.maximum(top_a, top_b)
    a, b = torch.exp(top_a - top), torch.exp(top_b - top)
    return top, total_a * a + total_b * b, sum_a * a + sum_b * b


assert check("15.merge", my_merge)
assert not check("15.merge", lambda *halves: (halves[0], halves[1] + halves[4], halves[2] + halves[5]))
assert check(
    "15.cache_bytes", lambda layers, heads, width, tokens, size: 2 * layers * heads * width * tokens * size
)
assert check("15.attention_in_blocks", in_blocks)

# %% [markdown]
# ## To try
#
# 1. `in_blocks` with a block of 1 is the one-pass loop from above; with a block of T it is `written_out`.
#    Time it for blocks between.
# 2. Leave out `shrink`. Which assertion notices, and for which inputs would none?
# 3. `groundup generate RUN --trace trace.jsonl`, then `groundup plot trace.jsonl`: how the cache grows, how
#    sure the model is of each token, and what else it might have said.
#
# Next: 16, tools and memory.
