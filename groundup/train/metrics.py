"""How fast and how well it went: throughput, model FLOPs utilisation, curves of a run's event log.

Source: MFU as in Chowdhery et al. 2022 (PaLM), arXiv 2204.02311, appendix B: the FLOPs that the model's
arithmetic needs, recomputation not counted, over what the chip could do at most.

Next: fit.py, which logs these.
"""

import math
from collections.abc import Iterable, Mapping
from typing import Any

import torch

# Dense bfloat16 FLOP/s of the makers' data sheets, without sparsity; the first name found in the device's
# name counts.
PEAK_FLOPS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "T4": 65e12,  # float16: it has no bfloat16
}


def peak_flops(device: torch.device) -> float | None:
    """The most FLOP/s that this device can do in bfloat16; None if unknown: then MFU is not reported.

    Of a CPU we do not know: it depends on clock, vector width and how many other programs run.
    """
    if device.type != "cuda":
        return None
    name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAK_FLOPS.items() if known in name), None)


def training_flops(parameters: int, tokens: int) -> float:
    """About how many FLOPs training on `tokens` tokens takes: 6 per weight and token, without attention.

    Two for the forward pass (multiply and add), four for the backward. Kaplan et al. 2020, arXiv 2001.08361,
    eq. 2.2.

    >>> training_flops(800_000, 1_536_000)
    7372800000000.0
    """
    return 6.0 * parameters * tokens


def perplexity(loss: float) -> float:
    """e to the loss in nats: among how many equally likely tokens the model is as unsure as it is.

    >>> round(perplexity(math.log(65)))
    65
    """
    return math.exp(loss)


def curve(
    events: Iterable[Mapping[str, Any]], kind: str, field: str, label: str = ""
) -> list[tuple[int, float]]:
    """(step, value) of one logged number, in order of steps.

    After a kill the steps since the last checkpoint are run, and logged, a second time: the last entry of a
    step counts.

    >>> log = [{"kind": "train", "step": 10, "loss": 3.0}, {"kind": "train", "step": 10, "loss": 2.0}]
    >>> curve(log, "train", "loss")
    [(10, 2.0)]
    """
    points = {
        event["step"]: float(event[field])
        for event in events
        if event.get("kind") == kind and field in event and event.get("label", "") == label
    }
    return sorted(points.items())
