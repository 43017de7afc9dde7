"""Some 260 requests that must not be answered, against the real server: none may pass."""

import pytest

from benchmarks.raw_http import exchange, request
from benchmarks.serving_attacks import attacks, run

SLOW = ("long", "length empty")


def passed(target, chosen):
    tried = run(target, chosen, at_once=16, patience=1.0)
    assert len(tried) > 10
    return [f"{attack.name}: {reply.statuses}" for attack, reply in tried if attack.passed(reply)]


def test_the_honest_are_answered(served, guarded):
    for target in (served.target, guarded.target):
        assert exchange(target, request(target)).status == 200
        origin = [("Origin", f"http://{target.authority}"), ("Sec-Fetch-Site", "same-origin")]
        assert exchange(target, request(target, headers=origin)).status == 200
        for name in ("localhost", "LOCALHOST", "[::1]"):
            assert exchange(target, request(target, host=f"{name}:{target.port}")).status == 200
    assert exchange(guarded.target, request(guarded.target, path="/healthz", token=None)).status == 200


@pytest.mark.parametrize("family", ["host", "origin", "auth", "path"])
def test_no_attack_passes(guarded, family):
    chosen = [attack for attack in attacks() if attack.family == family]
    assert not passed(guarded.target, chosen)


@pytest.mark.slow
def test_no_attack_on_the_framing_passes(guarded):
    assert not passed(guarded.target, [attack for attack in attacks() if attack.family == "framing"])


@pytest.mark.slow
def test_no_attack_passes_where_no_token_is_asked_for(served):
    assert not passed(served.target, attacks())


def test_afterwards_it_is_as_well_as_before(served, guarded):
    for server in (served, guarded):
        assert exchange(server.target, request(server.target, path="/healthz")).status == 200
        assert server.idle()
