"""Every operation of an Array against torch in float64, and against the slope that nearby values show."""

import copy
import gc
import pickle
import sys
import weakref

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from groundup.autograd.array import Array
from groundup.base.errors import GraphError

RNG = np.random.Generator(np.random.PCG64(1))


def close(ours, theirs, tolerance=1e-10):
    np.testing.assert_allclose(ours, theirs, rtol=tolerance, atol=tolerance)


def agree(function, *values, tolerance=1e-10):
    """`function` on our Arrays and on torch tensors: equal results and equal gradients of a weighted sum."""
    ours = [Array(value) for value in values]
    theirs = [torch.tensor(value, dtype=torch.float64, requires_grad=True) for value in values]
    our_out, their_out = function(*ours), function(*theirs)
    assert our_out.shape == tuple(their_out.shape)
    close(our_out.data, their_out.detach().numpy(), tolerance)
    weights = np.cos(np.arange(our_out.size, dtype=float)).reshape(our_out.shape)  # or errors could cancel
    (our_out * weights).sum().backward()
    (their_out * torch.tensor(weights)).sum().backward()
    for mine, yours in zip(ours, theirs, strict=True):
        close(mine.grad, yours.grad.numpy(), tolerance)
    return ours


def normal(*shape):
    return RNG.standard_normal(shape)


A, B = normal(3, 4), normal(3, 4)

OPERATIONS = {
    "+": (lambda x, y: x + y, A, B),
    "-": (lambda x, y: x - y, A, B),
    "*": (lambda x, y: x * y, A, B),
    "/": (lambda x, y: x / y, A, np.abs(B) + 0.5),
    "neg": (lambda x: -x, A),
    "square": (lambda x: x**2, A),
    "cube": (lambda x: x**3, A),
    "root": (lambda x: x**0.5, np.abs(A) + 0.1),
    "inverse": (lambda x: x**-1, np.abs(A) + 0.1),
    "power 0": (lambda x: x**0 + x, A),
    "exp": (lambda x: x.exp(), A),
    "log": (lambda x: x.log(), np.abs(A) + 0.1),
    "tanh": (lambda x: x.tanh(), A),
    "sigmoid": (lambda x: x.sigmoid(), 10 * A),
    "relu": (lambda x: x.relu(), A),
    "maximum": (lambda x, y: x.maximum(y), A, B),
    "sum": (lambda x: x.sum() * x, A),
    "sum over 0": (lambda x: x.sum(0), A),
    "sum over -1": (lambda x: x.sum(-1, keepdims=True) * x, A),
    "sum over two": (lambda x: x.sum((0, 2)), normal(2, 3, 4)),
    "mean": (lambda x: x.mean() * x, A),
    "mean over 1": (lambda x: x.mean(1), A),
    "matmul": (lambda x, y: x @ y, A, normal(4, 2)),
    "stack of matrices": (lambda x, y: x @ y, normal(5, 3, 4), normal(5, 4, 2)),
    "stack times one matrix": (lambda x, y: x @ y, normal(2, 5, 3, 4), normal(4, 2)),
    "one matrix times a stack": (lambda x, y: x @ y, normal(3, 4), normal(5, 4, 2)),
    "stacks that broadcast": (lambda x, y: x @ y, normal(2, 1, 3, 4), normal(5, 4, 2)),
    "reshape": (lambda x: x.reshape(2, 6) * 2, A),
    "reshape to -1": (lambda x: x.reshape((2, -1)), A),
    "T": (lambda x: x.T, A),
    "slice": (lambda x: x[1:, ::2], A),
    "one row": (lambda x: x[1], A),
    "new axis": (lambda x: x[:, None] * x, normal(4)),
    "ellipsis": (lambda x: x[..., -1], A),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_and_its_derivative_are_torchs(name):
    function, *values = OPERATIONS[name]
    agree(function, *values)


@pytest.mark.parametrize("name", OPERATIONS)
def test_a_derivative_is_the_slope_that_two_nearby_values_show(name):
    """The definition of a derivative, without any other library."""
    function, *values = OPERATIONS[name]
    arrays = [Array(value) for value in values]
    function(*arrays).sum().backward()
    step = 1e-6
    for which, value in enumerate(values):
        place = tuple(RNG.integers(0, length) for length in value.shape)

        def at(change, which=which, place=place):
            moved = [v.copy() for v in values]
            moved[which][place] += change
            return function(*map(Array, moved)).sum().item()

        slope = (at(step) - at(-step)) / (2 * step)
        assert abs(arrays[which].grad[place] - slope) < 1e-4 * max(1, abs(slope))


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((3, 4), (4,)),
        ((4,), (3, 4)),
        ((3, 1), (1, 4)),
        ((2, 3, 4), (3, 1)),
        ((), (3, 4)),
        ((1, 1), (2, 3, 4)),
    ],
)
@pytest.mark.parametrize("name", ["+", "-", "*", "/", "maximum"])
def test_broadcasting_sums_the_gradient_over_the_copies(name, left, right):
    agree(OPERATIONS[name][0], normal(*left), np.abs(normal(*right)) + 0.5)


