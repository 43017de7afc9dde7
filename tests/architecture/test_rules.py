"""House rules that a syntax tree can check: file names, nothing that executes data, honest docs, sizes."""

import ast
import re
import subprocess
import tomllib
import warnings
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent.parent
PACKAGE = sorted((REPOSITORY / "groundup").rglob("*.py"))
DRAWERS = {
    "utils",
    "util",
    "helpers",
    "helper",
    "common",
    "misc",
    "tools",
}  # names that say nothing about the content
EXECUTES = {"pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
LINES_TO_THINK, LINES_IN_A_FUNCTION = 400, 60


def dangers(source: str) -> list[str]:
    """What in this source could run code that came as data, or load weights that do not fit: "line: what"."""
    found = []
    for node in ast.walk(ast.parse(source)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name.split(".")[0] for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            names = [(node.module or "").split(".")[0]]
        found += [f"{node.lineno}: imports {name}" for name in names if name in EXECUTES]
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Name) and node.func.id in ("eval", "exec"):
                found.append(f"{node.lineno}: {node.func.id}()")
            if isinstance(node.func, ast.Attribute) and ast.unparse(node.func) == "torch.load":
                found.append(f"{node.lineno}: torch.load")
            if isinstance(node.func, ast.Attribute) and node.func.attr == "load_state_dict":
                for word in node.keywords:
                    if word.arg == "strict" and not (
                        isinstance(word.value, ast.Constant) and word.value.value is True
                    ):
                        found.append(f"{node.lineno}: load_state_dict with strict={ast.unparse(word.value)}")
            for word in node.keywords:
                if word.arg == "allow_pickle" and ast.unparse(word.value) != "False":
                    found.append(f"{node.lineno}: allow_pickle")
    return found


def test_nothing_in_the_package_executes_data_or_loads_what_does_not_fit():
    found = [
        f"{p.relative_to(REPOSITORY)}:{d}" for p in PACKAGE for d in dangers(p.read_text(encoding="utf-8"))
    ]
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "def f():\n    from pickle import loads",
        "eval('1')",
        "exec(code)",
        "import torch\ntorch.load(path, weights_only=True)",
        "model.load_state_dict(state, strict=False)",
        "np.load(path, allow_pickle=True)",
    ],
)
def test_each_danger_is_seen(source):
    assert len(dangers(source)) == 1
    assert not dangers("model.eval()\nast.literal_eval(text)\nmodel.load_state_dict(state, strict=True)")


def test_no_file_is_a_drawer_for_odds_and_ends():
    folders = ("groundup", "tests", "benchmarks", "lessons")
    found = [str(p) for folder in folders for p in (REPOSITORY / folder).rglob("*.py") if p.stem in DRAWERS]
    assert not found, f"a name that says what is inside is missing: {found}"


def test_no_except_exception_that_swallows():
    """Catching everything hides our bugs as results. Re-raising is fine."""
    found = []
    for path in PACKAGE:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ExceptHandler):
                kinds = (
                    {n.id for n in ast.walk(node.type) if isinstance(n, ast.Name)}
                    if node.type
                    else {"everything"}
                )
                raises = any(
                    isinstance(inner, ast.Raise) for statement in node.body for inner in ast.walk(statement)
                )
                if kinds & {"Exception", "BaseException", "everything"} and not raises:
                    found.append(f"{path.relative_to(REPOSITORY)}:{node.lineno}")
    assert not found, f"name the exceptions that are expected here: {found}"


def test_every_file_of_the_package_says_what_it_is():
    found = [
        str(p.relative_to(REPOSITORY)) for p in PACKAGE if not ast.get_docstring(ast.parse(p.read_text()))
    ]
    assert not found, f"no module docstring: {found}"


def test_sizes_are_only_warnings():
    for path in PACKAGE:
        source = path.read_text(encoding="utf-8")
        where = path.relative_to(REPOSITORY)
        if (lines := source.count("\n")) > LINES_TO_THINK:
            warnings.warn(f"{where} has {lines} lines: one idea, one sitting?", stacklevel=1)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.FunctionDef) and node.end_lineno is not None:
                length = node.end_lineno - node.lineno + 1
                if length > LINES_IN_A_FUNCTION:
                    warnings.warn(f"{where}:{node.lineno} {node.name} has {length} lines", stacklevel=1)


def test_links_between_the_docs_lead_somewhere():
    """A relative link in a Markdown file names a file that is there, and a #heading one that is in it."""
    pages = [*REPOSITORY.glob("*.md"), *(REPOSITORY / "docs").rglob("*.md")]
    broken = []
    for page in pages:
        text = re.sub(r"```.*?```", "", page.read_text(encoding="utf-8"), flags=re.S)
        targets = re.findall(r"\]\(([^)\s]+)\)", text) + re.findall(r'(?:src|href)="([^"]+)"', text)
        for target in targets:
            if re.match(r"[a-z]+:", target):
                continue
            name, _, heading = target.partition("#")
            file = (page.parent / name) if name else page
            if not file.exists():
                broken.append(f"{page.name}: {target}")
            elif (
                heading and file.suffix == ".md" and heading not in headings(file.read_text(encoding="utf-8"))
            ):
                broken.append(f"{page.name}: {target} (no such heading)")
    assert not broken, f"links that lead nowhere: {broken}"


def headings(markdown: str) -> set[str]:
    """The anchors that GitHub makes of headings: lower case, no punctuation, blanks to hyphens."""
    titles = re.findall(r"^#+ +(.*?) *$", markdown, flags=re.M)
    return {re.sub(r"[^\w\- ]", "", title.replace("`", "").lower()).replace(" ", "-") for title in titles}


def test_heading_anchors_are_made_as_github_makes_them():
    assert headings("# What works, today\n## The `fit()` loop") == {"what-works-today", "the-fit-loop"}


def test_every_extra_file_of_the_package_is_shipped():
    """Whatever the package reads at run time is package data, or it would be missing after pip install."""
    with open(REPOSITORY / "pyproject.toml", "rb") as file:
        patterns = tomllib.load(file)["tool"]["setuptools"]["package-data"]["groundup"]
    listed = subprocess.run(
        ["git", "-C", str(REPOSITORY), "ls-files", "groundup"], capture_output=True, text=True, check=False
    ).stdout.splitlines()
    shipped = {
        str(p.relative_to(REPOSITORY))
        for pattern in patterns
        for p in (REPOSITORY / "groundup").glob(pattern)
    }
    missing = [name for name in listed if not name.endswith((".py", ".md")) and name not in shipped]
    assert not missing, f"add to [tool.setuptools.package-data] in pyproject.toml: {missing}"
