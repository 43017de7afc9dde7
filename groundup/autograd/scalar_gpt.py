"""A generative pretrained transformer made of single numbers: every weight, product and sum is a `Value`.

    x = wte[token] + wpe[position], then rmsnorm
    x = x + wo · attention(rmsnorm(x))          each head: softmax(q · k / sqrt(D)) over what came before
    x = x + fc2 · relu(fc1 · rmsnorm(x))
    logits = head · x                           one for each token

With the default sizes and 27 tokens these are 4,192 parameters, the size of Karpathy's microgpt, the same
model in 200 lines without a library; no biases, no learned scale in rmsnorm. It is written with lists and
loops, so that every line is arithmetic; models/transformer.py is the same thing with tensors, and much more.

A token may be an int, or an `Index` where the loss is recorded by replay.py: a choice that depends on a token
is a `pick`, and a softmax finds its maximum with `maximum`.

Source: Vaswani et al. 2017, arXiv 1706.03762; rmsnorm: Zhang & Sennrich 2019, arXiv 1910.07467.
Does not: train or draw names; recipes/scalar_gpt.py does.
"""

from __future__ import annotations

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce

from groundup.autograd.nn import Module
from groundup.autograd.pick import Index, pick
from groundup.autograd.value import Value
from groundup.base.errors import ConfigError, GraphError

Vector = list[Value]
Token = Index | int


@dataclass(frozen=True)
class ScalarGPTConfig:
    """Sizes. `head_dim` is n_embd / n_head."""

    vocab_size: int = 27
    context_len: int = 16
    n_layer: int = 1
    n_head: int = 4
    n_embd: int = 16
    init_std: float = 0.08  # microgpt's

    def __post_init__(self) -> None:
        if min(self.vocab_size, self.context_len, self.n_layer, self.n_head, self.n_embd) < 1:
            raise ConfigError(f"{self}: every size must be 1 or more.")
        if self.n_embd % self.n_head:
            fits = [n for n in range(1, self.n_embd + 1) if self.n_embd % n == 0]
            raise ConfigError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}. Choose n_head from {fits}."
            )


class ScalarGPT(Module):
    """The model. Weights are drawn from `rng`: normal, standard deviation `init_std`.

    >>> model = ScalarGPT(ScalarGPTConfig(), random.Random(1))
    >>> len(model.parameters())
    4192
    """

    def __init__(self, config: ScalarGPTConfig, rng: random.Random) -> None:
        self.config = config
        n = config.n_embd

        def matrix(rows: int, columns: int) -> list[Vector]:
            return [[Value(rng.gauss(0.0, config.init_std)) for _ in range(columns)] for _ in range(rows)]

        self.wte = matrix(config.vocab_size, n)
        self.wpe = matrix(config.context_len, n)
        self.head = matrix(config.vocab_size, n)
        self.layers = [
            {"wq": matrix(n, n), "wk": matrix(n, n), "wv": matrix(n, n), "wo": matrix(n, n),
             "fc1": matrix(4 * n, n), "fc2": matrix(n, 4 * n)}
            for _ in range(config.n_layer)
        ]  # fmt: skip

    def parameters(self) -> list[Value]:
        matrices = [self.wte, self.wpe, self.head, *(m for layer in self.layers for m in layer.values())]
        return [p for matrix in matrices for row in matrix for p in row]

    def __call__(self, tokens: Sequence[Token]) -> list[Vector]:
        """For each token the logits of the token after it."""
        if len(tokens) > self.config.context_len:
            raise GraphError(
                f"{len(tokens)} tokens, and the context is {self.config.context_len}. Cut them, or make the "
                "context longer."
            )
        keys: list[list[Vector]] = [[] for _ in self.layers]
        values: list[list[Vector]] = [[] for _ in self.layers]
        return [self._one(token, t, keys, values) for t, token in enumerate(tokens)]

    def loss(self, tokens: Sequence[Token]) -> Value:
        """The mean of -log p(next token), in nats, over all tokens but the first."""
        if len(tokens) < 2:
            raise GraphError(
                f"{len(tokens)} tokens: a loss needs one to read and one to predict, 2 at least."
            )
        logits = self(tokens[:-1])
        losses = [cross_entropy(row, target) for row, target in zip(logits, tokens[1:], strict=True)]
        return total(losses) * (1.0 / len(losses))

    def _one(
        self, token: Token, position: int, keys: list[list[Vector]], values: list[list[Vector]]
    ) -> Vector:
        """The logits after one token. `keys` and `values` hold those of the tokens before, for each layer."""
        x = rmsnorm(add(pick(self.wte, token), self.wpe[position]))
        for layer, past_keys, past_values in zip(self.layers, keys, values, strict=True):
            normed = rmsnorm(x)
            past_keys.append(linear(layer["wk"], normed))
            past_values.append(linear(layer["wv"], normed))
            heard = self._attend(linear(layer["wq"], normed), past_keys, past_values)
            x = add(x, linear(layer["wo"], heard))
            hidden = [h.relu() for h in linear(layer["fc1"], rmsnorm(x))]
            x = add(x, linear(layer["fc2"], hidden))
        return linear(self.head, x)

    def _attend(self, query: Vector, keys: list[Vector], values: list[Vector]) -> Vector:
        """What each head hears, one after the other."""
        width = self.config.n_embd // self.config.n_head
        heard: Vector = []
        for begin in range(0, self.config.n_embd, width):
            part = slice(begin, begin + width)
            scores = [dot(query[part], key[part]) * width**-0.5 for key in keys]
            weights = softmax(scores)
            heard += [dot(weights, [value[i] for value in values]) for i in range(begin, begin + width)]
        return heard


# ---- vectors as lists ----


def total(xs: Sequence[Value]) -> Value:
    """x1 + x2 + ..., from the left."""
    return reduce(Value.__add__, xs)


def dot(xs: Sequence[Value], ys: Sequence[Value]) -> Value:
    """x1 * y1 + x2 * y2 + ..."""
    return total([x * y for x, y in zip(xs, ys, strict=True)])


def add(xs: Sequence[Value], ys: Sequence[Value]) -> Vector:
    """Element by element."""
    return [x + y for x, y in zip(xs, ys, strict=True)]


def linear(rows: Sequence[Vector], x: Vector) -> Vector:
    """Matrix times vector."""
    return [dot(row, x) for row in rows]


def rmsnorm(x: Vector) -> Vector:
    """x / sqrt(mean(x²) + 1e-5): its root mean square becomes 1."""
    scale = (dot(x, x) * (1.0 / len(x)) + 1e-5) ** -0.5
    return [x_i * scale for x_i in x]


def softmax(logits: Vector) -> Vector:
    """Positive numbers that sum to 1. The largest logit is subtracted, so that exp cannot overflow."""
    largest = reduce(Value.maximum, logits)
    exps = [(logit - largest).exp() for logit in logits]
    share = total(exps) ** -1
    return [e * share for e in exps]


def cross_entropy(logits: Vector, target: Token) -> Value:
    """-log softmax(logits)[target] = log(sum(exp(logits - largest))) - (logits[target] - largest)."""
    largest = reduce(Value.maximum, logits)
    return total([(logit - largest).exp() for logit in logits]).log() - (pick(logits, target) - largest)
