"""One event log for everything that a run says, and one progress bar.

A run's `events.jsonl` has one JSON object a line: `time` (seconds since 1970), `kind`, and fields of that
kind. Every curve, table and report is drawn from it, so what is on the page is what happened. A few kinds
also print one terse line, since a person who waits wants to see an evaluation but not four hundred steps.

Next: rundir.py, which owns the log of a run.
"""

import json
import math
import os
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import Any, Literal

from tqdm import tqdm

from groundup.base.errors import DataError
from groundup.base.files import disk_errors

PRINTED = (
    "note",
    "warning",
    "stage",
    "eval",
    "sample",
    "save",
    "score",
    "resumed",
)  # the kinds that a person wants to see

BARS = "▁▂▃▄▅▆▇█"  # of a sparkline


class EventLog:
    """Appends events to a JSON Lines file (none if `path` is None) and prints some of them (if `console`)."""

    def __init__(self, path: Path | None, console: bool = True):
        self.path = path
        self.console = console
        self._mended = False

    def write(self, kind: str, **fields: Any) -> None:
        """Append one event, handed to the operating system before this returns, and print a printed kind.

        A number that is not finite is kept as the text "nan", "inf" or "-inf", because JSON has no such
        numbers.
        """
        if self.path is not None:
            event = {
                "time": round(time.time(), 3),
                "kind": kind,
                **{k: _finite(v) for k, v in fields.items()},
            }
            line = json.dumps(event, ensure_ascii=False, allow_nan=False, default=_scalar) + "\n"
            with disk_errors(self.path):
                self._mend()
                with open(self.path, "ab") as file:  # one write call a line: lines of two writers do not mix
                    file.write(line.encode())
        if self.console and kind in PRINTED:
            tqdm.write(describe(kind, fields), file=sys.stdout)  # above a progress bar, not through it
            sys.stdout.flush()

    def read(self, *kinds: str) -> Iterator[dict[str, Any]]:
        """The events so far, oldest first, of the given kinds (of all kinds if none is given).

        A last line without its newline is what a kill left half written: it is skipped.
        """
        if self.path is None or not self.path.exists():
            return
        with open(self.path, encoding="utf-8", newline="\n") as file:
            for number, line in enumerate(file, 1):
                if not line.endswith("\n"):
                    return
                try:
                    event = json.loads(line)
                except json.JSONDecodeError as error:
                    raise DataError(
                        f"{self.path}, line {number}: {error.msg}. Each line is one JSON object; delete "
                        "this line."
                    ) from None
                if not kinds or event["kind"] in kinds:
                    yield event

    def _mend(self) -> None:
        """Cut off a half-written last line before the first append, or it would spoil the next event too."""
        if self._mended or self.path is None:
            return
        self._mended = True
        self.path.parent.mkdir(parents=True, exist_ok=True)
        if self.path.exists() and (data := self.path.read_bytes()) and not data.endswith(b"\n"):
            os.truncate(self.path, data.rfind(b"\n") + 1)


def describe(kind: str, fields: dict[str, Any]) -> str:
    """One terse line for the console.

    >>> describe("eval", {"step": 100, "bits_per_byte": 1.98765, "n": 2_000_000})
    'eval     step 100  bits_per_byte 1.988  n 2,000,000'
    >>> describe("note", {"text": "reading 249 speeches"})
    'reading 249 speeches'
    """
    if kind == "note":
        return str(fields.get("text", ""))
    shown = [
        f"{name} {_short(value)}" for name, value in fields.items() if not isinstance(value, dict | list)
    ]
    return f"{kind:<8} " + "  ".join(shown)


def _short(value: Any) -> str:
    if isinstance(value, bool) or value is None:
        return str(value)
    if isinstance(value, int):
        return f"{value:,}" if abs(value) >= 10_000 else str(value)
    if isinstance(value, float):
        return f"{value:.4g}"
    return str(value)


