"""Record once, replay many: the course's moons to the published digits, and every way to bake in a number."""

import copy
import random

import numpy as np
import pytest

from groundup.autograd import run_loop
from groundup.autograd.nn import MLP
from groundup.autograd.pick import Index, pick
from groundup.autograd.replay import Replay
from groundup.autograd.value import Value, guard
from groundup.base.errors import GraphError
from groundup.data.moons import moons


def line(w, b):
    """The squared error of w * x + b, for points given as arguments."""

    def loss(xs, ys):
        return sum((w * x + b - y) ** 2 for x, y in zip(xs, ys, strict=True))

    return loss


@pytest.fixture
def leaves():
    return [Value(0.5, label="w"), Value(-1.0, label="b")]


# ---- it computes the same, every time ----


def test_the_moons_of_the_course_to_the_published_digits():
    """micrograd's demo.ipynb prints these; its own last digits vary, because it sorts by address."""
    points, labels = moons(100, noise=0.1, seed=1337)
    random.seed(1337)
    model = MLP(2, [16, 16, 1])

    def loss(points, labels):
        scores = [model(point) for point in points]
        losses = [(1 + -y * score).relu() for y, score in zip(labels, scores, strict=True)]
        data_loss = sum(losses) * (1.0 / len(losses))
        return [data_loss + 1e-4 * sum(p * p for p in model.parameters()), *scores]

    step = Replay(loss, parameters=model.parameters())
    seen = []
    for k in range(100):
        number = step(points, labels * 2 - 1)
        right = (step.results[1:] > 0) == (labels > 0)
        seen.append((number, right.mean()))
        step.parameters -= (1.0 - 0.9 * k / 100) * step.gradient
    assert seen[0] == (pytest.approx(0.8958441028683222, rel=1e-9), 0.5)
    assert seen[1][0] == pytest.approx(1.7235905336972022, rel=1e-9)
    assert seen[4][0] == pytest.approx(0.3692793385976538, rel=1e-9)
    assert seen[99] == (pytest.approx(0.010978370135492717, rel=1e-9), 1.0)
    accuracies = [accuracy for _, accuracy in seen]
    assert accuracies.index(1.0) == 40
    assert max(k for k, accuracy in enumerate(accuracies) if accuracy < 1.0) == 69


@pytest.mark.parametrize("runner", ["auto", "numba", "numpy", "python"])
def test_training_equals_the_eager_engine_to_the_last_bit(runner, leaves):
    rng = random.Random(3)
    data = [([rng.uniform(-1, 1) for _ in range(n)], [rng.uniform(-1, 1) for _ in range(n)])
            for n in (3, 3, 2, 3, 2, 2, 3)]  # fmt: skip
    eager = [Value(v.data) for v in leaves]
    step = Replay(line(*leaves), parameters=leaves, runner=runner)
    for xs, ys in data:
        loss = line(*eager)(xs, ys)
        loss.zero_grad()
        loss.backward()
        assert step(xs, ys) == loss.data
        assert step.gradient.tolist() == [v.grad for v in eager]
        step.parameters -= 0.05 * step.gradient
        for v in eager:
            v.data -= 0.05 * v.grad
    step.store()
    assert [v.data for v in leaves] == [v.data for v in eager] == step.parameters.tolist()
    assert [v.grad for v in leaves] == [v.grad for v in eager]


def test_arguments_are_numbers_lists_arrays_and_indices(leaves):
    w, b = leaves

    def function(x, xs, grid, token):
        return [w * x + xs[1] * grid[1][0] + pick([b, w, xs[0]], token), grid[0][1] * 1.0]

    step = Replay(function, parameters=leaves)
    assert step(2, [3.0, 4], np.array([[5, 6], [7, 8]]), Index(1)) == 0.5 * 2 + 4 * 7 + 0.5
    assert step.results.tolist() == [29.5, 6.0]
    assert step(2, [3.0, 4], np.array([[5, 6], [7, 8]]), Index(2)) == 0.5 * 2 + 4 * 7 + 3
    assert step.gradient.tolist() == [2.0, 0.0]
    for wrong, message in (
        ("a", r"'a' \(str\)"), (None, "None"), (Value(1.0), "Value"), (1j, "1j"), (10**400, r"0 \(int\)"),
        (np.array([1, None]), "array"), (np.array(["a"]), "array"), (np.array([1j]), "array"),
    ):  # fmt: skip
        with pytest.raises(GraphError, match=rf"{message}.*cannot be an argument"):
            step(wrong)


def test_forward_leaves_the_gradient_alone(leaves):
    step = Replay(line(*leaves), parameters=leaves)
    for _ in range(3):
        step([1.0], [2.0])
    before = step.gradient.copy()
    assert step.forward([3.0], [4.0]).tolist() == [(0.5 * 3 - 1 - 4) ** 2]
    assert step.gradient.tolist() == before.tolist() and before.any()


