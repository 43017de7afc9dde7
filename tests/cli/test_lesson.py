import json
from pathlib import Path

import pytest

from groundup.base.errors import UserError
from groundup.cli import lesson
from groundup.cli.main import main
from groundup.evals import reference

SMALL = '''# %% [markdown]
# # 01 · A small lesson
#
# Prose about *x*, long enough to be filled by whoever prints it, and then some more words so that it wraps.
#
#     x = 1    stays as it is

# %%
x = 1
print("x is", x)
measured = {"x": x}

# %% [markdown]
# The end.
'''  # fmt: skip


@pytest.fixture
def small(tmp_path, monkeypatch):
    """A course of one lesson, with one published result."""
    home = tmp_path / "site" / "groundup"
    (home / "reference").mkdir(parents=True)
    (home / "reference" / "01.toml").write_text(
        '[[result]]\nid = "x"\nlecture = "l"\nsettings = "s"\nexpected = 1\nkind = "exact"\n'
    )
    monkeypatch.setattr(lesson, "HOME", home)
    monkeypatch.setattr(reference, "HOME", home)
    folder = tmp_path / "lessons"
    folder.mkdir()
    path = folder / "01_small.py"
    path.write_text(SMALL)
    return path


def test_the_list_names_every_lesson(capsys):
    assert main(["lesson", "list"]) == 0
    told = capsys.readouterr().out
    assert all(path.name[:2] + " · " in told for path in lesson.lessons().values())
    assert "From the bigram to GPT" in told


def test_run_reads_the_prose_and_runs_the_code_in_turn(small, capsys):
    assert main(["lesson", "run", "1"]) == 0
    told = capsys.readouterr().out
    assert told.index("Prose about") < told.index("x is 1") < told.index("The end.")
    assert "    x = 1    stays as it is" in told
    assert max(map(len, told.splitlines())) <= 100


def test_a_failing_line_is_where_the_script_has_it(small):
    small.write_text(SMALL.replace("x = 1\n", "x = 1 / 0\n"))
    with pytest.raises(ZeroDivisionError) as raised:
        lesson.run(small, narrate=True)
    assert raised.traceback[-1].lineno + 1 == 9  # pytest counts from 0
    assert SMALL.splitlines()[8] == "x = 1"


def test_check_compares_with_what_was_published(small, capsys):
    assert main(["lesson", "check", "01"]) == 0
    assert "ok      x" in capsys.readouterr().out
    small.write_text(SMALL.replace("x = 1\n", "x = 2\n"))
    assert main(["lesson", "check", "01"]) == 1
    assert "OFF     x" in capsys.readouterr().out


def test_a_notebook_holds_the_same_cells_in_valid_form(small, tmp_path, capsys):
    out = tmp_path / "a.ipynb"
    assert main(["lesson", "notebook", "01", "-o", str(out)]) == 0
    book = json.loads(out.read_text(encoding="utf-8"))
    assert (book["nbformat"], book["nbformat_minor"]) == (4, 5)
    assert [cell["cell_type"] for cell in book["cells"]] == ["markdown", "code", "markdown"]
    assert "".join(book["cells"][1]["source"]) == 'x = 1\nprint("x is", x)\nmeasured = {"x": x}'
    assert "".join(book["cells"][2]["source"]) == "The end."


def test_a_notebook_that_is_there_is_left_alone(small, tmp_path, capsys):
    out = tmp_path / "mine.ipynb"
    out.write_text("my own work")
    assert main(["lesson", "notebook", "01", "-o", str(out)]) == 2
    assert out.read_text() == "my own work" and "your own work" in capsys.readouterr().err


@pytest.mark.parametrize("number", list(lesson.lessons()))
def test_every_lesson_makes_a_notebook_that_opens(number):
    """The required keys of nbformat 4.5, for every cell of every lesson."""
    source = lesson.find(number).read_text(encoding="utf-8")
    book = json.loads(json.dumps(lesson.notebook(source)))
    assert set(book) == {"nbformat", "nbformat_minor", "metadata", "cells"}
    names = [cell["id"] for cell in book["cells"]]
    assert len(names) == len(set(names)) > 10
    for cell in book["cells"]:
        code = {"outputs", "execution_count"} if cell["cell_type"] == "code" else set()
        assert set(cell) == {"id", "cell_type", "metadata", "source"} | code
        assert all(line.endswith("\n") for line in cell["source"][:-1])
    code_cells = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    kept = [line for text in code_cells for line in text.splitlines() if line.strip()]
    prose = {line for line in source.splitlines() if line.startswith("#")}
    assert kept == [line for line in source.splitlines() if line.strip() and line not in prose]


def test_narration_moves_no_line():
    told = lesson.narrated(SMALL)
    assert told.count("\n") == SMALL.count("\n")
    assert told.splitlines()[8:11] == SMALL.splitlines()[8:11] and "print('\\n# 01" in told


def test_an_unknown_lesson_names_those_that_are_there(small, capsys):
    assert main(["lesson", "run", "99"]) == 2
    told = capsys.readouterr().err
    assert "no lesson '99'" in told and "01" in told


def test_an_installed_package_says_where_the_lessons_are(tmp_path, monkeypatch):
    monkeypatch.setattr(lesson, "HOME", tmp_path / "site" / "groundup")
    assert not Path("lessons").exists()
    with pytest.raises(UserError, match="Clone the repository"):
        lesson.lessons()


MINE = """import torch


def dlogits(logits_NV, targets_N):
    pull = logits_NV.softmax(1)
    pull[torch.arange(len(targets_N)), targets_N] -= 1
    return pull / len(targets_N)


def gelu(grad, x):
    return grad


def swiglu(grad, gate, up):
    return grad @ gate


def embedding(grad, ids, rows):
    raise NotImplementedError
"""


def test_check_compares_a_learners_own_functions(tmp_path, capsys):
    file = tmp_path / "mine.py"
    file.write_text(MINE)
    assert main(["lesson", "check", "5", str(file)]) == 1
    told = capsys.readouterr().out
    assert "ok    dlogits(logits_NV, targets_N)" in told and "OFF   gelu(" in told
    assert "OFF   swiglu(" in told  # one that fails hides no other
    assert "mine.py, line 15" in " ".join(told.split())
    assert "todo  embedding(" in told and "todo  attention(" in told
    assert "1 of 10 exercises done, 2 off" in told
    assert main(["lesson", "check", "05", str(file), "--only", "dlogits"]) == 0
    assert "1 of 1 exercises done" in capsys.readouterr().out


def test_exercises_gives_a_file_to_begin_with(tmp_path, capsys):
    file = tmp_path / "begin.py"
    assert main(["lesson", "exercises", "05", "-o", str(file)]) == 0
    assert main(["lesson", "check", "05", str(file)]) == 0  # nothing is wrong where nothing is written
    assert "0 of 10 exercises done" in capsys.readouterr().out
    assert main(["lesson", "exercises", "05", "-o", str(file)]) == 2
    assert "may hold your own work" in " ".join(capsys.readouterr().err.split())


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["check", "05", "nothing.py"], "nothing.py is not a file"),
        (["check", "05", "--only", "dlogits"], "name the file"),
        (["exercises", "13"], "Lesson 13 has no exercises"),
    ],
)
def test_what_cannot_be_checked_is_said(words, told, capsys):
    assert main(["lesson", *words]) == 2
    assert told in " ".join(capsys.readouterr().err.split())
