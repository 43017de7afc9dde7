"""Every lesson runs as a script, without a network; its numbers are the published ones."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from groundup.cli.lesson import cells, lessons

LESSONS = list(lessons().values())


def run(arguments: list[str], tmp_path: Path, **more: str) -> subprocess.CompletedProcess[str]:
    """A command in an empty folder, with no way to a network: what is not here cannot be fetched."""
    offline = {"PIP_NO_INDEX": "1", "https_proxy": "http://127.0.0.1:9", "http_proxy": "http://127.0.0.1:9"}
    env = {**os.environ, **offline, "TMPDIR": str(tmp_path), "PYTHONDONTWRITEBYTECODE": "1", **more}
    return subprocess.run(arguments, capture_output=True, text=True, env=env, cwd=tmp_path, check=False)


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_runs_as_a_script(path, tmp_path):
    """On the standard library's text alone, for that is all that somebody without a network has."""
    no_data, no_cache = tmp_path / "none", tmp_path / "cache"
    no_data.mkdir()
    done = run(
        [sys.executable, str(path)], tmp_path, GROUNDUP_DATA=str(no_data), GROUNDUP_CACHE=str(no_cache)
    )
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.slow
@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_the_numbers_of_a_lesson_are_the_published_ones(path, tmp_path):
    """With the texts that are here: in CI those of the course."""
    done = run([sys.executable, "-m", "groundup", "lesson", "check", path.name[:2]], tmp_path)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert "OFF" not in done.stdout
    if "  ok " not in done.stdout and "could not be fetched" in done.stdout:
        pytest.skip("the course's own text is not here, and every number of this lesson is about it")
    assert "  ok " in done.stdout


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)
def test_a_lesson_is_prose_and_code_that_ends_in_assertions(path):
    found = list(cells(path.read_text(encoding="utf-8")))
    assert found[0].kind == "markdown" and found[0].text.startswith(f"# {path.name[:2]} · ")
    for cell in found:
        if cell.kind == "code":
            compile(cell.text, str(path), "exec")
        else:
            source = path.read_text(encoding="utf-8").splitlines()
            lines = source[cell.line : cell.line + cell.text.count("\n") + 1]
            assert all(line.startswith("#") for line in lines), "a line of prose is not a comment"
    code = [cell.text for cell in found if cell.kind == "code"]
    assert sum("assert" in text for text in code) >= len(code) / 2
