import pytest
import torch

from groundup.infer.continuation import write_on
from groundup.infer.generate import generate
from groundup.infer.sampling import SamplingParams
from groundup.models.transformer import Transformer, TransformerConfig


@pytest.fixture(scope="module")
def model() -> Transformer:
    torch.manual_seed(0)
    net = Transformer(TransformerConfig(vocab_size=11, context_len=8, n_layer=1, n_head=2, n_embd=16))
    for parameter in net.parameters():
        torch.nn.init.normal_(parameter, std=0.7)
    return net.eval()


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(5)


def test_within_the_context_it_is_generate(model):
    params = SamplingParams(max_tokens=5)
    assert (
        write_on(model, [1, 2], params, generator()) == generate(model, [[1, 2]], params, generator())[0].ids
    )


def test_beyond_the_context_each_token_is_the_likeliest_after_what_was_kept(model):
    ids = write_on(model, [1, 2], SamplingParams(temperature=0, max_tokens=30), generator())
    text, kept = [1, 2], [1, 2]
    for id in ids:
        if len(kept) == 8:
            kept = text[-4:]
        with torch.no_grad():
            assert id == model(torch.tensor([kept]))[0, -1].argmax().item()
        text, kept = [*text, id], [*kept, id]
    assert len(ids) == 30


def test_a_prompt_longer_than_the_context_is_read_from_its_end(model):
    params = SamplingParams(temperature=0, max_tokens=12)
    assert write_on(model, [3] * 20 + [1, 2, 3, 4, 5, 6, 7], params, generator()) == write_on(
        model, [1, 2, 3, 4, 5, 6, 7], params, generator()
    )


def test_a_stop_ends_it_and_every_id_is_announced(model):
    heard: list[int] = []
    free = write_on(model, [1], SamplingParams(max_tokens=40), generator(), on_token=heard.append)
    assert heard == free
    assert len(free) == 40
    stop = free[20]
    ended = write_on(model, [1], SamplingParams(max_tokens=40, stop=(stop,)), generator())
    assert ended == free[: free.index(stop) + 1]


def test_pieces_do_not_repeat_the_same_random_numbers(model):
    ids = write_on(model, [1], SamplingParams(max_tokens=80), generator())
    assert len({tuple(ids[i : i + 4]) for i in range(8, 80, 4)}) > 10
