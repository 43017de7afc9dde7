"""`groundup lesson`: the course. List the lessons, read and run one, compare its numbers, make a notebook.

A lesson is a script in percent cells, `lessons/NN_topic.py`: comments under `# %% [markdown]` are prose, the
rest is code. Running it here prints the prose too, each part before its code, so that a terminal reads like
the book. A lesson puts what it found into a dict called `measured`, by the ids of the published numbers in
`groundup/reference/NN.toml`.

`groundup lesson check NN FILE.py` compares a learner's own functions with ours instead, exercise by exercise.

Does not: write a lesson's output into the notebook. Run it there, that is what it is for.
Next:     evals/reference.py, the published numbers; evals/exercise.py, the exercises.
"""

from __future__ import annotations

import argparse
import json
import shutil
import textwrap
import types
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import module_from_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import groundup
from groundup.base.errors import UserError, suggest
from groundup.base.files import read_text, write_atomic
from groundup.evals.reference import compare, references, this_platform

if TYPE_CHECKING:
    from groundup.evals.exercise import Exercise

HOME = Path(groundup.__file__).parent
MARKER, PROSE = "# %%", "# %% [markdown]"


def main(words: list[str]) -> int:
    """Run one `groundup lesson` command; returns the exit code, 1 if `check` found a number that is off."""
    arguments = _parser().parse_args(words)
    return arguments.run(arguments) or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup lesson", description="The course, one runnable script a topic."
    )
    commands = parser.add_subparsers(required=True, metavar="list | run | check | exercises | notebook")
    listing = commands.add_parser("list", help="the lessons that are there")
    listing.set_defaults(run=_list)
    running = commands.add_parser("run", help="read a lesson and run it, under a minute on a CPU")
    running.set_defaults(run=_run)
    checking = commands.add_parser(
        "check", help="compare its numbers with the published ones, or your functions with its own"
    )
    checking.add_argument("--only", metavar="NAME", help="this exercise of your file alone")
    checking.set_defaults(run=_check)
    asking = commands.add_parser("exercises", help="what to write yourself, as a file to begin with")
    asking.add_argument("-o", "--out", type=Path, metavar="FILE.py", help="write it there (default: show it)")
    asking.set_defaults(run=_exercises)
    making = commands.add_parser("notebook", help="write it as a Jupyter notebook")
    making.add_argument("-o", "--out", type=Path, metavar="FILE.ipynb", help="by default NN_topic.ipynb here")
    making.set_defaults(run=_notebook)
    for command in (running, checking, asking, making):
        command.add_argument("number", metavar="NN", help="the lesson's number: 08, or 8")
    checking.add_argument(
        "answers",
        type=Path,
        nargs="?",
        metavar="FILE.py",
        help="your functions",
    )
    return parser


def _list(arguments: argparse.Namespace) -> None:
    for path in lessons().values():
        title = next(cells(read_text(path))).text.splitlines()[0].lstrip("# ")
        print(f"  {title}")
    print("\n  groundup lesson run NN        read and run one")
    print("  groundup lesson check NN      compare its numbers with the course's")
    print("  groundup lesson exercises NN  what to write yourself; then: groundup lesson check NN FILE.py")
    print("  groundup lesson notebook NN   take it to Jupyter")


def _run(arguments: argparse.Namespace) -> None:
    run(find(arguments.number), narrate=True)


def _check(arguments: argparse.Namespace) -> int:
    if arguments.answers is not None:
        return check_answers(arguments.number, arguments.answers, arguments.only)
    if arguments.only is not None:
        raise UserError("--only chooses among your own functions: name the file that they are in.")
    path = find(arguments.number)
    results = references(path.name[:2])
    measured = run(path, narrate=False).measured
    here = this_platform()
    rows = compare(results, measured, here.slack)
    print(f"\n{path.stem}: {len(results)} published results ({here})")
    for row in rows:
        print(f"  {row.verdict:<7} {row.id:<34} {row.told}")
    return int(any(row.verdict == "OFF" for row in rows))


def check_answers(number: str, file: Path, only: str | None) -> int:
    """Compare the functions of a learner's file with the exercises of a lesson; 1 if one of them is off."""
    from groundup.evals.answers import answers, load_answers  # torch, which `lesson list` does without
    from groundup.evals.exercise import ExerciseError, compare_with

    wanted = _asked_for(number, only)
    found = answers(load_answers(file), wanted)
    done = off = 0
    for exercise in wanted:
        if exercise.name not in found:
            print(f"  todo  {exercise.signature}")
            continue
        try:
            verdicts = compare_with(exercise, found[exercise.name])
        except ExerciseError as error:  # one function that fails must not hide what the others do
            written = not isinstance(error.__cause__, NotImplementedError)
            off += written
            print(f"  {'OFF ' if written else 'todo'}  {exercise.signature}")
            if written:
                print(textwrap.indent(textwrap.fill(str(error), 90), " " * 10))
            continue
        right = all(verdict.approximate for verdict in verdicts)
        done, off = done + right, off + (not right)
        print(f"  {'ok  ' if right else 'OFF '}  {exercise.signature}")
        print("\n".join(f"          {verdict}" for verdict in verdicts))
    print(f"\n{done} of {len(wanted)} exercises done" + (f", {off} off" if off else ""))
    return int(off > 0)


