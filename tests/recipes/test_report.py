"""The report page and its picture: whole, self-contained, escaped, and true to the numbers it was given."""

import copy
import re
from html.parser import HTMLParser
from xml.etree import ElementTree

import pytest

from groundup.recipes import report_charts, report_data
from groundup.recipes.report import page, write_png, write_report
from groundup.recipes.report_markup import Markup, join, tag

EVIL = "<script>alert('x')</script> & \"quoted\" $\\frac{1}{0}$"
SCORE = {"value": 0.99, "low": 0.971, "high": 0.997, "n": 300}
DATA = {
    "seconds": 577.2,
    "run": "runs/zero-to-chat",
    "stages": [
        {"name": "pretrain", "seconds": 180.0, "flops": 1.6e13},
        {"name": "corpus", "seconds": 3.0, "flops": 0},
    ],
    "scores": {
        "calculator": SCORE,
        "counting": {"value": 0.735, "low": 0.68, "high": 0.78, "n": 300},
        "false_refusal": {"value": 0.04, "low": 0.02, "high": 0.07, "n": 300},
        "rl_before": {"value": 0.566, "low": 0.535, "high": 0.596, "n": 1000},
        "rl_after": {"value": 0.88, "low": 0.858, "high": 0.899, "n": 1000},
    },
    "scores_untrained": {"counting": {"value": 0.5, "low": 0.44, "high": 0.56, "n": 300}},
    "bits_per_byte": 1.474,
    "ngram_bits_per_byte": 1.411,
    "ngrams": {"3-gram": 1.564, "4-gram": 1.411},
    "curves": {
        "pretrain": [[step, 6.0 / (1 + step / 100)] for step in range(300)],
        "rl_reward": [[0, 0.3], [10, 0.6], [20, 0.9]],
        "gradient_norm": [[0, 1.0], [1, 2.0]],
    },
    "samples": [{"step": 0, "text": EVIL}, {"step": 1136, "text": "The people of\nthe States"}],
    "transcript": [
        {"role": "user", "content": "12*3?"},
        {
            "role": "assistant",
            "content": [{"call": {"name": "calc", "argument": "12*3"}}, {"result": "36"}, "It is 36."],
        },
        {"role": "user", "content": "你好"},
        {"role": "assistant", "content": EVIL},
    ],
    "what": {"params": 1_112_832, "corpus": EVIL},
    "machine": {"cpu": "Xeon", "cores": 2},
    "comparisons": [
        {"title": "Pretraining?", "note": "n", "arms": {"with": {"calculator": SCORE}, "without": {}}}
    ],
    "notes": [EVIL],
}  # fmt: skip


class Page(HTMLParser):
    """Tags and attributes of a page; refuses tags that are not closed in order."""

    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open, self.words = [], [], [], []
        self.feed(text)
        assert self.open == []

    def handle_starttag(self, tag, attributes):
        self.handle_startendtag(tag, attributes)
        if tag != "meta":
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    @property
    def text(self):
        return " ".join(" ".join(self.words).split())


def test_the_page_is_well_formed_and_says_the_numbers():
    text = Page(page(DATA)).text
    for expected in (
        "From raw text to a chat model in 9 min 37 s", "groundup chat runs/zero-to-chat", "1.11 M", "99.0 %",
        "[97.1, 99.7] n=300", "57 → 88 %", "1.474", "1.411", "calc 12*3 → 36", "It is 36.", "你好", "16 T",
        "3 min 0 s", "Never-trained phrasings", "Gradient norm", "step 1,136", "Pretraining?",
    ):  # fmt: skip
        assert expected in text, expected


def test_every_text_is_escaped():
    html = page(DATA)
    parsed = Page(html)
    assert "script" not in parsed.tags
    assert html.count("&lt;script&gt;") == html.count("alert(") == 4  # sample, reply, corpus, note
    assert parsed.text.count("<script>alert('x')</script>") == 4  # and a reader sees it as it was written


def test_the_page_needs_nothing_else():
    html = page(DATA)
    parsed = Page(html)
    assert not {"script", "link", "img", "iframe", "object"} & set(parsed.tags)
    assert not {name for name, _ in parsed.attributes} & {"src", "href", "onclick", "onload"}
    assert not re.search(r"https?:|url\(|@import", html)
    assert "prefers-color-scheme: dark" in html and 'name="viewport"' in html


