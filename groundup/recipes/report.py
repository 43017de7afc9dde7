"""The page that a run leaves behind: one HTML file that needs nothing else, on a phone or in the dark.

No script, no font, no picture from anywhere: the style sheet and the drawings are in the file, so it can be
mailed. All text is escaped where it becomes markup (report_markup.py), for a model may write `<script>`.

Source: the shape of `data` is in report_data.py.
Next:   report_png.py, the same as a picture for a README.
"""

from dataclasses import replace
from importlib.resources import files
from pathlib import Path
from typing import Any

from groundup.base.files import write_atomic
from groundup.recipes.report_charts import Series, line_chart
from groundup.recipes.report_data import (
    Chart,
    Data,
    Skill,
    charts,
    duration,
    measured,
    percent,
    points,
    quantity,
    scored,
    skill,
    words,
)
from groundup.recipes.report_markup import Markup, join, tag
from groundup.recipes.report_png import write_png as write_png  # the two that a recipe asks for, in one place


def write_report(path: Path, data: Data) -> None:
    """Writes the page, whole or not at all."""
    write_atomic(path, page(data))


def page(data: Data) -> str:
    """The page as text. Parts that `data` lacks are left out."""
    style = (files("groundup.recipes") / "report.css").read_text(encoding="utf-8")
    head = tag(
        "head",
        tag("meta", charset="utf-8"),
        tag("meta", name="viewport", content="width=device-width, initial-scale=1"),
        tag("title", headline(data)),
        tag("style", Markup(style)),
    )
    parts = (opening, conversation, scores, curves, comparisons, samples, stages, built, notes)
    body = tag("body", tag("main", *(part(data) for part in parts)), tag("footer", "Written by groundup."))
    return "<!doctype html>\n" + tag("html", head, body, lang="en") + "\n"


def headline(data: Data) -> str:
    """The title given, or one that says how long it took."""
    took = f" in {duration(data['seconds'])}" if data.get("seconds") else ""
    return data.get("title") or f"From raw text to a chat model{took}"


# ---- The top of the page -----------------------------------------------------------------------------------


def opening(data: Data) -> Markup:
    """Headline, one sentence, the figures that matter most, and how to talk to the result."""
    what, machine = data.get("what") or {}, data.get("machine") or {}
    built = f" {quantity(what['params'])} parameters," if "params" in what else ""
    where = f" on {machine['cores']} CPU cores" if "cores" in machine else ""
    lead = (
        f"Every weight started as a random number:{built} trained{where} on real text, taught to chat, "
        "to use a tool and to say what it does not know, and then improved by its own attempts."
    )
    run = data.get("run")
    return tag(
        "header",
        tag("p", "groundup", cls="eyebrow"),
        tag("h1", headline(data)),
        tag("p", lead, cls="lead"),
        tiles(data),
        tag("pre", tag("code", f"groundup chat {run}"), cls="command") if run else None,
        mailable(data),
    )


def mailable(data: Data) -> Markup | None:
    """A link to the page that holds the model, and how large it is."""
    found = data.get("page")
    if not found:
        return None
    link = tag("a", "Talk to it in this browser", href=found["file"])
    size = f"{found['bytes'] / 1e6:.1f} MB"
    return tag("p", link, f": one page of {size} that holds the model. It works offline, and can be mailed.",
               cls="hint mailable")  # fmt: skip


