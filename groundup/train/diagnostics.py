"""What happens inside a network while it learns: activations, their gradients, and how far weights move.

`fit` looks every `FitConfig.diagnose_every` steps and writes one JSON object a look into `diagnostics.jsonl`
beside the run's events. A look watches a real step, so it changes none of its numbers; between looks nothing
is hooked and nothing is kept. A run that is resumed writes on, and the last record of a step counts.

    layers      every bend (tanh, sigmoid, relu, gelu, silu) by the module that it is in, in order: mean, std,
                share beyond 0.97 and 0.99 (of a sigmoid y that of 2y - 1), dead units, 64 bins, gain (std
                of what came out over that of what went in), std and 64 bins of its gradient
    weights     norm and std of the gradient (of the mean loss, after clipping), std of the weight, and
                log10 of std(change) / std(weight), from the weight before and after the step: so it is right
                for any optimizer

Bends are seen by torch's function mode and not by module hooks, so `torch.tanh(x)` in a forward counts as
much as nn.Tanh does. A bend that is used several times at one place (an RNN, micro-batches) is one entry.

Source:  Karpathy, "makemore part 3: activations & gradients, BatchNorm"; dead units: Maas et al. 2013.
Not here: worker threads (a function mode sees its own thread only), and what fused kernels do inside.
Next:    diagnosis.py, what is wrong in words; diagnostics_data.py, how a run's records are read.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

FILE = "diagnostics.jsonl"  # beside events.jsonl, which many read and which so stays small
BINS = 64
ROWS, UNITS = 32, 200  # of the picture of saturation: the lecture's batch and hidden layer
BENDS: dict[Any, str] = {
    torch.tanh: "tanh", Tensor.tanh: "tanh", F.tanh: "tanh",
    torch.sigmoid: "sigmoid", Tensor.sigmoid: "sigmoid", F.sigmoid: "sigmoid",
    torch.relu: "relu", Tensor.relu: "relu", F.relu: "relu",
    F.gelu: "gelu", F.silu: "silu",
}  # fmt: skip
RANGES = {"tanh": (-1.0, 1.0), "sigmoid": (0.0, 1.0)}
PRODUCTS = (torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.mm)
SUMS = (torch.add, Tensor.add, Tensor.__add__, Tensor.__radd__, Tensor.__iadd__, Tensor.add_)


@dataclass
class Layer:
    """What one bend of the network did in one step, summed over its calls."""

    name: str
    bend: str
    weight: str = ""  # the matrix that made its input, where there was one
    fan_in: int = 0
    normed: bool = False  # whether BatchNorm stands between that matrix and the bend
    n: int = 0
    sums: list[float] = field(default_factory=lambda: [0.0] * 6)  # y, y², x, x², beyond .97, beyond .99
    grad_n: int = 0
    grad_sums: list[float] = field(default_factory=lambda: [0.0] * 2)
    span: tuple[float, float] = (0.0, 0.0)
    bins: Tensor | None = None
    grad_span: tuple[float, float] = (0.0, 0.0)
    grad_bins: Tensor | None = None
    dead: Tensor | None = None  # of each unit: whether it has not moved in this step
    map_rows: Tensor | None = None

    def saw(self, x: Tensor, y: Tensor) -> None:
        """Count one call."""
        y_NC, x_NC = y.detach().float().flatten(0, -2), x.detach().float()
        far = (2 * y_NC - 1 if self.bend == "sigmoid" else y_NC).abs()  # how near its ends
        stuck = y_NC == 0 if self.bend == "relu" else far > 0.99
        bounded = self.bend in RANGES
        new = (
            y_NC.sum(), y_NC.square().sum(), x_NC.sum(), x_NC.square().sum(),
            (far > 0.97).sum() if bounded else torch.zeros(()), stuck.sum() if bounded else torch.zeros(()),
        )  # fmt: skip
        self.sums = [a + float(b) for a, b in zip(self.sums, new, strict=True)]
        self.n += y_NC.numel()
        if bounded or self.bend == "relu":
            here = stuck.all(0)
            self.dead = here if self.dead is None else self.dead & here
            self.map_rows = stuck[:ROWS, :UNITS] if self.map_rows is None else self.map_rows
        if self.bins is None:
            self.span = RANGES.get(self.bend) or symmetric(y_NC)
            self.bins = torch.zeros(BINS)
        self.bins = self.bins + histogram(y_NC, self.span)

    def saw_gradient(self, grad: Tensor) -> None:
        """Count the gradient of one call; still of the sum of losses."""
        g = grad.detach().float()
        self.grad_sums[0] += float(g.sum())
        self.grad_sums[1] += float(g.square().sum())
        self.grad_n += g.numel()
        if self.grad_bins is None:
            self.grad_span, self.grad_bins = symmetric(g), torch.zeros(BINS)
        self.grad_bins = self.grad_bins + histogram(g, self.grad_span)

    def record(self, divisor: float) -> dict[str, Any]:
        """As plain data. `divisor` makes gradients of a sum those of the mean loss."""
        y, yy, x, xx, beyond_97, beyond_99 = self.sums
        out, came_in = _std(y, yy, self.n), _std(x, xx, self.n)
        grad, squares = self.grad_sums
        found: dict[str, Any] = {
            "name": self.name, "bend": self.bend, "weight": self.weight, "fan_in": self.fan_in,
            "normed": self.normed, "mean": y / self.n, "std": out, "gain": out / max(came_in, 1e-30),
            "span": list(self.span), "bins": _counts(self.bins),
            "grad_std": _std(grad, squares, self.grad_n) / divisor if self.grad_n else None,
            "grad_span": [edge / divisor for edge in self.grad_span], "grad_bins": _counts(self.grad_bins),
        }  # fmt: skip
        if self.bend in RANGES:
            found |= {"beyond_97": beyond_97 / self.n, "beyond_99": beyond_99 / self.n}
        if self.dead is not None and self.map_rows is not None:
            found |= {
                "units": self.dead.numel(),
                "dead": bits(self.dead),
                "map": [bits(row) for row in self.map_rows],
                "map_units": self.map_rows.size(1),
            }
        return found


class Probe:
    """Watches one step at a time: `with probe.watching(): gradient...`, then `probe.record(...)`."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.names = {id(p): name for name, p in model.named_parameters()}
        self.layers: dict[str, Layer] = {}
        self.useless: list[str] = []  # biases that BatchNorm takes out again
        self._within: list[str] = []
        self._last: tuple[str, int, str] = ("", 0, "")  # (matrix, fan-in, bias) of the latest product
        self._normed = False
        self._before: dict[str, Tensor] = {}

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Within the block every bend that the model computes is counted."""
        self.layers, self.useless, self._within = {}, [], []
        self._last, self._normed = ("", 0, ""), False
        self._before = {n: p.detach().clone() for n, p in self.model.named_parameters() if p.requires_grad}
        handles = []
        for name, module in self.model.named_modules():
            handles.append(module.register_forward_pre_hook(self._entering(name)))
            handles.append(module.register_forward_hook(self._leaving, always_call=True))
        try:
            with _Watch(self):
                yield
        finally:
            for handle in handles:
                handle.remove()

    def _entering(self, name: str) -> Callable[..., None]:
        def enter(module: nn.Module, _: Any) -> None:
            self._within.append(name)
            if "BatchNorm" in type(module).__name__:
                self._normed = True
                bias = self._last[2]
                if bias and bias not in self.useless:
                    self.useless.append(bias)

        return enter

    def _leaving(self, *_: Any) -> None:
        self._within.pop()

    def product(self, weight: Tensor, fan_in: int, bias: str) -> None:
        """A matrix of the model was multiplied with."""
        self._last, self._normed = (self.names[id(weight)], fan_in, bias), False

    def added(self, other: Tensor) -> None:
        """A parameter was added: the bias of the latest product, if it is one."""
        if self._last[0] and not self._last[2] and other.squeeze().dim() == 1 and not self._normed:
            self._last = (*self._last[:2], self.names[id(other)])

    def bent(self, bend: str, x: Tensor, y: Tensor) -> None:
        """A bend was computed. What bends a parameter alone, such as a gate, or counts rows, is left out."""
        if not y.is_floating_point() or y.dim() < 2:
            return
        where = self._within[-1] if self._within else ""
        matrix = self._last[0]
        name = ".".join(part for part in (where, bend) if part)
        if name in self.layers and self.layers[name].weight != matrix:  # several bends in one forward
            name = f"{name} after {matrix}"
        layer = self.layers.setdefault(name, Layer(name, bend, *self._last[:2], self._normed))
        layer.saw(x, y)
        if y.requires_grad:
            y.register_hook(layer.saw_gradient)

    def record(self, *, loss: float, step: int, divisor: float, vocab_size: int) -> dict[str, Any]:
        """The look as plain data, after the optimizer's step. Gradients must still be there."""
        return {
            "step": step,
            "loss": loss,
            "vocab_size": vocab_size,
            "layers": [layer.record(divisor) for layer in self.layers.values()],
            "weights": self._weights(),
            "useless_biases": self.useless,
        }

    def _weights(self) -> list[dict[str, Any]]:
        found = []
        parameters: Mapping[str, Tensor] = dict(self.model.named_parameters())
        for name, before in self._before.items():
            now, gradient = parameters[name].detach(), parameters[name].grad
            std = float(now.std()) if now.numel() > 1 else 0.0
            change = float((now - before).std()) if now.numel() > 1 else 0.0
            found.append(
                {
                    "name": name,
                    "shape": list(now.shape),
                    "std": std,
                    "grad_norm": None if gradient is None else float(gradient.norm()),
                    "grad_std": None if gradient is None or now.numel() < 2 else float(gradient.std()),
                    "ratio": math.log10(change / std) if change > 0 and std > 0 else None,
                }
            )
        self._before = {}
        return found


