"""A neuron, a layer and a multi-layer perceptron of Values: the course's API.

    act = w · x + b, then ReLU except in the last layer        w ~ uniform(-1, 1), b = 0

As in micrograd (Karpathy 2020), weights are drawn from Python's global `random`, in the same order, so that
`random.seed(1337)` gives the network of the lecture; pass `rng` for a stream of your own. Parameters come
layer by layer, neuron by neuron, weights before bias.

Does not: learn. A training loop is five lines; recipes/moons.py has one. Next: program.py.
"""

from __future__ import annotations

import random
from collections.abc import Sequence

from groundup.autograd.value import Value
from groundup.base.errors import GraphError


class Module:
    """Something with parameters."""

    def parameters(self) -> list[Value]:
        """Every leaf that learning moves, always in the same order."""
        return []

    def zero_grad(self) -> None:
        """Set the gradient of every parameter to 0: `backward` adds to what is there."""
        for p in self.parameters():
            p.grad = 0.0


class Neuron(Module):
    """A weighted sum of `n_in` numbers, bent by ReLU if `nonlin`."""

    def __init__(self, n_in: int, nonlin: bool = True, *, rng: random.Random | None = None) -> None:
        draw = (rng or random).uniform
        self.w = [Value(draw(-1, 1)) for _ in range(n_in)]
        self.b = Value(0.0)
        self.nonlin = nonlin

    def __call__(self, x: Sequence[Value | float]) -> Value:
        if len(x) != len(self.w):
            raise GraphError(
                f"this neuron has {len(self.w)} weights and was given {len(x)} inputs. Give it {len(self.w)}."
            )
        total = self.b
        for w, x_i in zip(self.w, x, strict=True):
            total = total + w * x_i
        return total.relu() if self.nonlin else total

    def parameters(self) -> list[Value]:
        return [*self.w, self.b]

    def __repr__(self) -> str:
        return f"{'ReLU' if self.nonlin else 'Linear'}Neuron({len(self.w)})"


class Layer(Module):
    """`n_out` neurons that look at the same `n_in` numbers."""

    def __init__(
        self, n_in: int, n_out: int, nonlin: bool = True, *, rng: random.Random | None = None
    ) -> None:
        self.neurons = [Neuron(n_in, nonlin, rng=rng) for _ in range(n_out)]

    def __call__(self, x: Sequence[Value | float]) -> Value | list[Value]:
        """`n_out` values; a bare Value if there is one neuron, as in the course."""
        out = [neuron(x) for neuron in self.neurons]
        return out[0] if len(out) == 1 else out

    def parameters(self) -> list[Value]:
        return [p for neuron in self.neurons for p in neuron.parameters()]

    def __repr__(self) -> str:
        return f"Layer of [{', '.join(str(neuron) for neuron in self.neurons)}]"


class MLP(Module):
    """Layers of the sizes `n_outs`, one after the other; the last one is linear.

    >>> random.seed(1337)
    >>> model = MLP(2, [16, 16, 1])
    >>> len(model.parameters())                     # 16 * 3 + 16 * 17 + 17
    337
    >>> model([1.0, -2.0])
    Value(data=..., grad=0.0)
    """

    def __init__(self, n_in: int, n_outs: Sequence[int], *, rng: random.Random | None = None) -> None:
        sizes = [n_in, *n_outs]
        last = len(n_outs) - 1
        self.layers = [Layer(sizes[i], sizes[i + 1], i != last, rng=rng) for i in range(len(n_outs))]

    def __call__(self, x: Sequence[Value | float]) -> Value | list[Value]:
        out: Value | list[Value] = []
        for layer in self.layers:
            out = layer(x)
            x = out if isinstance(out, list) else [out]
        return out

    def parameters(self) -> list[Value]:
        return [p for layer in self.layers for p in layer.parameters()]

    def __repr__(self) -> str:
        return f"MLP of [{', '.join(str(layer) for layer in self.layers)}]"
