# %% [markdown]
# # 08 · From the bigram to GPT
#
# We begin with the smallest language model there is, a table of which character follows which, and add one
# idea at a time until a GPT stands there. After each idea we train for a few seconds and look whether it
# paid. At the end we open the library's transformer and find in it nothing that we have not built.
#
# The road is that of Andrej Karpathy's lecture "Let's build GPT"; his numbers wait in
# `groundup/reference/08.toml`, and `groundup lesson check 08` puts ours beside them.
#
# Letters for shapes: B rows of a batch, T places in a row, C channels, D channels of one head, H heads,
# V vocabulary.

# %%
import math
import sys
import time

import torch
import torch.nn.functional as F
from torch import Tensor, nn

torch.set_num_threads(1)  # the same sums in the same order, so a seed gives the same losses twice
measured: dict[str, object] = {}  # what this run found, by the ids of reference/08.toml

# %% [markdown]
# ## A text
#
# The lecture reads Tiny Shakespeare, a file of 1,115,394 characters. We may not ship it, but the library
# knows where it lives. Without it (no network, no copy in the folder that `GROUNDUP_DATA` names) we read the
# `shakespeare` archive, and without that the Python manual. What follows is true of all three; the few
# numbers that belong to one file are checked only on that file.

# %%
from groundup.base.errors import FetchError
from groundup.data.documents import documents


def first_text_of(names: list[str], most: int = 1_200_000) -> tuple[str, str]:
    """(name, text) of the first source that can be had."""
    for name in names:
        try:
            return name, "\n\n".join(document.text for document in documents(name))[:most]
        except FetchError as error:
            print(f"{name}: not here. {str(error).split('(')[0].strip()}")
    raise AssertionError("the standard library's own text is always here")


source, text = first_text_of(["tiny-shakespeare", "shakespeare", "stdlib-text"])
the_course = source == "tiny-shakespeare"  # the numbers of this one file are asserted where this is true
print(f"{source}: {len(text):,} characters\n\n{text[:148]}")
if the_course:
    assert len(text) == 1_115_394
    measured["data.characters"] = len(text)

# %% [markdown]
# ## Characters to numbers
#
# A network computes with numbers, so each different character gets one: its place in the sorted alphabet.
# Tiny Shakespeare has 65 of them, and "hii there" becomes 46 47 47 1 58 46 43 56 43. (Lesson 09 does better
# than single characters.) The last tenth of the text is put aside: a model is judged only on what it never
# saw.

# %%
from groundup.tokenizer.chars import CharTokenizer

tokenizer = CharTokenizer.train(text)
V = tokenizer.vocab_size
assert [tokenizer.characters[id] for id in tokenizer.encode("hii there")] == list("hii there")
assert tokenizer.decode(tokenizer.encode("hii there")) == "hii there"

ids = torch.tensor(tokenizer.encode(text))
border = int(0.9 * len(ids))
train_ids, held_out_ids = ids[:border], ids[border:]
print(f"{V} characters: {tokenizer.characters!r}")
if the_course:
    assert V == 65
    assert tokenizer.encode("hii there") == [46, 47, 47, 1, 58, 46, 43, 56, 43]
    measured["data.vocab"] = V
    measured["data.hii_there"] = tokenizer.encode("hii there")
    measured["data.split"] = [len(train_ids), len(held_out_ids)]

# %% [markdown]
# ## Eight lessons in nine characters
#
# Cut a window of T + 1 = 9 characters out of the text. It holds 8 examples, not one: after the first comes
# the second, after the first two the third, and so on. `tokens` are the first eight, `targets` the same
# window one place on.

# %%
T, B, C = 8, 32, 32  # the lecture's context, batch and width for everything up to the last rung


def windows(stream: Tensor, starts_B: Tensor, T: int) -> tuple[Tensor, Tensor]:
    """(tokens_BT, targets_BT) of the windows that begin at these places."""
    window_BT = stream[starts_B[:, None] + torch.arange(T + 1)]
    return window_BT[:, :-1], window_BT[:, 1:]


tokens_BT, targets_BT = windows(train_ids, torch.tensor([0]), T)
for t in range(T):
    before, after = tokens_BT[0, : t + 1].tolist(), [int(targets_BT[0, t])]
    print(f"{tokenizer.decode(before)!r:>12} -> {tokenizer.decode(after)!r}")
