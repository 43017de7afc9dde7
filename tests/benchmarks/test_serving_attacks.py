"""The attacks: a server that checks nothing falls to nearly all of them, one that is shut to none."""

import threading
from collections import Counter
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from benchmarks.raw_http import Reply, Target
from benchmarks.serving_attacks import attacks, run


class Naive(BaseHTTPRequestHandler):
    """Says yes to everything that Python's own server can read, and lets any page read it."""

    protocol_version, status, opens = "HTTP/1.1", 200, True

    def _answer(self) -> None:
        self.send_response(self.status)
        if self.opens:
            self.send_header("Access-Control-Allow-Origin", self.headers.get("Origin", "*"))
        self.send_header("Content-Length", "2")
        self.send_header("Connection", "close")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(b"{}")

    do_GET = do_POST = do_HEAD = do_PUT = do_DELETE = do_PATCH = do_OPTIONS = do_TRACE = do_PROPFIND = _answer

    def log_message(self, *_: object) -> None:
        pass


class Shut(Naive):
    status, opens = 403, False


@pytest.fixture
def served(request):
    server = ThreadingHTTPServer(("127.0.0.1", 0), request.param)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield Target("127.0.0.1", server.server_address[1], token="a-secret-word", model="m")
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_attacks_have_different_names_and_can_be_written():
    target = Target("127.0.0.1", 8000, token="a-secret-word", model="m")
    names = [attack.name for attack in attacks()]
    assert len(names) == len(set(names)) >= 40
    assert min(Counter(attack.family for attack in attacks()).values()) >= 20
    bodies = [attack.raw(target) for attack in attacks()]
    assert all(bodies) and len(set(bodies)) > 0.98 * len(bodies)
    assert not any(b"AUTHORITY" in raw or b"TOKEN" in raw for raw in bodies)


SOME = slice(None, None, 3)  # a third is enough to tell a sieve from a wall


@pytest.mark.parametrize("served", [Naive], indirect=True)
def test_who_checks_nothing_falls_to_nearly_all(served):
    tried = run(served, attacks()[SOME], at_once=16, patience=0.5)
    assert sum(attack.passed(reply) for attack, reply in tried) > 0.75 * len(tried)


@pytest.mark.parametrize("served", [Shut], indirect=True)
def test_who_refuses_everything_falls_to_none(served):
    tried = run(served, attacks()[SOME], at_once=16, patience=0.5)
    assert not [attack.name for attack, reply in tried if attack.passed(reply)]


def test_a_foreign_origin_that_is_allowed_to_read_is_a_pass_whatever_the_status():
    (preflight,) = [a for a in attacks() if a.name == "preflight /v1/models"]
    opened = b"HTTP/1.1 400 No\r\nAccess-Control-Allow-Origin: http://evil.example\r\n\r\n"
    assert preflight.passed(Reply(opened, True, 0))
    assert not preflight.passed(Reply(b"HTTP/1.1 200 OK\r\n\r\n", True, 0))
    (post,) = [a for a in attacks() if a.name == "origin http://evil.example"]
    assert post.passed(Reply(b"HTTP/1.1 200 OK\r\n\r\n", True, 0)) and post.passed(Reply(opened, True, 0))
    assert not post.passed(Reply(b"HTTP/1.1 403 No\r\n\r\n", True, 0))


def test_without_a_token_only_what_means_something_is_tried():
    tried = run(Target("127.0.0.1", 9), [a for a in attacks() if a.needs_token])
    assert tried == []
