# %% [markdown]
# # 02 · Bigrams: counting, and learning to count
#
# The smallest language model looks at one letter and says which comes next. We build it twice: by counting,
# and as one matrix that gradient descent finds. The second takes longer and ends at the same table, and it is
# the one that every later lesson grows from.
#
# The road is that of Andrej Karpathy's lecture "makemore" 1; his numbers wait in
# `groundup/reference/02.toml`, and `groundup lesson check 02` puts ours beside them.
#
# Letters for shapes: N examples, V vocabulary.

# %%
import math
import tempfile
from pathlib import Path

import torch
import torch.nn.functional as F

torch.set_num_threads(1)  # the same sums in the same order
measured: dict[str, object] = {}  # what this run found, by the ids of reference/02.toml
SEED = 2147483647  # the lecture's

# %% [markdown]
# ## Names
#
# The lecture reads 32,033 first names. We may not ship them, but the library knows where they live. Without
# them we take the words of the Python manual: what follows is true of those too, and the numbers that belong
# to the names are checked only on the names.

# %%
from groundup.base.errors import FetchError
from groundup.data.documents import documents
from groundup.data.names import read_names


def items():
    try:
        return read_names(), True
    except FetchError as error:
        print(f"names: not here. {str(error).split('(')[0].strip()}")
    text = " ".join(document.text for document in documents("stdlib-text")).lower().split()
    words = [word for word in text if word.isascii() and word.isalpha() and 2 <= len(word) <= 15]
    path = Path(tempfile.mkdtemp(prefix="groundup-lesson-")) / "words.txt"
    path.write_text("\n".join(words) + "\n", encoding="utf-8")
    return read_names(path, unique=True), False


names, the_course = items()
words, tokenizer = names.train + names.dev + names.test, names.tokenizer
V = tokenizer.vocab_size
print(
    f"{len(words):,} items of {min(map(len, words))} to {max(map(len, words))} letters, such as {words[:4]}"
)
assert tokenizer.encode("\n") == [0]  # the mark of start and end; the lecture writes it as a dot
if the_course:
    assert (len(words), max(map(len, words)), V) == (32_033, 15, 27)
    measured["data.words"] = len(words)

# %% [markdown]
# ## Counting
#
# Every pair of neighbours is one example. Row "a" of the table says what followed an "a". Each row, divided
# by its sum, is a distribution, and that is the whole model.

# %%
from groundup.data.windows import examples

pairs = examples(words, tokenizer, 1)
before_N, after_N = pairs.tokens_NK[:, 0], pairs.targets_N
counts_VV = torch.zeros(V, V, dtype=torch.float64)
counts_VV.index_put_((before_N, after_N), torch.tensor(1.0, dtype=torch.float64), accumulate=True)
print(f"{len(pairs):,} pairs; {int((counts_VV == 0).sum())} of {V * V} never happened")
assert counts_VV.sum() == len(pairs)
if the_course:
    assert len(pairs) == 228_146 and int((counts_VV == 0).sum()) == 102
    assert counts_VV[0, 1] == 4410 and counts_VV[14, 0] == 6763  # 4,410 names begin with a, 6,763 end with n
    measured["data.bigrams"] = len(pairs)
    measured["counts.begin_with_a"] = int(counts_VV[0, 1])

# %% [markdown]
# ## How good is it?
#
# The probability of all names is a product of 228,146 small numbers; its logarithm is a sum. The average of
# -log p is the loss, in nats per letter: 0 is certainty, ln 27 = 3.2958 is knowing nothing. Counting comes to
# 2.4540. Add 1 to every count, so that nothing is impossible, and it is 2.4546; a name with "jq" in it then
# costs 3.48 a letter, not infinity.


# %%
def loss(table_VV: torch.Tensor, x_N: torch.Tensor, y_N: torch.Tensor) -> float:
    return float(-(table_VV / table_VV.sum(1, keepdim=True)).log()[x_N, y_N].mean())


bare, smooth = loss(counts_VV, before_N, after_N), loss(counts_VV + 1, before_N, after_N)
print(f"counts {bare:.7f}, with 1 added to each {smooth:.7f}, knowing nothing {math.log(V):.4f}")
assert bare < smooth < math.log(V)  # no table fits the data better than its own counts
if the_course:
    odd = examples(["andrejq"], tokenizer, 1)
    of_odd = [loss(counts_VV + k, odd.tokens_NK[:, 0], odd.targets_N) for k in (0, 1)]
    assert round(math.log(V), 4) == 3.2958 and round(bare, 7) == 2.4540145 and round(smooth, 4) == 2.4546
    assert of_odd[0] == math.inf and round(of_odd[1], 2) == 3.48
    measured["counts.nll"] = bare
    measured["counts.nll_smoothed"] = smooth
    measured["counts.andrejq_smoothed"] = of_odd[1]

# %% [markdown]
# ## Making up names
#
# Start at the mark, draw the next letter from its row, go on until the mark comes again. To draw: put the
# probabilities end to end on a line of length 1, throw a dart, and see in whose part it lands. (torch's own
# `multinomial` does it otherwise since version 2.0, and no longer gives the lecture's names. The dart does:
# mor, axx, minaymoryles, kondlaisah, anchshizarie.)

# %%
from groundup.infer.items import write_items
from groundup.infer.sampling import SamplingParams
from groundup.models.counts import Counts, CountsConfig


def dart(shares_V: torch.Tensor, generator: torch.Generator) -> int:
    thrown = torch.rand(1, generator=generator, dtype=torch.float64)
    return int(torch.searchsorted(shares_V.cumsum(0), thrown, right=True))


