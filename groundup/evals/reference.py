"""Published results: what the course printed, and how near a run has to come.

One file a lesson, `groundup/reference/NN.toml`, each result a table `[[result]]`:

    id         unique in the file, words with dots; a lesson puts what it found into `measured[id]`
    lecture    where it was published: the lecture and, if it has one, the file or the paper
    settings   of that run, in words
    expected   a number, a text, a list; for a property, true
    kind       exact     the same, and on the platforms of the table below the same to the last digit
               close     within `tolerance`, because it was printed rounded, or another order of sums is right
               property  must hold
    tolerance  only of `close`: the largest distance allowed
    needs      the text that it was measured on; with another text a lesson leaves it out
    cost       what it takes where a lesson's minute is too short; a lesson leaves it out

A sum of floats has other last digits with another C library, vector width or number of threads. So numbers
with a fraction are compared to the last digit only where they were measured (`EXACT_ON`), and within
`ELSEWHERE` on every other machine. Which of the two holds is detected, and said, and a miss is a failure on
either.

Read by tests, by `groundup lesson check` and by whoever draws a board of exercises. Next: cli/lesson.py.
"""

from __future__ import annotations

import importlib.metadata
import math
import platform
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import groundup
from groundup.base.config import from_dict, load_toml
from groundup.base.errors import ConfigError

HOME = Path(groundup.__file__).parent

EXACT_ON: dict[
    tuple[str, str], dict[str, str]
] = {  # system and processor: the versions, as far as they count
    ("Linux", "x86_64"): {"torch": "2.13"},
}
ELSEWHERE = 1e-4  # relative, for numbers above 1; the smallest that four printed digits can show


@dataclass(frozen=True)
class Reference:
    """One published number of the course, and how near a run has to come."""

    id: str
    lecture: str
    settings: str
    expected: Any
    kind: Literal["exact", "close", "property"]
    tolerance: float = 0.0
    needs: str = ""
    cost: str = ""

    def __post_init__(self) -> None:
        if (self.kind == "close") != (self.tolerance > 0):
            raise ConfigError(
                f"{self.id}: kind={self.kind!r} with tolerance={self.tolerance}. "
                "A close result has a tolerance above 0, and no other kind has one."
            )
        if self.kind == "property" and self.expected is not True:
            raise ConfigError(f"{self.id}: expected={self.expected!r} of a property. It holds: write true.")


@dataclass(frozen=True)
class Platform:
    """What decides the last digits: system, processor, versions of packages, threads."""

    system: str
    processor: str
    versions: Mapping[str, str]
    threads: int

    @property
    def slack(self) -> float:
        """How far an exact number with a fraction may be off here: 0 where it was measured.

        >>> Platform("Linux", "x86_64", {"torch": "2.13.0+cpu"}, 1).slack
        0.0
        >>> Platform("Darwin", "arm64", {"torch": "2.13.0"}, 1).slack
        0.0001
        """
        wanted = EXACT_ON.get((self.system, self.processor))
        if wanted is None or self.threads != 1:
            return ELSEWHERE
        same = all(self.versions.get(name, "").startswith(f"{version}.") for name, version in wanted.items())
        return 0.0 if same else ELSEWHERE

    def __str__(self) -> str:
        packages = ", ".join(f"{name} {version}" for name, version in self.versions.items())
        how = "to the last digit" if self.slack == 0.0 else f"within {self.slack:g}"
        return f"{self.system} {self.processor}, {packages}, {self.threads} thread(s): exact means {how}"


def this_platform() -> Platform:
    """Where this process runs. torch's threads count only if it is loaded; it is not loaded for this."""
    torch = sys.modules.get("torch")
    versions = {}
    for name in ("torch", "numpy"):
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = "none"
    threads = torch.get_num_threads() if torch is not None else 1
    return Platform(platform.system(), platform.machine(), versions, threads)


def references(number: str) -> list[Reference]:
    """The published results of a lesson, from groundup/reference/NN.toml; none if there is no such file."""
    path = HOME / "reference" / f"{number}.toml"
    content = load_toml(path) if path.is_file() else {}
    if strangers := sorted(content.keys() - {"result"}):
        raise ConfigError(f"{path.name} has {strangers[0]!r}. It holds tables [[result]] and nothing else.")
    rows = content.get("result", [])
    found = [from_dict(Reference, row, where=f"{path.name}, result {i}") for i, row in enumerate(rows, 1)]
    ids = [result.id for result in found]
    if twice := next((id for id in ids if ids.count(id) > 1), None):
        raise ConfigError(f"{path.name} has the id {twice!r} twice. Each result has its own.")
    return found


@dataclass(frozen=True)
class Row:
    """What became of one published result: "ok", "OFF" or "not run", and the figures."""

    id: str
    verdict: Literal["ok", "OFF", "not run"]
    told: str


def compare(results: list[Reference], measured: Mapping[str, Any], slack: float = 0.0) -> list[Row]:
    """Each published result beside what a lesson measured; `slack` as in `Platform`.

    >>> pi = Reference("pi", "2000 BC", "a rope", expected=3.125, kind="close", tolerance=0.02)
    >>> compare([pi], {"pi": 3.14159})
    [Row(id='pi', verdict='ok', told='3.14159, published 3.125 ± 0.02')]
    """
    if strangers := sorted(measured.keys() - {result.id for result in results}):
        raise ConfigError(f"The lesson measures {strangers[0]!r}, which is not among its published results.")
    rows = []
    for result in results:
        span = f" ± {result.tolerance:g}" if result.kind == "close" else ""
        published = "must hold" if result.kind == "property" else f"published {_short(result.expected)}{span}"
        if result.id in measured:
            found = measured[result.id]
            verdict: Literal["ok", "OFF"] = "ok" if fits(result, found, slack) else "OFF"
            rows.append(Row(result.id, verdict, f"{_short(found)}, {published}"))
        elif why := result.cost or (result.needs and f"needs {result.needs}"):
            rows.append(Row(result.id, "not run", f"{published}; {why}"))
        else:
            rows.append(Row(result.id, "OFF", f"the lesson did not measure it; {published}"))
    return rows


def fits(result: Reference, found: Any, slack: float = 0.0) -> bool:
    """Whether a measured value is what was published: within the tolerance if `close`, else the same.

    `slack` widens only numbers with a fraction, alone or in lists.
    """
    if result.kind == "close":
        return _near(found, result.expected, result.tolerance)
    return _same(found, result.expected, slack)


def _near(found: Any, expected: Any, tolerance: float) -> bool:
    if isinstance(expected, list):
        pairs = zip(found, expected, strict=False)
        return len(found) == len(expected) and all(_near(a, b, tolerance) for a, b in pairs)
    return math.isfinite(found) and abs(found - expected) <= tolerance


def _same(found: Any, expected: Any, slack: float) -> bool:
    if isinstance(expected, list):
        return (
            isinstance(found, list | tuple)
            and len(found) == len(expected)
            and all(_same(a, b, slack) for a, b in zip(found, expected, strict=True))
        )
    if isinstance(expected, float) and isinstance(found, float) and slack:
        return math.isfinite(found) and abs(found - expected) <= slack * max(1.0, abs(expected))
    return found == expected


def _short(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_short, value))}]"
    return f"{value:.6g}" if isinstance(value, float) else f"{value:,}" if type(value) is int else str(value)
