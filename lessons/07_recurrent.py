# %% [markdown]
# # 07 · Networks that remember: RNN, GRU, LSTM
#
# A window looks back a fixed way and forgets what lies beyond. A recurrent network reads one character after
# the other and keeps a *state*, a vector that has to hold whatever will matter. It is the older idea, it is
# what language models were before attention, and its state of constant size is why it comes back today.
#
# We write three cells, hold each against PyTorch's own, watch the gradient die on its way back, and see
# that a state makes the next character cheap. Sizes and losses of `makemore.py` wait in
# `groundup/reference/07.toml`.
#
# Letters for shapes: B rows, T places, C channels of the embedding, H channels of the state, V vocabulary.

# %%
import re
import sys
import tempfile
from pathlib import Path

import torch
from torch import Tensor, nn

torch.set_num_threads(1)
measured: dict[str, object] = {}  # what this run found, by the ids of reference/07.toml

from groundup.base.errors import FetchError
from groundup.data.documents import documents
from groundup.data.names import read_names

try:
    names = read_names()
except FetchError as error:  # words of the Python manual instead: other numbers, the same ideas
    print(f"course-names: not here. {str(error).split('(')[0].strip()}")
    text = " ".join(document.text for document in documents("stdlib-text"))
    words = list(dict.fromkeys(re.findall(r"(?<![A-Za-z])[a-z]{3,15}(?![A-Za-z])", text)))
    path = Path(tempfile.mkdtemp(prefix="groundup-lesson-")) / "words.txt"
    path.write_text("\n".join(words), encoding="utf-8")
    names = read_names(path)

V = names.tokenizer.vocab_size
print(f"{len(names.train):,} names to learn from, {V} characters with the mark")
assert V == 27

# %% [markdown]
# ## A name is a row
#
# In: the mark, then the letters. Out: the letters, then the mark. One row asks as many questions as the
# name has letters, and one more; what lies behind the end has the target -1 and is not asked. No window is
# cut.

# %%
from groundup.data.windows import Words, padded

tokens_BT, targets_BT = padded(["emma"], names.tokenizer, 8)
print("in ", tokens_BT.tolist()[0], "\nout", targets_BT.tolist()[0])
assert tokens_BT.tolist() == [[0, 5, 13, 13, 1, 0, 0, 0]]
assert targets_BT.tolist() == [[5, 13, 13, 1, 0, -1, -1, -1]]

# %% [markdown]
# ## Three cells
#
# Each takes what was read (x) and what was remembered (h), and says what to remember now.
#
# - **RNN** (Elman 1990): mix both and bend. Everything is rewritten in every step.
# - **GRU** (Cho 2014): make a proposal, and take only a share z of it: (1 - z) h + z n. Where z is 0 the
#   state passes unchanged. A second gate r decides how much of the state the proposal may see.
# - **LSTM** (Hochreiter and Schmidhuber 1997): keep a second state c that is only scaled (f) and added to
#   (i g); show a part of it (o).


