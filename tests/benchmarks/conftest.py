"""A finished run of the main job, as far as its claims need it."""

import json
from pathlib import Path
from typing import Any

import pytest

SKILLS = ("calculator", "spelling", "identity", "rl_before", "rl_after", "rl_control")


def score(value: float) -> dict[str, Any]:
    return {"value": value, "low": value - 0.03, "high": min(1.0, value + 0.02), "n": 300}


@pytest.fixture
def finished_run(tmp_path: Path) -> Path:
    report = {
        "seconds": 512.4,
        "scores": {skill: score(0.9) for skill in SKILLS} | {"rl_control": score(0.6)},
        "scores_untrained": {skill: score(0.8) for skill in SKILLS},
        "bits_per_byte": 1.5,
        "ngrams": {"3-gram": 1.6, "4-gram": 1.4},
        "what": {"exam": "test set, seed 7", "corpus": "sotu, shakespeare"},
        "machine": {"processor": "Some CPU", "cores": 2, "workers": 2},
    }
    about = {
        "created": "2026-01-02T03:04:05+00:00",
        "versions": {"python": "3.11.9", "torch": "2.13.0", "regex": None},
        "git": {"commit": "0123456789abcdef", "changed": True},
    }
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "report.json").write_text(json.dumps(report))
    (folder / "run.json").write_text(json.dumps(about))
    return folder