class _Watch(TorchFunctionMode):
    """Sees every torch function that is called within, computes it as ever, and tells the probe."""

    def __init__(self, probe: Probe) -> None:
        super().__init__()
        self.probe = probe

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        result = func(*args, **(kwargs or {}))
        names = self.probe.names
        if func in BENDS:
            self.probe.bent(BENDS[func], args[0], result)
        elif func is F.linear and id(args[1]) in names:
            bias = args[2] if len(args) > 2 else (kwargs or {}).get("bias")
            self.probe.product(args[1], args[1].size(1), names.get(id(bias), ""))
        elif func in PRODUCTS and len(args) > 1 and id(args[1]) in names:
            self.probe.product(args[1], args[1].size(0), "")
        elif func is torch.addmm and len(args) > 2 and id(args[2]) in names:
            self.probe.product(args[2], args[2].size(0), names.get(id(args[0]), ""))
        elif func in SUMS:
            for other in args:
                if id(other) in names:
                    self.probe.added(other)
        return result


def histogram(values: Tensor, span: tuple[float, float]) -> Tensor:
    """How many values fall into each of 64 equal bins of the span; what is outside counts at its ends."""
    low, high = span
    inside = values.flatten().nan_to_num(0.0).clamp(low, high)
    return torch.histc(inside, BINS, low, high).cpu()