def _finite(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    return [_finite(item) for item in value] if isinstance(value, list | tuple) else value


def _scalar(value: Any) -> Any:
    """NumPy and torch numbers know how to become Python's; a path becomes text; anything else is our bug."""
    if isinstance(value, Path):
        return str(value)
    if callable(item := getattr(value, "item", None)):
        return _finite(item())
    raise TypeError(f"an event cannot hold a {type(value).__name__}: {value!r}")


class Progress:
    """Rate and time left: `with Progress(500, "pretrain", "step") as bar: bar.advance(1, loss=2.3)`.

    `show`: "bar" draws on one line, "lines" prints a line every ten seconds, "none" is silent, "auto" is a
    bar on a terminal and else what $GROUNDUP_PROGRESS says, or silent. Cheap: an advance that draws nothing
    costs a microsecond. `total` None means that the end is not known; `initial` is what an earlier run
    already did.
    """

    def __init__(
        self,
        total: int | None,
        label: str,
        unit: str,
        *,
        initial: int = 0,
        show: Literal["auto", "bar", "lines", "none"] = "auto",
        every: float | None = None,
    ):
        self.total, self.label, self.unit = total, label, unit
        self.done = self._initial = initial
        self._how = _how(show)
        self._every = every if every is not None else (0.1 if self._how == "bar" else 10.0)
        self._shown: dict[str, Any] = {}
        self._losses: list[float] = []
        self._began = self._drawn = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> "Progress":
        self._began = self._drawn = time.monotonic()
        if self._how == "bar":
            self._bar = tqdm(
                total=self.total,
                initial=self._initial,
                desc=self.label,
                unit=f" {self.unit}",
                unit_scale=self.total is None or self.total >= 100_000,
                dynamic_ncols=True,
                file=sys.stderr,
            )
        return self

    def advance(self, n: int = 1, **shown: Any) -> None:
        """Say that `n` more units are done; `shown` are a few figures to show beside the bar.

        One that is called `loss` is also drawn, as what it was since the bar began.
        """
        self.done += n
        if shown:
            self._shown = shown
            if "loss" in shown and self._how != "none":
                self._losses.append(float(shown["loss"]))
        if self._how != "none" and time.monotonic() - self._drawn >= self._every:
            self._draw()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._how != "none":
            self._draw()
        if self._bar is not None:
            self._bar.close()

    def line(self) -> str:
        """What "lines" prints: done, rate in units a second, time left, the figures of the last `advance`."""
        seconds = max(time.monotonic() - self._began, 1e-9)
        rate = (self.done - self._initial) / seconds
        of = f"/{self.total:,}" if self.total is not None else ""
        parts = [f"{self.label}  {self.done:,}{of} {self.unit}", f"{_short(rate)} {self.unit}/s"]
        if self.total is not None and rate > 0 and self.done < self.total:
            parts.append(f"{clock((self.total - self.done) / rate)} left")
        else:
            parts.append(f"after {clock(seconds)}")
        return "  ".join([*parts, *self._figures()])

    def _figures(self) -> list[str]:
        figures = [f"{name} {_short(value)}" for name, value in self._shown.items()]
        drawn = sparkline(self._losses) if _can_show(BARS) else ""
        return [*figures, drawn] if drawn else figures

    def _draw(self) -> None:
        self._drawn = time.monotonic()
        if self._bar is None:
            print(self.line(), file=sys.stderr, flush=True)
            return
        self._bar.n = self.done
        self._bar.set_postfix_str("  ".join(self._figures()), refresh=False)
        self._bar.refresh()


def sparkline(values: Sequence[float], width: int = 16) -> str:
    """A curve in one line of at most `width` signs, each the mean of its share of the values.

    From the lowest to the highest of those means, so that its shape can be seen, not its size. What is not
    finite is left out; fewer than two values are no curve.

    >>> sparkline([8, 7, 6, 5, 4, 3, 2, 1])
    '█▇▆▅▄▃▂▁'
    >>> sparkline([4.0] * 20 + [2.0] * 20, width=4)
    '██▁▁'
    """
    finite = [value for value in values if math.isfinite(value)]
    if len(finite) < 2:
        return ""
    cuts = [len(finite) * piece // width for piece in range(width + 1)] if len(finite) > width else None
    pieces = [finite[a:b] for a, b in pairwise(cuts)] if cuts else [[value] for value in finite]
    means = [sum(piece) / len(piece) for piece in pieces]
    low, high = min(means), max(means)
    if high == low:
        return BARS[0] * len(means)
    return "".join(BARS[round((mean - low) / (high - low) * (len(BARS) - 1))] for mean in means)


def _can_show(signs: str) -> bool:
    """Whether the terminal has these signs."""
    try:
        signs.encode(getattr(sys.stderr, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return False
    return True


def _how(show: str) -> str:
    if show != "auto":
        return show
    if sys.stderr.isatty():
        return "bar"
    asked = os.environ.get("GROUNDUP_PROGRESS", "none")
    return asked if asked in ("bar", "lines") else "none"


def clock(seconds: float) -> str:
    """A duration as a person writes it.

    >>> clock(9.4), clock(75), clock(3 * 3600 + 62)
    ('9 s', '1:15', '3:01:02')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02}:{rest:02}"
    return f"{minutes}:{rest:02}" if minutes else f"{rest} s"
