import subprocess
import sys

import pytest

import groundup
from groundup.base.errors import ConfigError
from groundup.cli import main as front
from groundup.cli.main import COMMANDS, ROAD, existing, main


def test_the_map_names_every_floor_and_what_is_there(capsys):
    assert main([]) == 0
    told = capsys.readouterr().out
    assert all(floor in told for floor in ROAD)
    assert "● tokenizer" in told and "groundup run zero-to-chat" in told
    assert len(told.splitlines()) < 40 and max(map(len, told.splitlines())) <= 100


@pytest.mark.parametrize("words", [["--help"], ["-h"], ["help"]])
def test_help_lists_each_command_that_exists(words, capsys):
    assert main(words) == 0
    told = capsys.readouterr().out
    assert all(f"  {name} " in told and COMMANDS[name] in told for name in existing())
    assert "run" in existing()


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"groundup {groundup.__version__}\n"


def test_an_unknown_command_suggests_the_near_one(capsys):
    assert main(["inspct"]) == 2
    told = capsys.readouterr()
    assert told.out == "" and "Did you mean 'inspect'?" in told.err and "Traceback" not in told.err


def test_a_command_of_a_later_issue_says_so(capsys, monkeypatch):
    monkeypatch.setitem(COMMANDS, "teleport", "be elsewhere")
    assert main(["teleport"]) == 2
    assert "`groundup teleport` (be elsewhere) is not built yet" in capsys.readouterr().err


def raising(error):
    def dispatch(words):
        raise error

    return dispatch


def test_a_users_error_is_one_paragraph_and_a_traceback_only_with_debug(capsys, monkeypatch):
    monkeypatch.setattr(front, "_dispatch", raising(ConfigError("n_head = 5 is wrong. " + "Choose 4. " * 30)))
    assert main(["run"]) == 2
    told = capsys.readouterr().err
    assert (
        told.startswith("groundup: n_head = 5 is wrong.") and "\n\n" not in told and "Traceback" not in told
    )
    assert max(map(len, told.splitlines())) <= 100
    assert main(["run", "--debug"]) == 2
    assert "Traceback" in capsys.readouterr().err


def test_ctrl_c_is_quiet(capsys, monkeypatch):
    monkeypatch.setattr(front, "_dispatch", raising(KeyboardInterrupt()))
    assert main(["run"]) == 130
    assert capsys.readouterr().err == "\ngroundup: stopped.\n"


@pytest.mark.parametrize(
    ("error", "words"), [("ZeroDivisionError()", "a bug of ours"), ("MemoryError()", "out of memory")]
)
def test_our_own_bug_says_whose_it_is_and_exits_with_1(error, words):
    code = f"""
import sys
from groundup.cli import main as front
def dispatch(words):
    raise {error}
front._dispatch = dispatch
sys.exit(front.main(["run"]))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 1 and "Traceback" in done.stderr and words in done.stderr


def test_a_reader_that_has_seen_enough_is_no_error():
    command = f"{sys.executable} -c 'import groundup.cli.main as m, sys; sys.exit(m.main([]))' | head -1"
    done = subprocess.run(["bash", "-o", "pipefail", "-c", command], capture_output=True, text=True)
    assert done.stderr == "" and done.stdout.startswith("groundup")


def test_a_terminal_without_these_letters_still_gets_the_map():
    import os

    env = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run([sys.executable, "-m", "groundup"], capture_output=True, text=True, env=env)
    assert done.returncode == 0 and "\\u25cf" in done.stdout