def test_the_eager_gradients_are_not_touched(leaves):
    leaves[0].grad = 7.0
    Replay(line(*leaves), parameters=leaves)([1.0], [2.0])
    assert leaves[0].grad == 7.0


def test_the_function_is_called_twice_for_a_shape_and_never_again(leaves):
    calls = []

    def loss(xs):
        calls.append(len(xs))
        return sum(leaves[0] * x for x in xs) + leaves[1]

    step = Replay(loss, parameters=leaves)
    for n in (2, 2, 2, 3, 3, 3, 2, 3):
        step([1.0] * n)
    assert calls == [2, 2, 3, 3]


# ---- guard 1: numbers from outside ----


@pytest.mark.parametrize("runner", ["numba", "numpy", "python"])
def test_a_number_that_changes_outside_is_named(leaves, runner):
    labels = [1.0, -1.0]

    def loss(xs):
        return sum((leaves[0] * x - y) ** 2 for x, y in zip(xs, labels, strict=True))

    step = Replay(loss, parameters=leaves, runner=runner)
    step([1.0, 2.0])
    labels[1] = 0.25
    with pytest.raises(
        GraphError, match=r"number 1.0 in operation .* was baked in, and is now -0.25.*Pass what"
    ):
        step([1.0, 2.0])
    with pytest.raises(GraphError, match="baked in"):  # and not believed afterwards
        step([1.0, 2.0])
    labels[1] = -1.0
    step([1.0, 2.0])
    labels[1] = 3.0  # too late to be noticed ...
    step([1.0, 2.0])
    with pytest.raises(GraphError, match=r"is now -3.0"):  # ... unless it is asked
        step.check([1.0, 2.0])


def test_an_exponent_that_changes_outside_is_named(leaves):
    exponent = [2]
    step = Replay(lambda x: (leaves[0] * x) ** exponent[0], parameters=leaves)
    step(1.0)
    exponent[0] = 4
    with pytest.raises(
        GraphError, match=r"exponent 2.0 in operation 1 \('\*\*'\) was baked in, and is now 4.0"
    ):
        step(1.0)


def test_a_value_from_outside_is_refused(leaves):
    forgotten = Value(2.0, label="scale")
    step = Replay(lambda x: leaves[0] * x * forgotten, parameters=leaves)
    with pytest.raises(GraphError, match=r"'scale' = 2.0 was made outside"):
        step(1.0)


# ---- guard 2: numbers that are read to decide something ----


@pytest.mark.parametrize(
    ("function", "message"),
    [
        (lambda w, x: w * x if x.data > 0 else w, r"leaf = 3.0 was read"),
        (lambda w, x: w * x if w.data > 0 else w, r"leaf = 0.5 \(w\) was read"),
        (lambda w, x: w * x if (w * x).data > 0 else w, r"\* = 1.5 was read"),
        (lambda w, x: w * Value(x.data), r"leaf = 3.0 was read"),
        (lambda w, x: w * x if x else w, r"leaf = 3.0 was asked whether it is true"),
        (lambda w, x: (w * x) or w, r"\* = 1.5 was asked whether it is true"),
        (lambda w, x: w * copy.copy(x), r"leaf = 3.0 was copied"),
        (lambda w, x: copy.deepcopy(w) * x, r"leaf = 0.5 \(w\) was copied"),
        (lambda w, x: setattr(w, "data", 2.0) or w * x, r"leaf = 0.5 \(w\) was set"),
        (lambda w, x: (w * x).backward() or w * x, r"\* = 1.5 was differentiated"),
    ],
)
def test_a_decision_by_a_number_is_refused(function, message, leaves):
    w = leaves[0]
    step = Replay(lambda x: function(w, x), parameters=[w])
    with pytest.raises(GraphError, match=rf"{message} while a function is recorded"):
        step(3.0)
    assert guard.ask is None and w.data == 0.5  # afterwards everybody may read again


def test_looking_without_deciding_is_allowed(leaves):
    w = leaves[0]
    shown = []

    def function(x):
        y = w * x
        shown.append(f"{y} {y._op} {y.grad}")
        return y

    assert Replay(function, parameters=[w])(3.0) == 1.5
    assert shown == ["Value(data=1.5, grad=0.0) * 0.0"]


def test_other_threads_may_read_meanwhile(leaves):
    from threading import Thread

    seen = []

    def function(x):
        thread = Thread(target=lambda: seen.append(leaves[1].data))
        thread.start()
        thread.join()
        return leaves[0] * x

    Replay(function, parameters=leaves)(1.0)
    assert seen == [-1.0]


