import torch

from benchmarks.gpu.training import speed_claims
from benchmarks.nanogpt import prepare
from groundup.models.transformer import gpt2
from tests.benchmarks.nanogpt_stand_in import checkout


def test_the_speed_test_trains_both_models(tmp_path):
    peer = prepare(checkout(tmp_path / "peer"), tmp_path / "copy", "abc" * 100)
    tiny = gpt2(vocab_size=65, context_len=16, n_layer=1, n_head=2, n_embd=16, bias=False)
    claims = list(speed_claims(peer, tiny, rows=2, device=torch.device("cpu"), steps=3, compile=False))
    assert [claim.id for claim in claims] == ["tokens-per-second-124m"]
    assert claims[0].ours > 0 and claims[0].theirs > 0 and claims[0].n == 3
