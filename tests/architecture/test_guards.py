"""The guards in tests/conftest.py really guard: without this file they could be switched off unnoticed."""

import os
import shutil
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
import torch

REPOSITORY = Path(__file__).resolve().parent.parent.parent


def test_no_test_reaches_the_network():
    with pytest.raises(RuntimeError, match="without a network"):
        socket.create_connection(("192.0.2.1", 80), timeout=1)  # an address that RFC 5737 gives to nobody
    with pytest.raises(RuntimeError, match="without a network"):
        socket.getaddrinfo("example.org", 80)
    with pytest.raises(RuntimeError, match="without a network"):
        urllib.request.urlopen("http://example.org")


def test_a_server_on_this_machine_can_be_reached():
    with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()):
        pass


def test_no_test_writes_outside_its_folder(tmp_path):
    for path in (REPOSITORY / "stray.txt", Path.home() / "stray.txt"):
        with pytest.raises(RuntimeError, match="tmp_path only"):
            path.write_text("x")
        with pytest.raises(RuntimeError, match="tmp_path only"):
            path.mkdir()
        assert not path.exists()
    (tmp_path / "fine.txt").write_text("x")
    assert Path.cwd() == tmp_path.resolve()


def test_one_thread_and_the_same_draws():
    assert os.environ["OMP_NUM_THREADS"] and torch.get_num_threads() == 1
    assert torch.initial_seed() == 0


def test_a_skip_in_ci_is_a_failure_unless_the_system_may_refuse(tmp_path):
    shutil.copy(REPOSITORY / "tests" / "conftest.py", tmp_path)
    shutil.copy(REPOSITORY / "pyproject.toml", tmp_path)
    skip = "    pytest.skip('no file')\n"
    plain, marked = f"def test_plain():\n{skip}", f"@pytest.mark.may_skip\ndef test_marked():\n{skip}"
    (tmp_path / "test_x.py").write_text(f"import pytest\n\n{plain}\n{marked}")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_x.py"]
    env = {**os.environ, "GROUNDUP_REQUIRE_FIXTURES": "1"}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True)
    assert done.returncode == 1 and "1 failed, 1 skipped" in done.stdout, done.stdout
    assert (
        "test_plain was skipped, and here nothing may be missing" in done.stdout and "no file" in done.stdout
    )
