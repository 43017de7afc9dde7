"""Random expressions that can be computed with anything that has the operations: Values, or torch tensors.

A step is (operation, i, j): apply it to the results i and j so far (modulo how many there are). Arguments are
kept where an operation is defined and results from growing without bound, by formulas, never by looking at a
number: a look at a number would be a decision that a recorded program cannot repeat.
"""

from hypothesis import strategies as st

OPERATIONS = {
    "+": lambda x, y: x + y,
    "-": lambda x, y: x - y,
    "*": lambda x, y: x.tanh() * y,
    "/": lambda x, y: x / (y * y + 0.5),
    "number +": lambda x, y: 1.5 + x,
    "number -": lambda x, y: 1.5 - x,
    "number /": lambda x, y: 1.5 / (x * x + 0.5),
    "- number": lambda x, y: x - 2,
    "/ number": lambda x, y: x / 3,
    "neg": lambda x, y: -x,
    "cube": lambda x, y: x.tanh() ** 3,
    "root": lambda x, y: (x * x + 0.5) ** 0.5,
    "power 0": lambda x, y: x**0,
    "inverse": lambda x, y: (x * x + 0.5) ** -1,
    "relu": lambda x, y: x.relu(),
    "tanh": lambda x, y: x.tanh(),
    "exp": lambda x, y: x.tanh().exp(),
    "log": lambda x, y: (x * x + 0.5).log(),
    "sigmoid": lambda x, y: x.sigmoid(),
    "maximum": lambda x, y: x.maximum(y),
}

numbers = st.floats(-2.0, 2.0, allow_subnormal=False).map(lambda x: round(x, 3))  # so that ties happen
steps = st.lists(
    st.tuples(st.sampled_from(sorted(OPERATIONS)), st.integers(0, 99), st.integers(0, 99)),
    min_size=1,
    max_size=25,
)
leaves = st.lists(numbers, min_size=1, max_size=4)


def compute(leaves, steps):
    """The sum of the last three results, so that a graph has loose ends and shared parts."""
    found = list(leaves)
    for name, i, j in steps:
        found.append(OPERATIONS[name](found[i % len(found)], found[j % len(found)]))
    return sum(found[-3:]) + 0.0 * found[0]
