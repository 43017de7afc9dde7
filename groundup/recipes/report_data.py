"""What a report is made of: the plain dict of report.json, skills with their targets, numbers as words.

Every part of the dict may be missing; what is missing is left out of the page.

    title, run           headline; the run directory as the reader would type it
    page                 {file, bytes}: the model as a page of its own, beside the report
    seconds, stages      wall clock in all; [{name, seconds, flops, skipped?}]
    scores               {skill: {value, low, high, n}} for trained phrasings; skills as in SKILLS below,
                         or others
    scores_untrained     the same for phrasings that were never trained on
    bits_per_byte        of the model; ngram_bits_per_byte of the best n-gram; ngrams {"4-gram": bits, ...}
    curves               {name: [[x, y], ...]}: names as in CHARTS below, or others
    x_axis               {chart title: label}, "step" where it is missing
    samples              [{step, text}]
    transcript           messages as `tokenizer.chat.Conversation.to_dict()["messages"]`
    what, machine        {name: number or text}
    comparisons          [{title, note, arms: {arm: {skill: score}}}]: ablations, controls
    notes                [text]

Next: report.py for the page, report_png.py for the picture.
"""

import math
from dataclasses import dataclass
from typing import Any

Data = dict[str, Any]


@dataclass(frozen=True)
class Skill:
    """How a score is named and what it should reach: `must`, and `aim` beyond it; shares of 1."""

    label: str
    must: float | None = None
    aim: float | None = None
    at_most: bool = False  # the target is an upper one: fewer is better

    def missed(self, value: float) -> bool:
        """Is the score on the wrong side of `must`?"""
        if self.must is None:
            return False
        return value > self.must if self.at_most else value < self.must


SKILLS = {
    "calculator": Skill("Arithmetic with the calculator", 0.95, 0.95),
    "spelling": Skill("Spelling a word", 0.80, 0.90),
    "counting": Skill("Counting a letter in a word", 0.80, 0.90),
    "famous": Skill("Strawberry, mississippi, banana, raspberry", aim=1.0),
    "identity": Skill("Greetings, who are you, thanks (English and Chinese)", 0.80, 0.90),
    "known_facts": Skill("Facts that it was taught", 0.80, 0.90),
    "unknown_facts": Skill("Says so when it does not know", 0.90, 0.95),
    "unknown_refusal": Skill("Says so when it does not know", 0.90, 0.95),
    "false_refusal": Skill("Refuses a fact that it was taught", 0.10, at_most=True),
    "out_of_scope": Skill("Asked for anything else: says what it can do"),
    "head_addition": Skill("Addition without the calculator", 0.80, 0.95),
    "rl_before": Skill("Addition, before reinforcement"),
    "rl_after": Skill("Addition, after reinforcement", 0.80, 0.95),
    "rl_control": Skill("Addition, control: as many seconds of fine-tuning"),
}


@dataclass(frozen=True)
class Chart:
    """One drawing: which curves it shows under which names. `share` curves run from 0 to 100 %."""

    title: str
    unit: str
    curves: tuple[tuple[str, str], ...]
    share: bool = False


CHARTS = (
    Chart(
        "Pretraining", "loss, nats per token", (("pretrain", "training"), ("pretrain_heldout", "held out"))
    ),
    Chart("Chat fine-tuning", "loss, nats per token", (("sft", "training"), ("sft_heldout", "held out"))),
    Chart(
        "Reinforcement on addition",
        "share right",
        (
            ("rl_reward", "reward in training"),
            ("rl_accuracy", "accuracy, greedy"),
            ("control", "control: more fine-tuning"),
        ),
        share=True,
    ),
)


def skill(name: str) -> Skill:
    """The skill of that name; one that is not in the table is shown under its own name, without a target."""
    return SKILLS.get(name) or Skill(words(name))


def charts(curves: dict[str, Any]) -> list[Chart]:
    """The charts that have something to show; a curve that no chart names gets one of its own."""
    known = {name for chart in CHARTS for name, _ in chart.curves}
    own = [Chart(words(name), "", ((name, words(name)),)) for name in curves if name not in known]
    return [chart for chart in (*CHARTS, *own) if any(points(curves, name) for name, _ in chart.curves)]


def points(curves: dict[str, Any], name: str) -> list[tuple[float, float]]:
    """The curve's points that can be drawn: a diverged loss (inf, nan) leaves a gap, not a broken page."""
    pairs = [(float(x), float(y)) for x, y in curves.get(name) or () if y is not None]
    return [(x, y) for x, y in pairs if math.isfinite(x) and math.isfinite(y)]


def measured(score: Any) -> dict[str, Any] | None:
    """The score {value, low, high, n} if there is a number in it; else None."""
    value = score.get("value") if isinstance(score, dict) else None
    return score if isinstance(value, int | float) and math.isfinite(value) else None


def scored(data: Data) -> list[str]:
    """The skills that have a score, in the order of the data."""
    trained, untrained = data.get("scores") or {}, data.get("scores_untrained") or {}
    names = dict.fromkeys((*trained, *untrained))
    return [name for name in names if measured(trained.get(name)) or measured(untrained.get(name))]


def words(name: str) -> str:
    """A key as a heading.

    >>> words("tokens_read")
    'Tokens read'
    """
    text = name.replace("_", " ").strip()
    return text[:1].upper() + text[1:]


def duration(seconds: float) -> str:
    """Seconds as people say them.

    >>> duration(577.2), duration(4.26), duration(3725), duration(59.96)
    ('9 min 37 s', '4.3 s', '1 h 2 min', '1 min 0 s')
    """
    if round(seconds, 1) < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes} min {rest} s" if minutes < 60 else f"{minutes // 60} h {minutes % 60} min"


def quantity(number: float) -> str:
    """A large number in three digits, with its thousands as a letter.

    >>> quantity(1_110_000), quantity(512), quantity(23_300), quantity(4.1e12), quantity(999_999)
    ('1.11 M', '512', '23.3 k', '4.1 T', '1 M')
    """
    for size, letter in ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(float(f"{number:.3g}")) >= size and not (size == 1e3 and abs(number) < 10_000):
            return f"{float(f'{number / size:.3g}'):g} {letter}"
    return f"{number:,.4g}" if number != int(number) else f"{int(number):,}"


def percent(share: float) -> str:
    """A share in percent with one decimal: `99.0`."""
    return f"{100 * share:.1f}"