def test_without_the_sum_over_the_copies_the_gradient_would_be_wrong():
    (x,) = agree(
        lambda x: x + torch.ones(3, 2) if isinstance(x, torch.Tensor) else x + np.ones((3, 2)), normal(2)
    )
    assert x.grad.shape == (2,)


def test_transpose_max_and_picking_by_arrays_have_other_names_in_torch():
    x = normal(2, 3, 4)
    ours, theirs = Array(x), torch.tensor(x, requires_grad=True)
    picked, weights = np.array([1, 0, 1]), normal(4, 2, 3)  # row 1 twice: both gradients must arrive
    ours.transpose(2, 0, 1)[:, picked].max(0).sum().backward()
    theirs.permute(2, 0, 1)[:, picked].amax(0).sum().backward()
    close(ours.grad, theirs.grad.numpy())
    ours.zero_grad()
    theirs.grad = None
    (ours.transpose(-1, 0, 1) * weights).sum().backward()
    (theirs.permute(2, 0, 1) * torch.tensor(weights)).sum().backward()
    close(ours.grad, theirs.grad.numpy())


def test_a_place_that_is_picked_twice_gets_both_gradients():
    table = Array(np.zeros((3, 2)))
    table[np.array([2, 2, 0])].sum().backward()
    assert table.grad.tolist() == [[1, 1], [0, 0], [2, 2]]


def test_whole_numbers_of_numpy_are_whole_numbers():
    x, two = Array(np.arange(8.0).reshape(2, 2, 2)), np.int64(2)
    assert x.sum(np.int64(0)).shape == x.transpose(np.array([2, 0, 1]))[np.int64(0)].shape == (2, 2)
    assert x.reshape(two * 4).shape == (8,) and x.reshape(two, 4).shape == (2, 4)
    assert [row.data.tolist() for row in x[0]] == [[0, 1], [2, 3]]  # and the rows end


def test_products_of_nothing_are_zeros_with_empty_gradients():
    for left, right in (((2, 3, 0), (0, 4)), ((0, 2, 3), (3, 4)), ((3, 0), (5, 0, 4))):
        agree(lambda x, y: x @ y, np.ones(left), np.ones(right))
    agree(lambda x: x.sum(1), np.ones((3, 0)))
    agree(lambda x, y: x * y, np.ones((0, 3)), np.ones(3))


def test_a_small_share_keeps_its_digits():
    """By tanh, sigmoid(-40) was 0, and in float32 sigmoid(-10) had three right digits."""
    agree(lambda x: x.sigmoid().log(), np.array([-700.0, -40.0, -1.0, 0.0, 30.0]))
    single = np.array([-80.0, -17.0, -10.0, 100.0], np.float32)
    assert Array(single).sigmoid().dtype == np.float32
    np.testing.assert_allclose(Array(single).sigmoid().data, torch.tensor(single).sigmoid(), rtol=1e-6)