def tiles(data: Data) -> Markup | None:
    """Up to five large figures."""
    found, what, all_scores = [], data.get("what") or {}, data.get("scores") or {}
    if data.get("seconds"):
        found.append((duration(data["seconds"]), "wall clock, all stages"))
    if "params" in what:
        found.append((quantity(what["params"]), "parameters"))
    if calculator := measured(all_scores.get("calculator")):
        found.append((percent(calculator["value"]) + " %", "arithmetic with the calculator"))
    before, after = measured(all_scores.get("rl_before")), measured(all_scores.get("rl_after"))
    if before and after:
        change = f"{100 * before['value']:.0f} → {100 * after['value']:.0f} %"
        found.append((change, "addition without it, before and after reinforcement"))
    if data.get("bits_per_byte"):
        ngram = data.get("ngram_bits_per_byte")
        beside = f"; best n-gram {ngram:.3f}" if ngram else ""
        found.append((f"{data['bits_per_byte']:.3f}", f"bits per byte of held-out text{beside}"))
    if not found:
        return None
    return tag(
        "div", *(tag("div", tag("b", a), tag("span", b), cls="tile") for a, b in found), cls="tiles card"
    )


def conversation(data: Data) -> Markup | None:
    """The transcript as bubbles, each tool call with its result visible where it happened."""
    messages = data.get("transcript")
    if not messages:
        return None
    bubbles = [
        tag("div", *bubble_parts(message["content"]), cls=f"bubble {message['role']}") for message in messages
    ]
    hint = "Replies of the finished model. A dashed label is a call to the calculator and what it answered."
    return section("In its own words", hint, tag("div", *bubbles, cls="chat card"))


def bubble_parts(content: Any) -> list[Markup]:
    """Text as it is; a call with its result as one label."""
    shown: list[Markup] = []
    call: str | None = None
    for part in [content] if isinstance(content, str) else content:
        if isinstance(part, str):
            shown.append(join(part))
        elif "call" in part:
            call = f"{part['call']['name']} {part['call']['argument']}"
            shown.append(tag("span", call, cls="tool"))
        else:
            answer = tag("b", part["result"])
            if call is None:
                shown.append(tag("span", answer, cls="tool"))
            else:
                shown[-1], call = tag("span", f"{call} → ", answer, cls="tool"), None
    return shown


# ---- Scores ------------------------------------------------------------------------------------------------


def scores(data: Data) -> Markup | None:
    """The score table: trained and untrained phrasings side by side, each with interval and target."""
    trained, untrained = data.get("scores") or {}, data.get("scores_untrained") or {}
    names = scored(data)
    if not names:
        return None
    head = tag("div", tag("span"), tag("span", "Trained phrasings"), tag("span", "Never-trained phrasings"),
               cls="row head")  # fmt: skip
    rows: list[Markup] = []
    for name in (name for name in names if not name.startswith("rl_")):
        rows.append(score_row(skill(name), trained.get(name), untrained.get(name)))
    addition = [name for name in names if name.startswith("rl_")]
    if addition:
        rows.append(
            tag("div", "Two-digit addition without the calculator, worked in columns", cls="row group")
        )
        rows += [score_row(skill(name), trained.get(name), untrained.get(name)) for name in addition]
    key = tag(
        "div",
        tag("span", tag("i", cls="dot"), "measured"),
        tag("span", tag("i", cls="span"), "95 % interval"),
        tag("span", tag("i", cls="must"), "promised"),
        tag("span", tag("i", cls="aim"), "hoped for"),
        cls="key",
    )
    hint = "At the end of the pipeline, on words, names and numbers that never occur in training."
    return section("What it can do", hint, tag("div", head, *rows, key, cls="scores card"))


def score_row(of: Skill, trained: Any, untrained: Any) -> Markup:
    """A skill, its target, and its two scores; the promise is for trained phrasings, the hope for all."""
    sign = "at most" if of.at_most else "at least"
    goal = None if of.must is None else f"target: {sign} {100 * of.must:.0f} %"
    return tag(
        "div",
        tag("div", of.label, tag("span", goal, cls="goal") if goal else None),
        score_cell(of, trained, "trained phrasings"),
        score_cell(replace(of, must=None), untrained, "never-trained phrasings"),
        cls="row",
    )


