"""How much memory a training needs, from its settings alone, so that one that cannot fit is refused unbuilt.

    weights      4 bytes each, in float32 whatever the activations are
    gradients    4 bytes each; with workers a set for each micro-batch of a step, to be added in order
    moments      4 bytes a weight under Muon, 8 under AdamW
    activations  what the forward pass keeps for the backward pass, of the micro-batches that run at once
    step         what the optimizer needs beside its moments; the activations are gone by then

The peak is the first three and the larger of the last two. The activations are counted tensor by tensor as
models/transformer.py and its parts keep them; the tests ask torch which those are.

Letters: C channels, T tokens in a row, F feed-forward width, H heads, V vocabulary.
Does not: count what torch itself takes (0.4 GB on a CPU) or what an allocator wastes on a GPU. It is an
estimate, and `refuse` leaves a tenth free.
Next:    size_dial.py, which asks it for the largest micro-batch.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import torch

from groundup.base.errors import ConfigError
from groundup.models.cost import parameters
from groundup.models.transformer import TransformerConfig
from groundup.train.fit import FitConfig
from groundup.train.optim import OptimConfig

USABLE = 0.9  # of what is free: the allocator's rounding, and whoever else needs some


@dataclass(frozen=True)
class Need:
    """Bytes, by what they are for."""

    weights: int
    gradients: int
    moments: int
    activations: int
    step: int

    @property
    def peak(self) -> int:
        """The most that is held at one time."""
        return self.weights + self.gradients + self.moments + max(self.activations, self.step)

    def __str__(self) -> str:
        parts = [f"{name} {gigabytes(value)}" for name, value in vars(self).items()]
        return f"{gigabytes(self.peak)} ({', '.join(parts)})"


def training_need(
    model: TransformerConfig, *, rows: int, optim: OptimConfig, fit: FitConfig, T: int | None = None
) -> Need:
    """What training takes with micro-batches of `rows` times T tokens (None: the whole context)."""
    T = model.context_len if T is None else T
    total, matrices = parameters(model), block_weights(model)
    sets = fit.accumulate if fit.workers > 1 else 1
    width = 4 if fit.precision == "float32" else 3  # at half precision norms and the loss stay at 4 bytes
    kept = kept_values(model, T, recompute=fit.recompute) * rows * T * width
    rest = total - matrices
    if optim.kind == "muon":
        # All updates, and four copies of the largest stack of one shape, which is a third of the matrices:
        # the stack, its normed copy, and the two between which a Newton-Schulz step moves.
        moments, step = 4 * matrices + 8 * rest, 4 * (matrices + 4 * matrices // 3)
    else:
        moments, step = 8 * total, 0  # torch's fused AdamW works in place
    return Need(4 * total, 4 * total * sets, moments, kept * fit.workers, step)


def kept_values(model: TransformerConfig, T: int, *, recompute: bool = False) -> int:
    """Numbers that the forward pass keeps for each token of a row of T.

    With `recompute` the input of each block, and all that one block keeps.

    >>> base = TransformerConfig(vocab_size=65, context_len=64, n_layer=1, n_head=4, n_embd=128, mlp="relu2")
    >>> (kept_values(replace(base, n_layer=2), 64) - kept_values(base, 64)) / 128  # in units of C
    20.0
    """
    c = model
    query, key = c.n_head * c.head_width, c.kv_heads * c.head_width
    norms = 4 * c.n_embd  # each of the two keeps its normed input, and what it gives to the next product
    attention = query + 2 * key  # one tensor holds q, k, v; the values stay in it
    attention += (query + key) * (c.qk_norm + (c.qk_norm or c.position == "rotary"))  # normed, then rotated
    attention += query  # its output, which is the input of the projection
    mlp = (4 if c.mlp == "swiglu" else 2) * c.mlp_hidden
    # Masks, and on a CPU attention that is written out: scaled q and k, and two squares of T by T a head.
    dropout = 2 * c.n_embd + query + key + 2 * c.n_head * T if c.dropout else 0
    # The last norm; logits, their log-softmax, its gradient; a mask over the embeddings.
    ends = 2 * c.n_embd + 3 * c.vocab_size + (c.n_embd if c.dropout else 0)
    block = norms + attention + mlp + dropout
    return (c.n_layer * c.n_embd + block if recompute else c.n_layer * block) + ends


def block_weights(model: TransformerConfig) -> int:
    """The weights inside the blocks, nearly all of them in matrices."""
    return model.n_layer * (parameters(replace(model, n_layer=2)) - parameters(replace(model, n_layer=1)))


def memory_there(device: torch.device) -> int | None:
    """Bytes that a training could have on this device; None where nobody says."""
    if device.type == "cuda":
        return torch.cuda.mem_get_info(device)[0]
    return _free_memory(Path("/proc/meminfo"), Path("/sys/fs/cgroup/memory.max"))


def refuse(need: Need, there: int | None, *, what: str, todo: str) -> None:
    """Raise ConfigError, with the estimate, if it does not fit into `there` bytes."""
    if there is not None and need.peak > USABLE * there:
        raise ConfigError(
            f"{what} needs about {need} of memory, and {gigabytes(there)} are free, of which a tenth is left "
            f"alone. {todo}"
        )


def gigabytes(size: float) -> str:
    """A size for a person.

    >>> gigabytes(1_234_567_890), gigabytes(45_600_000)
    ('1.23 GB', '45.6 MB')
    """
    return f"{size / 1e9:.3g} GB" if size >= 1e9 else f"{size / 1e6:.3g} MB"


def _free_memory(meminfo: Path, limit: Path) -> int | None:
    """What the system could give without swapping, within the limit of a container (cgroup v2)."""
    try:
        lines = dict(line.split(":", 1) for line in meminfo.read_text().splitlines())
        free = 1024 * int(lines["MemAvailable"].split()[0])  # the file counts in KiB
    except (OSError, KeyError, ValueError):
        return None
    try:
        return min(free, int(limit.read_text()))
    except (OSError, ValueError):  # no container, or "max"
        return free
