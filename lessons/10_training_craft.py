# %% [markdown]
# # 10 · Training craft
#
# A training loop is six lines. Everything else that a serious run has (accumulation, clipping, schedules,
# mixed precision, checkpointing, averages, exact resume) is craft: each piece is there because something once
# went wrong without it, and of each you will hear what it is worth. Here we build the pieces by hand, compare
# them with the library, and *measure* the claims. Some do not hold.
#
# What a minute cannot show (many rates, many seeds) is in `python -m benchmarks.hygiene`, and its results are
# in `docs/log.md`.
#
# Letters for shapes: B rows of a batch, T places in a row.

# %%
import copy
import math
import statistics
import tempfile
from pathlib import Path

import numpy as np
import torch

torch.set_num_threads(1)  # the same sums in the same order, so a seed gives the same losses twice
measured: dict[str, object] = {}  # what this run found, by the ids of reference/10.toml

# %% [markdown]
# ## A text, a model, a loop
#
# The text is Shakespeare, one character a token (without a network, the Python manual). The model is the
# course's kind of GPT, a small one. And the loop is the six lines: batch, loss, gradient, step, forget.

# %%
from groundup.base.errors import FetchError
from groundup.data.batches import WindowBatches
from groundup.data.documents import documents
from groundup.models.transformer import Transformer, gpt2
from groundup.tokenizer.chars import CharTokenizer
from groundup.train.objective import cross_entropy


def first_text_of(names: list[str], most: int = 400_000) -> str:
    """The first source that can be had."""
    for name in names:
        try:
            return "\n\n".join(document.text for document in documents(name))[:most]
        except FetchError as error:
            print(f"{name}: not here. {str(error).split('(')[0].strip()}")
    raise AssertionError("the standard library's own text is always here")


