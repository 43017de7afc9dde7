"""Attention's road, measured: CPU time and peak memory of each way, over the length.

    python -m benchmarks.attention          a minute of one core; draws docs/images/attention.png
    python -m benchmarks.attention --longest 1024 --rounds 3 --picture FILE --out FILE

The peer is attention written out with all heads in one batch, which is what a textbook has. All ways get the
same q, k and v (1 row, 4 heads of 32, float32, causal); their results are compared before anything is timed.
Time is CPU time of one thread, the median of rounds in which the ways take turns. Memory is counted by the
tensors that are alive (train/memory.py), the result included, q, k and v not; that does not see a kernel's
own scratch, so the process's peak as Linux counts it (VmHWM) is measured beside it. The ways that write the
square stop at 4,096 tokens, where they are compared; the other two go on.

How fast each grows is the slope of the logarithms over the three longest lengths: 1 is a line, 2 a square.
The time of every exact method tends to 2 (nn/attention_road.py says by whom that is shown); below it are the
fixed costs of short lengths, which are still to be seen at the longest here.
"""

from __future__ import annotations

import argparse
import math
import platform
import time
from collections.abc import Callable, Sequence
from datetime import date
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from benchmarks.result import Claim, Result, table, write
from groundup.base.device import describe_machine
from groundup.nn.attention import attend, attend_written_out
from groundup.nn.attention_road import attend_head_by_head, attend_in_blocks
from groundup.recipes.curves_figure import save
from groundup.recipes.report_png import COLOURS, INK, LINE, SOFT, tidy
from groundup.train.memory import Allocations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

H, D = 4, 32
SQUARE_AT_MOST = 4096  # tokens; there a square of each head is in memory twice: half a gigabyte
PEER = "all heads at once"
Way = Callable[[Tensor, Tensor, Tensor], Tensor]
WAYS: dict[str, Way] = {
    "a head at a time": lambda q, k, v: attend_head_by_head(q, k, v, causal=True),
    PEER: lambda q, k, v: attend_written_out(q, k, v, "causal"),
    "in blocks": lambda q, k, v: attend_in_blocks(q, k, v, causal=True, block=128),
    "the fused call": lambda q, k, v: attend(q, k, v, "causal"),
}
SQUARE = ("a head at a time", PEER)  # those that write it
LAST = "a token, with the cache"
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "attention.png"


