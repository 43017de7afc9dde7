"""A learner's file: the functions in it that are exercises, and the file to begin with.

Not a sandbox: the file runs with the rights of whoever started it.
Next: cli/lesson.py.
"""

from __future__ import annotations

import importlib.util
import inspect
import sys
import textwrap
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

from groundup.base.errors import suggest
from groundup.evals.exercise import Exercise, ExerciseError, last_line_outside


def load_answers(path: Path) -> ModuleType:
    """The learner's file as a module. Raises ExerciseError for one that is missing or does not import."""
    if not path.is_file():
        raise ExerciseError(f"{path} is not a file. Give the Python file that your functions are in.")
    if path.suffix != ".py":
        raise ExerciseError(f"{path} is not a Python file: its name must end in .py.")
    spec = importlib.util.spec_from_file_location(f"answers_{path.stem}", path)
    assert spec is not None and spec.loader is not None, path
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(path.resolve().parent))  # so that it may import a file beside it, as a script may
    try:
        spec.loader.exec_module(module)
    except SyntaxError as error:
        raise ExerciseError(f"{path}, line {error.lineno}: {error.msg}. Mend it and check again.") from error
    except Exception as error:
        where = last_line_outside(error)
        raise ExerciseError(f"{path} does not import: {type(error).__name__}: {error}.{where}") from error
    finally:
        sys.path.pop(0)
    return module


def answers(module: ModuleType, wanted: Sequence[Exercise]) -> dict[str, Callable[..., Any]]:
    """The functions of a learner's file that are exercises. ExerciseError if it has none of them."""
    names = [exercise.name for exercise in wanted]
    found = {name: getattr(module, name) for name in names if callable(getattr(module, name, None))}
    if not found:
        own = [name for name, value in vars(module).items() if inspect.isfunction(value)]
        near = next((hint for name in own if (hint := suggest(name, names))), "")
        raise ExerciseError(
            f"{module.__file__} has none of the functions asked for: {', '.join(names)}.{near} It has: "
            f"{', '.join(own) or 'no function'}."
        )
    return found


def starter(number: str, wanted: Sequence[Exercise]) -> str:
    """A Python file to begin with: every task as a function that is still to be written."""
    about = f"Lesson {number}. Check with: groundup lesson check {number} THIS_FILE.py"
    parts = [f'"""{about}"""', "import torch"]
    for exercise in wanted:
        lines = [exercise.task]
        if exercise.outputs:
            lines.append(f"Returns: {', '.join(exercise.outputs)}.")
        if exercise.hint:
            lines.append(f"Hint: {exercise.hint}")
        comment = "\n".join(f"# {line}" for text in lines for line in textwrap.wrap(text, 100))
        parts.append(f"{comment}\ndef {exercise.signature}:\n    raise NotImplementedError")
    return "\n\n\n".join(parts) + "\n"
