"""`groundup graph`: a computation as a picture, every value with its gradient.

    groundup graph "a=2; b=-3; c=10; f=-2; d=a*b+c; L=d*f" -o g.svg
    groundup graph "tanh(x1*w1 + x2*w2 + b)" --x1 2 --x2 0 --w1 -3 --w2 1 --b 6.88137 -o neuron.svg
    groundup graph --mlp 2,16,16,1 -o net.svg

Next: autograd/draw.py.
"""

from __future__ import annotations

import argparse
import random
from collections.abc import Sequence
from pathlib import Path

from groundup.base.errors import ConfigError
from groundup.base.files import write_atomic

OWN = ("mlp", "seed", "out", "help")  # every other flag is a number for a name


def main(words: Sequence[str]) -> int:
    """Draw the picture and print the table of what is in it."""
    given, rest = _given(words)
    asked = _parser().parse_args(rest)
    if (asked.expression is None) == (asked.mlp is None):
        raise ConfigError(
            'Give an expression, such as "a=2; b=-3; L=a*b", or a network: --mlp 2,16,16,1. One of the two.'
        )
    if asked.out.suffix.lower() != ".svg":
        raise ConfigError(f"{asked.out}: the picture is SVG. Name a file that ends in .svg.")
    if asked.mlp is not None and given:
        raise ConfigError(f"--{next(iter(given))} gives a number to an expression, and --mlp has none.")

    from groundup.autograd.draw import draw, number
    from groundup.autograd.expression import evaluate

    named = evaluate(asked.expression, given) if asked.mlp is None else _network(asked.mlp, asked.seed)
    result = list(named.values())[-1]
    result.backward()
    write_atomic(asked.out, draw(result, title=asked.expression or f"MLP of {asked.mlp}, seed {asked.seed}"))
    end = result.label or "result"
    for name, value in named.items():
        slope = "" if value is result else f"   d {end} / d {name} = {number(value.grad)}"
        print(f"  {name or end:<10} {number(value.data):>10}{slope}")
    print(f"{asked.out}: open it with any browser")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup graph",
        usage='groundup graph "EXPR" [--NAME NUMBER ...] [-o FILE.svg]\n'
        "       groundup graph --mlp INPUTS,WIDTH,...,OUTPUT [--seed N] [-o FILE.svg]",
        description="Draw a computation with the value and the gradient of every step. EXPR is one or more "
        "`name = expression` with ; between them; the last is the result. --NAME NUMBER sets a name that "
        "EXPR leaves open.",
        allow_abbrev=False,
    )
    parser.add_argument("expression", nargs="?", metavar="EXPR", help='such as "a=2; b=-0.5; L=tanh(a*b)"')
    parser.add_argument("--mlp", metavar="SIZES", help="draw a network instead: its inputs, then its layers")
    parser.add_argument("--seed", type=int, default=1337, help="of the network's weights (default: 1337)")
    parser.add_argument("-o", "--out", type=Path, default=Path("graph.svg"), metavar="FILE.svg")
    return parser


def _given(words: Sequence[str]) -> tuple[dict[str, float], list[str]]:
    """(numbers by name, the other words): --x1 2 and --b=-3 are numbers, unless the flag is one of ours."""
    given: dict[str, float] = {}
    others: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        flag, equals, told = word.partition("=")
        name = flag.removeprefix("--")
        if not flag.startswith("--") or not name.isidentifier() or name in OWN:
            others.append(word)
            continue
        if not equals:
            told = left.pop(0) if left else ""
        try:
            given[name] = float(told)
        except ValueError:
            raise ConfigError(f"{flag} {told}: a number must follow, as in {flag} 2.0.") from None
    return given, others


def _network(sizes: str, seed: int):  # type: ignore[no-untyped-def]
    """Inputs and output of a network with weights and inputs from the seed.

    Every weight has a name: "L1 n2 w3" is that of input 3 in neuron 2 of layer 1, "L1 n2" what it says.
    """
    from groundup.autograd.nn import MLP
    from groundup.autograd.value import Value

    try:
        first, *rest = (int(size) for size in sizes.split(","))
    except ValueError:
        raise ConfigError(f"--mlp {sizes}: sizes are whole numbers with commas, as in 2,16,16,1.") from None
    if first < 1 or not rest or min(rest) < 1 or rest[-1] != 1:
        raise ConfigError(
            f"--mlp {sizes}: every size is 1 or more, and the last is 1, the number that is drawn."
        )
    rng = random.Random(seed)
    model = MLP(first, rest, rng=rng)
    inputs = {f"x{i}": Value(rng.uniform(-1, 1), f"x{i}") for i in range(1, first + 1)}
    values = list(inputs.values())
    for depth, layer in enumerate(model.layers, 1):
        for place, neuron in enumerate(layer.neurons, 1):
            for i, weight in enumerate(neuron.w, 1):
                weight.label = f"L{depth} n{place} w{i}"
            neuron.b.label = f"L{depth} n{place} b"
        out = layer(values)
        values = out if isinstance(out, list) else [out]
        for place, value in enumerate(values, 1):
            value.label = f"L{depth} n{place}"
    (out,) = values
    out.label = "y"
    return {**inputs, "y": out}
