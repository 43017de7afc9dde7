# %% [markdown]
# # 01 · A number that knows its gradient
#
# To learn is to change numbers so that another number, the loss, falls. Which way to change each of them, and
# how much it matters, is its derivative; a network has millions, and one method finds them all in about the
# time of computing the loss twice. We build that method from nothing, first in 40 lines that are wrong in
# instructive ways, then with the library, and at the end we train a network with it.
#
# The road is that of Andrej Karpathy's lecture "The spelled-out intro to neural networks and backpropagation:
# building micrograd"; his numbers wait in `groundup/reference/01.toml`, and `groundup lesson check 01` puts
# ours beside them.

# %%
import math
import random
import tempfile
import time
from pathlib import Path

measured: dict[str, object] = {}  # what this run found, by the ids of reference/01.toml

# %% [markdown]
# ## What a derivative is
#
# Take f(x) = 3x² - 4x + 5. At x = 3 it is 20. Go a little to the right: how much does f rise for each step?
# That is the slope, and two values of f are enough to see it. At 3 it is about 14; at 2/3 the curve is flat.


# %%
def f(x: float) -> float:
    return 3 * x**2 - 4 * x + 5


def slope(function, x: float, h: float = 1e-6) -> float:
    """Rise over run between two nearby values."""
    return (function(x + h) - function(x)) / h


print(f"f(3) = {f(3.0)}, slope at 3 = {slope(f, 3.0):.4f}, at 2/3 = {slope(f, 2 / 3):.2e}")
assert f(3.0) == 20.0 and abs(slope(f, 3.0) - 14) < 1e-4 and abs(slope(f, 2 / 3)) < 1e-5
measured["slope.f_of_3"] = f(3.0)
measured["slope.at_two_thirds"] = slope(f, 2 / 3)

# %% [markdown]
# With several inputs there is a slope for each, the others held still. In d = ab + c at a = 2, b = -3, c = 10
# the slopes are b, a and 1: the input beside you in a product, and nothing but yourself in a sum. Those two
# facts are half of backpropagation.

# %%
a, b, c, h = 2.0, -3.0, 10.0, 1e-4
d = a * b + c
slopes = [((a + h) * b + c - d) / h, (a * (b + h) + c - d) / h, (a * b + (c + h) - d) / h]
print(slopes)
assert all(abs(found - exact) < 1e-8 for found, exact in zip(slopes, (b, a, 1.0), strict=True))
measured["slope.dd_dc"] = slopes[2]

# %% [markdown]
# ## The chain rule
#
# Now L = d · f with f = -2, so L = -8. How does L change with a? A step in a moves d by b = -3 for each unit,
# and d moves L by f = -2 for each unit. So a moves L by (-3) · (-2) = 6. **Slopes along a path multiply.**
# That is the chain rule, and it is local: each operation needs to know its own slopes, and the slope of L at
# its result. Everything else is bookkeeping, and bookkeeping is what computers are for.
#
# So let a number remember what it was made of, and let each operation know how to hand a slope back.


# %%
class Scalar:
    """micrograd in small: a number, its gradient, and how to hand the gradient back."""

    def __init__(self, data: float, made_of: tuple = ()) -> None:
        self.data, self.grad, self.made_of = data, 0.0, made_of
        self.hand_back = lambda: None

    def __add__(self, other: "Scalar") -> "Scalar":
        out = Scalar(self.data + other.data, (self, other))

        def hand_back() -> None:
            self.grad += out.grad  # a sum passes the slope on
            other.grad += out.grad

        out.hand_back = hand_back
        return out

    def __mul__(self, other: "Scalar") -> "Scalar":
        out = Scalar(self.data * other.data, (self, other))

        def hand_back() -> None:
            self.grad += other.data * out.grad  # a product: the other factor
            other.grad += self.data * out.grad

        out.hand_back = hand_back
        return out

    def tanh(self) -> "Scalar":
        t = math.tanh(self.data)
        out = Scalar(t, (self,))

        def hand_back() -> None:
            self.grad += (1 - t * t) * out.grad

        out.hand_back = hand_back
        return out

    def backward(self) -> None:
        order: list[Scalar] = []
        seen: set[Scalar] = set()

        def visit(v: Scalar) -> None:  # everything that v was made of comes before v
            if v not in seen:
                seen.add(v)
                for source in v.made_of:
                    visit(source)
                order.append(v)

        visit(self)
        self.grad = 1.0  # dL/dL
        for v in reversed(order):
            v.hand_back()


