"""A recorded graph and its three runners: equal to the eager engine to the last bit, on random graphs."""

import math
import random

import numpy as np
import pytest
from hypothesis import example, given, settings

from groundup.autograd import run_levels, run_loop
from groundup.autograd.graph import ordered
from groundup.autograd.machine import Machine
from groundup.autograd.nn import MLP
from groundup.autograd.pick import Index, pick
from groundup.autograd.program import ADD, KINDS, flatten
from groundup.autograd.run_loop import FINE, LoopRunner, has_numba
from groundup.autograd.value import Value
from groundup.base.errors import GraphError
from tests.autograd.expressions import OPERATIONS, compute, leaves, steps

RUNNERS = ["python", "numpy", "numba"]


def eager(numbers, recipe):
    """Leaves, result, and the gradients of all leaves."""
    values = [Value(x) for x in numbers]
    result = compute(values, recipe)
    result.backward()
    return values, result


def replayed(program, numbers, runner, choices=()):
    """Result and gradients of the leaves by one runner, with other numbers than the recorded ones."""
    machine = Machine(program, runner)
    machine.set(np.array(numbers), [], list(choices))
    machine.forward()
    machine.backward()
    return machine.values[program.results[0]], machine.grads[: len(numbers)].tolist()


def bits(numbers):
    return np.asarray(numbers, np.float64).tobytes()


@settings(max_examples=50)
@given(leaves, leaves, steps)
@example([1.0, 1.0], [0.5, 0.5], [("maximum", 0, 1)])
@example([0.0, 1.0], [1.0, 1.0], [("relu", 0, 0), ("maximum", 0, 1)])
def test_every_runner_equals_the_eager_engine_to_the_last_bit(recorded, others, recipe):
    others = (others * len(recorded))[: len(recorded)]
    values, result = eager(recorded, recipe)
    program, data = flatten([result], parameters=values)
    assert bits(data[program.results]) == bits([result.data])
    for numbers in (recorded, others):  # what was recorded, and what was not
        expected, its_result = eager(numbers, recipe)
        for runner in RUNNERS:
            found, gradient = replayed(program, numbers, runner)
            assert bits([found]) == bits([its_result.data]), runner
            # a sum may be -0.0 in one and 0.0 in the other: nothing is passed on where a gradient is 0
            assert bits(np.array(gradient) + 0.0) == bits(np.array([v.grad for v in expected]) + 0.0), runner


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_runner_that_is_wrong_in_the_last_bit_would_be_seen(runner, monkeypatch):
    values, result = eager([0.3, 0.7], [("tanh", 0, 0)])
    program, _ = flatten([result], parameters=values)
    program.kinds_M[program.kinds_M == KINDS.index("tanh")] = KINDS.index("sigmoid")
    assert bits([replayed(program, [0.3, 0.7], runner)[0]]) != bits([result.data])
    close = math.nextafter(0.3, 1.0)
    assert bits([close]) != bits([0.3])


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize("name", ["tanh", "exp", "log", "sigmoid", "root", "cube"])
def test_functions_are_those_of_the_c_library(name, runner):
    """A thousand arguments each: exp and tanh are where two libraries would differ in the last bit."""
    rng = random.Random(5)
    numbers = [rng.uniform(-3, 3) for _ in range(1000)]
    values = [Value(x) for x in numbers]
    results = [OPERATIONS[name](v, v) for v in values]
    program, data = flatten(results, parameters=values)
    machine = Machine(program, runner)
    machine.set(np.array(numbers), [], [])
    machine.forward()
    assert bits(machine.values) == bits(data)