generator, shares_VV = (
    torch.Generator().manual_seed(SEED),
    (counts_VV + 1) / (counts_VV + 1).sum(1, keepdim=True),
)
made = []
for _ in range(5):
    ids = [dart(shares_VV[0], generator)]
    while ids[-1] != 0:
        ids.append(dart(shares_VV[ids[-1]], generator))
    made.append(tokenizer.decode(ids[:-1]))
print(*made)

model = Counts(CountsConfig(V))  # the library's
model.learn(pairs.tokens_NK, after_N)
theirs = write_items(model, 5, SamplingParams(max_tokens=200), torch.Generator().manual_seed(SEED))
assert [tokenizer.decode(item) for item in theirs] == made
if the_course:
    assert made == ["mor", "axx", "minaymoryles", "kondlaisah", "anchshizarie"]
    measured["counts.five_names"] = made

# %% [markdown]
# ## The same, learned
#
# Now a matrix W of random numbers. Row "a" of W, through softmax, is a distribution over what follows "a";
# the loss is the same average of -log p, and its gradient says how to change W. With the lecture's seed, a
# rate of 50 and a penalty of 0.01 mean(W²), the first losses are 3.7686, 3.3788, 3.1611.


# %%
def descend(steps: int, penalty: float, rate: float = 50.0) -> tuple[torch.Tensor, list[float]]:
    weight_VV = torch.randn(V, V, generator=torch.Generator().manual_seed(SEED), requires_grad=True)
    # Each pair that occurs, once, weighted by how often: the same sum as over all examples.
    share_VV = (counts_VV / counts_VV.sum()).float()
    losses = []
    for _ in range(steps):
        value = -(share_VV * weight_VV.log_softmax(1)).sum() + penalty * weight_VV.square().mean()
        (gradient_VV,) = torch.autograd.grad(value, weight_VV)
        weight_VV.data -= rate * gradient_VV
        losses.append(value.item())
    return weight_VV.detach(), losses


_, losses = descend(100, penalty=0.01)
print(*(f"{value:.4f}" for value in losses[:3]), "...", f"{losses[-1]:.4f}")
assert losses == sorted(losses, reverse=True)  # every step went down
if the_course:
    assert [round(value, 4) for value in losses[:3]] == [3.7686, 3.3788, 3.1611]
    measured["learned.first_losses"] = losses[:3]

# %% [markdown]
# Without the penalty it goes where counting is: 2.45536 after a thousand steps, and no share differs from the
# counted one by more than 0.04. What was found by looking it up and what was found by feeling downhill
# are the same table. The difference is that W can be replaced by a network, and counting cannot.

# %%
weight_VV, losses = descend(1001, penalty=0.0)
gap = float((weight_VV.softmax(1) - counts_VV / counts_VV.sum(1, keepdim=True)).abs().max())
print(
    f"after a thousand steps {losses[1000]:.5f}, counting {bare:.5f}; largest difference of a share {gap:.3f}"
)
assert bare < losses[1000] < bare + 0.01
if the_course:
    assert abs(losses[1000] - 2.45536) < 1e-4 and gap < 0.04
    measured["learned.after_1000_steps"] = losses[1000]

logits_VV = torch.eye(V) @ weight_VV  # one-hot times W is a row of W: the library's model looks it up
assert torch.equal(logits_VV, F.embedding(torch.arange(V), weight_VV))

# %% [markdown]
# ## Exercises
#
# 1. Count trigrams: which letter follows *two*. The lecture's names come to 2.18574 without smoothing.
# 2. Split the names, train on 80 %, and compare bigram and trigram on the dev part. Who overfits?
# 3. Choose the smoothing of the trigram by dev, then look at test, once.
#
# Try before you read on. The answers are one loop over the library's counting model.
#
# Smaller ones, each a function of yours beside ours: `groundup lesson exercises 02 -o mine.py` writes what to
# fill in (counting, the loss, darts, the gradient of W), and `groundup lesson check 02 mine.py` compares.


# %%
def counted(context_len: int, smoothing: float, train, scored) -> float:
    table = Counts(CountsConfig(V, context_len=context_len, smoothing=smoothing))
    seen, asked = examples(train, tokenizer, context_len), examples(scored, tokenizer, context_len)
    table.learn(seen.tokens_NK, seen.targets_N)
    return float(-table(asked.tokens_NK)[:, 0].gather(1, asked.targets_N[:, None]).mean())


whole = counted(2, 0.0, words, words)
by_dev = {k: counted(2, k, names.train, names.dev) for k in (0.01, 0.1, 1.0, 10.0)}
bigram_dev = counted(1, 0.3, names.train, names.dev)
print(f"trigram on all {whole:.5f}; on dev by smoothing {by_dev}; bigram on dev {bigram_dev:.4f}")
best = min(by_dev, key=by_dev.__getitem__)
assert whole < bare and by_dev[best] < bigram_dev
if the_course:
    assert round(whole, 5) == 2.18574 and best == 0.1 and round(by_dev[0.1], 4) == 2.2225
    test = counted(2, best, names.train, names.test)
    assert round(test, 4) == 2.2240
    measured["trigram.nll"] = whole
    measured["trigram.dev"] = by_dev[0.1]
    measured["trigram.test"] = test

# %% [markdown]
# From here `groundup run names-bigram-counts`, `names-trigram-counts` and `names-bigram` do this on any file
# with one item a line, and `groundup compare` puts them side by side. The trigram table has 27 times as many
# rows as the bigram's; one that looks at ten letters would have 205,891,132,094,649 rows. Lesson 03 looks
# further back without a table.

# %%
assert 27**10 == 205_891_132_094_649