assert torch.equal(tokens_BT[0, 1:], targets_BT[0, :-1])

# %% [markdown]
# ## Rung 0: the bigram
#
# One table with V rows of V numbers. Row `i` says how likely each character is to follow character `i`. The
# numbers may be anything; `softmax` makes probabilities of them, and the loss is minus the logarithm of the
# probability that the right one got. A model that knows nothing gives each 1/V and so loses ln V: for 65
# characters 4.1744 nats. A table drawn at random is worse than knowing nothing, because it is *sure* of
# nonsense.


# %%
class Bigram(nn.Module):
    """logits_BTV of what follows each character, looking at nothing but that character."""

    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(V, V)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.table(tokens_BT)


def loss_by_hand(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """Mean over all places of -ln softmax(logits)[target]."""
    probabilities_BTV = logits_BTV.exp() / logits_BTV.exp().sum(-1, keepdim=True)
    right_BT1 = probabilities_BTV.gather(-1, targets_BT[..., None])
    return -right_BT1.log().mean()


def loss(logits_BTV: Tensor, targets_BT: Tensor) -> Tensor:
    """The same from torch, which also survives logits of a thousand."""
    return F.cross_entropy(logits_BTV.flatten(0, 1), targets_BT.flatten())


torch.manual_seed(1337)
bigram = Bigram()
tokens_BT, targets_BT = windows(train_ids, torch.randint(len(train_ids) - T, (B,)), T)
torch.testing.assert_close(loss_by_hand(bigram(tokens_BT), targets_BT), loss(bigram(tokens_BT), targets_BT))

knows_nothing = loss(torch.zeros(B, T, V), targets_BT).item()
assert math.isclose(knows_nothing, math.log(V), rel_tol=1e-5)
assert loss(bigram(tokens_BT), targets_BT).item() > knows_nothing
assert round(math.log(65), 4) == 4.1744
measured["bigram.knows_nothing"] = loss(torch.zeros(1, 1, 65), torch.tensor([[0]])).item()

# %% [markdown]
# Every rung of the ladder is trained alike: the same windows in the same order, AdamW, and at the end the
# loss on held-out text. 500 steps is far less than the lecture's 3,000 to 5,000; it is enough to see which
# idea pays, in seconds.

# %%
STEPS = 500
results: dict[str, float] = {}


def held_out_loss(model: nn.Module, T: int, characters: int = 40_000) -> float:
    """Nats a character on the first held-out text, read in windows of T side by side."""
    tokens_BT, targets_BT = windows(held_out_ids, torch.arange(0, characters, T), T)
    with torch.no_grad():
        return loss(model(tokens_BT), targets_BT).item()


def climb(name: str, model: nn.Module, *, lr: float = 7e-3) -> None:
    """Train the model as every other rung, and remember its held-out loss."""
    generator = torch.Generator().manual_seed(42)
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    began = time.perf_counter()
    for _ in range(STEPS):
        starts_B = torch.randint(len(train_ids) - T, (B,), generator=generator)
        tokens_BT, targets_BT = windows(train_ids, starts_B, T)
        optimizer.zero_grad()
        loss(model(tokens_BT), targets_BT).backward()
        optimizer.step()
    results[name] = held_out_loss(model, T)
    size, seconds = sum(p.numel() for p in model.parameters()), time.perf_counter() - began
    print(f"{name:28} {size:7,} weights  held-out loss {results[name]:.3f}  ({seconds:.1f} s)", flush=True)


climb("bigram", bigram, lr=3e-2)  # a bare table wants a larger rate than a network
assert results["bigram"] < knows_nothing - 1

# %% [markdown]
# ## The trick: averaging as a matrix product
#
# The bigram is blind to all but the last character. The simplest way for a place to hear of those before it
# is the *average* of everything up to and including itself. Three ways to say it, each a step closer to
# attention:
#
# 1. two loops, which anybody can read;
# 2. one product with a matrix whose row t holds 1/(t+1) up to place t and 0 after it;
# 3. that matrix made by a softmax: start from zeros, set the future to minus infinity, normalise. Now the
#    weights are *computed* from numbers, and numbers can be learned. All of attention is in that remark.

# %%
x_BTC = torch.randn(4, T, 2)

by_loops_BTC = torch.zeros_like(x_BTC)
for b in range(4):
    for t in range(T):
        by_loops_BTC[b, t] = x_BTC[b, : t + 1].mean(0)

triangle_TT = torch.tril(torch.ones(T, T))
by_product_BTC = (triangle_TT / triangle_TT.sum(1, keepdim=True)) @ x_BTC

scores_TT = torch.zeros(T, T).masked_fill(triangle_TT == 0, -math.inf)
by_softmax_BTC = scores_TT.softmax(-1) @ x_BTC

torch.testing.assert_close(by_loops_BTC, by_product_BTC)
torch.testing.assert_close(by_loops_BTC, by_softmax_BTC)
measured["averaging.three_ways"] = torch.allclose(by_loops_BTC, by_product_BTC) and torch.allclose(
    by_loops_BTC, by_softmax_BTC
)
print((triangle_TT / triangle_TT.sum(1, keepdim=True))[:3])

# %% [markdown]
# And the library? Attention over places that are all equally interesting is exactly this average.

# %%
from groundup.nn.attention import attend, attend_written_out, causal_mask

indifferent = torch.zeros(4, 1, T, 2)  # every query and key is zero, so every score is zero
torch.testing.assert_close(attend(indifferent, indifferent, x_BTC[:, None], "causal")[:, 0], by_loops_BTC)
assert torch.equal(causal_mask(T, T), triangle_TT.bool())

# %% [markdown]
# ## Rung 1: one head of attention
#
# An average cannot choose. So let each place send out three vectors, all of them linear in what it holds: a
# **query** (what am I looking for?), a **key** (what do I have?) and a **value** (what do I say if you listen
# to me?). The score of place s for place t is the query of t times the key of s. Mask the future, softmax,
# and mix the *values*.
#
# One detail decides whether it trains: divide the scores by √D. The sum of D products of unit-variance
# numbers has variance D, and a softmax over numbers of that size points at one place only. With D = 16 the
# scores spread with variance near 16 before the division and near 1 after it.


# %%
def one_head_by_hand(q_BTD: Tensor, k_BTD: Tensor, v_BTD: Tensor) -> Tensor:
    """Attention over the past, with every step in sight."""
    T, D = q_BTD.shape[-2:]
    scores_BTT = q_BTD @ k_BTD.transpose(-1, -2) / math.sqrt(D)
    scores_BTT = scores_BTT.masked_fill(torch.tril(torch.ones(T, T)) == 0, -math.inf)
    return scores_BTT.softmax(-1) @ v_BTD


D = 16
q, k, v = torch.randn(3, 64, T, D)  # three of [64, T, D]
raw = q @ k.transpose(-1, -2)
assert abs(raw.var() - 16) < 2 and abs((raw / math.sqrt(D)).var() - 1) < 0.15

by_hand = one_head_by_hand(q, k, v)
torch.testing.assert_close(attend(q[:, None], k[:, None], v[:, None], "causal")[:, 0], by_hand)
torch.testing.assert_close(attend_written_out(q[:, None], k[:, None], v[:, None], "causal")[:, 0], by_hand)

# %% [markdown]
# The one law of a language model: **the future cannot change the past.** Disturb the keys and values of the
# last three places; the first five answers must not move, and the last three must (or the test shows
# nothing).

# %%
k_other, v_other = k.clone(), v.clone()
k_other[:, 5:] += 1
v_other[:, 5:] += 1
disturbed = one_head_by_hand(q, k_other, v_other)
assert torch.equal(disturbed[:, :5], by_hand[:, :5])
assert not torch.allclose(disturbed[:, 5:], by_hand[:, 5:])
measured["head.future_cannot_change_the_past"] = torch.equal(disturbed[:, :5], by_hand[:, :5])

# %% [markdown]
# ## Rung 2: several heads
#
# One head asks one question: "which vowel was last?", say. Four heads of D = 8 channels each ask four, for
# the price of one head of 32: cut C into H pieces, attend in each, put the answers side by side. The matrices
# have the same size, so the weights stay exactly as many.
#
# From here on we write one class with switches, so that each rung differs from the one before in one thing.
# Attention knows no order, a set is a set; so every place also adds a learned vector that says which place
# it is.


# %%
class Heads(nn.Module):
    """H heads of C/H channels each, side by side; `project` mixes their answers."""

    def __init__(self, H: int, project: bool) -> None:
        super().__init__()
        self.H = H
        self.qkv = nn.Linear(C, 3 * C, bias=False)
        self.project = nn.Linear(C, C) if project else nn.Identity()

    def forward(self, x_BTC: Tensor) -> Tensor:
        B, T, _ = x_BTC.shape
        q, k, v = self.qkv(x_BTC).view(B, T, 3, self.H, C // self.H).permute(2, 0, 3, 1, 4)
        return self.project(attend(q, k, v, "causal").transpose(1, 2).reshape(B, T, C))


class Block(nn.Module):
    """Listen to the others (heads), then think alone (two layers); with or without residual and norm."""

    def __init__(self, H: int, *, think: bool, residual: bool, norm: bool) -> None:
        super().__init__()
        self.residual = residual
        self.heads = Heads(H, project=residual)
        if not think:
            self.think: nn.Module = nn.Identity()
        elif residual:
            self.think = nn.Sequential(nn.Linear(C, 4 * C), nn.ReLU(), nn.Linear(4 * C, C))
        else:
            self.think = nn.Sequential(nn.Linear(C, C), nn.ReLU())
        self.norm_1, self.norm_2 = (nn.LayerNorm(C) if norm else nn.Identity() for _ in range(2))

    def forward(self, x_BTC: Tensor) -> Tensor:
        if not self.residual:
            return self.think(self.heads(x_BTC))
        x_BTC = x_BTC + self.heads(self.norm_1(x_BTC))
        return x_BTC + self.think(self.norm_2(x_BTC))


class Rung(nn.Module):
    """Embed characters and places, go through the blocks, score every character."""

    def __init__(self, layers: int, H: int, *, think=False, residual=False, norm=False) -> None:
        super().__init__()
        self.embedding, self.places = nn.Embedding(V, C), nn.Embedding(T, C)
        blocks = [Block(H, think=think, residual=residual, norm=norm) for _ in range(layers)]
        self.blocks = nn.Sequential(*blocks, nn.LayerNorm(C) if norm else nn.Identity())
        self.head = nn.Linear(C, V)

    def forward(self, tokens_BT: Tensor) -> Tensor:
        return self.head(self.blocks(self.embedding(tokens_BT) + self.places.weight[: tokens_BT.size(1)]))


def rung(layers: int, H: int, **choices: bool) -> Rung:
    """A rung with weights from a fixed seed."""
    torch.manual_seed(1337)
    return Rung(layers, H, **choices)


def weights(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters())


attention = rung(1, 1)
four = rung(1, 4)
assert weights(four) == weights(attention)  # four heads cost what one did
climb("one head", attention)
climb("four heads", four)
assert results["four heads"] < min(results["one head"], results["bigram"])

# %% [markdown]
# One head alone hardly beats the bigram after so few steps, and on some texts not at all: it has a single
# question, and must first learn to ask it. Four at once do it easily.
#
# ## Rung 3, where the ladder breaks: depth without a way through
#
# Having listened, a place should think about what it heard: a small network for each place alone. And if one
# block of listening and thinking is good, three must be better. They are not! The lecture meets the same
# wall. The gradient must travel back through every layer, and each one blurs it.
#
# Two ideas mend that:
#
# - **Residual**: a block does not replace its input, it *adds* to it. The sum passes the gradient on
#   untouched, so at the start the blocks are hardly there, and grow as they become useful.
# - **Norm**: before each half of a block, bring every place's channels to mean 0 and variance 1, so that no
#   layer has to follow another one's change of scale. With three blocks that buys
#   little; deep stacks need it.

# %%
norm = nn.LayerNorm(C)
x_BTC = 5 + 3 * torch.randn(2, T, C)
mean, variance = x_BTC.mean(-1, keepdim=True), x_BTC.var(-1, keepdim=True, correction=0)
torch.testing.assert_close(norm(x_BTC), (x_BTC - mean) / torch.sqrt(variance + 1e-5))

climb("and think", rung(1, 4, think=True))
climb("three blocks, bare", rung(3, 4, think=True))
climb("three blocks, residual", rung(3, 4, think=True, residual=True))
climb("three blocks, norm too", rung(3, 4, think=True, residual=True, norm=True))

assert results["three blocks, bare"] > results["four heads"]  # deeper and worse
assert results["three blocks, residual"] < results["four heads"]
assert results["three blocks, norm too"] < results["three blocks, residual"] + 0.03  # costs nothing, at least
measured["ladder.depth_alone_hurts"] = results["three blocks, bare"] > results["four heads"]

# %% [markdown]
# ## How large to begin
#
# A model that knows nothing should say so: a first loss of ln V, and not more. What comes out of a layer has
# the variance of one product times the number of products, because variances of independent numbers add.
#
# - The tables begin with variance 1 each, so token plus place has variance 2.
# - `nn.Linear` draws evenly from -1/√C to 1/√C. That has variance 1/(3 C), so the head's logits have variance
#   C · 2 · 1/(3 C) = 2/3, and 1/(3 C) more for the bias.
# - Logits of variance s² around 0 make a loss near ln V + s²/2: the mean of e^logit is e^(s²/2). So we begin
#   a third of a nat too high, sure of something that nobody taught us. The lecture's small GPT prints 4.41
#   where ln 65 is 4.17.
#
# And each block *adds* to the stream: after n additions of deviation 1 the deviation is √n. GPT-2 therefore
# divides the weights of what is added by the root of how often it is added, 2 for each block.

# %%
torch.manual_seed(1337)
bare_head = Rung(0, 1)  # tables and head, and no block between
tokens_BT, targets_BT = windows(train_ids, torch.randint(len(train_ids) - T, (1000,)), T)
with torch.no_grad():
    logits_BTV = bare_head(tokens_BT)
    spread, first = logits_BTV.var().item(), loss(logits_BTV, targets_BT).item()
    quiet = loss(logits_BTV / 100, targets_BT).item()  # as lecture 3 does it: a last layer near 0
print(f"logits of variance {spread:.3f}, first loss {first:.3f}, ln V {math.log(V):.3f}, quiet {quiet:.3f}")
assert abs(spread - 2 / 3) < 0.15
assert abs(first - (math.log(V) + spread / 2)) < 0.15
assert abs(quiet - math.log(V)) < 0.01

stream = torch.zeros(4096)
for _ in range(100):
    stream += torch.randn(4096)
assert abs(stream.std() - 10) < 0.5
measured["residual.hundred_adds"] = (stream / math.sqrt(100)).std().item()
assert abs(measured["residual.hundred_adds"] - 1) < 0.05

# %% [markdown]
# How large is each rung? With 65 characters the lecture's models have 7,553 weights (one head, and four),
# 8,609 with the first small network, 16,865 for three bare blocks, 41,921 with residuals (and the network
# four times as wide), 42,369 with norms.

# %%
sizes = {
    "ladder.head.weights": (weights(attention), 7_553),
    "ladder.heads.weights": (weights(four), 7_553),
    "ladder.think.weights": (weights(rung(1, 4, think=True)), 8_609),
    "ladder.bare.weights": (weights(rung(3, 4, think=True)), 16_865),
    "ladder.residual.weights": (weights(rung(3, 4, think=True, residual=True)), 41_921),
    "ladder.norm.weights": (weights(rung(3, 4, think=True, residual=True, norm=True)), 42_369),
}
for name, (ours, with_65) in sizes.items():
    # a row of the embedding, and a column and a bias of the head: 2 C + 1 weights a character
    assert ours - (V - 65) * (2 * C + 1) == with_65, name
    measured[name] = ours - (V - 65) * (2 * C + 1)

# %% [markdown]
# The library keeps these rungs, in `models/gpt_ladder.py`. With the weights of our last one it says the same.

# %%
from groundup.models.gpt_ladder import GPTLadder
from groundup.models.gpt_ladder import rung as library_rung

mine, kept = rung(3, 4, think=True, residual=True, norm=True), GPTLadder(library_rung("norm", V))
their_names = {
    "heads.": "",
    "project": "out",
    "places": "positions",
    "blocks.3": "norm",
    "head.": "unembedding.",
}
renamed = {}
for name, weight in mine.state_dict().items():
    for ours, theirs in their_names.items():
        name = name.replace(ours, theirs)
    renamed[name] = weight
kept.load_state_dict(renamed)
tokens_BT, _ = windows(train_ids, torch.arange(3), T)
torch.testing.assert_close(kept(tokens_BT), mine(tokens_BT), rtol=1e-4, atol=1e-5)

# %% [markdown]
# ## The whole thing
#
# That was GPT. Everything in the library's `Transformer` you have now seen: with `gpt2(...)` it has learned
# places, LayerNorm, biases, and GELU (a ReLU with a rounded corner). To be sure that nothing is hidden, here
# is its whole forward pass once more, in plain operations on its weights. It must give the same logits.

# %%
from groundup.models.transformer import Transformer, gpt2


def gpt_by_hand(weights: dict[str, Tensor], tokens_BT: Tensor, n_layer: int, H: int) -> Tensor:
    """logits_BTV of a GPT-2, from its weights alone."""

    def linear(name: str, x: Tensor) -> Tensor:
        return x @ weights[f"{name}.weight"].T + weights[f"{name}.bias"]

    def normed(name: str, x: Tensor) -> Tensor:
        mean, variance = x.mean(-1, keepdim=True), x.var(-1, keepdim=True, correction=0)
        return (x - mean) / torch.sqrt(variance + 1e-5) * weights[f"{name}.weight"] + weights[f"{name}.bias"]

    def split_heads(x: Tensor) -> Tensor:
        return x.view(*x.shape[:2], H, -1).transpose(1, 2)

    x = weights["embedding.weight"][tokens_BT] + weights["positions.weight"][: tokens_BT.size(1)]
    for n in range(n_layer):
        q, k, v = map(
            split_heads,
            linear(f"blocks.{n}.attention.qkv", normed(f"blocks.{n}.attention_norm", x)).chunk(3, -1),
        )
        heard = one_head_by_hand(q, k, v).transpose(1, 2).flatten(2)  # over all heads at once
        x = x + linear(f"blocks.{n}.attention.out", heard)
        wide = linear(f"blocks.{n}.mlp.up", normed(f"blocks.{n}.mlp_norm", x))
        bent = 0.5 * wide * (1 + torch.tanh(math.sqrt(2 / math.pi) * (wide + 0.044715 * wide**3)))
        x = x + linear(f"blocks.{n}.mlp.down", bent)
    return normed("norm", x) @ weights["unembedding.weight"].T


torch.manual_seed(1337)
small = gpt2(vocab_size=V, context_len=32, n_layer=4, n_head=4, n_embd=64, tie=False, qkv_bias=False)
gpt = Transformer(gpt2(vocab_size=V, context_len=32, n_layer=4, n_head=4, n_embd=64, tie=False))
tokens_BT, _ = windows(train_ids, torch.arange(3), 32)
torch.testing.assert_close(
    gpt(tokens_BT), gpt_by_hand(gpt.state_dict(), tokens_BT, 4, 4), rtol=1e-4, atol=1e-5
)

# %% [markdown]
# The lecture's last small model (4 layers, 4 heads, 64 channels, context 32) has 209,729 weights, its large
# one (6, 6, 384, 256) 10,788,929: ours and one bias for each of the 65 characters, which we leave out of the
# head. nanoGPT's Shakespeare model shares one table between embedding and head and has no biases:
# 10,745,088, or 10,646,784 without the places, as nanoGPT counts.

# %%
from groundup.models.cost import parameters

course = {"vocab_size": 65, "tie": False, "qkv_bias": False}
lecture_small = parameters(gpt2(context_len=32, n_layer=4, n_head=4, n_embd=64, **course)) + 65
lecture_large = parameters(gpt2(context_len=256, n_layer=6, n_head=6, n_embd=384, **course)) + 65
nano = parameters(gpt2(vocab_size=65, context_len=256, n_layer=6, n_head=6, n_embd=384, bias=False))
assert lecture_small == 209_729 and lecture_large == 10_788_929
assert nano == 10_745_088 and nano - 256 * 384 == 10_646_784
assert parameters(small) == weights(Transformer(small))  # counted from the config, and in the model
measured |= {"gpt.small.weights": lecture_small, "gpt.large.weights": lecture_large}
measured |= {"nanogpt.weights": nano, "nanogpt.weights_without_places": nano - 256 * 384}

# %% [markdown]
# ## The last rung
#
# What has happened since GPT-2 is in the library's defaults: places by rotation, RMSNorm, a gated network,
# normed queries and keys, and an optimizer for matrices (lesson 12). Four times the context, the same little
# time.

# %%
from groundup.models.transformer import qwen3
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.schedule import ScheduleConfig, lr_scale

torch.manual_seed(1337)
gpt = Transformer(qwen3(vocab_size=V, context_len=32, n_layer=3, n_head=4, n_embd=64, zero_init_out=True))
optimizer = build_optimizer(gpt, OptimConfig())
generator = torch.Generator().manual_seed(42)
LAST_STEPS = 250
for step in range(LAST_STEPS):
    tokens_BT, targets_BT = windows(
        train_ids, torch.randint(len(train_ids) - 32, (16,), generator=generator), 32
    )
    loss(gpt(tokens_BT), targets_BT).backward()
    optimizer.step(lr_scale(step, LAST_STEPS, ScheduleConfig()))
    optimizer.zero_grad()
results["the library's transformer"] = held_out_loss(gpt, 32)

ladder = ["bigram", "four heads", "three blocks, norm too"]
ladder.append("the library's transformer")
for name in ladder:
    print(f"{name:28} {results[name]:.3f}  {'#' * round(40 * (results[name] - 1.5))}")
falls = [results[name] for name in ladder]
assert falls == sorted(falls, reverse=True)  # every idea paid
measured["ladder.falls_rung_by_rung"] = falls == sorted(falls, reverse=True)

# %% [markdown]
# ## Let it speak, and do not read everything again
#
# To write a character the model reads all before it; to write the next, it reads them all again. But the
# keys and values of the past never change: that is the law of the future and the past, seen from the other
# side. So keep them. To continue 1 character by 20 without a cache reads 1 + 2 + … + 20 = 210 places; with
# one, 20. The text is the same, character for character.

# %%
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.nn.cache import KVCache

start = tokenizer.encode("T")
with torch.inference_mode():
    reread, places_reread = list(start), 0
    for _ in range(20):
        places_reread += len(reread)
        reread.append(int(gpt(torch.tensor([reread]))[0, -1].argmax()))

    cache = KVCache(n_layer=3, batch=1, n_kv_head=4, head_dim=16, capacity=32)
    kept, places_kept, new = list(start), 0, list(start)
    for _ in range(20):
        places_kept += len(new)
        logits_BTV = gpt(torch.tensor([new]), cache)
        cache.advance(len(new))
        new = [int(logits_BTV[0, -1].argmax())]
        kept += new

assert (places_reread, places_kept) == (210, 20)
greedy = SamplingParams(temperature=0, max_tokens=20)
assert kept == reread == start + generate(gpt, [start], greedy)[0].ids  # ours, ours, and the library's
measured["cache.same_text"] = kept == reread

prompts = [tokenizer.encode("The ")] * 3
for said in generate(gpt, prompts, SamplingParams(temperature=0.8, max_tokens=27, seed=1)):
    print(repr("The " + tokenizer.decode(said.ids)))

# %% [markdown]
# ## Where you are
#
# A few hundred steps and a context of 32 do not make Shakespeare. The same code with more of everything
# does: the lecture's large model reaches a loss below 1.5 after 5,000 steps on one GPU.
# `groundup run shakespeare-char` trains the library's version on your machine.
#
# To try:
#
# - The parts alone, each a function of yours beside ours: `groundup lesson exercises 08 -o mine.py` writes
#   what to fill in, and `groundup lesson check 08 mine.py` compares.
# - A rung at the lecture's length: `groundup run gpt-ladder --rung head --out runs/head`, its loss beside the
#   lecture's; then another, and `groundup compare runs/head runs/norm`.
# - In this file:
#
# 1. Take away `/ math.sqrt(D)` in `one_head_by_hand` and see which assertion notices.
# 2. Let `Rung` forget `self.places`. How much is lost at T = 8, and why so little?
# 3. Put the norm *after* the addition, as the paper of 2017 did. Does it still train with 12 blocks?
#
# Next: 09, on what a token should be if not a character; 12, on training for longer than a minute.

# %%
print(
    f"{len(measured)} of the published results measured here; groundup lesson check 08 compares them",
    file=sys.stderr,
)