# ---- guard 3: choices ----


@pytest.mark.parametrize(
    "function",
    [
        lambda table, token: table[token],
        lambda table, token: table[0] * (2.0 if token == 1 else 3.0),
        lambda table, token: table[0] * (2.0 if token else 3.0),
        lambda table, token: table[0] * token.number,
        lambda table, token: table[0] * range(5)[token],
    ],
)
def test_a_choice_by_a_token_is_refused(function, leaves):
    step = Replay(lambda token: function(leaves, token), parameters=leaves)
    with pytest.raises(GraphError, match=r"Index\(1\) was read while .* pick\(table, index\)"):
        step(Index(1))


def test_an_index_that_is_no_argument_is_refused(leaves):
    token = Index(1)
    step = Replay(lambda x: pick(leaves, token) * x, parameters=leaves)
    with pytest.raises(GraphError, match=r"Index\(1\), which is no argument"):
        step(2.0)


def test_a_plain_int_that_changes_is_another_program(leaves):
    token = [1]
    step = Replay(lambda x: pick(leaves, token[0]) * x, parameters=leaves)
    step(2.0)
    token[0] = 0
    with pytest.raises(GraphError, match=r"operation 0 was '\*' of 1 and 2 and is now '\*' of 0 and 2"):
        step(2.0)


def test_an_index_outside_the_table_is_refused(leaves):
    step = Replay(lambda token: pick(leaves, token) * 2, parameters=leaves)
    step(Index(1))
    for _ in range(2):
        with pytest.raises(GraphError, match="index 2 is outside the table of 2"):
            step(Index(2))
    assert step(Index(0)) == 1.0
    with pytest.raises(GraphError, match=f"index {2**70} is outside the table of 2"):
        step(Index(2**70))  # more than an array of indices can hold


# ---- guard 4: ties and what is not defined ----


@pytest.mark.parametrize("runner", ["numba", "numpy", "python"])
def test_ties_are_those_of_the_eager_engine(runner, leaves):
    w, b = leaves
    step = Replay(lambda x, y: w * x.relu() + (b * x).maximum(b * y), parameters=leaves, runner=runner)
    for x, y in ((1.0, 2.0), (0.0, 0.0), (-0.0, 1.0), (2.0, 2.0)):
        eager = [Value(0.5), Value(-1.0)]
        (eager[0] * Value(x).relu() + (eager[1] * x).maximum(eager[1] * y)).backward()
        step(x, y)
        assert step.gradient.tolist() == [v.grad for v in eager]


@pytest.mark.parametrize("runner", ["numba", "numpy", "python"])
@pytest.mark.parametrize("first", [True, False])
def test_not_a_number_is_not_lost_in_a_maximum(runner, first, leaves):
    w, b = leaves

    def function(x):
        zero = w * x * x * 0.0  # infinity times 0 for a large x
        return b.maximum(zero) if first else zero.maximum(b)

    step = Replay(function, parameters=leaves, runner=runner)
    assert [step(1.0), step(2.0)] == [0.0, 0.0]
    with pytest.raises(GraphError, match=r"5e\+199 \* 1e\+200 is inf, too large"):
        step(1e200)


def test_a_step_that_leaves_the_domain_is_refused(leaves):
    step = Replay(lambda x: (leaves[0] * x).log() * leaves[1], parameters=leaves)
    step(1.0)
    step(2.0)
    step.parameters[0] = -1.0
    with pytest.raises(GraphError, match=r"log\(-3.0\): the logarithm needs"):
        step(3.0)
    step.parameters[0] = np.inf
    with pytest.raises(GraphError, match="parameter 0 is inf"):
        step(3.0)
    with pytest.raises(GraphError, match="argument is NaN"):
        step(np.nan)


# ---- guard 5: believed only after a comparison ----


def test_a_random_draw_is_found_at_the_second_call(leaves):
    rng = random.Random(0)
    step = Replay(lambda x: leaves[0] * x * rng.random(), parameters=leaves)
    step(1.0)
    with pytest.raises(GraphError, match=r"0\.844.* was baked in, and is now 0.757"):
        step(1.0)


def test_a_hidden_counter_is_found_at_the_second_call(leaves):
    calls = []

    def function(x):
        calls.append(x)
        return leaves[0] * x if len(calls) == 1 else (leaves[0] * x).tanh()

    step = Replay(function, parameters=leaves)
    step(1.0)
    with pytest.raises(GraphError, match="operation 1 was nothing and is now 'tanh'"):
        step(1.0)