from groundup.autograd.value import Value

gradients = {}
for kind in (Scalar, Value):  # ours, and the library's
    a, b, c, f_ = kind(2.0), kind(-3.0), kind(10.0), kind(-2.0)
    e = a * b
    d = e + c
    L = d * f_
    L.backward()
    gradients[kind] = [v.grad for v in (a, b, c, f_, d, e)]
    assert L.data == -8.0
print("dL/d(a, b, c, f, d, e) =", gradients[Scalar])
assert gradients[Scalar] == gradients[Value] == [6.0, -4.0, -2.0, 4.0, -2.0, -2.0]
measured["graph.gradients"] = gradients[Value]

# %% [markdown]
# Believe nothing: is dL/db really -4? Move b by 0.001 and look. And what is a gradient good for? Move all
# four inputs a hundredth of their gradient *uphill*, and L rises from -8 to -7.286496.


# %%
def loss_of(a: float, b: float, c: float, f: float) -> float:
    return (a * b + c) * f


inputs = [2.0, -3.0, 10.0, -2.0]
numeric = (loss_of(2.0, -3.0 + 1e-3, 10.0, -2.0) - loss_of(*inputs)) / 1e-3
uphill = loss_of(*(x + 0.01 * g for x, g in zip(inputs, gradients[Value][:4], strict=True)))
print(f"dL/db measured: {numeric}; after a step uphill: {uphill}")
assert abs(numeric + 4) < 1e-9 and abs(uphill + 7.286496) < 1e-9
measured["graph.numeric_db"] = numeric
measured["graph.after_a_step"] = uphill

# %% [markdown]
# The whole story as a picture, every number with its gradient:
#
#     groundup graph "a=2; b=-3; c=10; f=-2; e=a*b; d=e+c; L=d*f" -o g.svg
#
# The drawing is a function too.

# %%
from groundup.autograd.draw import draw

for v, name in zip((a, b, c, f_, e, d, L), "abcfedL", strict=True):
    v.label = name
picture = Path(tempfile.mkdtemp(prefix="groundup-lesson-")) / "L.svg"
picture.write_text(draw(L, title="L = (ab + c) f"), encoding="utf-8")
print(f"drawn: {picture}")
assert picture.read_text(encoding="utf-8").count("grad ") >= 7

# %% [markdown]
# ## The bug that everybody makes
#
# Why `+=` in `hand_back`, and not `=`? Because a value may be used twice. In a + a both uses hand back 1, so
# the slope is 2; with `=` the second would overwrite the first, and say 1. **Slopes over several paths add
# up.** Multiply along a path, add over paths: that is all of backpropagation.


# %%
class Forgetful(Scalar):
    """Overwrites where it should add."""

    def __add__(self, other: Scalar) -> Scalar:
        out = Forgetful(self.data + other.data, (self, other))

        def hand_back() -> None:
            self.grad = out.grad
            other.grad = out.grad

        out.hand_back = hand_back
        return out


twice = {}
for kind in (Forgetful, Scalar, Value):
    a = kind(3.0)
    (a + a).backward()
    twice[kind] = a.grad
print({kind.__name__: grad for kind, grad in twice.items()})
assert twice[Forgetful] == 1.0 and twice[Scalar] == twice[Value] == 2.0
measured["accumulate.a_plus_a"] = twice[Value]

a, b = Value(-2.0), Value(3.0)
((a * b) * (a + b)).backward()
assert (a.grad, b.grad) == (-3.0, -8.0)
measured["accumulate.two_paths"] = [a.grad, b.grad]

