"""Sampling, studied: what temperature, top-k, top-p and min-p do to a text, and to an answer.

    python -m benchmarks.sampling_study runs/zero-to-chat       a finished run; some ten minutes of one core
    python -m benchmarks.sampling_study RUN --samples 16 --problems 20 --attempts 4                 a glance

Text. The base model continues held-out documents with each setting. Quality: bits per byte of what it wrote
under a judge that is not itself, the 4-gram counts of the same training text (the better model of it, as it
happens); less is more like the text. Diversity: the share of different 4-grams of tokens among all that were
written. Neither alone is good: the same line for ever pleases every judge, noise is as diverse as can be. So
the documents' own continuations are measured as well, and a good setting comes near to both of their figures.

Answers. Two-digit addition in the head, problems that nobody was trained on, by the assistant after
fine-tuning and after reinforcement: greedy decoding against `attempts` samples of each problem, as pass@k
(evals/pass_at_k.py). The course's notes claim that top-p lifts pass@k by 28 % over greedy. For greedy pass@k
is pass@1: sampling wins at large k by construction, and the fair question at k = 1 is whether it loses.

One model of 1.2 M parameters on one corpus: shapes carry over to others, figures do not.
"""

from __future__ import annotations

import argparse
import math
import platform
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from benchmarks.result import Claim, Result, table, write
from groundup.agent.conversation import reply
from groundup.base.device import describe_machine
from groundup.base.log import Progress
from groundup.base.seeds import python_rng
from groundup.data.shards import TokenShards
from groundup.data.skills.columns import HeadAddition
from groundup.evals.bits_per_byte import ratio
from groundup.evals.intervals import bootstrap_mean, paired_bootstrap, wilson
from groundup.evals.pass_at_k import pass_at_k
from groundup.infer.engine import OFFLINE, Engine
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.ngram import NGram
from groundup.recipes.curves_figure import MORE_COLOURS, save
from groundup.recipes.report_png import INK, LINE, SOFT, tidy
from groundup.tokenizer.chat import Conversation, user
from groundup.weights import checkpoint

if TYPE_CHECKING:
    from matplotlib.figure import Figure

PROMPT, WRITTEN, JUDGE, SEED = 24, 96, 4, 7
FAMILIES: dict[str, list[tuple[str, SamplingParams]]] = {
    "temperature": [(f"{t:g}", SamplingParams(t)) for t in (0.0, 0.4, 0.6, 0.8, 1.0, 1.2, 1.5)],
    "top-k": [(f"{k}", SamplingParams(top_k=k)) for k in (2, 5, 10, 40, 160)],
    "top-p": [(f"{p:g}", SamplingParams(top_p=p)) for p in (0.3, 0.5, 0.7, 0.9, 0.95)],
    "min-p": [(f"{p:g}", SamplingParams(min_p=p)) for p in (0.3, 0.1, 0.05, 0.02)],
    "top-p, temperature 1.5": [(f"{p:g}", SamplingParams(1.5, top_p=p)) for p in (0.3, 0.5, 0.7, 0.9, 0.95)],
    "min-p, temperature 1.5": [(f"{p:g}", SamplingParams(1.5, min_p=p)) for p in (0.3, 0.1, 0.05, 0.02)],
}
ANSWERS = {
    "temperature-1": SamplingParams(),
    "temperature-0.5": SamplingParams(0.5),
    "top-p-0.9": SamplingParams(top_p=0.9),
}
PICTURE = Path(__file__).resolve().parent.parent / "docs" / "images" / "sampling.png"


@dataclass(frozen=True)
class Point:
    """One setting: what the judge says, with its interval, and how diverse it is."""

    family: str
    setting: str
    bits: tuple[float, float, float]  # per byte; 95 % over texts
    distinct: float
    n: int


# ---- Text ----------------------------------------------------------------------------------------


def openings(shards: TokenShards, samples: int) -> list[tuple[list[int], list[int]]]:
    """(prompt, what the document says next), spread evenly over the held-out text."""
    tokens = shards.tokens
    places = np.linspace(0, len(tokens) - PROMPT - WRITTEN, samples).astype(int)
    return [
        (tokens[p : p + PROMPT].tolist(), tokens[p + PROMPT : p + PROMPT + WRITTEN].tolist()) for p in places
    ]


def judged(judge: NGram, prompt: Sequence[int], text: Sequence[int]) -> float:
    """Bits of the text after its prompt."""
    return float(-judge.log2_probs([*prompt, *text])[len(prompt) :].sum())