def score_cell(of: Skill, found: Any, phrasings: str) -> Markup:
    """A bar from 0 to 100 %: the value, its interval, the marks of the targets; and the same in figures."""
    score = measured(found)
    if score is None:
        return tag("div")
    value, low, high = score["value"], score["low"], score["high"]
    missed = of.missed(value)
    marks = [tag("i", cls=cls, style=f"left:{100 * goal:.2f}%")
             for cls, goal in (("aim", of.aim), ("must", of.must)) if goal is not None]  # fmt: skip
    bar = tag(
        "div",
        tag("i", cls="fill", style=f"width:{100 * value:.2f}%"),
        tag("i", cls="span", style=f"left:{100 * low:.2f}%;width:{100 * (high - low):.2f}%"),
        *marks,
        tag("i", cls="dot", style=f"left:{100 * value:.2f}%"),
        cls="track missed" if missed else "track",
        title=f"{of.label}, {phrasings}: {percent(value)} % {interval(score)}",
    )
    figure = tag("span", tag("b", f"{percent(value)} %"), " ", tag("span", phrasings, cls="narrow"),
                 tag("span", " misses its target", cls="below") if missed else None)  # fmt: skip
    return tag("div", bar, tag("div", figure, tag("span", interval(score)), cls="figures"))


def interval(score: dict[str, Any]) -> str:
    """How sure a score is: `[97.1, 99.7] n=300`."""
    return f"[{percent(score['low'])}, {percent(score['high'])}] n={score['n']:,}"


def comparisons(data: Data) -> Markup | None:
    """Ablations and controls: a column for each arm."""
    tables = [comparison(one) for one in data.get("comparisons") or ()]
    return section("What it took", None, *tables) if tables else None


def comparison(one: dict[str, Any]) -> Markup:
    """One table: skills down, arms across."""
    arms: dict[str, dict[str, Any]] = one["arms"]
    names = list(dict.fromkeys(name for arm in arms.values() for name in arm))
    rows = [tag("tr", tag("th", "Skill"), *(tag("th", arm) for arm in arms))]
    for name in names:
        cells = (figure_cell(arm.get(name)) for arm in arms.values())
        rows.append(tag("tr", tag("td", skill(name).label), *cells))
    note = tag("p", one["note"], cls="hint") if one.get("note") else None
    table = tag("div", tag("table", *rows), cls="card scroll")
    return tag("div", tag("h3", one["title"]), note, table, style="margin-bottom:1.75rem")


def figure_cell(found: Any) -> Markup:
    """A score as a table cell."""
    score = measured(found)
    if score is None:
        return tag("td", "–")
    return tag("td", f"{percent(score['value'])} %", tag("small", interval(score)))


# ---- How it learned ----------------------------------------------------------------------------------------


def curves(data: Data) -> Markup | None:
    """A chart for each training."""
    drawn = [chart_figure(chart, data) for chart in charts(data.get("curves") or {})]
    if (counting := against_ngrams(data)) is not None:
        drawn.insert(1, counting)  # beside the pretraining that it judges
    hint = "Faint: as measured. Solid: smoothed. Hover over a curve for its values."
    return section("How it learned", hint, tag("div", *drawn, cls="grid")) if drawn else None


def chart_figure(chart: Chart, data: Data) -> Markup:
    """One chart with its caption."""
    series = [
        Series(label, points(data["curves"], name), f"c{i + 1}")
        for i, (name, label) in enumerate(chart.curves)
    ]
    x_label = (data.get("x_axis") or {}).get(chart.title, "step")
    drawing = line_chart(series, x_label=x_label, y_label=chart.unit, share=chart.share)
    caption = tag(
        "figcaption", tag("h3", chart.title), tag("p", chart.unit, cls="hint") if chart.unit else None
    )
    return tag("figure", caption, drawing, cls="card")


