"""A model as a tree: every part with its shape, parameters, bytes, operations and cache.

The names and shapes are those of the parameters themselves, so the tree is right for any model. What a part
costs when it runs is known of transformers only, from the config (cost.py): of the others a tree says what
they hold, and not what they do.

    parameters    a matrix that two names share counts once
    bytes         as stored, which the caller says; float32 if it says nothing
    FLOPs/token   of a forward pass over T tokens, per token: 2 for each element of a matrix, nothing for a
                  look-up in a table, and the attention square where no parameter is
    KV bytes      what a token adds to the key-value cache, in float32

Parts that are alike in all of this, as the blocks of a transformer, are one node that says how many.

Source: the counting of cost.py; the sums of the tree are its totals (tests).
Next:   outline_draw.py, the tree as text and as a picture.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from torch import nn

from groundup.models.transformer import Transformer, TransformerConfig

FLOAT32 = 4  # bytes
TABLES = ("embedding", "positions")  # a row is looked up: no arithmetic


@dataclass(frozen=True)
class Stored:
    """How a tensor lies in its file."""

    format: str
    bytes: int


@dataclass(frozen=True)
class Node:
    """A part of a model, its own numbers with those of all parts in it. `flops`, `kv`: None is not known.

    `alike` is how many such parts follow each other; the numbers are of one, and count that often above.
    """

    name: str
    shape: tuple[int, ...] = ()
    format: str = ""
    parameters: int = 0
    bytes: int = 0
    flops: int | None = None
    kv: int | None = None
    parts: tuple[Node, ...] = ()
    alike: int = 1

    def walk(self, depth: int = 0) -> Iterator[tuple[int, Node]]:
        """This node and all below it, from above to below, each with its depth."""
        yield depth, self
        for part in self.parts:
            yield from part.walk(depth + 1)


def outline(
    model: nn.Module, *, T: int | None = None, stored: Mapping[str, Stored] | None = None, name: str = "model"
) -> Node:
    """The tree of a model; `T` is the context that operations are counted for, by default all of it.

    `stored` says of parameters, by name, how they lie in the file.
    """
    leaves = _leaves(model, stored or {})
    if isinstance(model, Transformer):
        leaves |= _running(model.config, T or model.config.context_len, leaves)
    return _grown(name, leaves)


def _leaves(model: nn.Module, stored: Mapping[str, Stored]) -> dict[str, Node]:
    found = {}
    for name, weight in model.named_parameters():
        at = stored.get(name, Stored("float32", FLOAT32 * weight.numel()))
        found[name] = Node(name, tuple(weight.shape), at.format, weight.numel(), at.bytes)
    return found


def _running(c: TransformerConfig, T: int, leaves: Mapping[str, Node]) -> dict[str, Node]:
    """The leaves of a transformer with what they cost, and those that have a cost and no parameter."""
    found = {}
    for name, leaf in leaves.items():
        table = name.split(".")[0] in TABLES
        found[name] = replace(leaf, flops=0 if table or len(leaf.shape) < 2 else 2 * leaf.parameters, kv=0)
    for layer in range(c.n_layer):
        name = f"blocks.{layer}.attention.softmax(qk)v"
        found[name] = Node(
            name, flops=4 * T * c.n_head * c.head_width, kv=2 * c.kv_heads * c.head_width * FLOAT32
        )
    if c.tie:
        found["head: the embedding again"] = Node(
            "", (c.vocab_size, c.n_embd), flops=2 * c.vocab_size * c.n_embd, kv=0
        )
    return found


def _grown(name: str, leaves: Mapping[str, Node]) -> Node:
    """The tree of leaves whose names are paths with dots; a leaf alone in its part becomes that part.

    >>> tree = _grown("model", {"norm.weight": Node("", (8,), "float32", 8, 32)})
    >>> [(depth, node.name, node.parameters) for depth, node in tree.walk()]
    [(0, 'model', 8), (1, 'norm.weight', 8)]
    """
    groups: dict[str, dict[str, Node]] = {}
    for path, leaf in leaves.items():
        first, _, rest = path.partition(".")
        groups.setdefault(first, {})[rest] = leaf
    parts = []
    for first, inside in groups.items():
        if len(inside) == 1:
            ((rest, leaf),) = inside.items()
            parts.append(replace(leaf, name=f"{first}.{rest}" if rest else first))
        else:
            parts.append(_grown(first, inside))
    return summed(name, _alike(parts))


def summed(name: str, parts: tuple[Node, ...]) -> Node:
    """A part made of these."""
    return Node(
        name,
        parameters=sum(part.alike * part.parameters for part in parts),
        bytes=sum(part.alike * part.bytes for part in parts),
        flops=_total([part.flops for part in parts], parts),
        kv=_total([part.kv for part in parts], parts),
        parts=parts,
    )


def _total(values: list[int | None], parts: tuple[Node, ...]) -> int | None:
    known = [part.alike * value for value, part in zip(values, parts, strict=True) if value is not None]
    return sum(known) if len(known) == len(values) else None


def _alike(parts: list[Node]) -> tuple[Node, ...]:
    """Numbered parts that differ in nothing but their numbers, as one.

    >>> [(node.name, node.alike) for node in _alike([Node("0"), Node("1"), Node("2", parameters=4)])]
    [('0 to 1', 2), ('2', 1)]
    """
    found: list[Node] = []
    for part in parts:
        before = found[-1] if found else None
        if before and part.name.isdigit() and replace(before, name="", alike=1) == replace(part, name=""):
            first = before.name.split(" ")[0]
            found[-1] = replace(before, name=f"{first} to {part.name}", alike=before.alike + 1)
        else:
            found.append(part)
    return tuple(found)
