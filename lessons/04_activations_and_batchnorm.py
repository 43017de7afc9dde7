# %% [markdown]
# # 04 · Activations, gradients, BatchNorm
#
# The network of lesson 03 learns, and yet nearly everything about its first step is wrong. It is certain of
# nonsense, most of its units are stuck, and a deeper one would not train at all. None of this raises an
# error. So we look inside: at what the layers put out, at the gradients that come back, and at how far each
# step moves the weights; and then we let the library look, in any run, and say in words what it sees.
#
# The road is that of Andrej Karpathy's lecture "makemore part 3"; his numbers wait in
# `groundup/reference/04.toml`. The settings, generators and orders of draws are his, so most of them come
# out to the last digit. What took him 200,000 steps is quoted there and not run here.
#
# Letters for shapes: N rows of a batch, T characters of context, H hidden units, V vocabulary.

# %%
import math
import tempfile
from contextlib import nullcontext
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import nn

torch.set_num_threads(1)  # the same sums in the same order
measured: dict[str, object] = {}  # what this run found, by the ids of reference/04.toml

from groundup.base.errors import FetchError
from groundup.data.documents import documents
from groundup.data.names import read_names, split


def names_or_words() -> tuple[list[str], list[str], bool]:
    """(items to learn from, held-out items, whether they are the course's names)."""
    try:
        names = read_names()
        return list(names.train), list(names.dev), True
    except FetchError as error:
        print(f"names: not here. {str(error).split('(')[0].strip()}")
    text = "\n".join(document.text for document in documents("stdlib-text"))
    words = sorted({word.lower() for word in text.split() if word.isascii() and word.isalpha()})
    train, dev, _ = split([word for word in words if 2 <= len(word) <= 15])
    return list(train), list(dev), False