def distinct(texts: Sequence[Sequence[int]], n: int = 4) -> float:
    """The share of different n-grams among all of the texts.

    >>> distinct([[1, 2, 3, 4, 5], [1, 2, 3, 4, 6]])
    0.75
    """
    grams = [tuple(text[i : i + n]) for text in texts for i in range(len(text) - n + 1)]
    return len(set(grams)) / len(grams)


def point(
    family: str, setting: str, pairs: Sequence[tuple[Sequence[int], Sequence[int]]], judge: NGram, sizes: Any
) -> Point:
    """The measures of one set of (prompt, text)."""
    bits = np.array([judged(judge, prompt, text) for prompt, text in pairs])
    lengths = np.array([max(1, int(sizes[list(text)].sum())) for _, text in pairs])
    value, low, high = ratio(bits, lengths)
    spread = (value, low if low is not None else value, high if high is not None else value)
    return Point(family, setting, spread, distinct([text for _, text in pairs]), len(pairs))


def study_text(run: Path, samples: int) -> list[Point]:
    """Every setting on the same prompts with the same seed, and the documents themselves."""
    base = checkpoint.load(run / "pretrain" / "best")
    model: Any = base.model
    train, held_out = (TokenShards.open(run / "tokens" / part) for part in ("train", "held_out"))
    judge = NGram.train(train.tokens, order=JUDGE, vocab_size=base.tokenizer.vocab_size)
    sizes = np.array([len(base.tokenizer.bytes_of(id)) for id in range(base.tokenizer.vocab_size)])
    given = openings(held_out, samples)
    found = [point("the documents themselves", "", given, judge, sizes)]
    settings = [(family, name, params) for family, each in FAMILIES.items() for name, params in each]
    with Progress(len(settings), "text", "setting") as bar:
        for family, name, params in settings:
            generator = torch.Generator().manual_seed(SEED)
            params = replace(params, max_tokens=WRITTEN)
            made = [
                text
                for first in range(0, samples, 128)
                for text in generate(
                    model, [prompt for prompt, _ in given[first : first + 128]], params, generator
                )
            ]
            pairs = [(prompt, text.ids) for (prompt, _), text in zip(given, made, strict=True)]
            found.append(point(family, name, pairs, judge, sizes))
            bar.advance(1)
    return found


def text_claims(points: Sequence[Point]) -> list[Claim]:
    """Two claims a setting."""
    made = []
    for each in points:
        id = f"text.{each.family}.{each.setting}".strip(".").replace(", ", ".").replace(" ", "-")
        what = f"{each.family} {each.setting}".strip()
        bits, low, high = each.bits
        made.append(
            Claim(
                f"{id}.judge", f"{what}: under the judge", "bits per byte", bits, n=each.n,
                spread=(low, high), note=f"95 % over texts; {JUDGE}-gram counts of the training text",
            )
        )  # fmt: skip
        made.append(Claim(f"{id}.distinct", f"{what}: different 4-grams", "share", each.distinct, n=each.n))
    return made


# ---- Answers -------------------------------------------------------------------------------------


