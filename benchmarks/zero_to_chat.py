"""The claims of the main job: how long it took, what the assistant can do, where the base model stands.

    python -m benchmarks.zero_to_chat runs/zero-to-chat    a finished run's report.json, as claims
    python -m benchmarks.zero_to_chat runs/bench --run     run it there first, and time the whole command

Every score comes with the Wilson interval and n that the run itself computed. Two claims have a peer, both
from the same run: the best n-gram model that read the same text, and for reinforcement the same seconds of
more fine-tuning. Scores on the development set, on which mixes were chosen, are refused: they are not for
publication.

Next: readme.py.
"""

import argparse
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from benchmarks.result import Claim, Result, bigger_is_better, smaller_is_better, table, write
from groundup.base.errors import ConfigError, DataError, UserError
from groundup.base.files import read_json

NAME = "zero-to-chat"
WORDS = {  # the skills that are claimed, as a table names them
    "calculator": "sums by calculator",
    "spelling": "spelling a word",
    "counting": "counting a letter in a word",
    "famous": "strawberry, mississippi, banana, raspberry",
    "identity": "small talk, English and Chinese",
    "known_facts": "facts that it was taught",
    "false_refusal": "refuses a fact that it was taught (fewer is better)",
    "unknown_refusal": "says so when it does not know",
    "out_of_scope": "anything else: says what it can do",
    "rl_before": "addition in the head, before reinforcement",
    "rl_after": "addition in the head, after reinforcement",
    "rl_control": "addition in the head, after as many seconds of more fine-tuning",
}
MORE = "as many seconds of more fine-tuning, same run"
WILSON = "95 % Wilson interval"


def main(words: Sequence[str]) -> int:
    """Read or make a run, print its claims and write them."""
    parser = argparse.ArgumentParser(prog="benchmarks.zero_to_chat", description="The main job, as claims.")
    parser.add_argument("run", type=Path, metavar="RUN", help="the run directory, or its report.json")
    parser.add_argument("--run", dest="first", action="store_true", help="run it first; RUN must be new")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    folder = asked.run.parent if asked.run.name == "report.json" else asked.run
    try:
        seconds = run_it(folder) if asked.first else None
        result = claims_of(folder, wall_clock=seconds)
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


def run_it(folder: Path) -> float:
    """Run the preset from nothing; returns the seconds of the whole command, imports included."""
    if folder.exists():
        raise ConfigError(f"{folder} exists: a stage that is kept would cost nothing. Name a new folder.")
    began = time.monotonic()
    subprocess.run([sys.executable, "-m", "groundup", "run", NAME, "--out", str(folder)], check=True)
    return time.monotonic() - began


def claims_of(folder: Path, *, wall_clock: float | None = None) -> Result:
    """What a finished run supports. Raises DataError if it is unfinished or was examined on "dev"."""
    missing = [name for name in ("report.json", "run.json") if not (folder / name).is_file()]
    if missing:
        raise DataError(f"{folder} has no {' and no '.join(missing)}. Finish its run of {NAME} first.")
    report, about = read_json(folder / "report.json"), read_json(folder / "run.json")
    exam = report["what"]["exam"]
    if exam.startswith("dev"):
        raise DataError(f"{folder} took the exam of the {exam}. Publish a run with --scores.split test.")
    machine = report["machine"]
    return Result(
        name=NAME,
        machine=f"{machine['processor']}, {machine['cores']} cores, {machine['workers']} threads",
        versions={name: str(version) for name, version in versions(about).items() if version},
        date=about["created"][:10],
        claims=(*timings(report, wall_clock), *skills(report, exam), *reading(report)),
    )


def versions(about: dict[str, Any]) -> dict[str, Any]:
    """What ran: packages, and the commit with a + if the tree had changes."""
    git = about.get("git")
    commit = f"{git['commit'][:12]}{'+' if git['changed'] else ''}" if git else None
    return {**about["versions"], "commit": commit}


def timings(report: dict[str, Any], wall_clock: float | None) -> Iterator[Claim]:
    """The stages' sum, and the whole command where it was timed."""
    if wall_clock is not None:
        yield Claim("wall_clock", "the whole command", "s", wall_clock, n=1, note="with imports and report")
    yield Claim("seconds", "all stages", "s", report["seconds"], n=1, note="sum of the stages, one run")


def skills(report: dict[str, Any], exam: str) -> Iterator[Claim]:
    """Each skill, in trained and in untrained wording."""
    for wording, key in (("trained", "scores"), ("untrained", "scores_untrained")):
        scores = report[key]
        for skill, words in WORDS.items():
            if skill not in scores:
                continue
            score, against = scores[skill], {}
            if skill == "rl_after" and scores["rl_control"]["value"]:
                theirs = scores["rl_control"]["value"]
                against = {"theirs": theirs, "ratio": bigger_is_better(score["value"], theirs), "peer": MORE}
            yield Claim(
                f"{skill}.{wording}",
                f"{words}, {wording} wording",
                "share",
                score["value"],
                n=score["n"],
                spread=(score["low"], score["high"]),
                note=f"{WILSON}; {exam}",
                **against,
            )


def reading(report: dict[str, Any]) -> Iterator[Claim]:
    """The base model on held-out text, beside the best of the n-grams."""
    ours, best = report["bits_per_byte"], min(report["ngrams"], key=report["ngrams"].__getitem__)
    yield Claim(
        "bits_per_byte",
        "base model on held-out text",
        "bits per byte",
        ours,
        theirs=report["ngrams"][best],
        ratio=smaller_is_better(ours, report["ngrams"][best]),
        n=1,
        peer=f"Witten-Bell {best} on the whole training text, same run",
        note=f"corpus {report['what']['corpus']}; the best of {', '.join(report['ngrams'])}",
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