def windows(items: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
    """(x_NT, y_N): each character after the three before it; 0 is the dot, 1 to 26 are a to z."""
    rows, following = [], []
    for item in items:
        context = [0, 0, 0]
        for character in item + "`":  # the backtick is one before the a: 0, the dot
            rows.append(context)
            following.append(ord(character) - 96)
            context = [*context[1:], following[-1]]
    return torch.tensor(rows), torch.tensor(following)


train_items, dev_items, the_course = names_or_words()
(x_train, y_train), (x_dev, y_dev) = windows(train_items), windows(dev_items)
print(f"{len(x_train):,} rows to learn from, {len(x_dev):,} held out")
if the_course:
    assert (len(x_train), len(x_dev)) == (182_625, 22_655)
    measured["data.rows"] = [len(x_train), len(x_dev)]

# %% [markdown]
# ## Certain of nonsense
#
# Whoever knows nothing gives each of 27 characters the same probability and pays ln 27 = 3.30 nats. The
# lecture's network begins at 27.88. Its logits are large and random, so the softmax is nearly certain, and
# certain of the wrong thing. The first thousands of steps then only make the logits small. Scale the last
# matrix by 0.01, begin its bias at 0, and the first loss is 3.32.
#
# ## Stuck units
#
# That left the second illness hidden. What goes into tanh has a deviation of 5, so 61 % of what comes out is
# beyond 0.99, where the slope 1 - h² is below 0.02: no gradient passes. Smaller weights cure it. How small
# need not be guessed: a sum of `fan_in` terms is sqrt(fan_in) times as large as one, and tanh squeezes, for
# which 5/3 makes up. So the deviation of a weight is **5/3 / sqrt(fan_in)**, here 0.304.
#
# And the third way is to ask for what one wants: BatchNorm subtracts the mean of the batch and divides by its
# deviation. Five rows, one step each:


# %%
def one_hidden_layer(kind: str) -> tuple[dict[str, torch.Tensor], torch.Generator]:
    """The lecture's parameters, drawn in its order, in one of its five states of repair."""
    g = torch.Generator().manual_seed(2147483647)
    p = {"C": torch.randn(27, 10, generator=g), "W1": torch.randn(30, 200, generator=g)}
    p["b1"] = torch.zeros(200) if kind == "batchnorm" else torch.randn(200, generator=g)
    p["W2"], p["b2"] = torch.randn(200, 27, generator=g), torch.randn(27, generator=g)
    if kind != "original":
        p["W2"], p["b2"] = p["W2"] * 0.01, p["b2"] * 0
    if kind in ("tanh", "kaiming", "batchnorm"):
        p["W1"] = p["W1"] * (0.2 if kind == "tanh" else (5 / 3) / 30**0.5)
        p["b1"] = p["b1"] * 0.01
    return p, g


def into_tanh(p, x_NT, batch_norm: bool) -> torch.Tensor:
    a_NH = p["C"][x_NT].flatten(1) @ p["W1"] + p["b1"]
    return (a_NH - a_NH.mean(0, keepdim=True)) / a_NH.std(0, keepdim=True) if batch_norm else a_NH


def short_run(kind: str, steps: int = 1000) -> tuple[float, float, float]:
    """(loss of the first batch, share of its |h| beyond 0.99, mean loss of the last 200 steps)."""
    p, g = one_hidden_layer(kind)
    for value in p.values():
        value.requires_grad_()
    losses, stuck = [], 0.0
    for step in range(steps):
        rows = torch.randint(0, len(x_train), (32,), generator=g)
        h_NH = torch.tanh(into_tanh(p, x_train[rows], kind == "batchnorm"))
        loss = F.cross_entropy(h_NH @ p["W2"] + p["b2"], y_train[rows])
        losses.append(loss.item())
        stuck = (h_NH.abs() > 0.99).float().mean().item() if step == 0 else stuck
        for value, gradient in zip(p.values(), torch.autograd.grad(loss, list(p.values())), strict=True):
            value.data -= 0.1 * gradient
    return losses[0], stuck, sum(losses[-200:]) / 200


states = {kind: short_run(kind) for kind in ("original", "softmax", "tanh", "kaiming", "batchnorm")}
for kind, (first, stuck, last) in states.items():
    print(
        f"{kind:<10} first loss {first:7.4f}  beyond 0.99: {100 * stuck:5.2f} %  after 1,000 steps {last:.3f}"
    )
print(f"ln 27 = {math.log(27):.4f}")
assert states["original"][0] > 15 and all(
    state[0] < 3.5 for kind, state in states.items() if kind != "original"
)
assert states["original"][1] == states["softmax"][1] > 0.5
assert all(states[kind][1] < 0.2 for kind in ("tanh", "kaiming", "batchnorm"))
assert all(states["original"][2] > states[kind][2] + 0.2 for kind in states if kind != "original")
measured["init.uniform"] = math.log(27)
if the_course:
    assert round(states["original"][0], 4) == 27.8817 and round(100 * states["original"][1], 2) == 60.95
    measured["init.loss"] = [state[0] for state in states.values()]
    measured["init.stuck"] = [100 * state[1] for state in states.values()]

# %% [markdown]
# ## Five layers deep
#
# With one hidden layer one gets away with much. With five, each layer multiplies the error of the one
# before. We build the lecture's stack of linear layers and tanh without BatchNorm, with four gains, and
# look at step 0 with the library's `Probe`: it watches a forward and a backward pass and counts.
#
# Gain 1 shrinks slowly, because tanh squeezes. 5/3 holds. 3 saturates. And 0.5 dies out: by the fifth layer
# the signal is less than a tenth. The gradient tells the same story backwards.

# %%
from groundup.train.diagnosis import diagnose
from groundup.train.diagnostics import Probe


class Linear(nn.Module):
    """As in the lecture: no bias, weights of deviation gain / sqrt(fan_in)."""

    def __init__(self, fan_in: int, fan_out: int, gain: float, g: torch.Generator):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(fan_in, fan_out, generator=g) / fan_in**0.5 * gain)

    def forward(self, x_NI):
        return x_NI @ self.weight