def _exercises(arguments: argparse.Namespace) -> None:
    from groundup.evals.answers import starter

    text = starter(arguments.number.zfill(2), _asked_for(arguments.number, None))
    if arguments.out is None:
        print(text, end="")
        return
    if arguments.out.exists():
        raise UserError(f"{arguments.out} exists, and may hold your own work. Name another file with -o.")
    write_atomic(arguments.out, text)
    print(f"{arguments.out}: fill it in, then `groundup lesson check {arguments.number} {arguments.out}`")


def _asked_for(number: str, only: str | None) -> Sequence[Exercise]:
    """The exercises of a lesson, or the one of them that was asked for."""
    from groundup.evals import exercise

    find(number)
    if not (there := exercise.exercises(number.zfill(2))):
        raise UserError(f"Lesson {number} has no exercises that can be checked.")
    return [exercise.find(f"{number.zfill(2)}.{only}")] if only else there


def _notebook(arguments: argparse.Namespace) -> None:
    path = find(arguments.number)
    out = arguments.out or Path(path.stem + ".ipynb")
    if out.exists():
        raise UserError(f"{out} exists, and may hold your own work. Delete it, or name another file with -o.")
    write_atomic(out, json.dumps(notebook(read_text(path)), ensure_ascii=False, indent=1) + "\n")
    print(f"{out}: open it with Jupyter, or any editor that shows notebooks")


# ---- Lessons -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cell:
    """One cell: prose without its comment signs, or code; `line` is where it starts in the script, from 0."""

    kind: Literal["markdown", "code"]
    text: str
    line: int


def lessons() -> dict[str, Path]:
    """The lessons by their two digits, in order: beside the package in a checkout, or in ./lessons."""
    for folder in (HOME.parent / "lessons", Path("lessons")):
        if found := sorted(folder.glob("[0-9][0-9]_*.py")):
            return {path.name[:2]: path for path in found}
    raise UserError(
        "The lessons are not here: they are files of the repository, not of the installed package. Clone the "
        "repository and run this in its folder."
    )


def find(number: str) -> Path:
    """The lesson with this number; UserError names the ones that are there."""
    there = lessons()
    if number.zfill(2) in there:
        return there[number.zfill(2)]
    near = suggest(number.zfill(2), there)
    raise UserError(f"There is no lesson {number!r}.{near} Lessons there today: {', '.join(there)}.")


def cells(source: str) -> Iterator[Cell]:
    """The cells of a script, in order; empty ones are left out.

    >>> for cell in cells("# %% [markdown]\\n# # Title\\n#\\n# Words.\\n\\n# %%\\nx = 1\\n"): print(cell)
    Cell(kind='markdown', text='# Title\\n\\nWords.', line=1)
    Cell(kind='code', text='x = 1', line=6)
    """
    lines = source.splitlines()
    starts = [number for number, line in enumerate(lines) if line.startswith(MARKER)]
    for start, end in zip([-1, *starts], [*starts, len(lines)], strict=True):
        prose = start >= 0 and lines[start].startswith(PROSE)
        body = lines[start + 1 : end]
        if prose:
            body = [line.removeprefix("#").removeprefix(" ") for line in body]
        if text := "\n".join(body).strip("\n"):
            yield Cell("markdown" if prose else "code", text, start + 1)


def notebook(source: str) -> dict[str, Any]:
    """The script as a notebook, format 4.5: the same cells, not run yet."""
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {
            "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
            "language_info": {"name": "python"},
        },
        "cells": [_notebook_cell(f"cell-{number:03}", cell) for number, cell in enumerate(cells(source))],
    }


def _notebook_cell(name: str, cell: Cell) -> dict[str, Any]:
    common = {"id": name, "metadata": {}, "source": cell.text.splitlines(keepends=True)}
    if cell.kind == "markdown":
        return {"cell_type": "markdown", **common}
    return {"cell_type": "code", **common, "execution_count": None, "outputs": []}


def run(path: Path, *, narrate: bool) -> types.ModuleType:
    """Run a lesson and return it as a module; `narrate` prints the prose of a cell before its code runs."""
    spec = ModuleSpec(f"lesson_{path.stem}", loader := Narrator(path, narrate), origin=str(path))
    module = module_from_spec(spec)
    loader.exec_module(module)
    return module


class Narrator(SourceFileLoader):
    """Loads a script with every line where it was, but prose that prints itself."""

    def __init__(self, path: Path, narrate: bool):
        super().__init__(f"lesson_{path.stem}", str(path))
        self.narrate = narrate

    def get_code(self, fullname: str) -> types.CodeType:
        source = read_text(Path(self.path))
        return compile(narrated(source) if self.narrate else source, self.path, "exec")


def narrated(source: str) -> str:
    """The script with each prose cell printing itself; no line moves, so tracebacks fit."""
    width = min(100, shutil.get_terminal_size((88, 24)).columns - 2)
    lines = source.splitlines()
    for cell in cells(source):
        if cell.kind == "markdown":
            lines[cell.line] = f"print({_told(cell.text, width)!r}, flush=True)"
    return "\n".join(lines) + "\n"


def _told(markdown: str, width: int) -> str:
    """Prose for a terminal: paragraphs filled to the width, tables and code kept as they are."""
    paragraphs = []
    for paragraph in markdown.split("\n\n"):
        laid_out = paragraph.startswith((" ", "|", "#", "-", "$$", "```"))
        paragraphs.append(paragraph if laid_out else textwrap.fill(" ".join(paragraph.split()), width))
    return "\n" + "\n\n".join(paragraphs) + "\n"