@pytest.mark.parametrize("direction", ["forward", "backward"])
def test_a_runner_that_computes_something_else_is_never_believed(leaves, direction, monkeypatch):
    honest = getattr(run_loop, direction)

    def dishonest(*arguments):
        result = honest(*arguments)
        arguments[-2][0 if direction == "backward" else -1] += 1e-6
        return result

    monkeypatch.setattr(run_loop, direction, dishonest)
    what = "value" if direction == "forward" else "gradient"
    step = Replay(lambda x: leaves[0] * x, parameters=leaves, runner="python")
    with pytest.raises(RuntimeError, match=rf"python runner disagrees with the eager engine: {what}"):
        step(2.0)
    monkeypatch.undo()
    assert Replay(lambda x: leaves[0] * x, parameters=leaves, runner="python")(2.0) == 1.0


def test_an_infinite_number_on_the_way_does_not_blunt_the_comparison(leaves, monkeypatch):
    """The tolerance was relative to the largest number: infinite here, and 1e288 beside 1e300."""

    def function(x):
        return [leaves[0] * x, (x * 1e300 * 1e300).tanh()]

    assert Replay(function, parameters=leaves, runner="python")(1.0) == 0.5
    honest = run_loop.forward

    def dishonest(*arguments):
        result = honest(*arguments)
        arguments[-2][-1] += 1e-3
        return result

    monkeypatch.setattr(run_loop, "forward", dishonest)
    with pytest.raises(RuntimeError, match="disagrees with the eager engine"):
        Replay(function, parameters=leaves, runner="python")(1.0)


def test_a_candidate_that_is_not_a_number_and_not_chosen_does_no_harm(leaves):
    step = Replay(lambda i: pick([leaves[0], leaves[0] * 1e300 * 1e300 * 0.0], i), parameters=leaves)
    assert [step(Index(0)) for _ in range(3)] == [0.5, 0.5, 0.5] and step.gradient.tolist() == [1.0, 0.0]
    with pytest.raises(GraphError, match="too large for a float"):
        step(Index(1))


# ---- parameters, and other bad use ----


@pytest.mark.parametrize("numbers", [[1.0], 2.0, [1.0, 2.0, 3.0]])
def test_parameters_of_another_number_are_refused(leaves, numbers):
    """One number would have become the value of all of them."""
    step = Replay(line(*leaves), parameters=leaves)
    with pytest.raises(GraphError, match=r"cannot replace \[2\] parameters"):
        step.parameters = np.array(numbers)
    step.parameters = [1.0, 2.0]
    assert step.parameters.tolist() == [1.0, 2.0]


def test_parameters_may_come_one_by_one(leaves):
    step = Replay(line(*leaves), parameters=(leaf for leaf in leaves))
    assert step([1.0], [2.0]) == 6.25


def test_parameters_that_somebody_else_sets_are_noticed(leaves):
    step = Replay(line(*leaves), parameters=leaves)
    step([1.0], [1.0])
    leaves[0].data = 9.0
    for late in (step.store, lambda: step([1.0], [1.0])):
        with pytest.raises(GraphError, match=r"parameter 0 \(w\) was set to 9.0"):
            late()


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda w: Replay(lambda x: w * x, parameters=[w], runner="numa"), r"'numa'.* Did you mean 'numba'"),
        (lambda w: Replay(lambda x: w * x, parameters=[w * 2]), "not a leaf"),
        (lambda w: Replay(lambda x: w * x, parameters=[2.0]), "not a leaf"),
        (lambda w: Replay(lambda x: 3.0, parameters=[w])(1.0), r"returned 3.0. Return a Value"),
        (lambda w: Replay(lambda x: [], parameters=[w])(1.0), r"returned \[\]. Return a Value"),
        (lambda w: Replay(lambda x: [w * x, 1.0], parameters=[w])(1.0), r"returned \[Value.*Return a Value"),
        (lambda w: Replay(lambda x: w * x, parameters=[w]).check(1.0), "nothing was recorded"),
    ],
)  # fmt: skip
def test_bad_use_is_refused(make, message, leaves):
    with pytest.raises(GraphError, match=message):
        make(leaves[0])


def test_a_replay_inside_a_recorded_function_is_refused(leaves):
    inner = Replay(lambda x: leaves[0] * x, parameters=leaves)

    def function(x):
        inner(1.0)
        return leaves[0] * x

    with pytest.raises(GraphError, match="called another Replay"):
        Replay(function, parameters=leaves)(1.0)


def test_without_numba_numpy_takes_over(monkeypatch, leaves):
    monkeypatch.setattr("groundup.autograd.replay.has_numba", lambda: False)
    step = Replay(line(*leaves), parameters=leaves)
    assert step.runner == "numpy" and step([1.0], [2.0]) == 6.25
    with pytest.raises(GraphError, match="Numba is not installed"):
        Replay(line(*leaves), parameters=leaves, runner="numba")