# %% [markdown]
# ## A neuron
#
# A neuron weighs its inputs, adds a bias, and bends the sum: tanh(x₁w₁ + x₂w₂ + b). The lecture's bias is
# chosen so that the numbers come out round: the output is 0.7071, and the gradients of x₁, w₁, x₂, w₂ are
# -1.5, 1, 0.5 and 0. (w₂ gets nothing, because its input is 0: turning that knob changes nothing.)
#
# tanh is also (e^2n - 1) / (e^2n + 1). Written like that the graph has other nodes, and the same gradients:
# how finely an operation is cut is a matter of taste, as long as each piece knows its slope.


# %%
def neuron(kind, bend) -> tuple[float, list[float]]:
    """(output, gradients of x1, w1, x2, w2)."""
    x1, w1, x2, w2, b = (kind(x) for x in (2.0, -3.0, 0.0, 1.0, 6.8813735870195432))
    o = bend(x1 * w1 + x2 * w2 + b)
    o.backward()
    return o.data, [v.grad for v in (x1, w1, x2, w2)]


def by_exp(n: Value) -> Value:
    e = (2 * n).exp()
    return (e - 1) / (e + 1)


whole, pieces = neuron(Value, Value.tanh), neuron(Value, by_exp)
print("tanh:", whole, "\nexp: ", pieces)
for ours in (neuron(Scalar, Scalar.tanh), whole, pieces):
    assert abs(ours[0] - 0.70710678) < 1e-8
    assert all(abs(g - exact) < 1e-12 for g, exact in zip(ours[1], (-1.5, 1.0, 0.5, 0.0), strict=True))
measured["neuron.out"] = whole[0]
measured["neuron.gradients"] = whole[1]
measured["neuron.by_exp"] = pieces[1]

# %% [markdown]
# ## The oracle
#
# How do we know that the engine is right where no number is round? PyTorch computes the same things, and was
# written by other people. The expression of micrograd's README uses everything there is; g is 24.7041, and
# its slopes are 138.8338 and 645.5773. And the lecture's own comparison with PyTorch has a trap: its tensors
# are made as float32 and widened *afterwards*, so the bias is a little off, and the output with it.

# %%
import torch

torch.set_num_threads(1)  # the same sums in the same order


def readme(a, b):
    """The expression of micrograd's README."""
    c, d = a + b, a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    return f / 2.0 + 10.0 / f


found = {}
for kind in (Value, lambda x: torch.tensor(x, dtype=torch.float64, requires_grad=True)):
    a, b = kind(-4.0), kind(2.0)
    g = readme(a, b)
    g.backward()
    found[kind] = [float(g.data), float(a.grad), float(b.grad)]
ours, theirs = found.values()
print("g, dg/da, dg/db:", ours)
assert all(math.isclose(x, y, rel_tol=1e-12) for x, y in zip(ours, theirs, strict=True))
assert [round(x, 4) for x in ours] == [24.7041, 138.8338, 645.5773]
measured["readme.g"], measured["readme.da"], measured["readme.db"] = ours

x = Value(-4.0)
z = 2 * x + 2 + x
q = z.relu() + z * x
y = (z * z).relu() + q + q * x
y.backward()
measured["sanity.y_and_dx"] = [y.data, x.grad]
assert (y.data, x.grad) == (-20.0, 46.0)

x1, w1, x2, w2, b = (torch.Tensor([x]).double() for x in (2.0, -3.0, 0.0, 1.0, 6.8813735870195432))
x1.requires_grad = True
o = torch.tanh(x1 * w1 + x2 * w2 + b)
o.backward()
measured["torch.out"], measured["torch.dx1"] = o.item(), x1.grad.item()
assert o.item() != whole[0] and abs(o.item() - whole[0]) < 1e-6