def right_answers(
    path: Path, params: SamplingParams, problems: int, attempts: int, label: str
) -> list[list[bool]]:
    """For each problem, which of its attempts were right."""
    trained = checkpoint.load(path)
    model: Any = trained.model
    skill, rng = HeadAddition(), python_rng(SEED, "sampling study")
    asked = skill.problems(rng, "test", problems)
    lines = [skill.ask(problem, rng) for problem in asked]
    engine = Engine.of(model, replace(OFFLINE, seed=SEED))
    found: list[list[bool]] = []
    at_once = max(1, 160 // attempts)
    with Progress(problems, label, "problem") as bar:
        for first in range(0, problems, at_once):
            some = range(first, min(first + at_once, problems))
            talks = [Conversation((user(lines[i]),)) for i in some for _ in range(attempts)]
            replies = reply(engine, trained.tokenizer, talks, params=replace(params, max_tokens=40))
            for place, i in enumerate(some):
                mine = replies[place * attempts : (place + 1) * attempts]
                found.append([skill.score(asked[i], each) for each in mine])
            bar.advance(len(some))
    return found


def answer_claims(name: str, path: Path, problems: int, attempts: int) -> list[Claim]:
    """Greedy, then every way of sampling at k = 1, 2, 4, ... with the difference to greedy."""
    greedy = [
        each[0] for each in right_answers(path, SamplingParams(temperature=0), problems, 1, f"{name} greedy")
    ]
    base = wilson(sum(greedy), problems)
    made = [
        Claim(
            f"answers.{name}.greedy", f"{name}: greedy, pass@k for every k", "share", base.value, n=problems,
            spread=(base.low, base.high), note="95 % Wilson",
        )
    ]  # fmt: skip
    for way, params in ANSWERS.items():
        right = [sum(each) for each in right_answers(path, params, problems, attempts, f"{name} {way}")]
        for k in (2**power for power in range(int(math.log2(attempts)) + 1)):
            values = [pass_at_k(attempts, count, k) for count in right]
            rng = np.random.default_rng(SEED)
            mean = bootstrap_mean(values, rng)
            change = paired_bootstrap([float(each) for each in greedy], values, rng)
            told = (
                f"95 % bootstrap over problems, {attempts} attempts each; minus greedy "
                f"{100 * change.value:+.1f} [{100 * change.low:+.1f}, {100 * change.high:+.1f}] points"
            )
            against: dict[str, Any] = {}  # a model that greedy decoding never gets right has no ratio
            if base.value and mean.value:
                against = {"theirs": base.value, "ratio": mean.value / base.value, "peer": "greedy"}
            made.append(
                Claim(
                    f"answers.{name}.{way}.pass-at-{k}", f"{name}: {way}, pass@{k}", "share", mean.value,
                    n=problems, spread=(mean.low, mean.high), note=told,
                    **against,
                )
            )  # fmt: skip
    return made


# ---- The picture ---------------------------------------------------------------------------------


def draw(figure: Figure, points: Sequence[Point], claims: Sequence[Claim]) -> None:
    """Left diversity against quality; right pass@k of the fine-tuned model and of the reinforced one."""
    left, right = figure.subplots(1, 2, width_ratios=(1.5, 1))
    tidy(left, "Text: diverse, and like the text it learned")
    for family, colour in zip(FAMILIES, MORE_COLOURS, strict=False):
        mine = [each for each in points if each.family == family]
        style = "--" if "1.5" in family else "-"
        x, y = [each.distinct for each in mine], [each.bits[0] for each in mine]
        left.plot(x, y, style, marker="o", ms=4, color=colour, label=family)
        for each in (mine[0], mine[-1]):
            left.annotate(each.setting, (each.distinct, each.bits[0]), (4, -10), textcoords="offset points",
                          fontsize=8, color=colour)  # fmt: skip
    human = points[0]
    left.plot([human.distinct], [human.bits[0]], "*", ms=14, color=INK, label=human.family)
    left.set(xlabel="share of different 4-grams", ylabel="bits per byte under the 4-gram judge")
    left.grid(color=LINE)
    left.legend(frameon=False, labelcolor=SOFT, fontsize=8.5)
    tidy(right, "Answers: pass@k, addition in the head")
    for name, colour in (("finetuned", MORE_COLOURS[0]), ("reinforced", MORE_COLOURS[1])):
        greedy = next(claim for claim in claims if claim.id == f"answers.{name}.greedy")
        right.axhline(greedy.ours, color=colour, ls=":", lw=1.4, label=f"{name}, greedy")
        for way, style in zip(ANSWERS, ("-", "-.", "--"), strict=True):
            mine_at = [c for c in claims if c.id.startswith(f"answers.{name}.{way}.pass")]
            ks = [int(claim.id.rsplit("-", 1)[1]) for claim in mine_at]
            right.plot(ks, [claim.ours for claim in mine_at], style, marker="o", ms=4, color=colour,
                       label=f"{name}, {way}")  # fmt: skip
            right.set_xscale("log")
            right.set_xticks(ks, [str(k) for k in ks])
    right.minorticks_off()
    right.set(xlabel="attempts, k", ylabel="share of problems", ylim=(0, 1.02))
    right.grid(color=LINE)
    right.legend(frameon=False, labelcolor=SOFT, fontsize=8.5, loc="lower right")


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("run", type=Path, help="a finished run of zero-to-chat")
    parser.add_argument("--samples", type=int, default=128, help="texts of each setting")
    parser.add_argument("--problems", type=int, default=200)
    parser.add_argument("--attempts", type=int, default=8)
    parser.add_argument("--picture", type=Path, default=PICTURE)
    parser.add_argument("--out", type=Path)
    asked = parser.parse_args(words)
    torch.set_num_threads(1)
    points = study_text(asked.run, asked.samples)
    claims = text_claims(points)
    for name, part in (("finetuned", "finetune/last"), ("reinforced", "reinforce/last")):
        claims += answer_claims(name, asked.run / part, asked.problems, asked.attempts)
    save(asked.picture, (12, 5.4), lambda figure: draw(figure, points, claims))
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    where = f"{describe_machine()}, 1 thread"
    result = Result("sampling-study", where, versions, date.today().isoformat(), tuple(claims))
    print(table(result))
    print(write(result, asked.out))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
