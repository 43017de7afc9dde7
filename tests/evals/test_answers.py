import ast

import pytest

from groundup.evals.answers import answers, load_answers, starter
from groundup.evals.exercise import ExerciseError, exercises


@pytest.fixture
def file(tmp_path):
    """Writes a learner's file and gives its path."""

    def write(text):
        path = tmp_path / "mine.py"
        path.write_text(text, encoding="utf-8")
        return path

    return write


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("def f(:\n", r"mine\.py, line 1: "),
        ("x = 1\nimport no_such_module\n", r"ModuleNotFoundError: No module named .*mine\.py, line 2"),
        ("\n\n1 / 0\n", r"ZeroDivisionError: division by zero.*mine\.py, line 3"),
    ],
)
def test_a_file_that_does_not_import_says_where(file, text, told):
    with pytest.raises(ExerciseError, match=told):
        load_answers(file(text))


def test_a_file_that_is_not_there_or_not_python(tmp_path):
    with pytest.raises(ExerciseError, match="is not a file"):
        load_answers(tmp_path / "none.py")
    (tmp_path / "mine.txt").write_text("x")
    with pytest.raises(ExerciseError, match=r"must end in \.py"):
        load_answers(tmp_path / "mine.txt")


def test_a_file_may_import_another_beside_it(file, tmp_path):
    (tmp_path / "beside_it.py").write_text("two = 2\n")
    assert load_answers(file("from beside_it import two\n")).two == 2


def test_the_functions_asked_for_are_found_and_a_misspelt_one_is_named(file):
    wanted = exercises("05")
    found = answers(load_answers(file("def gelu(g, x): return g\ndef other(): pass\n")), wanted)
    assert list(found) == ["gelu"]
    with pytest.raises(ExerciseError, match=r"Did you mean 'dlogits'\? It has: dlogit\."):
        answers(load_answers(file("def dlogit(): pass\n")), wanted)
    with pytest.raises(ExerciseError, match="It has: no function"):
        answers(load_answers(file("dlogits = 3\n")), wanted)


def test_the_file_to_begin_with_is_python_and_asks_for_everything(file):
    text = starter("05", exercises("05"))
    defined = [node.name for node in ast.parse(text).body if isinstance(node, ast.FunctionDef)]
    assert defined == [each.name for each in exercises("05")]
    assert answers(load_answers(file(text)), exercises("05")).keys() == set(defined)
