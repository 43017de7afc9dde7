"""The engine's claims, measured a little: each part claims what it should; unequal work is refused."""

import pytest

from benchmarks import inference
from benchmarks.inference import Effort, main, measure, same_ids
from groundup.base.errors import DataError
from groundup.models.transformer import llama

A_LITTLE = Effort(
    shape=llama(vocab_size=128, context_len=256, n_layer=1, n_head=2, n_embd=16, tie=True),
    rounds=2,
    new_tokens=8,
    texts=4,
    long_prompt=100,
)


def test_what_needs_no_peer_claims_something_that_can_be_published():
    claims = {claim.id: claim for claim in measure(["gap", "prefix"], A_LITTLE).claims}
    assert set(claims) == {"gap.p99-in-medians", "prefix.first-token"}
    assert claims["gap.p99-in-medians"].ours > 0
    assert claims["prefix.first-token"].peer == "the same engine, not read before"


@pytest.mark.slow
def test_transformers_says_the_same_with_these_weights():
    claims = {claim.id: claim for claim in measure(["fp32", "aggregate"], A_LITTLE).claims}
    assert claims["fp32-vs-transformers"].n == 2
    assert {"aggregate-32-vs-transformers-static", "aggregate-32-mixed-vs-transformers-static"} < set(claims)


def test_work_that_is_not_equal_is_no_claim():
    same_ids([[1, 2]], [[1, 2]])
    with pytest.raises(DataError, match="1 of 2 texts differ"):
        same_ids([[1], [2]], [[1], [3]])


def test_a_part_of_it_is_printed_and_not_written(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(inference, "Effort", lambda: A_LITTLE)
    monkeypatch.setattr(inference, "write", lambda *_: pytest.fail("a part is not published"))
    assert main(["--only", "prefix"]) == 0
    assert "prefix.first-token" in capsys.readouterr().out