# %% [markdown]
# ## What the forty lines cannot do
#
# Our Scalar finds its order by calling itself, once for each step of the longest path, and Python stops at a
# thousand. It also doubles silently when `backward()` is called twice. The library needs no recursion,
# because a value is always younger than what it was made of, so that sorting by age is enough; a chain of
# 100,000 is nothing to it. And it refuses what would be wrong: a second `backward()`, an operand that was
# changed in between, the logarithm of a negative number, always with the values.

# %%
from groundup.base.errors import GraphError


def chain(kind, length: int):
    x = kind(1.0)
    y = x
    for _ in range(length):
        y = y + kind(1e-5)
    y.backward()
    return x.grad


try:
    chain(Scalar, 5_000)
    raise AssertionError("Python's recursion limit is 1,000")
except RecursionError:
    print("the naive engine: too deep")
assert chain(Value, 100_000) == 1.0
measured["depth.a_hundred_thousand"] = True

a = Value(2.0, "a")
L = a * a
L.backward()
for mistake in (L.backward, lambda: Value(-1.0).log(), lambda: 1 / Value(0.0)):
    try:
        mistake()
        raise AssertionError("this should have been refused")
    except GraphError as error:
        print("refused:", error)
assert a.grad == 4.0

# %% [markdown]
# ## A network learns four points
#
# Layers of neurons make a network. Four examples of three numbers, four answers, and the loss is the sum of
# squared errors. One step: compute the loss, find all the slopes, move every parameter a little downhill.
# 41 parameters; after 200 steps the loss is below 0.01.

# %%
from groundup.autograd.nn import MLP, Neuron

random.seed(1337)
first = Neuron(2)
out = first([1.0, -2.0])
print("the lecture's first neuron:", [round(w.data, 4) for w in first.w], round(out.data, 4))
measured["neuron.seed_1337"] = [first.w[0].data, first.w[1].data, out.data]
assert [round(w.data, 4) for w in first.w] == [0.2355, 0.0665] and round(out.data, 4) == 0.1024

examples = [
    ([2.0, 3.0, -1.0], 1.0),
    ([3.0, -1.0, 0.5], -1.0),
    ([0.5, 1.0, 1.0], -1.0),
    ([1.0, 1.0, -1.0], 1.0),
]
random.seed(1337)
model = MLP(3, [4, 4, 1])
for step in range(200):
    loss = sum(((model(x) - y) ** 2 for x, y in examples), Value(0.0))
    model.zero_grad()
    loss.backward()
    for p in model.parameters():
        p.data -= 0.02 * p.grad
    if step % 50 == 0:
        print(f"step {step:3}  loss {loss.data:.4f}")
print(f"         loss {loss.data:.6f}, answers {[round(model(x).data, 2) for x, _ in examples]}")
assert len(model.parameters()) == 41 and loss.data < 0.01
measured["mlp.learns_four_points"] = loss.data < 0.01

# %% [markdown]
# ## Two moons, and a machine for the same thing again and again
#
# The lecture ends with 100 points on two half moons, a network of 337 parameters, and a loss of 65,000
# values. Each step builds them anew, although nothing but numbers has changed since the last one. So record
# what was computed once, as a flat list of operations, and *replay* it with new numbers: the same sums in the
# same order, hundreds of times as fast.
#
# What is recorded must not depend on the numbers: a program that read a value and decided something would
# repeat that decision for ever. So reading is refused while recording.

# %%
import numpy as np

from groundup.autograd.graph import ordered
from groundup.autograd.replay import Replay
from groundup.data.moons import moons

points, labels = moons(100, noise=0.1, seed=1337)
signs = 2.0 * labels - 1
random.seed(1337)
model = MLP(2, [16, 16, 1])


def margin_loss(points, signs):
    """[loss, scores]: relu(1 - sign * score) on average, plus a penalty on large parameters."""
    scores = [model(point) for point in points]
    losses = [(1 + -sign * score).relu() for sign, score in zip(signs, scores, strict=True)]
    penalty = 1e-4 * sum((p * p for p in model.parameters()), Value(0.0))
    return [sum(losses, Value(0.0)) * (1.0 / len(losses)) + penalty, *scores]