def test_a_missed_target_shows_and_only_where_it_was_promised():
    assert (
        page(DATA).count("misses its target") == 1
    )  # counting, trained: 73.5 of 80; untrained is only hoped for
    good = copy.deepcopy(DATA)
    good["scores"]["counting"]["value"] = 0.8
    assert "misses its target" not in page(good)
    good["scores"]["false_refusal"]["value"] = 0.2  # an upper target
    assert page(good).count("misses its target") == 1


@pytest.mark.parametrize("key", sorted(DATA))
def test_any_part_may_be_missing(key):
    rest = {name: value for name, value in DATA.items() if name != key}
    assert Page(page(rest)).text != Page(page(DATA)).text or key in ("ngram_bits_per_byte", "x_axis")
    Page(page({}))
    Page(page({key: DATA[key]}))


def test_numbers_that_are_none_or_not_finite_are_left_out():
    nan, inf = float("nan"), float("inf")
    data = {
        "scores": {"calculator": {"value": nan, "low": 0, "high": 1, "n": 0}, "spelling": None},
        "curves": {"pretrain": [[0, 3.0], [1, nan], [2, inf], [3, None]], "sft": [[0, nan]], "rl_reward": []},
    }
    html = page(data)
    assert "nan" not in html.split("</style>")[1] and "What it can do" not in html
    assert html.count("<svg") == 1


def test_curves_are_drawn_where_their_values_are():
    points = [(float(x), float(y)) for x, y in [(0, 0), (50, 0.5), (100, 1)]]
    drawing = report_charts.line_chart(
        [report_charts.Series("a", points, "c1")], x_label="step", y_label="", share=True
    )
    svg = ElementTree.fromstring(f"<div>{drawing}</div>").find("svg")
    path = next(p for p in svg.iter("path"))
    left, right, top, bottom = (
        report_charts.LEFT,
        report_charts.RIGHT,
        report_charts.TOP,
        report_charts.BOTTOM,
    )
    middle = f"{(left + right) / 2:g} {(top + bottom) / 2:g}"
    assert path.get("d") == f"M{left} {bottom} L{middle} L{right} {top}"
    assert [c.find("title").text for c in svg.iter("circle")][1] == "a: 50.0 % at step 50"


def test_smoothing_keeps_a_straight_line_and_calms_a_wild_one():
    line = [(float(x), 2.0 * x) for x in range(200)]
    assert all(abs(y - 2 * x) < 1e-9 for x, y in report_charts.smoothed(line)[:190])
    wild = [(float(x), (-1.0) ** x) for x in range(200)]
    assert max(abs(y) for _, y in report_charts.smoothed(wild)[10:]) < 0.2


@pytest.mark.parametrize("values", [[1.0, 1.0], [0.0, 1e-7], [-3.0, 12345.0], [2.351, 6.29]])
def test_axes_hold_their_values_and_have_a_few_round_ticks(values):
    axis = report_charts.Axis.over(values, 0, 100)
    assert axis.low <= min(values) and max(values) <= axis.high
    assert 3 <= len(axis.ticks) <= 8
    assert axis.at(axis.low) == 0 and axis.at(axis.high) == 100


def test_markup_escapes_what_is_not_markup():
    assert tag("p", "<b>", tag("b", "&"), title='"') == '<p title="&quot;">&lt;b&gt;<b>&amp;</b></p>'
    assert isinstance(join("<"), Markup) and join(join("<")) == "&lt;"


def test_write_report_and_png_write_files(tmp_path):
    write_report(tmp_path / "report.html", DATA)
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == page(DATA)
    write_png(tmp_path / "a.png", DATA)
    write_png(tmp_path / "b.png", DATA)
    first = (tmp_path / "a.png").read_bytes()
    assert first.startswith(b"\x89PNG") and int.from_bytes(first[16:20], "big") == 1600
    assert first == (tmp_path / "b.png").read_bytes()
    write_png(
        tmp_path / "odd.png", {"curves": {"pretrain": [[0, 3.0], [1, float("nan")]]}, "scores": {"x": None}}
    )
    assert first != (tmp_path / "odd.png").read_bytes()


def test_the_picture_leaves_out_what_its_font_cannot_write():
    from groundup.recipes.report_png import drawable

    assert drawable(DATA["transcript"]) == DATA["transcript"][:2]


def test_the_skills_of_the_issue_have_their_targets():
    must = {name: skill.must for name, skill in report_data.SKILLS.items()}
    assert (must["calculator"], must["spelling"], must["unknown_refusal"], must["rl_after"]) == (
        0.95,
        0.8,
        0.9,
        0.8,
    )