def test_a_divisor_whose_square_is_no_float_has_a_slope():
    agree(lambda x, y: x / y, np.array([1e-200, 1e200, 1.0]), np.array([1e-180, 1e180, -3.0]))
    y = Array([1e-180])
    (1e-200 / y).sum().backward()  # torch says -inf
    np.testing.assert_allclose(y.grad, [-1e160], rtol=1e-12)


def test_ties_are_settled_as_torch_settles_them():
    agree(lambda x: x.relu(), np.array([0.0, 1.0, -1.0]))
    agree(lambda x, y: x.maximum(y), np.array([1.0, 2.0]), np.array([1.0, 3.0]))
    ours, theirs = Array([1.0, 3.0, 3.0]), torch.tensor([1.0, 3.0, 3.0], requires_grad=True)
    ours.max().backward()
    theirs.amax().backward()
    assert ours.grad.tolist() == theirs.grad.tolist() == [0.0, 0.5, 0.5]


def test_a_number_or_a_numpy_array_on_either_side_is_a_constant():
    x = Array([[1.0, 2.0]])
    m = np.array([[1.0], [3.0]])
    for made, expected in [
        (2 * x, [[2, 4]]), (x * 2, [[2, 4]]), (1 + x, [[2, 3]]), (1 - x, [[0, -1]]), (x - 1, [[0, 1]]),
        (2 / x, [[2, 1]]), (x / 2, [[0.5, 1]]), (np.float64(2) * x, [[2, 4]]), (m * x, [[1, 2], [3, 6]]),
        (m - x, [[0, -1], [2, 1]]), (x @ m.repeat(2, 1), [[7, 7]]), (m @ x, [[1, 2], [3, 6]]),
    ]:  # fmt: skip
        assert isinstance(made, Array) and made.data.tolist() == expected
        x.zero_grad()
        made.sum().backward()
        assert x.grad.shape == (1, 2)


def test_float32_stays_float32_and_whole_numbers_follow():
    x = Array(np.ones((2, 3), np.float32))
    y = (2 * x + 1.5) ** 2 - np.array([1, 2, 3])
    assert y.dtype == np.float32 and y.mean().dtype == np.float32
    y.mean().backward()
    assert x.grad.dtype == np.float32
    assert Array([1, 2]).dtype == np.float64 and Array(np.float16(1)).dtype == np.float64


def test_a_gradient_takes_the_type_of_its_leaf():
    x = Array(np.ones(3, np.float32))
    (x * np.ones(3)).sum().backward()
    assert x.grad.dtype == np.float32


# ---- Random expressions --------------------------------------------------------------------------

UNARY = ["tanh", "relu", "exp", "sigmoid", "neg", "square", "mean over 1", "sum over 0", "T"]
BINARY = ["+", "-", "*", "maximum", "safe /"]


OTHERS = {
    "mean over 1": lambda x: x - x.mean(1)[:, None],
    "sum over 0": lambda x: x.sum(0).tanh() * x,
    "T": lambda x: (x @ x.T).tanh() @ x,
    "exp": lambda x: x.tanh().exp(),  # bounded, or a few in a row overflow
    "safe /": lambda x, y: x / (y * y + 1),
}


def grow(plan, leaves):
    """A graph from a plan of (operation, which, which): results join the pool that later ones draw from."""
    pool = list(leaves)
    for name, i, j in plan:
        x, y = pool[i % len(pool)], pool[j % len(pool)]
        operation = OTHERS.get(name) or OPERATIONS[name][0]
        pool.append(operation(x, y) if name in BINARY else operation(x))
    total = pool[-1]
    for made in pool[len(leaves) : -1]:  # every result counts, so that many paths lead to each leaf
        total = total + made.tanh()
    return total.tanh().mean()


plans = st.lists(
    st.tuples(st.sampled_from(UNARY + BINARY), st.integers(0, 20), st.integers(0, 20)),
    min_size=1,
    max_size=12,
)


