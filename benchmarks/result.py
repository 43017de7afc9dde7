"""What a benchmark found, in the one format that README figures are copied from.

    benchmarks/results/<name>.<machine>.json
        {name, machine, versions, date,
         claims: [{id, what, unit, ours, theirs, ratio, n, spread, peer, note}]}

A claim is a number with its unit, how many measurements it rests on (`n`), how sure it is (`spread`: the low
and the high end of an interval, which `note` names) and, where there is one, the peer's number from the same
run.
`ratio` is written so that bigger is better: ours / theirs, or theirs / ours for what should be small.

Does not: time anything. Next: zero_to_chat.py, which fills one; readme.py, which copies from it.
"""

import math
import platform
import re
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from groundup.base.errors import DataError
from groundup.base.files import read_json, write_json

RESULTS = Path(__file__).resolve().parent / "results"
SLACK = 1e-9  # the interval of 300 right of 300 ends at 1, less what floating point loses


@dataclass(frozen=True)
class Claim:
    """One number. `theirs`, `ratio` and `peer` belong together: all three, or none."""

    id: str  # unique in its file: lower case, dots between parts
    what: str  # in words, for a table
    unit: str  # s, share (of 1), bits per byte, tokens/s, ...
    ours: float
    theirs: float | None = None
    ratio: float | None = None
    n: int | None = None
    spread: tuple[float, float] | None = None
    peer: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        if not re.fullmatch(r"[a-z0-9_-]+(\.[a-z0-9_-]+)*", self.id):
            raise DataError(f"claim id {self.id!r}: use lower-case words and dots, as in spelling.trained.")
        for name in ("ours", "theirs", "ratio"):
            value = getattr(self, name)
            if value is not None and not math.isfinite(value):
                raise DataError(
                    f"claim {self.id}: {name} is {value}, which is no measurement. Measure it again."
                )
        if len({self.theirs is None, self.ratio is None, not self.peer}) != 1:
            raise DataError(f"claim {self.id}: theirs, ratio and peer come together. Give all three or none.")
        if self.theirs is not None and self.ratio is not None and not self._fits(self.ratio, self.theirs):
            raise DataError(f"claim {self.id}: ratio {self.ratio} is neither ours/theirs nor theirs/ours "
                            f"of {self.ours} and {self.theirs}.")  # fmt: skip
        if self.spread and not self.spread[0] - SLACK <= self.ours <= self.spread[1] + SLACK:
            raise DataError(f"claim {self.id}: {self.ours} lies outside its own spread {self.spread}.")
        if self.n is not None and self.n < 1:
            raise DataError(f"claim {self.id}: n={self.n}. A claim rests on one measurement at least.")

    def _fits(self, ratio: float, theirs: float) -> bool:
        pairs = ((self.ours, theirs), (theirs, self.ours))
        return any(below and math.isclose(ratio, above / below, rel_tol=1e-3) for above, below in pairs)


@dataclass(frozen=True)
class Result:
    """One benchmark on one machine (processor, cores, threads; never a host name or a path)."""

    name: str
    machine: str
    versions: dict[str, str]
    date: str  # YYYY-MM-DD
    claims: tuple[Claim, ...] = field(default=())

    def __post_init__(self) -> None:
        date.fromisoformat(self.date)
        if not self.claims:
            raise DataError(f"{self.name}: a result without a claim says nothing.")
        ids = [claim.id for claim in self.claims]
        if twice := sorted({id for id in ids if ids.count(id) > 1}):
            raise DataError(f"{self.name}: {', '.join(twice)} is claimed twice. Each id once.")
        host = platform.node()
        if re.search(r"(^|\s)[~.]*/\w", self.machine) or (len(host) > 3 and host in self.machine):
            raise DataError(
                f"{self.name}: machine {self.machine!r} names a path or a host. Say processor, cores."
            )

    def claim(self, id: str) -> Claim | None:
        """The claim of that id, if it was measured."""
        return next((claim for claim in self.claims if claim.id == id), None)


def smaller_is_better(ours: float, theirs: float) -> float:
    """The ratio of two times, sizes or losses.

    >>> smaller_is_better(2.0, 3.0)
    1.5
    """
    return theirs / ours


def bigger_is_better(ours: float, theirs: float) -> float:
    """The ratio of two speeds or scores.

    >>> bigger_is_better(3.0, 2.0)
    1.5
    """
    return ours / theirs


def write(result: Result, out: Path | None = None) -> Path:
    """Write it, whole or not at all, by default to benchmarks/results/; returns where."""
    path = out or RESULTS / f"{result.name}.{slug(result.machine)}.json"
    write_json(path, asdict(result))
    return path


def read(path: Path) -> Result:
    """The result in a file. Raises DataError if the file is not one, or claims what cannot be."""
    content = read_json(path)
    try:
        claims = [{**claim, "spread": _pair(claim["spread"])} for claim in content.pop("claims")]
        return Result(**content, claims=tuple(Claim(**claim) for claim in claims))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise DataError(f"{path} is not a benchmark result: {error}. Measure it again.") from None


def published(name: str, folder: Path = RESULTS) -> list[Result]:
    """Every machine's result of that benchmark, the newest first."""
    found = [read(path) for path in sorted(folder.glob(f"{name}.*.json"))]
    return sorted(found, key=lambda result: result.date, reverse=True)


def table(result: Result) -> str:
    """The claims for a terminal."""
    return "\n".join([f"{result.name} on {result.machine}, {result.date}", "", *_rows(result.claims)])


def _rows(claims: Sequence[Claim]) -> Iterator[str]:
    for claim in claims:
        spread = f" [{claim.spread[0]:.4g}, {claim.spread[1]:.4g}]" if claim.spread else ""
        size = f" n={claim.n:,}" if claim.n else ""
        against = f"  {claim.peer}: {claim.theirs:.4g}, ratio {claim.ratio:.3f}" if claim.peer else ""
        yield f"  {claim.id:<28} {claim.ours:>9.4g} {claim.unit}{spread}{size}{against}"


def _pair(spread: Any) -> tuple[float, float] | None:
    if spread is None:
        return None
    low, high = spread
    return low, high


def slug(machine: str) -> str:
    """A machine's name as part of a file name.

    >>> slug("Intel(R) Xeon(R) CPU @ 2.80GHz, 2 cores")
    'intel-xeon-cpu-2.80ghz-2-cores'
    """
    plain = re.sub(r"\((r|tm)\)", "", machine.lower())
    return re.sub(r"[^a-z0-9.]+", "-", plain).strip("-.")
