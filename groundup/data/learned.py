"""What a model learned from, in the words that go with it: each text, what it is, and its licence.

A recipe writes this into the manifest of its model as `extra["data"]`, and every export shows it
(weights/model_card.py). A licence is said only where somebody read it; of a person's own file nothing is
known but its name, and where it lay is nobody's business.

Next: weights/model_card.py.
"""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from groundup.data.sources import source

Learned = dict[str, str]  # name, what, licence


def from_sources(names: Iterable[str]) -> list[Learned]:
    """Texts from the table of sources.

    >>> from_sources(["tiny-shakespeare"])[0]["licence"]
    'MIT (the plays themselves are in the public domain)'
    """
    found = []
    for name in names:
        about = source(name)
        licence = about.licence if about.licence_read else f"said to be {about.licence}; nobody read it"
        found.append({"name": name, "what": about.what, "licence": licence})
    return found


def from_file(path: Path) -> list[Learned]:
    """A person's own text: a file, or a folder of them."""
    return [
        {
            "name": path.resolve().name,
            "what": "a text of who trained it",
            "licence": "not known here; ask who trained it before you pass the model on",
        }
    ]


def from_path_or_source(path: Path | None, name: str) -> list[Learned]:
    """The person's own text if there is one, else the source."""
    return from_sources([name]) if path is None else from_file(path)


def from_web(dataset: str, subset: str = "") -> list[Learned]:
    """A corpus that was streamed from the hub."""
    name = f"{dataset}, {subset}" if subset else dataset
    licence = "see the page of the dataset; nobody here read it"
    return [{"name": name, "what": "a corpus from the web, as a stream", "licence": licence}]


def made_by_skills() -> list[Learned]:
    """The conversations that data/skills/ makes."""
    return [
        {
            "name": "groundup's skills",
            "what": "conversations made by a program: sums, spelling, counting, facts, small talk",
            "licence": "MIT, as groundup itself",
        }
    ]


def by_another(origin: Any) -> list[Learned]:
    """What a model from elsewhere had learned, of which only the model's own name is known."""
    return [
        {"name": f"what {origin} learned", "what": "before it came here", "licence": "that of the original"}
    ]


def all_different(*lists: Iterable[Learned]) -> list[Learned]:
    """All of them, each once, in their order."""
    return list({each["name"]: each for several in lists for each in several}.values())