@given(plans, st.integers(0, 10_000))
def test_random_graphs_agree_with_torch(plan, seed):
    rng = np.random.Generator(np.random.PCG64(seed))
    values = [rng.uniform(-1, 1, (2, 3)) for _ in range(3)]
    ours = [Array(value) for value in values]
    theirs = [torch.tensor(value, requires_grad=True) for value in values]
    our_loss, their_loss = grow(plan, ours), grow(plan, theirs)
    close(our_loss.item(), their_loss.item())
    our_loss.backward()
    their_loss.backward()
    for mine, yours in zip(ours, theirs, strict=True):
        assert (mine.grad is None) == (yours.grad is None)
        if mine.grad is not None:
            close(mine.grad, yours.grad.numpy())


def test_the_random_graphs_reach_their_leaves_and_would_notice_a_wrong_derivative():
    plan = [("*", 0, 1), ("tanh", 3, 0), ("T", 4, 0), ("+", 5, 2)]
    leaves = [Array(normal(2, 3)) for _ in range(3)]
    grow(plan, leaves).backward()
    assert all(np.abs(leaf.grad).max() > 1e-4 for leaf in leaves)


# ---- Backward ------------------------------------------------------------------------------------


def test_a_value_that_is_used_twice_gets_both_gradients():
    x = Array(3.0)
    (x + x).backward()
    assert x.grad == 2
    a, b = Array(-2.0), Array(3.0)
    ((a * b) * (a + b)).backward()
    assert (a.grad, b.grad) == (-3, -8)


def test_a_result_that_is_a_leaf_has_slope_1_however_often():
    x = Array(3.0)
    x.backward()
    x.backward()
    assert x.grad == 1


def test_a_copy_of_a_leaf_is_another_leaf():
    """With its original's time of birth it was taken for it: one got both gradients, the other none."""
    x = Array([3.0], label="x")
    for twin in (copy.copy(x), copy.deepcopy(x), pickle.loads(pickle.dumps(x))):
        x.zero_grad()
        (x * twin).sum().backward()
        assert (twin.label, x.grad, twin.grad) == ("x", 3, 3)
    half = copy.deepcopy(Array(np.ones(2, np.float32)))
    assert half.dtype == np.float32


def test_two_losses_add_up_and_the_same_loss_twice_is_refused():
    x = Array([1.0, 2.0])
    loss = (x * x).sum()
    loss.backward()
    (3 * x).sum().backward()
    assert x.grad.tolist() == [5, 7]
    with pytest.raises(GraphError, match="already called on this loss"):
        loss.backward()
    assert x.grad.tolist() == [5, 7]
    x.zero_grad()
    assert x.grad is None


def test_a_shared_part_may_be_walked_by_two_losses():
    x = Array([1.0, 2.0])
    shared = x * x
    shared.sum().backward()
    (shared * 10).sum().backward()
    assert x.grad.tolist() == [22, 44]


def test_gradients_of_two_leaves_are_never_the_same_memory():
    x, y = Array([1.0]), Array([2.0])
    (x + y).sum().backward()
    x.grad *= 10
    assert (x.grad, y.grad) == (10, 1)


def test_a_chain_of_a_hundred_thousand_goes_back_and_is_freed():
    x = Array(1.0)
    y = x
    for _ in range(100_000):
        y = y + 1e-5
    assert sys.getrecursionlimit() < 10_000
    y.backward()
    assert x.grad == 1 and abs(y.item() - 2) < 1e-9
    del y


def test_a_graph_is_freed_when_its_loss_goes_out_of_scope():
    """By counting references, without the garbage collector: a graph has no cycles."""
    gc.disable()
    try:
        x = Array(normal(3, 4))
        hidden = (x @ normal(4, 2)).tanh()
        loss = (hidden / hidden.exp()).mean() + x.max()
        loss.backward()
        watch = weakref.ref(hidden)
        del hidden
        assert watch() is not None
        del loss
        assert watch() is None
    finally:
        gc.enable()


def test_an_error_on_the_way_back_changes_no_gradient():
    x, y = Array([4.0, 0.0]), Array([1.0, 1.0])
    loss = (x**0.5 + y).sum()
    with pytest.raises(GraphError, match=r"derivative of \*\* \[2\] is not finite"):
        loss.backward()
    assert x.grad is None and y.grad is None


