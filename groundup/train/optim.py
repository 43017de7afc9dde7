"""Which rule moves which weight: Muon for the matrices inside the blocks, AdamW for everything else.

Muon (muon.py) is for matrices that turn activations into activations. Embedding and head are tables with a
row per token, most rows without a gradient in any one step, and gains and biases have no directions to make
equal: those get AdamW (Loshchilov and Hutter 2019, arXiv 1711.05101, algorithm 2), each kind with a rate of
its own.

`Optimizer` joins the two behind one `step`, and gives its state as named tensors, so that it can be written
as safetensors (no pickle) and loaded into a model whose parameters come in another order.

Next: fit.py.
"""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

import torch
from torch import Tensor, nn

from groundup.base.errors import CheckpointError, ConfigError
from groundup.train.adamw import AdamW
from groundup.train.muon import Muon
from groundup.train.sgd import SGD

Role = Literal["matrix", "embedding", "head", "gain"]


@dataclass(frozen=True)
class OptimConfig:
    """Rates and moments: `lr` and `weight_decay` are of AdamW and SGD; with "muon" each part has its own."""

    kind: Literal["muon", "adamw", "sgd"] = "muon"
    # Keller Jordan's 0.02 and 0.95 (see muon.py) also won in our ten-minute runs.
    muon_lr: float = 0.02
    muon_momentum: float = 0.95
    # How the direction is made orthogonal. At 1 M weights Newton-Schulz is a fifth of a step: three fitted
    # steps learn as much as Jordan's five, in a third less time (docs/log.md).
    muon_schedule: Literal["jordan5", "polar3"] = "polar3"
    # The tables learn faster than a shared rate would let them: 1e-2 and 3e-3 from our ten-minute runs of 1 M
    # parameters; modded-nanogpt goes far higher at 124 M. A tied table takes the head's rate.
    embedding_lr: float = 1e-2
    head_lr: float = 3e-3
    gain_lr: float = 1e-2
    betas: tuple[float, float] = (0.8, 0.95)  # short memories: these runs are a few thousand steps long
    eps: float = (
        1e-10  # far below any gradient that matters; Adam's 1e-8 damps the rarest rows of an embedding
    )
    lr: float = (
        1e-3  # of every weight if kind is "adamw" (nanoGPT's for baby networks) or "sgd" (lectures: 0.1)
    )
    # On matrices, and with kind "adamw" on tables too; never on gains and biases. AdamW runs use 0.1 (GPT-3,
    # nanoGPT).
    weight_decay: float = 0.0
    # On tables with kind "muon". A row of an embedding moves only when its token comes, but would decay in
    # every step: rare tokens would be forgotten. nanochat: 0.001 there and 0.01 on the head, next to nothing.
    table_decay: float = 0.0

    def __post_init__(self) -> None:
        for name in ("muon_lr", "embedding_lr", "head_lr", "gain_lr", "lr"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ConfigError(f"{name}={getattr(self, name)} is not a learning rate. Choose 0 or more.")
        for name, value in (("muon_momentum", self.muon_momentum), *(("betas", beta) for beta in self.betas)):
            if not 0 <= value < 1:
                raise ConfigError(
                    f"{name}: {value} is not the weight of a running mean. Choose from 0 up to below 1."
                )


class Rule(Protocol):
    """What moves some of the weights: `param_groups` and `state` as torch's optimizers have them."""

    param_groups: list[dict[str, Any]]
    state: dict[Tensor, dict[str, Tensor]]

    def step(self) -> None: ...


class Optimizer:
    """Several rules that step together, each group at its own peak rate times one common scale.

    The state of the parameter called `blocks.0.mlp.up.weight` is `blocks.0.mlp.up.weight|momentum` and the
    like.
    """

    def __init__(self, parts: Iterable[Rule], names: Mapping[Tensor, str]):
        self._parts = list(parts)
        self._names = dict(names)
        for part in self._parts:
            for group in part.param_groups:
                group["peak_lr"] = group["lr"]

    @property
    def parameters(self) -> list[Tensor]:
        """The weights that move."""
        return list(self._names)

    @property
    def lr(self) -> float:
        """The rate of the last step: of the matrices, or of all weights where they share one."""
        return self._parts[0].param_groups[0]["lr"]

    def step(self, scale: float = 1.0) -> None:
        """Move every weight that has a gradient, at `scale` times its peak rate."""
        for part in self._parts:
            for group in part.param_groups:
                group["lr"] = group["peak_lr"] * scale
            part.step()

    def zero_grad(self) -> None:
        """Forget the gradients."""
        for parameter in self._names:
            parameter.grad = None

    def state_dict(self) -> dict[str, Tensor]:
        """Every tensor that the next step depends on, apart from weights and gradients, by parameter name."""
        return {
            f"{self._names[parameter]}|{key}": value
            for part in self._parts
            for parameter, state in part.state.items()
            for key, value in state.items()
        }

    def load_state_dict(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue from a `state_dict`. Raises CheckpointError if it is of other weights than these."""
        by_name: dict[str, dict[str, Tensor]] = {}
        for joined, value in tensors.items():
            name, _, key = joined.rpartition("|")
            by_name.setdefault(name, {})[key] = value
        if strangers := sorted(by_name.keys() - set(self._names.values())):
            raise CheckpointError(
                f"The optimizer state holds {strangers[0]!r}, which is no trainable weight of "
                "this model. It was saved by another model, or with other weights frozen: start a new run."
            )
        for part in self._parts:
            part.state.clear()
            for group in part.param_groups:
                for parameter in group["params"]:
                    saved = by_name.get(self._names[parameter], {})
                    for key, value in saved.items():
                        # AdamW counts its steps in a float32 scalar; the moments live where the weight lives.
                        where = parameter.device if value.ndim or parameter.is_cuda else torch.device("cpu")
                        part.state.setdefault(parameter, {})[key] = value.clone().to(where)


def roles(model: nn.Module) -> dict[str, Role]:
    """What each trainable weight of a model is, by name.

    The head is the child called `unembedding`. A model without one scores with its embedding table, which
    then counts as head: that is where most of its gradient comes from.
    """
    tied = getattr(model, "unembedding", None) is None
    tables = {id(module.weight) for module in model.modules() if isinstance(module, nn.Embedding)}
    kinds: dict[str, Role] = {}
    for name, parameter in model.named_parameters():
        if not parameter.requires_grad:
            continue
        if name == ("embedding.weight" if tied else "unembedding.weight"):
            kinds[name] = "head"
        elif id(parameter) in tables:
            kinds[name] = "embedding"
        else:
            kinds[name] = "matrix" if parameter.ndim == 2 else "gain"
    return kinds


def build_optimizer(model: nn.Module, config: OptimConfig) -> Optimizer:
    """The optimizer that `config` describes, over every weight of `model` that is not frozen."""
    kinds = roles(model)
    if not kinds:
        raise ConfigError(
            "No weight of this model is trainable. Set requires_grad on those that should move."
        )
    weights = {name: parameter for name, parameter in model.named_parameters() if name in kinds}

    def group(lr: float, decay: float, *wanted: Role) -> dict[str, Any]:
        return {
            "params": [weights[n] for n, kind in kinds.items() if kind in wanted],
            "lr": lr,
            "weight_decay": decay,
        }

    if config.kind == "sgd":
        parts: list[Rule | None] = [SGD(weights.values(), lr=config.lr, weight_decay=config.weight_decay)]
    elif config.kind == "adamw":
        parts = [
            _adamw(
                config,
                [
                    group(config.lr, config.weight_decay, "matrix", "embedding", "head"),
                    group(config.lr, 0.0, "gain"),
                ],
            )
        ]
    else:
        parts = [
            _muon(model, config, {n: weights[n] for n, kind in kinds.items() if kind == "matrix"}),
            _adamw(
                config,
                [
                    group(config.embedding_lr, config.table_decay, "embedding"),
                    group(config.head_lr, config.table_decay, "head"),
                    group(config.gain_lr, 0.0, "gain"),
                ],
            ),
        ]
    return Optimizer(
        [part for part in parts if part is not None], {weight: n for n, weight in weights.items()}
    )


def _muon(model: nn.Module, config: OptimConfig, matrices: Mapping[str, Tensor]) -> Rule | None:
    """Muon over these; query, key and value (or gate and up) are orthogonalised apart where fused."""
    if not matrices:
        return None
    fused_rows: Any = getattr(model, "fused_rows", dict)  # a model that fuses nothing need not say so
    fused = fused_rows()
    pieces = {index: fused[name] for index, name in enumerate(matrices) if name in fused}
    return Muon(
        matrices.values(),
        lr=config.muon_lr,
        momentum=config.muon_momentum,
        weight_decay=config.weight_decay,
        schedule=config.muon_schedule,
        pieces=pieces,
    )


def _adamw(config: OptimConfig, groups: list[dict[str, Any]]) -> Rule | None:
    """AdamW over the groups that have weights."""
    groups = [group for group in groups if group["params"]]
    return AdamW(groups, betas=config.betas, eps=config.eps) if groups else None