@pytest.mark.parametrize("runner", RUNNERS)
def test_pick_follows_its_index_and_sends_the_gradient_there(runner):
    table = [Value(x) for x in (1.0, 2.0, 3.0)]
    index, other = Index(0), Index(2)
    result = pick(table, index) * pick(table, other) + pick(table[:2], index)
    program, _ = flatten([result], parameters=table, indices=[index, other])
    assert program.limits.tolist() == [2, 3]
    for i, j in ((0, 2), (1, 1), (1, 0)):
        expected = [Value(x) for x in (4.0, 5.0, 6.0)]
        (expected[i] * expected[j] + expected[i]).backward()
        found, gradient = replayed(program, [4.0, 5.0, 6.0], runner, [i, j])
        assert gradient == [v.grad for v in expected]
        assert found == expected[i].data * expected[j].data + expected[i].data
    with pytest.raises(GraphError, match=r"index 2 is outside the table of 2\. Allowed: 0 to 1"):
        replayed(program, [4.0, 5.0, 6.0], runner, [2, 0])


@pytest.mark.parametrize("runner", RUNNERS)
@pytest.mark.parametrize(
    ("recorded", "now", "operation", "message"),
    [
        (2.0, -2.0, lambda x: x.log(), r"log\(-2.0\)"),
        (2.0, 0.0, lambda x: x.log(), r"log\(0.0\)"),
        (2.0, 1000.0, lambda x: x.exp(), r"exp\(1000.0\).*larger than any float"),
        (2.0, 0.0, lambda x: 1 / x, r"0.0 \*\* -1.0: division by zero"),
        (2.0, -2.0, lambda x: x**0.5, r"\(-2.0\) \*\* 0.5.*whole exponent"),
        (2.0, 1e200, lambda x: x**2, r"\(1e\+200\) \*\* 2.0.*larger than any float"),
        (2.0, 1e200, lambda x: x * x, r"1e\+200 \* 1e\+200 is inf, too large"),
        (2.0, 0.0, lambda x: x**0.5, "gradient of parameter 0 is inf"),
        (2.0, math.inf, lambda x: x + 1, "parameter 0 is inf"),
    ],
)
def test_what_is_not_defined_is_refused_while_replaying(recorded, now, operation, message, runner):
    """And nowhere is it hidden by a relu or maximum behind it."""
    x = Value(recorded)
    program, _ = flatten([operation(x)], parameters=[x])
    with pytest.raises(GraphError, match=message):
        replayed(program, [now], runner)


def test_the_order_of_operations_is_that_of_creation():
    a, b = Value(2.0), Value(3.0)
    late = (a * b) ** 2
    first = b.relu()
    result = late + first
    program, data = flatten([result, late], parameters=[b, a])
    assert [KINDS[k] for k in program.kinds_M] == ["*", "**", "ReLU", "+"]
    assert (program.a_M.tolist(), program.b_M.tolist()) == ([1, 2, 0, 3], [0, 0, 0, 4])
    assert (program.exponents.tolist(), program.results.tolist()) == ([2.0], [5, 3])
    assert data.tolist() == [3.0, 2.0, 6.0, 36.0, 3.0, 39.0]


def test_every_kind_of_operation_can_be_recorded():
    x, index = Value(0.5), Index(0)
    everything = [x + x, x * x, x.relu(), x**2, x.exp(), x.log(), x.tanh(), x.sigmoid(), x.maximum(1.0)]
    everything.append(pick([x], index))
    program, _ = flatten(everything, parameters=[x], indices=[index])
    assert sorted(program.kinds_M.tolist()) == list(range(len(KINDS)))


def test_parts_that_are_not_reached_are_left_out():
    a = Value(2.0)
    a.exp()
    program, _ = flatten([a + 1], parameters=[a, Value(7.0)])
    assert program.kinds_M.tolist() == [ADD] and program.n_positions == 4
    gradient = replayed(program, [2.0, 7.0], "python")[1]
    assert gradient == [1.0, 0.0]


def test_a_result_that_is_a_leaf():
    a = Value(2.0)
    program, _ = flatten([a], parameters=[a])
    for runner in RUNNERS:
        assert replayed(program, [5.0], runner) == (5.0, [1.0])