# ---- Bad input -----------------------------------------------------------------------------------


def ones(*shape):
    return Array(np.ones(shape))


BAD = {
    "shapes": (lambda: ones(2, 3) + ones(2, 4), r"\+: the shapes \[2, 3\] and \[2, 4\] do not"),
    "shapes of *": (lambda: ones(5, 1, 3) * np.ones([2, 4]), r"from the right, a length of 3 meets 4"),
    "matmul": (lambda: ones(2, 3) @ ones(2, 3), r"@: the shapes \[2, 3\] and \[2, 3\]"),
    "matmul of vectors": (lambda: Array(np.ones(3)) @ np.ones(3), "reshape a vector"),
    "matmul of stacks": (lambda: ones(2, 1, 1) @ np.ones([3, 1, 1]), "its leading axes"),
    "log of a negative": (lambda: Array([[1.0, 2.0], [3.0, -1.5]]).log(), r"-1.5 at \[1, 1\] gives nan"),
    "log of 0": (lambda: Array([0.0]).log(), r"log of \[1\]: 0 at \[0\] gives -inf. log takes numbers"),
    "division by 0": (lambda: Array([1.0, 2.0]) / np.array([4.0, 0.0]), r"2 and 0 at \[1\] gives inf. Div"),
    "a constant by 0": (lambda: 1 / Array(0.0), "/ of .* 1 and 0 gives inf"),
    "root of a negative": (lambda: Array([-2.0]) ** 0.5, r"\*\* of \[1\]: -2 at \[0\] gives nan"),
    "0 to the -1": (lambda: Array([0.0]) ** -1, r"0 at \[0\] gives inf"),
    "overflow": (lambda: Array([1000.0]).exp(), r"exp of \[1\]: 1000 at \[0\] gives inf. exp over"),
    "sum overflow": (lambda: Array([1e308, 1e308]).sum(), "sum of .* the largest operand is 1e.308"),
    "nan in the data": (lambda: Array([[0.0, np.nan]]), r"holds nan at \[0, 1\] \(1 of 2 numbers are"),
    "nan in a constant": (lambda: Array([1.0]) * np.array([np.nan]), r"holds nan at \[0\]"),
    "an infinite number": (lambda: Array([1.0]) * float("inf"), "An operand is inf"),
    "reshape": (lambda: ones(2, 3).reshape(4, 2), r"6 numbers .* \[2, 3\] do not fill \[4, 2\]"),
    "reshape to a word": (lambda: ones(2, 3).reshape("a"), r"reshape: \('a',\) are no axes or lengths"),
    "a place that is not there": (lambda: ones(2, 3)[2], r"\[\]: index 2 is out of .* shape is \[2, 3\]"),
    "too many places": (lambda: ones(2, 3)[0, 0, 0], r"\[\]: too many indices"),
    "half a place": (lambda: ones(2, 3)[0.5], r"\[\]: .* integer"),
    "rows of two lengths": (lambda: Array([[1.0], [1.0, 2.0]]), "rows that differ in length"),
    "exponent nan": (lambda: ones(2) ** float("nan"), r"exponent of \*\* is nan"),
    "exponent inf": (lambda: ones(2) ** float("inf"), r"exponent of \*\* is inf"),
    "a whole number too large": (lambda: ones(2) * 10**400, "An operand is a whole number larger than any"),
    "a copied result": (lambda: copy.copy(ones(2) * 2), r"\[2\] was computed by \*, and cannot be copied"),
    "axis of a word": (lambda: ones(2, 3).max("a"), r"max: \('a',\) are no axes"),
    "transpose beyond": (lambda: ones(2, 3).transpose(0, 3), r"\(0, 3\) does not name each axis"),
    "transpose": (lambda: ones(2, 3).transpose(0, 0), "does not name each axis"),
    "axis": (lambda: ones(2, 3).sum(2), r"sum: axis=2 does not fit the shape \[2, 3\]"),
    "axis twice": (lambda: ones(2, 3).max((0, -2)), "Name each axis at most once"),
    "mean of nothing": (lambda: ones(0, 3).mean(), "mean of no numbers"),
    "max of nothing": (lambda: ones(0, 3).max(), "max of no numbers"),
    "item": (lambda: Array([1.0, 2.0]).item(), r"item\(\) wants one number"),
    "backward of many": (lambda: Array([1.0, 2.0]).backward(), r"begins at one number, .* \[2\]. Reduce"),
    "a loss that is not finite": (
        lambda: (Array(np.full((2, 2), 1e200)) @ np.full((2, 2), 1e200)).max().backward(),
        r"loss of inf. It began in @ of \[2, 2\] with numbers up to 1e\+200",
    ),
    "another shape": (lambda: setattr(Array([1.0]), "data", [1.0, 2.0]), r"\[2\] cannot replace \[1\]"),
    "nan assigned": (lambda: setattr(Array([1.0]), "data", [np.nan]), "holds nan"),
    "a computed value assigned": (lambda: setattr(Array([1.0]) * 2, "data", [1.0]), r"was computed by \*"),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD)
