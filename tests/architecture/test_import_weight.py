"""The first lessons and the help start at once: what they import needs no torch, and little time."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parent.parent.parent / "groundup"
LIGHT = ["groundup", "groundup.cli.main", "groundup.cli.doctor", "groundup.cli.run", "groundup.cli.inspect"]
LIGHT += [
    f"groundup.{floor}.{path.stem}".removesuffix(".__init__")
    for floor in ("base", "autograd", "tokenizer")
    for path in sorted((PACKAGE / floor).glob("*.py"))
]
HEAVY = {"torch", "matplotlib", "numba", "scipy", "transformers"}


def imported_by(code: str, *, deep: bool = False) -> set[str]:
    """The top-level modules in memory after running this code in a fresh interpreter; `deep`: all modules."""
    tail = "; import json, sys; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    names = json.loads(done.stdout.splitlines()[-1])
    return set(names) if deep else {name.partition(".")[0] for name in names}


def test_what_should_be_light_imports_nothing_heavy():
    """All at once first; only if that fails, one by one, to say which."""
    if imported_by("import " + ", ".join(LIGHT)) & HEAVY:
        guilty = {name: found for name in LIGHT if (found := imported_by(f"import {name}") & HEAVY)}
        pytest.fail(f"heavy imports belong inside the function that needs them: {guilty}")


def test_the_check_would_notice():
    assert "torch" in imported_by("import groundup.nn.attention")


def test_the_package_alone_imports_only_the_standard_library():
    assert imported_by("import groundup") <= set(sys.stdlib_module_names) | {
        "groundup",
        "__main__",
    } | imported_by("pass")


@pytest.mark.parametrize("words", [[], ["--help"], ["--version"], ["run", "--help"]])
def test_help_loads_little_and_no_torch(words):
    """What makes help quick: counted in modules, for a clock would measure the neighbours too."""
    loaded = imported_by(f"import groundup.cli.main as m; assert m.main({words!r}) == 0", deep=True)
    assert not {name.partition(".")[0] for name in loaded} & HEAVY
    assert len(loaded) < 900
    assert len(imported_by("import torch", deep=True)) > 900