def test_differences_are_told_in_words():
    def record(formula):
        x = Value(2.0)
        return flatten([formula(x)], parameters=[x])[0]

    base = record(lambda x: x * 3.0 + 1.0)
    assert base.difference(record(lambda x: x * 3.0 + 1.0)) is None
    for formula, words in (
        (lambda x: x * 3.0 + 2.0, "the number 1.0 in operation 1 ('+') was baked in, and is now 2.0"),
        (lambda x: x + 3.0 + 1.0, "operation 0 was '*' of 0 and 1 and is now '+' of 0 and 1"),
        (lambda x: x * 3.0, "operation 1 was '+' of 3 and 2 and is now nothing"),
        (lambda x: x * 3.0 + 1.0 + x, "operation 2 was nothing and is now '+' of 4 and 0"),
    ):
        assert base.difference(record(formula)) == words
    assert record(lambda x: x**2).difference(record(lambda x: x**3)) == (
        "the exponent 2.0 in operation 0 ('**') was baked in, and is now 3.0"
    )


def test_what_a_program_could_not_change_is_refused():
    x, outside = Value(1.0), Value(2.0, label="temperature")
    now = Value(0.0)._born
    with pytest.raises(GraphError, match=r"Value 'temperature' = 2.0 was made outside .* baked into"):
        flatten([x * outside], parameters=[x], since=now)
    with pytest.raises(GraphError, match=r"pick by Index\(0\), which is no argument"):
        flatten([pick([x], Index(0))], parameters=[x])
    with pytest.raises(GraphError, match="listed twice"):
        flatten([x * 2.0], parameters=[x, x])


def test_a_whole_network_and_its_number_of_values():
    """100 points through MLP(2, [16, 16, 1]): 65,818 values, as in micrograd."""
    random.seed(1337)
    model = MLP(2, [16, 16, 1])
    points = [[Value(math.sin(i)), Value(math.cos(i))] for i in range(100)]
    losses = [(1 + -(-1 if i % 2 else 1) * score).relu() for i, score in enumerate(map(model, points))]
    total = sum(losses) * (1.0 / len(losses)) + 1e-4 * sum(p * p for p in model.parameters())
    assert len(ordered(total)) == 65_818
    program, data = flatten([total], parameters=model.parameters())
    total.backward()
    for runner in ("numpy", "numba"):
        found, gradient = replayed(program, data[:337].tolist(), runner)
        assert found == total.data and gradient == [p.grad for p in model.parameters()]


def test_python_runs_without_numba(monkeypatch):
    monkeypatch.setattr(run_loop.importlib.util, "find_spec", lambda name: None)
    assert not has_numba()
    x = Value(3.0)
    program, _ = flatten([x * x], parameters=[x])
    runner = LoopRunner(program, compiled=False)
    values = np.array([4.0, 0.0])
    assert runner.forward(np.zeros(0, np.int64), values) == FINE == -1
    assert values.tolist() == [4.0, 16.0]
    assert run_levels.LevelRunner(program).forward(np.zeros(0, np.int64), values) == FINE


def test_without_a_folder_that_can_be_written_it_compiles_all_the_same(monkeypatch):
    import numba

    honest, asked = numba.njit, []

    def njit(**options):
        asked.append(options.get("cache", False))
        if options.get("cache"):
            raise RuntimeError("cannot cache function 'forward': no locator available")
        return honest(**options)

    monkeypatch.setattr(numba, "njit", njit)
    loops = run_loop.loops.__wrapped__()
    assert asked == [True, False] and all(hasattr(loop, "py_func") for loop in loops)


def test_compiled_code_goes_into_our_cache_folder(monkeypatch, tmp_path):
    import numba

    monkeypatch.setattr(numba.config, "CACHE_DIR", "")
    monkeypatch.setenv("GROUNDUP_CACHE", str(tmp_path / "cache"))
    x = Value(3.0)
    program, _ = flatten([x * x], parameters=[x])
    forward, _ = run_loop.loops.__wrapped__()
    code = program.kinds_M, program.a_M, program.b_M, program.exponents, program.table
    values = np.array([4.0, 0.0])
    assert forward(*code, np.zeros(0, np.int64), values, program.n_leaves) == FINE and values[1] == 16.0
    assert list((tmp_path / "cache" / "numba").rglob("run_loop.forward*.nbc"))
    assert numba.config.CACHE_DIR == ""  # other people's functions are not moved