class BatchNorm(nn.Module):
    """The batch's mean and deviation while learning, running ones afterwards."""

    def __init__(self, width: int):
        super().__init__()
        self.gain, self.bias = nn.Parameter(torch.ones(width)), nn.Parameter(torch.zeros(width))
        self.mean, self.var = torch.zeros(width), torch.ones(width)

    def forward(self, x_NC):
        mean, var = self.mean, self.var
        if self.training:
            mean, var = x_NC.mean(0, keepdim=True), x_NC.var(0, keepdim=True)
            with torch.no_grad():
                self.mean, self.var = 0.9 * self.mean + 0.1 * mean, 0.9 * self.var + 0.1 * var
        return self.gain * ((x_NC - mean) / torch.sqrt(var + 1e-5)) + self.bias


class Deep(nn.Module):
    """Embedding, five times linear and tanh, linear; with BatchNorm behind every matrix if asked."""

    def __init__(self, g: torch.Generator, *, gain: float, norm: bool):
        super().__init__()
        self.C = nn.Parameter(torch.randn(27, 10, generator=g))
        parts: list[nn.Module] = []
        for number in range(5):
            parts.append(Linear(100 if number else 30, 100, gain, g))
            parts += [BatchNorm(100), nn.Tanh()] if norm else [nn.Tanh()]
        parts += [Linear(100, 27, 1.0, g)] + ([BatchNorm(27)] if norm else [])
        self.layers = nn.Sequential(*parts)
        with torch.no_grad():  # less certain at the beginning
            last = self.layers[-1]
            (last.gain if isinstance(last, BatchNorm) else last.weight).mul_(0.1)

    def forward(self, x_NT):
        return self.layers(self.C[x_NT].flatten(1))


def step(model: nn.Module, g: torch.Generator, number: int, *, look: bool, lr: float = 0.1) -> dict:
    """One step of gradient descent; the record of a look if asked, else only the loss."""
    rows = torch.randint(0, len(x_train), (32,), generator=g)
    probe = Probe(model)
    with probe.watching() if look else nullcontext():
        loss = F.cross_entropy(model(x_train[rows]), y_train[rows])
        model.zero_grad()
        loss.backward()
    with torch.no_grad():
        for p in model.parameters():
            p -= lr * p.grad
    if not look:
        return {"loss": loss.item()}
    return probe.record(loss=loss.item(), step=number, divisor=1.0, vocab_size=27)


gains = {}
for gain in (0.5, 1.0, 5 / 3, 3.0):
    g = torch.Generator().manual_seed(2147483647)
    gains[gain] = step(Deep(g, gain=gain, norm=False), g, 0, look=True)["layers"]
    std = " ".join(f"{layer['std']:.2f}" for layer in gains[gain])
    beyond = " ".join(f"{100 * layer['beyond_97']:2.0f} %" for layer in gains[gain])
    back = " ".join(f"{layer['grad_std']:.0e}" for layer in gains[gain])
    print(f"gain {gain:.2f}  std {std}   beyond 0.97: {beyond}   gradient {back}")
assert gains[0.5][-1]["std"] < 0.1 * gains[0.5][0]["std"] and gains[1.0][-1]["std"] < gains[1.0][0]["std"]
assert gains[5 / 3][-1]["std"] > 0.8 * gains[5 / 3][0]["std"]
assert all(layer["beyond_97"] > 0.35 for layer in gains[3.0])
measured["gain.vanishes_and_saturates"] = gains[0.5][-1]["std"] < 0.05 < 0.35 < gains[3.0][-1]["beyond_97"]

# %% [markdown]
# ## BatchNorm, and the deep net that learns
#
# Now BatchNorm behind every matrix, and 1,001 steps. At the end of the lecture's run 2.78, 2.56, 2.25,
# 1.69 and 1.88 % of the tanh outputs are beyond 0.97, the deviations lie between 0.63 and 0.65 in all
# five layers, and the gradients between 0.0020 and 0.0026. Ours are the same, and so is the loss, to the
# last digit.

# %%
g = torch.Generator().manual_seed(2147483647)
deep = Deep(g, gain=1.0, norm=True)
weights = sum(p.numel() for p in deep.parameters())
looks = [step(deep, g, number, look=number % 100 == 0) for number in range(1001)]
looks = [record for record in looks if "layers" in record]
print(f"{weights:,} parameters, first loss {looks[0]['loss']:.4f}")
for number, layer in enumerate(looks[-1]["layers"], 1):
    print(
        f"tanh {number}: std {layer['std']:.2f}, beyond 0.97: {100 * layer['beyond_97']:.2f} %, "
        f"gradient std {layer['grad_std']:.6e}"
    )