began = time.process_time()
eager = margin_loss([list(map(Value, point)) for point in points], [Value(sign) for sign in signs])[0]
eager.backward()
eager_seconds = time.process_time() - began
assert 65_000 < len(ordered(eager)) < 66_500
slopes = [p.grad for p in model.parameters()]
assert len(slopes) == 337

step = Replay(margin_loss, parameters=model.parameters())
assert math.isclose(step(points, signs), eager.data, rel_tol=1e-12)
np.testing.assert_allclose(step.gradient, slopes, rtol=1e-9, atol=1e-12)

losses, right = [], []
for k in range(100):
    if k == 3:  # recorded, checked, compiled: from here on it only replays
        began = time.process_time()
    losses.append(step(points, signs))
    right.append(int(((step.results[1:] > 0) == (signs > 0)).sum()))
    step.parameters -= (1.0 - 0.9 * k / 100) * step.gradient
replay_seconds = (time.process_time() - began) / 97
print(f"losses {losses[0]:.7f} {losses[1]:.7f} ... {losses[-1]:.7f}; {right[-1]} of 100 right")
print(f"a step: {1000 * eager_seconds:.0f} ms value by value, {1000 * replay_seconds:.2f} ms by replay")
assert right[-1] == 100 and replay_seconds < eager_seconds / 3
measured["moons.loss.0"], measured["moons.loss.1"] = losses[0], losses[1]
measured["moons.loss.4"], measured["moons.loss.99"] = losses[4], losses[99]
measured["moons.first_all_right"] = right.index(100)
measured["moons.last_wrong"] = max(k for k in range(100) if right[k] < 100)

try:
    Replay(lambda x: x if x.data > 0 else -x, parameters=model.parameters())(1.0)
    raise AssertionError("a decision was recorded")
except GraphError as error:
    print("refused:", error)

# %% [markdown]
# ## The same idea on arrays
#
# A scalar at a time is how to understand it, an array at a time is how to use it: one node for a whole
# product of matrices. The slopes are the same, only with indices. Two things are new. *Broadcasting* copies a
# small array over a large one, and copies are uses, so the slopes over the copies add up. And the derivative
# of a product of matrices is again two products: for Y = X W it is dW = Xᵀ dY and dX = dY Wᵀ.
#
# The network of before, its weights written as matrices, gives the same loss on all points at once.

# %%
from groundup.autograd.array import Array
from groundup.autograd.array_functions import cross_entropy

step.store()  # the trained numbers, back into the Values
arrays = []
for layer in model.layers:
    weight = Array([[w.data for w in neuron.w] for neuron in layer.neurons])
    bias = Array([neuron.b.data for neuron in layer.neurons])
    arrays.append((weight, bias))
hidden: np.ndarray | Array = points
for weight, bias in arrays[:-1]:
    hidden = (hidden @ weight.T + bias).relu()
scores = (hidden @ arrays[-1][0].T + arrays[-1][1]).reshape(100)
loss = (1 - signs * scores).relu().mean()
for weight, bias in arrays:
    loss = loss + 1e-4 * (weight**2).sum() + 1e-4 * (bias**2).sum()
loss.backward()

again = step(points, signs)
assert math.isclose(loss.item(), again, rel_tol=1e-12)
at = 0  # the parameters of the scalars come neuron by neuron: weights, then bias
for weight, bias in arrays:
    for row, b_grad in zip(weight.grad, bias.grad, strict=True):
        np.testing.assert_allclose(
            [*row, b_grad], step.gradient[at : at + len(row) + 1], rtol=1e-9, atol=1e-12
        )
        at += len(row) + 1
assert at == 337
print(f"loss on arrays {loss.item():.10f}, on scalars {again:.10f}, and 337 equal slopes")
measured["arrays.equal_scalars"] = True

copies = Array([1.0, 2.0])  # broadcast over three rows: three uses
(copies * np.ones((3, 2))).sum().backward()
assert copies.grad.tolist() == [3.0, 3.0]