text = first_text_of(["tiny-shakespeare", "shakespeare", "stdlib-text"])
tokenizer = CharTokenizer.train(text)
ids = np.array(tokenizer.encode(text), dtype=np.int64)
train_ids, held_out_ids = ids[: len(ids) * 9 // 10], ids[len(ids) * 9 // 10 :]
T, B = 32, 8


def fresh(seed: int = 0, **choices: object) -> Transformer:
    """A GPT of 4 layers and 32 channels, the same for the same seed."""
    torch.manual_seed(seed)
    shape = {"context_len": T, "n_layer": 4, "n_head": 2, "n_embd": 32, **choices}
    return Transformer(gpt2(vocab_size=tokenizer.vocab_size, **shape))


def windows(size: int = B, seed: int = 1) -> WindowBatches:
    """Batches of the training text."""
    return WindowBatches(train_ids, context_len=T, batch_size=size, seed=seed)


def by_hand(model: Transformer, steps: int, lr: float) -> list[float]:
    """The six lines; the loss before each step."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr, betas=(0.9, 0.95), weight_decay=0.0)
    losses, batches = [], windows()
    for step in range(steps):
        loss_sum, count, _ = cross_entropy(model, batches.batch(step))
        loss = loss_sum / count
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return losses


losses = by_hand(fresh(), steps=40, lr=4e-3)
print(f"{sum(p.numel() for p in fresh().parameters()):,} weights: {losses[0]:.3f} -> {losses[-1]:.3f} nats")
assert abs(losses[0] - math.log(tokenizer.vocab_size)) < 0.2 and losses[-1] < losses[0] - 0.5

# %% [markdown]
# ## Accumulation: sums, not means
#
# A batch of 32 rows does not fit? Take four of 8 and add the gradients. That equals the large batch *if* you
# add sums and divide once by the number of targets. Whoever averages four averages is wrong as soon as the
# parts hold different numbers of targets: when rows end early, as conversations do. Here the first 8 rows
# have 3 targets each and the other 24 have 32.

# %%
from groundup.data.batches import IGNORED, Batch


def gradient_of(model: Transformer, parts: list[Batch], *, mean_of_means: bool) -> torch.Tensor:
    """The gradient of all parts together, as one long vector."""
    total = sum(int((part.targets_BT != IGNORED).sum()) for part in parts)
    for part in parts:
        loss_sum, count, _ = cross_entropy(model, part)
        (loss_sum / count / len(parts) if mean_of_means else loss_sum / total).backward()
    found = torch.cat([p.grad.flatten() for p in model.parameters()])
    model.zero_grad()
    return found


whole = windows(32).batch(0)
targets_BT = whole.targets_BT.clone()
targets_BT[:8, 3:] = IGNORED
whole = Batch(whole.tokens_BT, targets_BT)
parts = [Batch(whole.tokens_BT[i : i + 8], targets_BT[i : i + 8]) for i in range(0, 32, 8)]
at_once = gradient_of(fresh(), [whole], mean_of_means=False)


def apart(a: torch.Tensor, b: torch.Tensor) -> float:
    """How far a is from b, as a share of b."""
    return float((a - b).norm() / b.norm())


sums = apart(gradient_of(fresh(), parts, mean_of_means=False), at_once)
means = apart(gradient_of(fresh(), parts, mean_of_means=True), at_once)
print(f"four sums: {sums:.1e} of the gradient away, which is rounding; four means: {means:.0%} away")
assert sums < 1e-5 and means > 0.05
measured["accumulation.equals_the_large_batch"] = sums < 1e-5 < means

# %% [markdown]
# GPT-2's batch is 0.5 million tokens: 2^19 = 524,288. On one GPU with rows of 1,024 tokens, 16 at a time,
# that is 32 micro-batches a step. One pass over 10 billion tokens then has 19,073 steps, and a warm-up of
# 375 million tokens has 715.

# %%
batch_tokens = 2**19
assert batch_tokens == 524_288 and batch_tokens // (16 * 1024) == 32
assert 10_000_000_000 // batch_tokens == 19_073 and 375_000_000 // batch_tokens == 715
measured["gpt2.batch_tokens"] = batch_tokens
measured["gpt2.micro_batches"] = batch_tokens // (16 * 1024)
measured["gpt2.steps"] = 10_000_000_000 // batch_tokens
measured["gpt2.warmup"] = 375_000_000 // batch_tokens

# %% [markdown]
# ## Clipping
#
# If the gradient is longer than a limit, make it that long, with its direction as it was. By hand that is
# one line; the library's does the same and writes an event with both lengths.

# %%
from groundup.train.fit import FitConfig, accumulate


class One:
    """The same batch at every step."""

    def __init__(self, batch: Batch):
        self._batch = batch

    def batch(self, step: int, rank: int = 0) -> Batch:
        return self._batch


model, LIMIT = fresh(), 0.25
free = gradient_of(model, [whole], mean_of_means=False)
clipped_by_hand = free * min(1.0, LIMIT / float(free.norm()))
gradient = accumulate(model, One(whole), cross_entropy, config=FitConfig(1, clip_norm=LIMIT), step=0)
clipped = torch.cat([p.grad.flatten() for p in model.parameters()])
print(f"a gradient of length {gradient.norm:.2f}, clipped to {float(clipped.norm()):.2f}")
assert apart(clipped, clipped_by_hand) < 1e-4 and abs(gradient.norm - float(free.norm())) < 1e-4
assert gradient.clipped == LIMIT
measured["clip.by_hand"] = apart(clipped, clipped_by_hand) < 1e-4

# %% [markdown]
# What is it worth? Suppose that one batch half-way gives a gradient a thousand times too large: a damaged
# document, an overflow. Adam divides by a running size of past gradients. So without clipping the step itself
# is harmless, but the running size explodes, and for dozens of steps the model hardly moves.

# %%
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.train.schedule import ScheduleConfig, lr_scale

STEPS = 60


def train(
    model: Transformer, *, lr: float, clip_norm: float = 1.0, outlier: int = -1, steps: int = STEPS,
    schedule: ScheduleConfig | None = None, after: object = None,
) -> float:  # fmt: skip
    """Train with the library's parts; the mean loss of the last ten steps."""
    calls: list[int] = []

    def objective(net: Transformer, batch: Batch) -> tuple:
        loss_sum, count, numbers = cross_entropy(net, batch)
        calls.append(1)
        return loss_sum * (1000.0 if len(calls) == outlier else 1.0), count, numbers

    optimizer = build_optimizer(model, OptimConfig("adamw", lr=lr))
    schedule = schedule or ScheduleConfig("wsd", warmup=5, decay=0.4)
    found: list[float] = []
    for step in range(steps):
        gradient = accumulate(
            model, windows(), objective, config=FitConfig(steps, clip_norm=clip_norm), step=step
        )
        found.append(gradient.loss)
        optimizer.step(lr_scale(step, steps, schedule))
        optimizer.zero_grad()
        if after:
            after(step)
    return statistics.fmean(found[-10:])


undisturbed = train(fresh(), lr=4e-3)
with_clip = train(fresh(), lr=4e-3, outlier=STEPS // 2)
without = train(fresh(), lr=4e-3, outlier=STEPS // 2, clip_norm=0.0)
print(f"undisturbed {undisturbed:.3f}; one bad gradient: clipped {with_clip:.3f}, not clipped {without:.3f}")
assert abs(with_clip - undisturbed) < 0.1 < without - with_clip
measured["clip.survives_an_outlier"] = abs(with_clip - undisturbed) < 0.1 < without - with_clip

# %% [markdown]
# ## How large a step? The range test
#
# Raise the rate a little in every step, from far too small to far too large, and watch. Nothing, then
# learning, then disaster, all in one short run. The loss is smoothed over its neighbours on both sides (a
# mean of the past alone lags behind, and would point at too large a rate), and the suggestion is where three
# quarters of the fall are done.

# %%
from groundup.base.log import sparkline
from groundup.train.lr_range import lr_range

OPTIM = OptimConfig("adamw", lr=1e-2)
found = lr_range(
    fresh(), batches=windows(), objective=cross_entropy, optim=OPTIM, config=FitConfig(60), seed=0
)

model, optimizer, losses = fresh(), None, []
optimizer = build_optimizer(model, OPTIM)
for step in range(20):  # the first steps of it, by hand
    gradient = accumulate(model, windows(), cross_entropy, config=FitConfig(1, clip_norm=0.0), step=step)
    losses.append(gradient.loss)
    optimizer.step(1e-3 * (1e2 / 1e-3) ** (step / 59))
    optimizer.zero_grad()
assert losses == list(found.losses[:20])

reach = len(found.losses) // 25
calm = [statistics.fmean(found.losses[max(0, i - reach) : i + reach + 1]) for i in range(len(found.losses))]
fallen = [(calm[0] - loss) / (calm[0] - min(calm)) for loss in calm]
suggestion = next(factor for factor, share in zip(found.factors, fallen, strict=True) if share >= 0.75)
assert calm == found.smoothed and suggestion == found.suggestion
measured["range.by_hand"] = losses == list(found.losses[:20]) and suggestion == found.suggestion

print(f"{1e-2 * found.factors[0]:.0e} {sparkline(calm, 50)} {1e-2 * found.factors[-1]:.0e}")
print(f"lowest at {1e-2 * found.lowest:.1e}, suggestion {1e-2 * suggestion:.1e}")
assert 1e-3 < 1e-2 * suggestion < 1e-2

# %% [markdown]
# The test points at the right neighbourhood, and no more: it sees fresh weights and sixty steps. `groundup
# lr-find PRESET` runs it on a preset and draws it.
#
# ## Half the digits
#
# bfloat16 has the range of float32 and 8 bits of precision: 1 + 2^-8 is 1. So *weights* must not be kept in
# it: a step of a thousandth of a weight would vanish, every time. Activations may be, for their noise is
# averaged over a batch. That is mixed precision: the master weights in float32, the products in bfloat16.
# float16 has more precision and hardly any range: a gradient of 10^-8 is 0. There one multiplies the loss by
# a large power of two and divides the gradient by it again.

# %%
from groundup.train.memory import step_memory

one = torch.tensor(1.0)
assert (one + 2**-8).bfloat16() == one.bfloat16() and (one + 2**-7).bfloat16() != one.bfloat16()
assert one.bfloat16() + torch.tensor(1e-3).bfloat16() == 1 and one + 1e-3 != 1
assert torch.tensor(1e-8).half() == 0 and torch.tensor(1e-8 * 2**16).half().float() / 2**16 > 0.9e-8

wide, batch = fresh(n_embd=64), windows(16).batch(0)


def forward(width: torch.dtype = torch.float32, net: Transformer = wide) -> torch.Tensor:
    """The loss of one batch, with activations of this width."""
    with torch.autocast("cpu", width, enabled=width != torch.float32):
        loss_sum, count, _ = cross_entropy(net, batch)
    return loss_sum / count


forward().backward()  # gradients get their place, so that only activations are counted below
full, half = step_memory(forward), step_memory(lambda: forward(torch.bfloat16))
saving = 1 - half.peak / full.peak
print(f"activations at their peak: float32 {full.peak:,} bytes, bfloat16 {half.peak:,}: {saving:.0%} less")
assert abs(forward(torch.bfloat16).item() - forward().item()) < 0.02
assert 0.3 < saving < 0.5
measured["bfloat16.saving"] = saving

# %% [markdown]
# "40 % less memory", it is said: of activations, that is about right. Not half, because norms and the
# residual stream stay wide. On a GPU it is also faster; on a CPU without bfloat16 units it is slower.
#
# ## Remember less
#
# The backward pass needs what the forward pass saw. Activation checkpointing keeps only the input of each
# block and runs the block again when the backward pass gets there. By hand it is an autograd function of two
# methods; the library wraps torch's, and the gradients are the same *bits*.

# %%
from groundup.train.recompute import recomputed


class Again(torch.autograd.Function):
    """A block that forgets everything but its input."""

    @staticmethod
    def forward(ctx, block, x_BTC):
        ctx.block = block
        ctx.save_for_backward(x_BTC)
        return block(x_BTC)  # inside forward() no graph is kept

    @staticmethod
    def backward(ctx, grad_BTC):
        (x_BTC,) = ctx.saved_tensors
        x_BTC = x_BTC.detach().requires_grad_()
        with torch.enable_grad():
            ctx.block(x_BTC).backward(grad_BTC)  # a second time, and now with a graph
        return None, x_BTC.grad


def gradients(model: Transformer, how: str) -> list[torch.Tensor]:
    """The gradient of the sum of what the blocks make of the embedded batch."""
    x_BTC = model.embedding(batch.tokens_BT)
    context = {"rotary": None, "allowed": "causal", "cache": None, "layer": 0}
    with recomputed(model, how == "library"):
        for block in model.blocks:
            call = lambda x_BTC, block=block: block(x_BTC, **context)  # noqa: E731
            x_BTC = Again.apply(call, x_BTC) if how == "by hand" else call(x_BTC)
        x_BTC.square().sum().backward()
    found = [p.grad.clone() for p in model.blocks.parameters()]
    model.zero_grad()
    return found


kept, hand, library = (gradients(fresh(), how) for how in ("kept", "by hand", "library"))
same = all(torch.equal(a, b) and torch.equal(a, c) for a, b, c in zip(kept, hand, library, strict=True))
assert same
measured["recompute.same_bits"] = same

for layers in (4, 12):
    deep = fresh(n_layer=layers)
    forward(net=deep).backward()
    everything = step_memory(lambda deep=deep: forward(net=deep))
    with recomputed(deep, True):
        forward(net=deep).backward()
        thrifty = step_memory(lambda deep=deep: forward(net=deep))
    saved = 1 - thrifty.peak / everything.peak
    print(f"{layers} layers: {everything.peak:,} bytes -> {thrifty.peak:,}, {saved:.0%} less")
    assert saved > 0.5
measured["recompute.saves_half"] = saved > 0.5

# %% [markdown]
# "50 % less" is too modest, then: what is left is one input a block and *one* block's activations, so the
# saving grows with depth. The price is a second forward pass.
#
# ## LayerScale
#
# Multiply what a block adds to the residual stream by a small learned number for each channel. At first every
# block is then nearly the identity, however deep the model. GPT-2 does something alike with its weights:
# those that write to the stream are divided by the square root of how many there are. That is why there is so
# little left to gain: the stream of a GPT of 12 layers does not grow in the first place.
#
# Is it "30 % more stable", as courses say? That depends on what one calls stable. `benchmarks.hygiene` finds
# that a wrong learning rate costs less with it, by about that much; that no larger rate trains; and that at
# the best rate a short run is a little worse. Whoever quotes a figure should say which of the three it is.

# %%
plain, scaled = fresh(n_layer=12), fresh(n_layer=12, layer_scale=0.1)


@torch.no_grad()
def lengths(model: Transformer) -> list[float]:
    """Root mean square of the residual stream before the first block and after each."""
    x_BTC = model.embedding(batch.tokens_BT)
    found = [x_BTC.square().mean().sqrt().item()]
    for block in model.blocks:
        x_BTC = block(x_BTC, rotary=None, allowed="causal", cache=None, layer=0)
        found.append(x_BTC.square().mean().sqrt().item())
    return found


def moved(model: Transformer) -> float:
    """By what factor the blocks lengthen the stream."""
    return lengths(model)[-1] / lengths(model)[0]


print(f"12 blocks lengthen the stream {moved(plain):.2f} times; with LayerScale {moved(scaled):.3f} times")
assert abs(moved(scaled) - 1) < 0.1 * abs(moved(plain) - 1)

# %% [markdown]
# ## The mean of the weights
#
# At a constant rate the weights end up jumping around a minimum. Their running mean sits nearer to its
# middle. But a falling rate makes the jumps themselves smaller, so it takes most of that gain for itself.

# %%
from groundup.train.average import Average


def held_out_loss(model: Transformer) -> float:
    """Nats a token on 64 windows of text that was not trained on."""
    with torch.no_grad():
        exam = WindowBatches(held_out_ids, context_len=T, batch_size=64, seed=9).batch(0)
        loss_sum, count, _ = cross_entropy(model.eval(), exam)
    return float(loss_sum / count)


gains = {}
for name, schedule in (
    ("constant", ScheduleConfig("constant", warmup=5)),
    ("falling", ScheduleConfig("wsd", warmup=5, decay=0.6)),
):
    model = fresh()
    mean = Average(model, decay=0.9)
    copies: list[Transformer] = []

    def after(step: int, model: Transformer = model, mean: Average = mean, copies: list = copies) -> None:
        mean.update(step)
        if step < 3:
            copies.append(copy.deepcopy(model))

    train(model, lr=8e-3, steps=4 * STEPS, schedule=schedule, after=after)
    last = held_out_loss(model)
    with mean.in_place():
        averaged = held_out_loss(model)
    gains[name] = last - averaged
    print(f"{name} rate: last weights {last:.3f}, their mean {averaged:.3f}")
assert gains["constant"] > max(0, gains["falling"])
measured["average.helps_at_a_constant_rate"] = gains["constant"] > max(0, gains["falling"])

# %% [markdown]
# The mean itself is one line. Three steps of it by hand, with the library's ramp: early on the decay is
# (1 + t)/(10 + t), so that the first, random weights are soon forgotten.

# %%
start = fresh().embedding.weight.detach().clone()
by_hand_mean, library_mean = start.clone(), Average(moving := fresh(), decay=0.9)
for t, weights in enumerate(copies):
    decay = min(0.9, (1 + t) / (10 + t))
    by_hand_mean = decay * by_hand_mean + (1 - decay) * weights.embedding.weight.detach()
    moving.load_state_dict(weights.state_dict())
    library_mean.update(t)
assert len(copies) == 3
assert torch.allclose(library_mean.state_dict()["embedding.weight"], by_hand_mean, atol=1e-6)
assert not torch.allclose(by_hand_mean, start, atol=1e-3)

# %% [markdown]
# ## A run that loses nothing
#
# Pull the plug in step 14 of 20, start again, and end with the same bits: that is the promise of `fit`. Three
# things make it so. The batch is a function of its step, so nobody has to remember how far the reading had
# come. Dropout is seeded anew in every step. And a checkpoint holds the optimizer's moments beside the
# weights, and is renamed into its place when it is whole.

# %%
from groundup.base.log import EventLog
from groundup.train.fit import fit

folder = Path(tempfile.mkdtemp(prefix="groundup-lesson-"))


class Plug(Exception):
    """Somebody pulled it."""


def run_fit(name: str, pull_at: int | None = None) -> Transformer:
    """Twenty steps with dropout in a folder of this name, or on from where it stands."""
    model, calls = fresh(dropout=0.1), []

    def objective(net: Transformer, batch: Batch) -> tuple:
        calls.append(1)
        if len(calls) == pull_at:
            raise Plug
        return cross_entropy(net, batch)

    fit(
        model, batches=windows(), objective=objective, optim=OptimConfig("adamw", lr=4e-3),
        schedule=ScheduleConfig("cosine", warmup=5), config=FitConfig(20, save_every=5), out=folder / name,
        events=EventLog(folder / name / "events.jsonl", console=False), tokenizer=tokenizer, seed=3,
    )  # fmt: skip
    return model


uninterrupted = run_fit("whole")
try:
    run_fit("pieces", pull_at=14)
except Plug:
    print("pulled in step 14; the last save was", end=" ")
resumed = run_fit("pieces")
step = next(EventLog(folder / "pieces" / "events.jsonl").read("resumed"))["step"]
print(f"that of step {step}")
same = all(torch.equal(a, b) for a, b in zip(uninterrupted.parameters(), resumed.parameters(), strict=True))
assert same and step == 10
measured["resume.same_bits"] = same

# %% [markdown]
# Keep the weights alone, and it is another run. (It learns all the same: that is why nobody notices.)

# %%
forgetful, optimizer = fresh(), build_optimizer(fresh(), OptimConfig("adamw", lr=4e-3))
honest = fresh()
for net, forget in ((honest, False), (forgetful, True)):
    optimizer = build_optimizer(net, OptimConfig("adamw", lr=4e-3))
    for step in range(20):
        if forget and step == 10:
            optimizer = build_optimizer(net, OptimConfig("adamw", lr=4e-3))  # the moments are gone
        accumulate(net, windows(), cross_entropy, config=FitConfig(20), step=step)
        optimizer.step()
        optimizer.zero_grad()
pairs = zip(honest.parameters(), forgetful.parameters(), strict=True)
gap = max(float((a - b).detach().abs().max()) for a, b in pairs)
print(f"without the moments some weight ends {gap:.3f} away")
assert gap > 1e-3

# %% [markdown]
# ## A preset says why
#
# What remains of craft is to write it down. A preset is a short file of numbers in which every number that is
# not obvious says where it comes from; the run directory keeps all settings, resolved, so that the run can be
# repeated on another day.

# %%
from groundup.cli.run import find, load

preset = find("shakespeare-char").read_text()
numbers = [line for line in preset.splitlines() if "#" in line and "=" in line]
print("\n".join(numbers))
assert load("shakespeare-char").settings.fit.steps == 2000 and len(numbers) >= 2

# %% [markdown]
# ## Where you are
#
# `groundup run shakespeare-char` uses all of this, `groundup plot RUN [RUN ...]` draws what it did, and
# `--fit.recompute True`, `--fit.precision bfloat16`, `--fit.average 0.99` switch the pieces on.
#
# To try, here, in this file:
#
# 1. The outlier with plain gradient descent instead of AdamW. What does clipping save now?
# 2. The range test with Muon (`OptimConfig("muon")`). Its factor is on four rates at once.
# 3. Save after every step, and pull the plug again. How far back does the resumed run begin?
#
# Next: 11, the corpus.
