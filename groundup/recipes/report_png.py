"""The report as one picture for a README: losses, reward, scores, and a bit of conversation.

Next: report.py, the page with everything.
"""

from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.files import write_atomic
from groundup.recipes.report_charts import smoothed
from groundup.recipes.report_data import (
    CHARTS,
    Chart,
    Data,
    duration,
    measured,
    percent,
    points,
    scored,
    skill,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

INK, SOFT, LINE, PAPER, WASH = "#1f2328", "#646b75", "#e4e0d8", "#fbfaf7", "#e3f1ef"
COLOURS = ("#0b6e69", "#b4530a", "#6b4fbb")
PALE = "#8fc2bd"
EXCHANGES = 5  # questions with their answers in the picture


def write_png(path: Path, data: Data) -> None:
    """Writes the picture, 1,600 pixels wide; what `data` lacks is an empty panel with its title."""
    # matplotlib takes half a second to import, and only this function needs it
    from matplotlib import rc_context
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    style: Any = {"font.size": 10.5, "axes.edgecolor": SOFT, "axes.labelcolor": SOFT, "xtick.color": SOFT}
    style |= {"ytick.color": SOFT, "text.color": INK, "text.parse_math": False, "axes.titlesize": 12}
    with rc_context(style):
        figure = Figure(figsize=(16, 9.2), dpi=100, facecolor=PAPER)
        figure.set_layout_engine("constrained", w_pad=0.16, h_pad=0.12)
        FigureCanvasAgg(figure)
        parts: Any = figure.subfigures(2, 1, height_ratios=(0.8, 1), hspace=0.06)
        above, below = parts
        for axes, chart in zip(above.subplots(1, 3), CHARTS, strict=True):
            draw_curves(axes, chart, data)
        left, right = below.subplots(1, 2, width_ratios=(1.5, 1))
        draw_scores(left, data)
        draw_chat(right, data)
        for part in (figure, above, below):
            part.set_facecolor(PAPER)
        took = f" in {duration(data['seconds'])}" if data.get("seconds") else ""
        figure.suptitle(f"From raw text to a chat model{took}", fontsize=19, fontfamily="serif", color=INK)
        buffer = BytesIO()
        figure.savefig(buffer, format="png", metadata={"Software": None})  # the same data, the same bytes
    write_atomic(path, buffer.getvalue())


def draw_curves(axes: "Axes", chart: Chart, data: Data) -> None:
    """The curves of one chart, smoothed over the faint measurements."""
    tidy(axes, chart.title)
    for (name, label), colour in zip(chart.curves, COLOURS, strict=False):
        found = points(data.get("curves") or {}, name)
        if not found:
            continue
        scale = 100 if chart.share else 1
        calm = smoothed(found)
        if calm != found:
            axes.plot([x for x, _ in found], [scale * y for _, y in found], color=colour, alpha=0.25, lw=0.8)
        axes.plot([x for x, _ in calm], [scale * y for _, y in calm], color=colour, lw=2, label=label)
    if axes.lines:
        axes.legend(frameon=False, labelcolor=SOFT, loc="best")
    axes.set_xlabel((data.get("x_axis") or {}).get(chart.title, "step"))
    axes.set_ylabel(f"{chart.unit}, %" if chart.share else chart.unit)
    if chart.share:
        axes.set_ylim(0, 100)
    axes.grid(axis="y", color=LINE)


def draw_scores(axes: "Axes", data: Data) -> None:
    """A pair of bars for each skill, trained and never-trained phrasings, with intervals and target marks."""
    tidy(axes, "What it can do, %")
    trained, untrained = data.get("scores") or {}, data.get("scores_untrained") or {}
    names = scored(data)
    for row, name in enumerate(names):
        of = skill(name)
        pair = ((trained.get(name), -0.19, COLOURS[0]), (untrained.get(name), 0.19, PALE))
        for found, offset, colour in pair:
            if (score := measured(found)) is None:
                continue
            value, low, high = (100 * score[key] for key in ("value", "low", "high"))
            axes.barh(row + offset, value, height=0.34, color=colour)
            axes.plot([low, high], [row + offset] * 2, color=INK, lw=1.4, solid_capstyle="butt")
            axes.text(101, row + offset, percent(score["value"]), va="center", fontsize=8.5, color=SOFT)
        if of.must is not None:
            axes.plot([100 * of.must] * 2, [row - 0.42, row + 0.02], color=COLOURS[1], lw=2)
    axes.set_yticks(range(len(names)), [skill(name).label for name in names], color=INK)
    axes.set_xlim(0, 107)
    axes.set_xticks(range(0, 101, 20))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="x", color=LINE)
    axes.set_axisbelow(True)
    for label, colour in (("trained phrasings", COLOURS[0]), ("never-trained phrasings", PALE)):
        axes.barh(0, 0, color=colour, label=label)
    axes.plot([], [], color=INK, lw=1.4, label="95 % interval")
    axes.plot([], [], color=COLOURS[1], lw=2, label="promised")
    axes.legend(frameon=False, labelcolor=SOFT, ncols=4, loc="upper center", bbox_to_anchor=(0.4, -0.07))
    axes.invert_yaxis()