# %% [markdown]
# ## The lecture's exercises
#
# Try them before you read on.
#
# 1. Of f(a, b, c) = -a³ + sin(3b) - 1/c + b^2.5 - a^0.5 at (2, 3, 4): derive the three slopes by hand, check
#    them with two nearby values, then with *two symmetric* ones. How much nearer does that come?
# 2. Give four logits to a softmax and take minus the logarithm of the fourth share. What are the slopes?
#
# Answers: the symmetric measurement errs by the *square* of the step. And the slopes of softmax with
# cross-entropy are the shares, less 1 at the right one: for logits 0, 3, -2, 1 the loss is 2.1755.


# %%
def check_slopes(function, slopes, at, h: float = 1e-5, tolerance: float = 1e-6) -> float:
    """The largest distance between derived and measured slopes; AssertionError if it is too large."""
    worst = 0.0
    for i, slope_i in enumerate(slopes(*at)):
        up, down = ([x + sign * h * (i == j) for j, x in enumerate(at)] for sign in (1, -1))
        worst = max(worst, abs((function(*up) - function(*down)) / (2 * h) - slope_i))
    assert worst < tolerance, f"off by {worst}"
    return worst


def exercise(a, b, c):
    return -(a**3) + math.sin(3 * b) - 1 / c + b**2.5 - a**0.5


def derived(a, b, c):
    return -3 * a**2 - 0.5 / a**0.5, 3 * math.cos(3 * b) + 2.5 * b**1.5, 1 / c**2


symmetric = check_slopes(exercise, derived, (2.0, 3.0, 4.0))
one_sided = abs(slope(lambda a: exercise(a, 3.0, 4.0), 2.0, 1e-5) - derived(2.0, 3.0, 4.0)[0])
print(f"off by {one_sided:.1e} one-sided, by {symmetric:.1e} symmetric")
assert symmetric < one_sided / 100
measured["exercise.gradient"] = list(derived(2.0, 3.0, 4.0))
try:  # the check can fail: forget the 2.5
    check_slopes(exercise, lambda a, b, c: (derived(a, b, c)[0], b**1.5, 1 / c**2), (2.0, 3.0, 4.0))
    raise AssertionError("a wrong slope was believed")
except AssertionError as error:
    assert "off by" in str(error)

logits = [Value(x) for x in (0.0, 3.0, -2.0, 1.0)]
powers = [logit.exp() for logit in logits]
nll = -(powers[3] / sum(powers, Value(0.0))).log()
nll.backward()
on_arrays = Array([[0.0, 3.0, -2.0, 1.0]])
cross_entropy(on_arrays, [3]).backward()
shares = [p.data / sum(p.data for p in powers) for p in powers]
assert round(nll.data, 4) == 2.1755
for logit, by_array, share, right_one in zip(logits, on_arrays.grad[0], shares, (0, 0, 0, 1), strict=True):
    assert math.isclose(logit.grad, share - right_one, rel_tol=1e-12)
    assert math.isclose(by_array, share - right_one, rel_tol=1e-12)
measured["exercise.softmax_loss"] = nll.data
measured["exercise.softmax_gradient"] = [logit.grad for logit in logits]

# %% [markdown]
# ## Where you are
#
# Everything above this floor uses PyTorch's engine, which is this idea with faster kernels. Three jobs run on
# ours: `groundup run moons`, `groundup run digits-from-scratch` (convolutions on arrays, real handwriting)
# and `groundup run scalar-gpt` (a language model, one scalar at a time). The engine is
# `groundup/autograd/value.py`, and its docstring says where to read on.
#
# To try, here, in this file:
#
# 1. Give Scalar `exp`, and `**` with a number. Does `readme` work with it? (`check_slopes` helps.)
# 2. Set all weights of the moons network to the same number before training. What becomes of the neurons?
# 3. Replace the penalty by its square root. Which value now has an infinite slope, and who notices?
# 4. Draw the network of the four points with `draw`. Which weights have gradient 0, and why?
#
# Next: 02, where counting and learning give the same model.
