"""`groundup serve`: what it refuses before it listens."""

import socket

import pytest

from groundup.base.errors import UserError
from groundup.cli.serve import main, read_token


def test_a_port_in_use_is_said():
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(UserError, match="is in use"):
        main(["no-model", "--port", str(taken.getsockname()[1])])


def test_a_model_that_is_not_there_is_said():
    with pytest.raises(UserError, match="no-model"):
        main(["no-model", "--port", "0"])


def test_beyond_this_machine_there_is_always_a_token(monkeypatch, tmp_path):
    monkeypatch.delenv("GROUNDUP_TOKEN", raising=False)
    assert read_token(None, beyond=False) == ("", False)
    made, fresh = read_token(None, beyond=True)
    assert fresh and len(made) > 30 and made != read_token(None, beyond=True)[0]
    monkeypatch.setenv("GROUNDUP_TOKEN", "a-long-secret-word")
    assert read_token(None, beyond=True) == ("a-long-secret-word", False)
    file = tmp_path / "token"
    file.write_text("another-long-secret-word\n")
    assert read_token(file, beyond=True) == ("another-long-secret-word", False)


@pytest.mark.parametrize("text", ["", "short", "with blanks in the middle", "ünïcödé-is-no-token-here"])
def test_a_bad_token_is_refused(tmp_path, text):
    file = tmp_path / "token"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(UserError, match="token"):
        read_token(file, beyond=False)