deep.eval()
with torch.no_grad():
    ends = [F.cross_entropy(deep(x), y).item() for x, y in ((x_train, y_train), (x_dev, y_dev))]
print(f"train {ends[0]:.7f}, held out {ends[1]:.7f}")
assert weights == 47_024 and abs(looks[0]["loss"] - math.log(27)) < 0.2
assert all(layer["beyond_97"] < 0.06 and 0.5 < layer["std"] < 0.75 for layer in looks[-1]["layers"])
measured["deep.parameters"] = weights
if the_course:
    assert [round(100 * layer["beyond_97"], 2) for layer in looks[-1]["layers"]] == [
        2.78,
        2.56,
        2.25,
        1.69,
        1.88,
    ]
    measured["deep.first_loss"] = looks[0]["loss"]
    measured["deep.saturated"] = [100 * layer["beyond_97"] for layer in looks[-1]["layers"]]
    measured["deep.std"] = [layer["std"] for layer in looks[-1]["layers"]]
    measured["deep.gradient_std"] = [layer["grad_std"] for layer in looks[-1]["layers"]]
    measured["deep.train_and_val"] = ends

# %% [markdown]
# Twenty names from it, with the lecture's generator: `carpah. qarlileif. jmrix.` and so on.


# %%
def names_of(model: nn.Module, count: int, seed: int) -> list[str]:
    g, found = torch.Generator().manual_seed(seed), []
    with torch.no_grad():
        for _ in range(count):
            context, name = [0, 0, 0], ""
            while not name.endswith("."):
                probabilities = model(torch.tensor([context])).softmax(1)
                drawn = int(torch.multinomial(probabilities, 1, generator=g))
                context, name = [*context[1:], drawn], name + ".abcdefghijklmnopqrstuvwxyz"[drawn]
            found.append(name)
    return found


twenty = names_of(deep, 20, 2147483647 + 10)
print(" ".join(twenty))
assert len(twenty) == 20 and len(set(twenty)) > 15
if the_course:
    assert twenty[:3] == ["carpah.", "qarlileif.", "jmrix."]
    measured["deep.names"] = twenty

# %% [markdown]
# The library's `DeepMLP` is the same network: with these draws its first logits are ours. After training
# BatchNorm is a straight line, and `folded()` puts it into the matrices, so that nothing is left of it.

# %%
from groundup.models.deep_mlp import DeepMLP, DeepMLPConfig

theirs = DeepMLP(DeepMLPConfig(vocab_size=27), generator=torch.Generator().manual_seed(2147483647))
ours = Deep(torch.Generator().manual_seed(2147483647), gain=1.0, norm=True)
logits = ours(x_train[:32])
apart = (theirs(x_train[:32])[:, -1] - logits).abs().max().item()
theirs.eval()
folded = (theirs.folded()(x_train[:32]) - theirs(x_train[:32])).abs().max().item()
print(f"ours and the library's apart by {apart:.1e}; folded and not folded by {folded:.1e}")
assert apart < 1e-5 and folded < 1e-5 < logits.abs().max()
measured["deep.equals_the_library"] = apart < 1e-5

# %% [markdown]
# ## How far a step moves
#
# The last thing to watch: how large is the change of a matrix beside the matrix itself? The lecture draws a
# line at a thousandth as a guide. It is no law: with BatchNorm these run at 10^-2.2 and learn well. What
# matters is that no layer stands out by far: one at 10^-5 is asleep, one at 10^-1 is thrown about.

# %%
ratios = {w["name"]: w["ratio"] for w in looks[-1]["weights"] if len(w["shape"]) == 2}
for name, ratio in ratios.items():
    print(f"{name:<18} 10^{ratio:.2f}")
assert all(-4 < ratio < -1.5 for ratio in ratios.values()) and len(ratios) == 7
measured["deep.ratios_are_far_from_a_thousandth"] = all(r > -2.6 for n, r in ratios.items() if n != "C")

