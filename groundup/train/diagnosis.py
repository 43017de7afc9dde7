"""What a look inside a network says, in words: what is wrong, where, by how much, and what to try.

Each rule is a rule of thumb with its threshold beside it; none of them says that a network is well. The ratio
of change to weight is judged far from 1e-3 only: the course's BatchNorm networks learn well at 10^-2.2.

Source:  Karpathy, "makemore part 3"; gains: He et al. 2015, arXiv 1502.01852; Glorot & Bengio 2010.
Next:    diagnostics.py, which measures what is judged here.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from groundup.train.diagnostics import unbits

Record = Mapping[str, Any]

STUCK = 0.25  # of all outputs: the course's healthy networks have at most 0.08 beyond 0.99, its ill one 0.61
DEAD = 0.05  # of the units of a layer
ACTIVATIONS, GRADIENTS = 5.0, 10.0  # first bend over last, or the reverse; at gain 1 five tanh layers have 2
CONFIDENT = 1.0  # nats above ln(V) in the first step
TOO_FAST, TOO_SLOW = -1.0, -5.0  # log10 of change over weight, median of the looks
GAINS = {"tanh": ("5/3", 5 / 3), "relu": ("sqrt(2)", math.sqrt(2)), "sigmoid": ("1", 1.0)}


def diagnose(records: Sequence[Record]) -> list[str]:
    """A sentence or two for each illness that the looks of one run show, worst place first; [] if none.

    Activations and gradients are judged by the first look, because initialisation is what can be mended;
    dead units by all looks, the size of steps by all but the first.
    """
    if not records:
        return []
    first = records[0]
    return [
        *_confident(first),
        *_saturated(first),
        *_dead(records),
        *_over_depth(first),
        *_steps(records),
        *_useless(first),
    ]


def _confident(first: Record) -> Iterator[str]:
    even = math.log(first["vocab_size"]) if first["vocab_size"] > 1 else math.inf
    if first["step"] == 0 and first["loss"] > even + CONFIDENT:
        yield (
            f"the loss at step 0 is {first['loss']:.2f}, and not knowing anything costs ln("
            f"{first['vocab_size']}) = {even:.2f}: the softmax is confidently wrong. Scale the last matrix "
            "by 0.01 and begin its bias at 0."
        )


def _saturated(first: Record) -> Iterator[str]:
    for number, layer in enumerate(first["layers"], 1):
        if layer.get("beyond_99", 0.0) > STUCK:
            ends = "0.99" if layer["bend"] == "tanh" else "0.01 and 0.99"
            yield (
                f"layer {number} ({layer['name']}): {100 * layer['beyond_99']:.0f} % of {layer['bend']} "
                f"outputs beyond {ends} at step {first['step']}, where the slope is nearly 0; "
                f"{_scale(layer)}."
            )


def _scale(layer: Record) -> str:
    sign, gain = GAINS[layer["bend"]]
    if not layer["weight"] or layer["normed"]:
        return "make what goes in smaller"
    return (
        f"scale {layer['weight']} to a std of {sign}/sqrt(fan_in) = {gain / math.sqrt(layer['fan_in']):.3f}"
        f" (fan_in {layer['fan_in']}), or put BatchNorm before it"
    )


def _dead(records: Sequence[Record]) -> Iterator[str]:
    for number, layer in enumerate(records[0]["layers"], 1):
        looks = [each for record in records for each in record["layers"] if each["name"] == layer["name"]]
        if layer["bend"] != "relu" or not all("dead" in each for each in looks):
            continue
        dead = [all(unit) for unit in zip(*(unbits(e["dead"], e["units"]) for e in looks), strict=False)]
        if dead and sum(dead) > DEAD * len(dead):
            when = f"at step {records[0]['step']}" if len(looks) == 1 else f"in all {len(looks)} looks"
            yield (
                f"layer {number} ({layer['name']}): {sum(dead)} of {len(dead)} relu units gave 0 for the "
                f"whole batch {when}: they get no gradient and cannot come back. Lower the learning rate, "
                "begin biases at 0, or scale the matrix before them by sqrt(2)/sqrt(fan_in)."
            )


def _over_depth(first: Record) -> Iterator[str]:
    by_bend: dict[str, list[Record]] = {}
    for layer in first["layers"]:
        by_bend.setdefault(layer["bend"], []).append(layer)
    for bend, layers in by_bend.items():
        if len(layers) < 3:
            continue
        for what, key, most in (("activations", "std", ACTIVATIONS), ("gradients", "grad_std", GRADIENTS)):
            begin, end = layers[0][key], layers[-1][key]
            if begin is None or end is None or min(begin, end) <= 0:
                continue
            # Activations flow forward, gradients backward: each is judged in its own direction.
            source, sink = (begin, end) if key == "std" else (end, begin)
            if max(source, sink) > most * min(source, sink):
                verb = "vanish" if sink < source else "explode"
                where = "from the first to the last" if key == "std" else "from the last to the first"
                yield (
                    f"{what} {verb} over depth: their std goes from {source:.2g} to {sink:.2g} {where} of "
                    f"{len(layers)} {bend} layers. {_gain(layers, bend)}"
                )


def _gain(layers: Sequence[Record], bend: str) -> str:
    if bend not in GAINS:
        return "Scale the matrices, or add a norm or a residual path."
    return (
        f"Scale the matrices before them to a std of {GAINS[bend][0]}/sqrt(fan_in), or add BatchNorm or a "
        "residual path."
    )


def _steps(records: Sequence[Record]) -> Iterator[str]:
    """Judged by the looks after the first: a schedule may warm up, and a matrix may begin near 0."""
    ratios: dict[str, list[float]] = {}
    for record in records[1:]:
        for weight in record["weights"]:
            if weight["ratio"] is not None and len(weight["shape"]) >= 2:
                ratios.setdefault(weight["name"], []).append(weight["ratio"])
    middle = {name: median(found) for name, found in ratios.items()}
    for verb, advice, bad in (
        ("fast", "Lower", {name: value for name, value in middle.items() if value > TOO_FAST}),
        ("slowly", "Raise", {name: value for name, value in middle.items() if value < TOO_SLOW}),
    ):
        if bad:
            name = (max if verb == "fast" else min)(bad, key=lambda each: bad[each])
            yield (
                f"{len(bad)} of {len(middle)} matrices move too {verb}: "
                f"a step changes {name} by 10^{bad[name]:.1f} of its own size, where about 10^-3 is usual "
                f"(10^-2 with BatchNorm). {advice} the learning rate."
            )


def _useless(first: Record) -> Iterator[str]:
    if first["useless_biases"]:
        yield (
            f"{', '.join(first['useless_biases'])}: a bias before BatchNorm is taken out again with the mean "
            "and never learns. Leave it away (bias=False)."
        )
