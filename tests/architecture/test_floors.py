"""The order of the floors, read from the syntax trees: a file imports from its own floor or below.

Nothing is executed, so an import inside a function counts as much as one at the top.
"""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

# From the ground up, as in the README and the docstring of groundup/__init__.py.
FLOORS = (
    "base autograd tokenizer data nn models weights parallel train infer agent evals posttrain recipes "
    "serve cli"
).split()
SIBLINGS = {
    frozenset({"train", "infer"})
}  # neither imports the other: samples arrive in training as a callback
ONLY_BASE = {"autograd"}  # the first lessons need nothing else


REPOSITORY = Path(__file__).resolve().parent.parent.parent


@dataclass(frozen=True)
class Import:
    """`module` (dotted, absolute) is imported at `line` of `file`."""

    file: str
    line: int
    module: str


def imports(source: str, file: str) -> Iterator[Import]:
    """Every import in a source text, also inside functions, and by importlib with a constant."""
    for node in ast.walk(ast.parse(source, filename=file)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(file, node.lineno, alias.name)
        elif isinstance(node, ast.ImportFrom):
            if node.level:
                yield Import(file, node.lineno, "." * node.level + (node.module or ""))
            elif node.module == "groundup":
                for alias in node.names:
                    yield Import(file, node.lineno, f"groundup.{alias.name}")
            else:
                yield Import(file, node.lineno, node.module or "")
        elif isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in ("import_module", "__import__") and isinstance(node.args[0].value, str):
                yield Import(file, node.lineno, node.args[0].value)


def complaint(one: Import) -> str | None:
    """What is wrong with one import of the package, and what to do; None if it keeps the order of floors."""
    where = f"{one.file}:{one.line}"
    if one.module.startswith("."):
        return f"{where} imports {one.module} relatively. Write it out: from groundup.floor.file import ..."
    parts = one.module.split(".")
    own = Path(one.file).parts[1]
    if parts[0] != "groundup" or len(parts) < 2 or parts[1] == own or own.endswith(".py"):
        return None  # outside all floors: __init__.py, which imports nothing, and __main__.py, the roof
    other = parts[1]
    if other not in FLOORS:
        return None if other == "__version__" else f"{where} imports groundup.{other}, which is no floor"
    if frozenset({own, other}) in SIBLINGS:
        return (
            f"{where}: {own}/ imports {other}/, its sibling. Neither may know the other: take a callback as "
            "an argument, "
            "and let a recipe join the two."
        )
    if own in ONLY_BASE and other != "base":
        return f"{where}: {own}/ imports {other}/, and may import only base/: the first lessons need no more."
    if FLOORS.index(other) > FLOORS.index(own):
        return (
            f"{where}: {own}/ (floor {FLOORS.index(own) + 1}) imports {other}/ (floor "
            f"{FLOORS.index(other) + 1}) above "
            f"it. Move what both need down to {own}/ or below, or take it as an argument and let a recipe "
            "pass it."
        )
    return None


def test_every_file_keeps_the_order_of_floors():
    complaints = [
        found
        for path in sorted((REPOSITORY / "groundup").rglob("*.py"))
        for one in imports(path.read_text(encoding="utf-8"), str(path.relative_to(REPOSITORY)))
        if (found := complaint(one))
    ]
    assert not complaints, "\n".join(["imports against the order of floors:", *complaints])


def test_the_floors_are_the_folders():
    folders = {path.parent.name for path in (REPOSITORY / "groundup").glob("*/__init__.py")}
    assert folders == set(FLOORS)
    for folder in folders:
        text = ast.get_docstring(ast.parse((REPOSITORY / "groundup" / folder / "__init__.py").read_text()))
        assert text and f"Floor {FLOORS.index(folder) + 1}" in text, (
            f"{folder}/__init__.py does not say its floor"
        )


@pytest.mark.parametrize(
    ("file", "source", "words"),
    [
        ("groundup/nn/a.py", "import groundup.models.transformer", "nn/ (floor 5) imports models/ (floor 6)"),
        ("groundup/nn/a.py", "from groundup.train.fit import fit", "imports train/"),
        ("groundup/nn/a.py", "def f():\n    from groundup import cli", "groundup/nn/a.py:2: nn/"),
        (
            "groundup/nn/a.py",
            "import importlib\nimportlib.import_module('groundup.serve.app')",
            "imports serve/",
        ),
        ("groundup/infer/a.py", "from groundup.train import fit", "its sibling"),
        ("groundup/train/a.py", "from groundup.infer import sampling", "its sibling"),
        ("groundup/tokenizer/a.py", "from groundup.autograd import engine", None),
        ("groundup/autograd/a.py", "from groundup.base import seeds", None),
        ("groundup/base/a.py", "from groundup.autograd import engine", "imports autograd/"),
        ("groundup/nn/a.py", "from . import cache", "relatively"),
        ("groundup/nn/a.py", "from groundup.helpers import x", "no floor"),
        ("groundup/posttrain/a.py", "from groundup.evals.task import Task\nimport torch", None),
        ("groundup/cli/a.py", "from groundup.serve import app", None),
    ],
)
def test_the_checker_sees_what_it_should(file, source, words):
    found = [told for one in imports(source, file) if (told := complaint(one))]
    assert len(found) == (words is not None)
    assert not found or (words in found[0] and f"{file}:" in found[0])
