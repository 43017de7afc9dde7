"""The map names every file of the house, and no document names a file that is not there."""

import re
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parent.parent.parent
HOUSE = REPOSITORY / "groundup"
DOCS = [
    *REPOSITORY.glob("*.md"),
    *(REPOSITORY / "docs").rglob("*.md"),
    *(REPOSITORY / "benchmarks").glob("*.md"),
]


def sections(text: str) -> dict[str, str]:
    """Each floor's part of the map."""
    parts = re.split(r"^## \d+\. (\w+)$", re.split(r"^## Beside", text, flags=re.M)[0], flags=re.M)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def named(section: str) -> list[str]:
    """The Python files in the first column of the section's tables."""
    first = [line.split("|")[1] for line in section.splitlines() if line.startswith("|")]
    return [name for cell in first for name in re.findall(r"`(\w+\.py)`", cell)]


def lost(page: Path) -> list[str]:
    """The files that a page names with their folder and that are nowhere."""
    text = page.read_text(encoding="utf-8")
    paths = re.findall(r"[`(](?:\.\./)*((?:[a-z_]+/)+[\w-]+\.(?:py|toml|css|md|json))[`)]", text)
    bases = (REPOSITORY, HOUSE, page.parent)
    return [
        path
        for path in paths
        if not path.startswith("runs/") and not any((base / path).exists() for base in bases)
    ]


def test_the_map_names_every_file_once_on_its_floor():
    found = sections((REPOSITORY / "docs" / "map.md").read_text(encoding="utf-8"))
    assert next(iter(found)) == "base" and len(found) == 16
    for floor, section in found.items():
        there = sorted(path.name for path in (HOUSE / floor).rglob("*.py") if path.name != "__init__.py")
        assert sorted(named(section)) == there, f"docs/map.md, floor {floor}"


def test_files_that_documents_name_exist():
    missing = {page.name: gone for page in DOCS if (gone := lost(page))}
    assert not missing


def test_a_file_that_is_not_there_is_seen(tmp_path):
    page = tmp_path / "page.md"
    page.write_text("see `nn/attention.py`, [this](../nn/atention.py) and `data/skills/nothing.toml`")
    assert lost(page) == ["nn/atention.py", "data/skills/nothing.toml"]
    assert named("| `a.py`, `b.py` | not `c.py` |\ntext `d.py`") == ["a.py", "b.py"]


def test_the_glossary_is_in_order_and_has_one_line_a_term():
    lines = (REPOSITORY / "docs" / "glossary.md").read_text(encoding="utf-8").splitlines()
    terms = [line.split(" | ")[0].lstrip("| ").lower() for line in lines if line.startswith("| ")][1:]
    assert terms == sorted(terms) and len(set(terms)) == len(terms) > 40
