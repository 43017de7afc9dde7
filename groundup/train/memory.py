"""What a training step holds in memory, counted and not estimated.

Every tensor that an operation makes is noted with the size of its storage, and struck out when the storage
is freed. So views count once, what the backward pass keeps counts until it is used, and what is computed
twice (recompute.py) counts when it is there and not before. Weights, and gradients and moments that exist
already, are not made by the step and do not count.

Does not: see a kernel's own scratch space. On a GPU `torch.cuda.max_memory_allocated` does.
Next:     benchmarks/hygiene.py, which claims something with it.
"""

import weakref
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves


@dataclass(frozen=True)
class StepMemory:
    """Bytes of activations of one step."""

    kept: int  # between the forward and the backward pass
    peak: int  # the most at any moment of either


def step_memory(forward: Callable[[], Tensor]) -> StepMemory:
    """What `forward()`, which returns a loss, and its backward pass need.

    The gradients that are left in `.grad` are not activations: give them their place by one step before, or
    they count as far as they are new.

    >>> x = torch.zeros(1000, requires_grad=True); x.grad = torch.zeros(1000)
    >>> step_memory(lambda: x.exp().exp().sum())  # each exp keeps its result: 2 x 4,000 bytes, and the loss
    StepMemory(kept=8004, peak=12008)
    """
    with Allocations() as seen:
        loss = forward()
        kept = seen.alive
        loss.backward()
    return StepMemory(kept, seen.peak)


class Allocations(TorchDispatchMode):
    """Within its block: bytes of the tensors made there that are `alive`, and the most there were, `peak`."""

    def __init__(self) -> None:
        super().__init__()
        self.alive = self.peak = 0
        self._known: set[int] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        given = {id(storage) for storage in _storages((args, kwargs))}
        made = func(*args, **(kwargs or {}))
        for storage in _storages(made):
            if id(storage) not in given:  # not a view, and not in place
                self._watch(storage)
        return made

    def _watch(self, storage: torch.UntypedStorage) -> None:
        name, size = id(storage), storage.nbytes()
        if name not in self._known:
            self._known.add(name)
            self.alive += size
            self.peak = max(self.peak, self.alive)
            weakref.finalize(storage, self._freed, name, size)

    def _freed(self, name: int, size: int) -> None:
        self._known.discard(name)
        self.alive -= size


def _storages(values: Any) -> list[torch.UntypedStorage]:
    return [leaf.untyped_storage() for leaf in tree_leaves(values) if isinstance(leaf, Tensor)]
