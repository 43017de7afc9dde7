"""The scalar engine against torch, micrograd's own tests, and the numbers of the lecture."""

import copy
import gc
import math
import pickle
import random
import sys
import weakref

import numpy as np
import pytest
import torch
from hypothesis import example, given

from groundup.autograd.graph import collector_paused, ordered
from groundup.autograd.value import Value, made
from groundup.base.errors import GraphError
from tests.autograd.expressions import compute, leaves, steps


def gradients_agree(numbers, recipe):
    """The gradients of one expression, by Value and by torch in float64."""
    ours = [Value(x) for x in numbers]
    theirs = [torch.tensor(x, dtype=torch.float64, requires_grad=True) for x in numbers]
    result, expected = compute(ours, recipe), compute(theirs, recipe)
    result.backward()
    expected.backward()
    assert result.data == pytest.approx(expected.item(), rel=1e-10, abs=1e-10)
    expected_grads = [0.0 if t.grad is None else t.grad.item() for t in theirs]
    assert [v.grad for v in ours] == pytest.approx(expected_grads, rel=1e-10, abs=1e-10)


@given(leaves, steps)
@example([1.0, 1.0], [("maximum", 0, 1)])  # a tie
@example([0.0], [("relu", 0, 0)])
def test_random_expressions_have_torchs_gradients(numbers, recipe):
    gradients_agree(numbers, recipe)


def test_a_wrong_derivative_would_be_seen(monkeypatch):
    def tanh(self):
        t = math.tanh(self._data)
        return made(t, "tanh", self, 1.0 - t)

    monkeypatch.setattr(Value, "tanh", tanh)
    with pytest.raises(AssertionError):
        gradients_agree([0.3], [("tanh", 0, 0)])


# ---- micrograd's tests (github.com/karpathy/micrograd, test/test_engine.py), for both engines ----


def sanity(x):
    z = 2 * x + 2 + x
    q = z.relu() + z * x
    h = (z * z).relu()
    return h + q + q * x


def more_ops(a, b):
    c = a + b
    d = a * b + b**3
    c = c + c + 1
    c = c + 1 + c + (-a)
    d = d + d * 2 + (b + a).relu()
    d = d + 3 * d + (b - a).relu()
    e = c - d
    f = e**2
    g = f / 2.0
    return g + 10.0 / f


def test_micrograds_sanity_check_is_exact():
    x = Value(-4.0)
    t = torch.tensor(-4.0, dtype=torch.float64, requires_grad=True)
    y, expected = sanity(x), sanity(t)
    y.backward()
    expected.backward()
    assert (y.data, x.grad) == (expected.item(), t.grad.item()) == (-20.0, 46.0)


def test_micrograds_readme_expression():
    a, b = Value(-4.0), Value(2.0)
    g = more_ops(a, b)
    g.backward()
    assert g.data == pytest.approx(24.70408163265306, rel=1e-15)
    assert a.grad == pytest.approx(138.83381924198252, rel=1e-15)
    assert b.grad == pytest.approx(645.5772594752186, rel=1e-15)


def test_assignment_operators_make_new_values():
    a = before = Value(1.0)
    a += 2
    a *= 3
    a -= 1
    a /= 2
    a **= 2
    assert (a.data, before.data) == (16.0, 1.0)


# ---- the lecture's numbers ----


def test_the_lectures_expression_and_its_step_downhill():
    a, b, c, f = (Value(x) for x in (2.0, -3.0, 10.0, -2.0))
    e = a * b
    d = e + c
    loss = d * f
    loss.backward()
    assert [v.grad for v in (a, b, c, f, d, e)] == [6.0, -4.0, -2.0, 4.0, -2.0, -2.0]
    for v in (a, b, c, f):
        v.data += 0.01 * v.grad
    assert ((a * b + c) * f).data == pytest.approx(-7.286496, rel=1e-12)


@pytest.mark.parametrize("written_out", [False, True])
def test_the_lectures_neuron(written_out):
    x1, x2, w1, w2 = Value(2.0), Value(0.0), Value(-3.0), Value(1.0)
    n = x1 * w1 + x2 * w2 + 6.8813735870195432
    e = (2 * n).exp()
    o = (e - 1) / (e + 1) if written_out else n.tanh()
    o.backward()
    assert o.data == pytest.approx(0.7071067811865476, rel=1e-12)
    assert [v.grad for v in (x1, w1, x2, w2, n)] == pytest.approx([-1.5, 1.0, 0.5, 0.0, 0.5], rel=1e-12)


def test_a_value_used_twice_adds_up():
    a = Value(3.0)
    (a + a).backward()
    assert a.grad == 2.0
    a, b = Value(-2.0), Value(3.0)
    d, e = a * b, a + b
    (d * e).backward()
    assert [v.grad for v in (a, b, d, e)] == [-3.0, -8.0, 1.0, -6.0]


# ---- the graph as micrograd shows it ----