def draw_chat(axes: "Axes", data: Data) -> None:
    """The first exchanges of the transcript that the font can write, as bubbles."""
    tidy(axes, "In its own words")
    axes.set_axis_off()
    axes.set_xlim(0, 1)
    axes.set_ylim(1, 0)
    y, lines = 0.04, 0
    for message in drawable(data.get("transcript") or [])[: 2 * EXCHANGES]:
        mine = message["role"] == "user"
        text = wrapped(plain(message["content"]), 56)
        if lines + text.count("\n") > 16:
            break
        axes.text(
            0.97 if mine else 0.03,
            y,
            text,
            ha="right" if mine else "left",
            va="top",
            color="white" if mine else INK,
            fontsize=10,
            linespacing=1.35,
            bbox={
                "boxstyle": "round,pad=0.5,rounding_size=0.6",
                "fc": COLOURS[0] if mine else WASH,
                "ec": "none",
            },
        )
        height = text.count("\n") + 1
        y, lines = y + 0.045 * height + 0.058, lines + height


def drawable(transcript: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Questions with their answers, without those that matplotlib's own font has no signs for."""
    from matplotlib import font_manager, get_data_path
    from matplotlib.ft2font import FT2Font

    font = FT2Font(
        font_manager.findfont("DejaVu Sans", fontext="ttf", directory=f"{get_data_path()}/fonts/ttf")
    )
    signs = font.get_charmap()
    out: list[dict[str, Any]] = []
    for question, answer in zip(transcript[::2], transcript[1::2], strict=False):
        text = plain(question["content"]) + plain(answer["content"])
        if all(ord(sign) in signs or sign == "\n" for sign in text):
            out += [question, answer]
    return out


def plain(content: Any) -> str:
    """A message in one line of text: a call and its result in brackets."""
    if isinstance(content, str):
        return content
    pieces: list[str] = []
    for part in content:
        if isinstance(part, str):
            pieces.append(part)
        elif "call" in part:
            pieces.append(f"[{part['call']['name']} {part['call']['argument']} ")
        else:
            pieces.append(f"→ {part['result']}] ")
    return "".join(pieces)


def wrapped(text: str, width: int) -> str:
    """Lines of at most `width` characters."""
    from textwrap import fill

    return "\n".join(fill(line, width) for line in text.splitlines())


def tidy(axes: "Axes", title: str) -> None:
    """A title at the left, two spines, the page's paper."""
    axes.set_title(title, loc="left", color=INK, fontweight="bold")
    axes.set_facecolor(PAPER)
    axes.spines[["top", "right"]].set_visible(False)