def symmetric(values: Tensor) -> tuple[float, float]:
    """(-edge, edge), the first power of two that holds all values, so that nearby steps share their bins.

    >>> symmetric(torch.tensor([-3.0, 1.0]))
    (-4.0, 4.0)
    """
    top = float(values.abs().nan_to_num(0.0, 0.0).max())
    edge = 2.0 ** math.ceil(math.log2(top)) if top > 0 else 1.0
    return -edge, edge


def bits(flags: Tensor) -> str:
    """Booleans as hexadecimal digits, four a digit, the first one highest.

    >>> bits(torch.tensor([True, False, False, False, True]))
    '88'
    """
    digits = "".join("1" if flag else "0" for flag in flags.tolist())
    digits += "0" * (-len(digits) % 4)
    return f"{int(digits, 2):0{len(digits) // 4}x}" if digits else ""


def unbits(digits: str, count: int) -> list[bool]:
    """The booleans again.

    >>> unbits("88", 5)
    [True, False, False, False, True]
    """
    return [bit == "1" for digit in digits for bit in f"{int(digit, 16):04b}"][:count]


def _std(total: float, squares: float, n: int) -> float:
    """The lecture's: over n - 1."""
    return math.sqrt(max(0.0, squares - total * total / n) / (n - 1)) if n > 1 else 0.0


def _counts(bins: Tensor | None) -> list[int]:
    return [] if bins is None else [int(count) for count in bins.tolist()]