def test_bad_input_names_the_operation_and_the_values(name):
    act, said = BAD[name]
    with pytest.raises(GraphError, match=said):
        act()


@pytest.mark.parametrize(
    ("act", "said"),
    [
        (lambda: Array([1.0]) ** Array([2.0]), "exponent of .* must be a number, not Array"),
        (lambda: 2 ** Array([2.0]), "to the power of an Array"),
        (lambda: Array(["a"]), "holds numbers, not"),
        (lambda: Array(None), "holds numbers, not None"),
        (lambda: Array([1.0]) + "a", "holds numbers, not 'a'"),
        (lambda: Array([1j]), "holds numbers"),
        (lambda: Array([1.0, 2.0])[Array([0.0])], "Use a NumPy array"),
        (lambda: Array([1.0]).__setitem__(0, 2.0), "cannot be changed in place"),
    ],
)
def test_what_is_no_number_is_refused(act, said):
    with pytest.raises(GraphError, match=said):
        act()


def test_a_leaf_that_changes_before_its_gradient_is_asked_for_is_refused():
    weights = Array([1.0, 2.0], label="weights")
    loss = (weights * weights).sum()
    weights.data = weights.data * 2
    with pytest.raises(GraphError, match=r"weights \[2\] was assigned after \* had used it"):
        loss.backward()
    assert weights.grad is None
    (weights * weights).sum().backward()
    assert weights.grad.tolist() == [4, 8]


def test_places_that_change_before_the_gradient_is_asked_for_change_nothing():
    x, places = Array([0.0, 0.0, 0.0]), np.array([0, 1])
    picked = x[places].sum()
    places[:] = 2
    picked.backward()
    assert x.grad.tolist() == [1, 1, 0]
    x.zero_grad()
    rows = [0, 0]
    picked = x[rows].sum()
    rows[:] = [2, 2]
    picked.backward()
    assert x.grad.tolist() == [2, 0, 0]
    assert x[[]].shape == (0,)


def test_values_cannot_be_changed_in_place_from_outside():
    mine = np.array([1.0, 2.0])
    x = Array(mine)
    y = x * mine
    mine[:] = 7  # x and y were made of copies
    assert x.data.tolist() == [1, 2]
    for array in (x, y, y.reshape(2, 1), y[0], x.sum()):
        with pytest.raises(ValueError, match="read-only"):
            array.data[...] = 5
    y.sum().backward()
    assert x.grad.tolist() == [1, 2]
    x.data = fresh = np.array([3.0, 4.0])
    fresh[:] = 9
    assert x.data.tolist() == [3, 4]


def test_an_array_says_what_it_is():
    x = Array(np.ones((2, 3)), label="w")
    assert repr(x) == "Array([2, 3] float64, w)" and repr(x.tanh()) == "Array([2, 3] float64, tanh)"
    assert (len(x), x.ndim, x.size, x.shape) == (2, 2, 6, (2, 3))
    assert Array(x).data.tolist() == x.data.tolist()