def last_token(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """What the T-th token costs when keys and values of the others are there."""
    return attend(q[:, :, -1:], k, v, "causal")


def lengths(longest: int) -> list[int]:
    """Powers of two from 64 on.

    >>> lengths(512)
    [64, 128, 256, 512]
    """
    return [2**n for n in range(6, int(math.log2(longest)) + 1)]


def asked_of(name: str, sizes: Sequence[int]) -> list[int]:
    """The lengths at which a way is measured."""
    return [T for T in sizes if T <= SQUARE_AT_MOST or name not in SQUARE]


def check(T: int) -> None:
    """All ways agree, or SystemExit says which does not."""
    q, k, v = torch.randn(3, 1, H, T, D)
    expected = WAYS[PEER](q, k, v)
    for name, way in WAYS.items():
        if not torch.allclose(way(q, k, v), expected, rtol=1e-5, atol=1e-5):
            raise SystemExit(f"{name} differs from {PEER} at {T} tokens: nothing to compare")
    if not torch.allclose(last_token(q, k, v), expected[:, :, -1:], rtol=1e-5, atol=1e-5):
        raise SystemExit("the last token alone is not the last of all")


def times(sizes: Sequence[int], rounds: int) -> dict[str, list[list[float]]]:
    """CPU milliseconds, by way, by size, of each round; the ways take turns."""
    ways = {**WAYS, LAST: last_token}
    found: dict[str, list[list[float]]] = {name: [[] for _ in asked_of(name, sizes)] for name in ways}
    for place, T in enumerate(sizes):
        q, k, v = torch.randn(3, 1, H, T, D)
        again = max(1, 512 // T) ** 2  # short ones are timed many at once
        for turn in range(rounds + 1):
            for name, way in ways.items():
                if T not in asked_of(name, sizes):
                    continue
                began = time.process_time()
                for _ in range(again):
                    way(q, k, v)
                if turn:  # the first warms up
                    found[name][place].append((time.process_time() - began) * 1e3 / again)
    return found


def peaks(sizes: Sequence[int]) -> dict[str, list[int]]:
    """Bytes of the tensors that each way holds at its peak."""
    found: dict[str, list[int]] = {name: [] for name in WAYS}
    for T in sizes:
        q, k, v = torch.randn(3, 1, H, T, D)
        for name, way in WAYS.items():
            if T in asked_of(name, sizes):
                with Allocations() as seen:
                    way(q, k, v)
                found[name].append(seen.peak)
    return found


def resident(way: Way, T: int) -> int | None:
    """Bytes by which the process grows at its peak, scratch of kernels included; None where not Linux."""
    q, k, v = torch.randn(3, 1, H, T, D)
    try:
        Path("/proc/self/clear_refs").write_text("5")  # the peak starts again from what is there now
        before = _status("VmRSS")
        way(q, k, v)
        return _status("VmHWM") - before
    except OSError:
        return None


def _status(name: str) -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith(name):
            return int(line.split()[1]) * 1024
    raise OSError(f"no {name} in /proc/self/status")


def slope(sizes: Sequence[int], values: Sequence[float]) -> float:
    """The power with which it grows: least squares on the logarithms of the last three.

    >>> slope([1, 2, 4, 8], [5, 8, 32, 128])
    2.0
    """
    x, y = ([math.log(value) for value in each[-3:]] for each in (sizes, values))
    mean_x, mean_y = sum(x) / len(x), sum(y) / len(y)
    upper = sum((a - mean_x) * (b - mean_y) for a, b in zip(x, y, strict=True))
    return round(upper / sum((a - mean_x) ** 2 for a in x), 3)


def claims(
    sizes: Sequence[int], took: dict[str, list[list[float]]], held: dict[str, list[int]]
) -> list[Claim]:
    """What of it can be said in one number."""
    at, made = asked_of(PEER, sizes)[-1], []
    place = sizes.index(at)
    shape = f"1 row, {H} heads of {D}, causal, float32, {at:,} tokens"
    for name in WAYS:
        id = name.replace(" ", "-")
        seen = resident(WAYS[name], at)
        beside = "" if seen is None else f"; the process grew by {seen / 1e6:.1f} MB"
        own = asked_of(name, sizes)
        grows = [slope(own, [median(each) for each in took[name]]), slope(own, held[name])]
        upto = f"from {own[-3]:,} to {own[-1]:,} tokens"
        made.append(
            Claim(
                f"{id}.time-grows",
                f"{name}: time grows with this power of the length",
                "power",
                grows[0],
                note=upto,
            )
        )
        made.append(
            Claim(f"{id}.memory-grows", f"{name}: memory grows with this power", "power", grows[1], note=upto)
        )
        if name == PEER:
            continue
        rounds = list(zip(took[name][place], took[PEER][place], strict=True))
        ratios = sorted(theirs / ours for ours, theirs in rounds)
        ours = median(mine for mine, _ in rounds)
        made.append(
            Claim(
                f"{id}.time", f"{name}: {shape}", "CPU ms", ours, ours * median(ratios), median(ratios),
                n=len(rounds), peer=PEER, note=f"alternating; ratios {ratios[0]:.2f} to {ratios[-1]:.2f}",
            )
        )  # fmt: skip
        megabytes, theirs = held[name][place] / 1e6, held[PEER][place] / 1e6
        made.append(
            Claim(
                f"{id}.memory", f"{name}: {shape}", "MB", megabytes, theirs, theirs / megabytes, n=1,
                peer=PEER, note=f"tensors alive at the peak, counted{beside}",
            )
        )  # fmt: skip
    mine, whole = median(took[LAST][place]), median(took["the fused call"][place])
    made.append(
        Claim(
            "cache.time", f"attention of one more token after {at - 1:,}", "CPU ms", mine, whole,
            whole / mine, n=len(took[LAST][place]), peer="all of it again, fused",
        )
    )  # fmt: skip
    made.append(Claim("cache.time-grows", "it grows with this power of the length", "power",
                      slope(sizes, [median(each) for each in took[LAST]])))  # fmt: skip
    return made


def draw(
    figure: Figure, sizes: Sequence[int], took: dict[str, list[list[float]]], held: dict[str, list[int]]
) -> None:
    """Time and memory, both axes logarithmic, with the slope of a square beside them."""
    colours = dict(zip([*WAYS, LAST], (COLOURS[1], COLOURS[2], COLOURS[0], INK, SOFT), strict=True))
    left, right = figure.subplots(1, 2)
    for axes, title, unit in ((left, "CPU time", "milliseconds"), (right, "Peak memory", "MB")):
        tidy(axes, title)
        axes.set(xscale="log", yscale="log", xlabel="tokens", ylabel=unit)
        axes.set_xticks(sizes, [f"{size:,}" for size in sizes])
        axes.minorticks_off()
        axes.yaxis.set_major_formatter("{x:g}")
        axes.grid(color=LINE)
    for name, values in took.items():
        line = [median(each) for each in values]
        style = "--" if name == LAST else "-"
        left.plot(asked_of(name, sizes), line, style, marker="o", ms=4, color=colours[name], label=name)
    for name, peak in held.items():
        right.plot(
            asked_of(name, sizes), [each / 1e6 for each in peak], marker="o", ms=4, color=colours[name]
        )
    upto = asked_of(PEER, sizes)
    for axes, top in ((left, median(took[PEER][-1])), (right, held[PEER][-1] / 1e6)):
        guide = [3 * top * (size / upto[-1]) ** 2 for size in upto]
        axes.plot(upto[-3:], guide[-3:], ":", color=SOFT, lw=1)
        axes.text(upto[-2], guide[-2] * 1.25, "a square", color=SOFT, ha="right")
    figure.legend(loc="outside lower center", ncols=5, frameon=False, labelcolor=INK)


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--longest", type=int, default=16384)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    sizes = lengths(asked.longest)
    with torch.inference_mode():
        for T in (1, 63, 129):
            check(T)
        took, held = times(sizes, asked.rounds), peaks(sizes)
        found = claims(sizes, took, held)
    save(asked.picture, (11, 4.8), lambda figure: draw(figure, sizes, took, held))
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    result = Result(
        "attention", f"{describe_machine()}, 1 thread", versions, date.today().isoformat(), tuple(found)
    )
    print(table(result))
    print(write(result, asked.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
