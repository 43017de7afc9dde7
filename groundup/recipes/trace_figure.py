"""A traced text as a picture: every token in the colour of its probability, and below it what it cost.

Next: cli/plot.py.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.infer.trace import Step
from groundup.recipes.curves_figure import save
from groundup.recipes.report_png import COLOURS, INK, LINE, PAPER, SOFT, tidy

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

COLUMNS = 108  # characters of a line of text
MOST_LINES = 24
MARKS = str.maketrans({" ": "·", "\n": "⏎", "\t": "→", "\r": "←"})


def write_trace(path: Path, steps: Sequence[Step]) -> None:
    """Writes the picture, as PNG or SVG by the ending of the path. A long text is cut, and says so."""
    lines = min(MOST_LINES, 1 + max(line for line, _, _ in laid_out(steps)))
    save(path, (12, 7.4 + 0.24 * lines), lambda figure: draw(figure, steps, lines))


def laid_out(steps: Sequence[Step]) -> Iterator[tuple[int, int, str]]:
    """(line, column, text) of each token, blanks and newlines visible; a newline also ends the line.

    >>> [place for place in laid_out([])]
    []
    """
    line = column = 0
    for step in steps:
        text = step.text.translate(MARKS)[:COLUMNS] or " "
        text = "".join(sign if sign.isprintable() else "▯" for sign in text)
        if column and column + len(text) > COLUMNS:
            line, column = line + 1, 0
        yield line, column, text
        column += len(text)
        if "\n" in step.text:
            line, column = line + 1, 0


def draw(figure: Figure, steps: Sequence[Step], lines: int) -> None:
    """The text, then probability, entropy, and milliseconds with the cache, over the tokens."""
    text, chance, unsure, cost = figure.subplots(4, 1, height_ratios=(0.9 + 0.24 * lines, 1.8, 1.8, 1.8))
    draw_text(text, steps, lines)
    places = [step.place for step in steps]
    for axes, title in (
        (chance, "Probability of what was chosen; pale: of the likeliest"),
        (unsure, "Entropy, bits: how unsure it was"),
        (cost, "Milliseconds (line) and kilobytes of keys and values (area)"),
    ):
        tidy(axes, title)
        axes.set_xlim(-0.6, max(places) + 0.6)
        axes.grid(axis="y", color=LINE)
        axes.set_axisbelow(True)
    likeliest = [step.candidates[0].probability for step in steps]
    chance.bar(places, likeliest, color=LINE, width=0.9)
    chance.bar(places, [step.probability for step in steps], color=COLOURS[0], width=0.9)
    chance.set_ylim(0, 1)
    unsure.bar(places, [step.entropy for step in steps], color=COLOURS[2], width=0.9)
    behind = cost.twinx()
    behind.fill_between(places, [step.cache_bytes / 1e3 for step in steps], color=LINE, lw=0)
    behind.set_ylim(bottom=0)
    behind.set_facecolor(PAPER)
    behind.spines[["top", "left"]].set_visible(False)
    cost.set_zorder(behind.get_zorder() + 1)
    cost.patch.set_visible(False)
    cost.plot(places, [step.ms for step in steps], color=COLOURS[1], lw=1.4)
    cost.set_ylim(0, 1.15 * sorted(step.ms for step in steps)[-max(1, len(steps) // 50)])
    cost.set_xlabel("token")


def draw_text(axes: Axes, steps: Sequence[Step], lines: int) -> None:
    """Each token on a ground from orange (surprising) to paper (as expected)."""
    from matplotlib.colors import LinearSegmentedColormap

    ground = LinearSegmentedColormap.from_list("probability", ["#f0a35e", PAPER])
    tidy(axes, "What it wrote: the more orange, the less probable it was")
    axes.set(xlim=(0, COLUMNS), ylim=(lines + 0.4, -0.4))
    axes.set_axis_off()
    for step, (line, column, word) in zip(steps, laid_out(steps), strict=True):
        if line >= lines:
            axes.text(COLUMNS, lines, "...", color=SOFT, ha="right", family="monospace")
            break
        axes.fill_between(
            [column, column + len(word)], line - 0.42, line + 0.42, color=ground(step.probability), lw=0
        )
        for offset, sign in enumerate(word):  # one by one: every sign in its own column
            axes.text(
                column + offset + 0.5, line, sign, ha="center", va="center", family="monospace", fontsize=9,
                color=SOFT if sign in "·⏎→←" else INK,
            )  # fmt: skip
        axes.plot([column] * 2, [line - 0.42, line + 0.42], color=LINE, lw=0.6)