# %% [markdown]
# ## The diagnosis in words, and the pictures
#
# In a run of yours nobody needs to write any of this. `--fit.diagnose-every 100` makes `fit` look,
# `groundup plot RUN --view histograms` (or `saturation`, `ratios`, `gradients`) draws, and the illnesses that
# rules can find are said in words. Here are the patients of this lesson, from the sickest to the healthy.


# %%
class OneLayer(nn.Module):
    """The network of lesson 03 in one of its five states."""

    def __init__(self, kind: str):
        super().__init__()
        for name, value in one_hidden_layer(kind)[0].items():
            setattr(self, name, nn.Parameter(value))

    def forward(self, x_NT):
        return torch.tanh(self.C[x_NT].flatten(1) @ self.W1 + self.b1) @ self.W2 + self.b2


g = torch.Generator().manual_seed(1)
patients = {
    "original": [step(OneLayer("original"), g, 0, look=True)],
    "kaiming": [step(OneLayer("kaiming"), g, 0, look=True)],
    "gain 0.5": [step(Deep(torch.Generator().manual_seed(1), gain=0.5, norm=False), g, 0, look=True)],
    "gain 3": [step(Deep(torch.Generator().manual_seed(1), gain=3.0, norm=False), g, 0, look=True)],
    "BatchNorm": looks,
}
told = {name: diagnose(records) for name, records in patients.items()}
for name, sentences in told.items():
    print(f"\n{name}:", *(sentences or ["nothing found"]), sep="\n  ")
assert (
    "confidently wrong" in told["original"][0]
    and "scale W1 to a std of 5/3/sqrt(fan_in)" in told["original"][1]
)
assert not told["kaiming"] and not told["BatchNorm"]
assert any("activations vanish" in sentence for sentence in told["gain 0.5"])
assert any("tanh outputs beyond 0.99" in sentence for sentence in told["gain 3"])
measured["diagnosis.ill_and_well"] = True

# %% [markdown]
# And the pictures: white is a unit that is stuck for that row of the batch. The original network is mostly
# white; a column that is white from top to bottom would be a dead unit.

# %%
from groundup.base.log import EventLog
from groundup.recipes.diagnostics_figure import write_inside
from groundup.train.diagnostics import FILE
from groundup.train.diagnostics_data import figure_data

folder = Path(tempfile.mkdtemp(prefix="groundup-lesson-"))
for name, records in patients.items():
    for record in records:
        EventLog(folder / name / FILE, console=False).write("diagnostics", **record)
drawn = []
for name, view in (("original", "saturation"), ("kaiming", "saturation"), ("BatchNorm", "histograms"),
                   ("BatchNorm", "ratios"), ("BatchNorm", "gradients")):  # fmt: skip
    drawn.append(folder / f"{name}-{view}.png")
    write_inside(drawn[-1], figure_data(view, folder / name))
    print(f"drawn: {drawn[-1]}")
shares = {}
for name in ("original", "kaiming"):
    rows = figure_data("saturation", folder / name)["layers"][0]["rows"]
    shares[name] = sum(map(sum, rows)) / (len(rows) * len(rows[0]))
print("white:", {name: round(share, 3) for name, share in shares.items()})
assert shares["original"] > 0.5 > 0.2 > shares["kaiming"] and all(path.stat().st_size for path in drawn)

# %% [markdown]
# ## To try
#
# `groundup lesson exercises 04 -o mine.py` asks for four functions; `groundup lesson check 04 mine.py` says
# whether they are right. Here is one, checked. Then:
#
# 1. Set all weights and biases of a network to 0 and train it. What learns, what does not, and why?
# 2. Give `Deep` a gain of 0.2 and of 5, with BatchNorm. What changes in the pictures, and what in the ratios?
# 3. Train the deep net without BatchNorm at gain 5/3. After how many steps has a layer drifted away?
#
# Next: 05, where BatchNorm's gradient fits on one line.

# %%
from groundup.evals.exercise import check


def update_ratio(before, after):
    return ((after - before).std() / after.std()).log10()


assert check("04.update_ratio", update_ratio)
