"""The first lessons and the help start at once: what they import needs no torch, and little time."""

import json
import subprocess
import sys
import time
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


def imported_by(code: str) -> set[str]:
    """The top-level modules in memory after running this code in a fresh interpreter."""
    tail = "; import json, sys; print(json.dumps(sorted({name.partition('.')[0] for name in sys.modules})))"
    done = subprocess.run([sys.executable, "-c", code + tail], capture_output=True, text=True, check=True)
    return set(json.loads(done.stdout.splitlines()[-1]))


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
def test_help_comes_in_under_a_second_and_without_torch(words):
    code = f"import groundup.cli.main as m; assert m.main({words!r}) == 0"
    assert not imported_by(code) & HEAVY
    seconds = []
    for _ in range(3):  # the fastest of three: another process on this core is not what is measured
        began = time.perf_counter()
        subprocess.run([sys.executable, "-m", "groundup", *words], capture_output=True, check=True)
        seconds.append(time.perf_counter() - began)
    assert min(seconds) < 1.0, f"groundup {' '.join(words)} took {min(seconds):.2f} s"
