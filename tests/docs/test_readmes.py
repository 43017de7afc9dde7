"""The two READMEs: figures as measured, commands that exist, and the same content in both languages."""

import re
import shlex
from pathlib import Path

import pytest

from benchmarks.readme import PAGES, fill
from groundup.cli import main as cli
from groundup.cli.run import load, with_flags
from groundup.data.sources import expand

REPOSITORY = Path(__file__).resolve().parent.parent.parent
TEXTS = {name: (REPOSITORY / name).read_text(encoding="utf-8") for name in PAGES}
MAKEFILE = (REPOSITORY / "Makefile").read_text(encoding="utf-8")


def commands(text: str) -> list[list[str]]:
    """The command lines of all sh blocks, cut into words, without comments."""
    blocks = re.findall(r"```sh\n(.*?)```", text, flags=re.S)
    lines = [line for block in blocks for line in block.splitlines()]
    return [words for line in lines if (words := shlex.split(line, comments=True))]


def what_is_wrong(words: list[str]) -> str:
    """Why this command line would not work, or nothing."""
    match words:
        case ["make", target, *rest]:
            if not re.search(rf"^{re.escape(target)}:", MAKEFILE, flags=re.M):
                return f"the Makefile has no {target}"
            names = [word.partition("=")[0] for word in rest]
            return "".join(f"no variable {n}" for n in names if not re.search(rf"^{n} +\?=", MAKEFILE, re.M))
        case ["groundup", "run", "--list"]:
            return ""
        case ["groundup", "run", preset, *flags]:
            found = load(preset)
            if "--out" in flags:  # the command's own, with a folder
                at = flags.index("--out")
                flags = flags[:at] + flags[at + 2 :]
            if "--help" not in flags:
                with_flags(found, [flag for flag in flags if flag not in ("--dry", "--dry-run", "--update")])
            return ""
        case ["groundup", "data", verb, *names]:
            expand(names)
            return "" if verb in ("list", "get", "check") else f"no groundup data {verb}"
        case ["groundup", command, *_]:
            return "" if command in cli.existing() else f"no command {command}"
        case ["python", "-m", module, *_]:
            file = REPOSITORY / f"{module.replace('.', '/')}.py"
            return "" if file.is_file() else f"no module {module}"
        case [".", ".venv/bin/activate"]:
            return ""
    return f"not understood: {words}"


@pytest.mark.parametrize("name", PAGES)
def test_figures_are_those_of_the_results(name):
    assert TEXTS[name] == fill(TEXTS[name], PAGES[name]), "run: python -m benchmarks.readme"


@pytest.mark.parametrize("name", [*PAGES, "CONTRIBUTING.md", "benchmarks/README.md"])
def test_every_command_exists(name):
    found = commands((REPOSITORY / name).read_text(encoding="utf-8"))
    assert len(found) >= 3
    wrong = [f"{' '.join(words)}: {problem}" for words in found if (problem := what_is_wrong(words))]
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize(
    "line",
    [
        "make tea",
        "make demo TORHC=x",
        "groundup dance",
        "groundup data steal sotu",
        "python -m benchmarks.no",
    ],
)
def test_a_command_that_does_not_exist_is_seen(line):
    assert what_is_wrong(line.split())


@pytest.mark.parametrize("line", ["groundup run zero-to-chta", "groundup data get sotuu"])
def test_a_preset_or_source_that_does_not_exist_is_seen(line):
    with pytest.raises(Exception, match="Did you mean"):
        what_is_wrong(line.split())


def test_both_languages_have_the_same_content():
    english, chinese = TEXTS["README.md"], TEXTS["README.zh-CN.md"]
    angle = re.compile(r"<[^>]*>")  # "<the address that the selector shows>" is prose
    assert [[angle.sub("", w) for w in c] for c in commands(english)] == [
        [angle.sub("", w) for w in c] for c in commands(chinese)
    ]
    for what, pattern in {
        "headings": r"^(#+) ",
        "table rows": r"^\|(?=[^|]*\|)",
        "points": r"^(?:-|\d\.) \*\*",
        "links": r"\]\((?!README)([^)\s]+)\)",
        "pictures": r'src="([^"]+)"',
        "blocks of figures": r"<!-- figures:([a-z-]+) -->",
        "variables": r"`([A-Z_]{5,})`",
    }.items():
        ours, theirs = (re.findall(pattern, text, flags=re.M) for text in (english, chinese))
        assert ours == theirs and ours, f"the READMEs differ in their {what}: {ours} and {theirs}"


def test_every_floor_says_whether_it_is_there():
    rows = dict(re.findall(r"^\| \d+ \| `(\w+)` \|.*\| (yes|empty) \|$", TEXTS["README.md"], flags=re.M))
    floors = {path.parent.name for path in (REPOSITORY / "groundup").glob("*/__init__.py")}
    assert rows.keys() == floors
    for floor, today in rows.items():
        empty = [p.name for p in (REPOSITORY / "groundup" / floor).rglob("*.py")] == ["__init__.py"]
        assert (today == "empty") == empty, f"README.md says that {floor} is {today!r}"


def test_the_attribution_that_a_licence_asks_for_is_there():
    for text in TEXTS.values():
        assert "Open Knowledge Foundation" in text and "https://creativecommons.org/licenses/by/2.5/" in text