# %%
def rnn_cell(x: Tensor, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The next state; w maps [x, h]."""
    return torch.tanh(torch.cat((x, h), 1) @ w.T + b)


def gru_cell(x: Tensor, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """w holds the rows of r, z and n; the proposal sees the state after r has wiped a part of it."""
    (w_r, w_z, w_n), (b_r, b_z, b_n) = w.chunk(3), b.chunk(3)
    both = torch.cat((x, h), 1)
    r, z = torch.sigmoid(both @ w_r.T + b_r), torch.sigmoid(both @ w_z.T + b_z)
    n = torch.tanh(torch.cat((x, r * h), 1) @ w_n.T + b_n)
    return (1 - z) * h + z * n


def lstm_cell(x: Tensor, h: Tensor, c: Tensor, w: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """(h, c); w holds the rows of i, f, g and o."""
    i, f, g, o = (torch.cat((x, h), 1) @ w.T + b).chunk(4, 1)
    c = torch.sigmoid(f) * c + torch.sigmoid(i) * torch.tanh(g)
    return torch.sigmoid(o) * torch.tanh(c), c


from groundup.models.gru import GRU, GRUConfig
from groundup.models.lstm import LSTM, LSTMConfig
from groundup.models.rnn import RNN, RNNConfig

torch.manual_seed(0)
rnn, gru, lstm = RNN(RNNConfig(V)), GRU(GRUConfig(V)), LSTM(LSTMConfig(V))
tokens_BT = torch.randint(1, V, (4, 10))


def run(model: nn.Module, cell, w: Tensor, b: Tensor) -> Tensor:
    """The states after each character, by a cell of ours and the weights of the library's model."""
    state, states = model.start(4), []
    for x in model.embedding(tokens_BT).unbind(1):
        state = cell(x, *state, w, b) if isinstance(state, tuple) else cell(x, state, w, b)
        states.append(state[0] if isinstance(state, tuple) else state)
    return torch.stack(states, 1)


with torch.no_grad():
    for model, cell, w, b in (
        (rnn, rnn_cell, torch.cat((rnn.w_x_HC, rnn.w_h_HH), 1), rnn.b_H),
        (gru, gru_cell, torch.cat((gru.w_x_GC, gru.w_h_GH), 1), gru.b_G),
        (lstm, lstm_cell, torch.cat((lstm.w_x_GC, lstm.w_h_GH), 1), lstm.b_G),
    ):
        torch.testing.assert_close(run(model, cell, w, b), model.hidden(tokens_BT), rtol=1e-4, atol=1e-5)

# %% [markdown]
# And PyTorch's? Its LSTM with our weights says the same. (It keeps two biases where one is enough. Its GRU
# resets after the product, not before, because one product then serves all gates:
# `GRUConfig(reset="after")`.)

# %%
theirs = nn.LSTM(64, 64, batch_first=True)
with torch.no_grad():
    theirs.weight_ih_l0.copy_(lstm.w_x_GC)
    theirs.weight_hh_l0.copy_(lstm.w_h_GH)
    theirs.bias_ih_l0.copy_(lstm.b_G)
    theirs.bias_hh_l0.zero_()
    torch.testing.assert_close(
        theirs(lstm.embedding(tokens_BT))[0], lstm.hidden(tokens_BT), rtol=1e-4, atol=1e-5
    )


def weights(model: nn.Module) -> int:
    """How many numbers the model learns."""
    return sum(p.numel() for p in model.parameters())


from groundup.models.bag_of_words import BagOfWords, BagOfWordsConfig

bow = BagOfWords(BagOfWordsConfig(V))
measured |= {"rnn.weights": weights(rnn), "gru.weights": weights(gru), "bow.weights": weights(bow)}
print({"rnn": weights(rnn), "gru": weights(gru), "lstm": weights(lstm), "bag of words": weights(bow)})
assert (weights(rnn), weights(gru), weights(lstm), weights(bow)) == (11_803, 28_315, 36_635, 12_827)

# %% [markdown]
# ## How the past fades
#
# What the last state knows of the first character shows in a gradient: by how much does h at the end move
# if the embedding k characters back does? In the RNN it passes k times through a matrix and a tanh, each of
# which makes it smaller. In the LSTM the memory c is multiplied by f, which begins at sigmoid(1) = 0.73, by
# intent: the bias of that gate starts at 1.


# %%
def reach(model: nn.Module, length: int = 16) -> list[float]:
    """The norm of d(sum of the last state) / d(embedding), k characters back, for k = 0, 1, ..."""
    torch.manual_seed(1)
    x_BTC = model.embedding(torch.randint(1, V, (64, length))).detach().requires_grad_()
    table, model.embedding = model.embedding, nn.Identity()  # the model reads vectors for once
    model.hidden(x_BTC)[:, -1].sum().backward()
    model.embedding = table
    return x_BTC.grad.norm(dim=-1).mean(0).flip(0).tolist()


far = {}
for label, model in (("rnn", rnn), ("gru", gru), ("lstm", lstm)):
    norms = reach(model)
    far[label] = norms[12] / norms[0]
    print(f"{label:5}", " ".join(f"{norm / norms[0]:.0e}" for norm in norms[::4]))
assert far["rnn"] < far["gru"] < far["lstm"] < 1
assert abs(torch.sigmoid(torch.tensor(1.0)).item() - 0.73) < 0.005
measured["memory.fades_slowest_in_the_lstm"] = far["rnn"] < far["gru"] < far["lstm"]

# %% [markdown]
# ## Training them
#
# 400 steps of 32 names each, AdamW, the same names in the same order. `makemore.py` trains 2,000 at a tenth
# of this rate and reaches 2.17 with its RNN, 2.15 with its GRU and 2.26 with its bag of words.

# %%
from groundup.data.batches import Batch
from groundup.train.objective import cross_entropy

dev_BT = padded(names.dev[:800], names.tokenizer)


def nats(model: nn.Module, rows: tuple[Tensor, Tensor]) -> float:
    """Nats a character, by the objective that the library trains on."""
    with torch.no_grad():
        total, count, _ = cross_entropy(model, Batch(*rows))
    return float(total / count)


results = {}
for label, model in (("bag of words", bow), ("rnn", rnn), ("gru", gru), ("lstm", lstm)):
    batches = Words(
        names.train,
        names.tokenizer,
        batch_size=32,
        generator=torch.Generator().manual_seed(1),
        context_len=16,
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3, fused=True)
    before = nats(model, dev_BT)
    for step in range(400):
        batch = batches.batch(step)
        total, count, _ = cross_entropy(model, batch)
        optimizer.zero_grad()
        (total / count).backward()
        optimizer.step()
    results[label] = nats(model, dev_BT)
    print(f"{label:13} {weights(model):7,} weights   dev {before:.3f} -> {results[label]:.3f}")
    assert before - results[label] > 0.7
assert results["rnn"] < results["bag of words"] and results["gru"] < results["bag of words"]
measured["ladder.remembering_beats_averaging"] = results["rnn"] < results["bag of words"]

# %% [markdown]
# ## The next character costs the same, always
#
# To write a character a window model reads its whole window again, a transformer the keys and values of all
# that came before. A recurrent network needs its state and one step. The text is the same.

# %%
from groundup.infer.sampling import SamplingParams, sample


def write(model: nn.Module, seed: int, by_state: bool) -> tuple[list[int], int]:
    """(a name as ids, how many places were read)."""
    generator, ids, read = torch.Generator().manual_seed(seed), [0], 0
    state = model.start(1)
    with torch.no_grad():
        while len(ids) < 16:
            if by_state:
                x_BH, state = model.step(torch.tensor(ids[-1:]), state)
                read += 1
            else:
                x_BH = model.hidden(torch.tensor([ids]))[:, -1]
                read += len(ids)
            next_B, _ = sample(model.head(x_BH), SamplingParams(), generator)
            if int(next_B) == 0:
                break
            ids.append(int(next_B))
    return ids[1:], read


for seed in range(5):
    (kept, cheap), (reread, dear) = write(gru, seed, True), write(gru, seed, False)
    print(f"{names.tokenizer.decode(kept):16} {cheap:3} places read instead of {dear}")
    assert kept == reread and cheap == min(len(kept) + 1, 15)
    assert dear == cheap * (cheap + 1) // 2
measured["state.same_text"] = all(write(lstm, s, True)[0] == write(lstm, s, False)[0] for s in range(5))
assert measured["state.same_text"]

# %% [markdown]
# ## To try
#
# 1. The minimal gated unit (Zhou et al. 2016) is a GRU with one gate for both jobs: r = z = f. Write
#    `mgu_cell(x, h, w, b)` with the rows of f, then n, and hand it to `check_cell`.
# 2. Start the LSTM's forget gate at 0 (`lstm.b_G`) and look at `reach` again.
# 3. Which of the three learns to repeat the first letter of a name at its end? Make such names and see.


# %%
def check_cell(cell) -> None:
    """A gate that is shut must keep the state to the bit, one that is open must take the proposal."""
    torch.manual_seed(0)
    x, h, w = torch.randn(4, 5), torch.rand(4, 7) - 0.5, torch.randn(14, 12)
    shut = torch.cat((torch.full((7,), -200.0), torch.zeros(7)))
    assert torch.equal(cell(x, h, w, shut), h), "with f = 0 the state must stay as it is"
    proposal = torch.tanh(torch.cat((x, h), 1) @ w[7:].T)
    torch.testing.assert_close(cell(x, h, w, -shut), proposal)


def mgu_cell(x: Tensor, h: Tensor, w: Tensor, b: Tensor) -> Tensor:
    """The answer; yours instead."""
    (w_f, w_n), (b_f, b_n) = w.chunk(2), b.chunk(2)
    f = torch.sigmoid(torch.cat((x, h), 1) @ w_f.T + b_f)
    return (1 - f) * h + f * torch.tanh(torch.cat((x, f * h), 1) @ w_n.T + b_n)


check_cell(mgu_cell)
try:
    check_cell(lambda x, h, w, b: rnn_cell(x, h, w[7:], b[7:]))
    raise SystemExit("a cell without a gate was accepted")
except AssertionError as error:
    print("a cell without a gate:", error)

# %% [markdown]
# More of them, each a function of yours beside ours: `groundup lesson exercises 07 -o mine.py` writes what to
# fill in (a step of each cell, and how the past fades).
# `groundup lesson check 07 mine.py` compares.
#
# Next: 08, attention, which looks at all of the past at once instead of carrying it.

# %%
print(
    f"{len(measured)} of the published results measured here; groundup lesson check 07 compares them",
    file=sys.stderr,
)