def test_operation_names_and_operands():
    a, b = Value(1.0, label="a"), Value(2.0)
    b.label = "b"
    assert [v._op for v in (a, a + b, a * b, a**3, a**-0.5, a.relu(), a.tanh())] == [
        "", "+", "*", "**3", "**-0.5", "ReLU", "tanh"]  # fmt: skip
    assert (a * b)._prev == {a, b} and (a + a)._prev == {a} and a._prev == set()
    assert [v._op for v in ordered(a - b)] == ["", "", "", "*", "+"]  # a + b * -1
    assert [v._op for v in ordered(a / b)] == ["", "", "**-1", "*"]
    assert (a.label, b.label, (a + b).label) == ("a", "b", "")
    assert repr(a) == "Value(data=1.0, grad=0.0)"


def test_a_value_is_true_whatever_its_number():
    """As an object of micrograd; `if v` while recording is refused, see test_replay.py."""
    assert Value(0.0) and Value(1.0) * 0.0


def test_numbers_of_every_kind_become_floats():
    for number in (2, True, np.float32(0.5), np.int64(3), torch.tensor(1.5)):
        assert type(Value(number).data) is float
    assert type(np.float64(2.0) * Value(3.0)) is type(np.int64(2) + Value(3.0)) is Value
    assert [v.data for v in np.array([1.0, 2.0]) * Value(3.0)] == [3.0, 6.0]


# ---- depth, memory, repetition ----


def test_a_chain_of_a_million():
    x = Value(1.0)
    y = x
    with collector_paused():
        for _ in range(1_000_000):
            y = y + 1.0
        assert sys.getrecursionlimit() < 1_000_000
        y.backward()
        assert (y.data, x.grad) == (1_000_001.0, 1.0)
        half_way = weakref.ref(y._a)
        del y  # freeing must not recurse either
        assert half_way() is None


def test_a_graph_is_gone_with_its_result():
    x = Value(2.0)
    with collector_paused():
        y = (x * x).tanh()
        loss = (y + x).relu() * 3
        loss.backward()
        there = [weakref.ref(v) for v in ordered(loss) if v is not x]
        del loss
        assert [ref() for ref in there if ref() is not None] == [y._a, y]  # what y still holds
        del y
        assert all(ref() is None for ref in there)
    assert gc.isenabled()


def test_backward_twice_is_refused_and_zero_grad_allows_it():
    x = Value(3.0)
    loss = x * x
    loss.backward()
    with pytest.raises(GraphError, match=r"already called on Value\(data=9.0.*zero_grad"):
        loss.backward()
    assert x.grad == 6.0
    loss.zero_grad()
    assert x.grad == 0.0
    loss.backward()
    assert x.grad == 6.0


def test_two_results_that_share_a_part_are_not_counted_twice():
    """micrograd passes on what the shared part had from the first result once more: 6 + 12 + 6."""
    x = Value(3.0)
    shared = x * x
    shared.backward()
    (shared * 2).backward()
    assert (x.grad, shared.grad) == (6.0 + 12.0, 2.0)


def test_backward_of_a_leaf():
    x = Value(3.0)
    x.backward()
    x.backward()
    assert x.grad == 1.0


def test_a_gradient_can_be_infinite_and_zero_stays_zero():
    root = Value(0.0)
    (root**0.5).backward()
    assert root.grad == math.inf
    x = Value(0.0)
    ((x**0.5) * 0.0).backward()
    assert x.grad == 0.0  # torch says NaN


# ---- bad input ----