def against_ngrams(data: Data) -> Markup | None:
    """Bits per byte of the base model beside every n-gram, the best first."""
    bits = dict(data.get("ngrams") or {})
    if not bits or not data.get("bits_per_byte"):
        return None
    ours = "this model"
    ranked = sorted({**bits, ours: data["bits_per_byte"]}.items(), key=lambda pair: pair[1])
    cells: list[Markup] = []
    for name, value in ranked:
        cls = "ours" if name == ours else None
        width = f"width:{100 * value / ranked[-1][1]:.1f}%"
        cells += [
            tag("span", name, cls=cls),
            tag("div", cls=f"bar {cls or ''}".strip(), style=width),
            tag("span", f"{value:.3f}", cls=cls),
        ]
    caption = tag(
        "figcaption",
        tag("h3", "The base model against counting"),
        tag("p", "bits per byte of held-out text, lower is better; n-grams read the same text", cls="hint"),
    )
    return tag("figure", caption, tag("div", *cells, cls="bars"), cls="card")


def samples(data: Data) -> Markup | None:
    """What the model wrote as pretraining went on."""
    items = [
        tag("li", tag("span", f"step {one['step']:,}" if isinstance(one["step"], int) else str(one["step"])),
            tag("p", one["text"]))
        for one in data.get("samples") or ()
    ]  # fmt: skip
    hint = "The same prompt, continued at several moments of pretraining."
    return (
        section("Samples as it learned to write", hint, tag("ol", *items, cls="samples card"))
        if items
        else None
    )


# ---- What it cost, what it is ------------------------------------------------------------------------------


def stages(data: Data) -> Markup | None:
    """Seconds and FLOPs of each stage, as one bar and as a table."""
    found = data.get("stages") or []
    if not found:
        return None
    total = sum(stage["seconds"] for stage in found)
    strip = [
        tag("i", cls=f"s{i % 6}", style=f"flex:{max(stage['seconds'], 0.01):.2f}",
            title=f"{stage['name']}: {duration(stage['seconds'])}")
        for i, stage in enumerate(found)
    ]  # fmt: skip
    rows = [tag("tr", *(tag("th", text) for text in ("Stage", "Time", "Share", "FLOPs", "FLOP/s")))]
    for i, stage in enumerate(found):
        seconds, flops = stage["seconds"], stage.get("flops") or 0
        cells = (
            duration(seconds) + (" (kept)" if stage.get("skipped") else ""),
            f"{100 * seconds / total:.0f} %" if total else "–",
            quantity(flops) if flops else "–",
            quantity(flops / seconds) if flops and seconds else "–",
        )
        name = tag("td", tag("i", cls=f"swatch s{i % 6}"), words(stage["name"]))
        rows.append(tag("tr", name, *(tag("td", cell) for cell in cells)))
    flops = sum(stage.get("flops") or 0 for stage in found)
    sums = ("All stages", duration(total), "", quantity(flops) if flops else "–", "")
    table = tag("table", *rows, tag("tfoot", tag("tr", *(tag("td", cell) for cell in sums))))
    bar = tag("div", *strip, cls="stack")
    return section("What it cost", None, bar, tag("div", table, cls="card scroll"))


def built(data: Data) -> Markup | None:
    """The model and the machine in plain words."""
    names = {
        "params": "Parameters",
        "vocab": "Vocabulary",
        "tokens": "Tokens read",
        "cpu": "CPU",
        "torch": "PyTorch",
    }
    facts = {**(data.get("what") or {}), **(data.get("machine") or {})}
    shown: list[Markup] = []
    for key, value in facts.items():
        number = isinstance(value, int | float) and not isinstance(value, bool)
        shown += [
            tag("dt", names.get(key) or words(key)),
            tag("dd", quantity(value) if number else str(value)),
        ]
    return section("What was built, and where", None, tag("dl", *shown, cls="card")) if shown else None


def notes(data: Data) -> Markup | None:
    """What the reader should know before believing the rest."""
    items = [tag("li", note) for note in data.get("notes") or ()]
    return section("To be read with care", None, tag("ul", *items, cls="notes")) if items else None


def section(title: str, hint: str | None, *content: Markup) -> Markup:
    """A heading, a line under it, and what belongs there."""
    return tag("section", tag("h2", title), tag("p", hint, cls="hint") if hint else None, *content)