@pytest.mark.parametrize(
    ("expression", "message"),
    [
        (lambda: Value(-2.0).log(), r"log\(-2.0\).*above 0"),
        (lambda: Value(0.0).log(), r"log\(0.0\)"),
        (lambda: Value(3.0) / 0, r"3.0 / 0.0: division by zero"),
        (lambda: 3.0 / Value(0.0), r"3.0 / 0.0: division by zero"),
        (lambda: Value(0.0) ** -2, r"0.0 \*\* -2.0: division by zero"),
        (lambda: Value(-8.0) ** (1 / 3), r"\(-8.0\) \*\* 0.333.*whole exponent"),
        (lambda: Value(2.0) ** Value(3.0), r"2.0 \*\* Value\(data=3.0.*exponent is a Value"),
        (lambda: 2.0 ** Value(3.0), r"2.0 \*\* Value\(data=3.0.*exponent is a Value"),
        (lambda: Value(1000.0).exp(), r"exp\(1000.0\).*larger than any float"),
        (lambda: Value(1e200) ** 2, r"\(1e\+200\) \*\* 2.0.*larger than any float"),
        (lambda: Value(1e300) ** 1.5, r"\(1e\+300\) \*\* 1.5.*larger than any float"),
        (
            lambda: Value(1.0) / 1e-320,
            r"\(1e-320\) \*\* -1.0.*larger than any float. Keep the base away from 0",
        ),
        (lambda: Value(1.0) / Value(1e-320), r"\(1e-320\) \*\* -1.0.*Keep the base away from 0"),
        (lambda: Value(2.0) ** math.inf, r"\(2.0\) \*\* inf: an exponent is a finite number"),
        (lambda: Value(10**400), "whole number of more than 308 digits"),
        (lambda: Value(2.0) ** 10**400, "whole number of more than 308 digits"),
        (lambda: Value(float("nan")), "cannot be NaN"),
        (lambda: Value(1.0) * float("nan"), "cannot be NaN"),
        (lambda: Value("3"), r"'3' \(str\) is no number"),
        (lambda: Value(1.0) * [1.0, 2.0], r"\[1.0, 2.0\] \(list\) is no number"),
        (lambda: Value(1j), r"1j \(complex\)"),
        (lambda: (Value(math.inf) - math.inf).exp(), "exp of nan: not a number"),
        (lambda: (Value(1e300, "big") * 1e300).backward(), r"'\*' of 1e\+300 \(big\) and 1e\+300 is inf"),
        (lambda: Value(math.inf, "x").tanh().log(), None),
        (lambda: (Value(math.inf, "x") + 1).backward(), r"the leaf \(x\) is inf"),
    ],
)
def test_what_is_not_defined_is_refused(expression, message):
    if message is None:
        assert math.isfinite(expression().data)  # an infinite leaf is allowed: its results may be finite
        return
    with pytest.raises(GraphError, match=message):
        expression()


def test_a_leaf_that_was_set_after_its_use_is_refused():
    w, x = Value(3.0, label="w"), Value(2.0)
    loss = (w * x).relu()
    w.data = 5.0
    for late in (loss.backward, loss.zero_grad):
        with pytest.raises(GraphError, match=r"leaf \(w\) was set to 5.0 after '\*' .* compute 6.0"):
            late()
    (w * x).backward()  # computed anew
    assert x.grad == 5.0


def test_a_result_cannot_be_set_or_copied():
    y = Value(3.0) * 2
    y.label = "y"
    with pytest.raises(GraphError, match=r"result of '\*', 6.0 \(y\), cannot be set to 7.0"):
        y.data = 7.0
    with pytest.raises(GraphError, match=r"result of '\*', 6.0 \(y\), cannot be copied"):
        copy.deepcopy(y)
    assert y.data == 6.0


@pytest.mark.parametrize("first", [True, False])
def test_not_a_number_is_not_lost_in_a_maximum(first):
    """maximum(3, nan) was 3, and its whole gradient went to what was nan: now it is nan, as in torch."""
    three, large = Value(3.0), Value(1e200)
    nan = large * 1e200 * 0.0
    larger = three.maximum(nan) if first else nan.maximum(three)
    assert math.isnan(larger.data)
    with pytest.raises(GraphError, match=r"'\*' of 1e\+200 and 1e\+200 is inf"):
        larger.backward()
    assert three.grad == large.grad == 0.0


def test_nan_cannot_be_set():
    x = Value(1.0)
    with pytest.raises(GraphError, match="cannot be NaN"):
        x.data = float("nan")
    assert x.data == 1.0


def test_a_cycle_is_refused():
    a = Value(1.0) + 1.0
    b = a * 2.0
    a._b = b
    for walk in (b.backward, b.zero_grad):
        with pytest.raises(GraphError, match=r"cycle: '\+' = 2.0 was made of '\*' = 4.0"):
            walk()


def test_a_copy_of_a_leaf_is_another_leaf():
    """A copy with its original's time of birth would be taken for it."""
    x = Value(3.0, label="x")
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        x.grad = 0.0
        (x * twin).backward()
        assert (twin.data, twin.label, x.grad, twin.grad) == (3.0, "x", 3.0, 3.0)


def test_a_training_loop_as_in_the_course():
    """Four points, three inputs, tanh: the loss falls below 0.01."""
    rng = random.Random(1)
    xs = [[2.0, 3.0, -1.0], [3.0, -1.0, 0.5], [0.5, 1.0, 1.0], [1.0, 1.0, -1.0]]
    ys = [1.0, -1.0, -1.0, 1.0]
    w = [[Value(rng.uniform(-1, 1)) for _ in range(4)] for _ in range(4)]
    out = [Value(rng.uniform(-1, 1)) for _ in range(5)]
    for _ in range(200):
        loss = Value(0.0)
        for x, y in zip(xs, ys, strict=True):
            hidden = [sum((a * b for a, b in zip(row, x, strict=False)), row[3]).tanh() for row in w]
            loss += (sum((a * b for a, b in zip(out, hidden, strict=False)), out[4]).tanh() - y) ** 2
        loss.zero_grad()
        loss.backward()
        for p in [p for row in [*w, out] for p in row]:
            p.data -= 0.1 * p.grad
    assert loss.data < 0.01
