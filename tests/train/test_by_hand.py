import pytest
import torch

from groundup.base.errors import ConfigError, DataError
from groundup.base.log import EventLog
from groundup.data.batches import Batch
from groundup.data.windows import Drawn
from groundup.models.bengio_mlp import BengioMLP, BengioMLPConfig
from groundup.models.bigram import Bigram, BigramConfig
from groundup.models.wavenet import WaveNet, WaveNetConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.train.by_hand import objective_for
from groundup.train.fit import FitConfig, accumulate, fit, workers
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig

LETTERS = CharTokenizer("\nabcdefghijklmnopqrstuvwxyz")


def network(kind: str) -> BengioMLP | WaveNet:
    torch.manual_seed(0)
    if kind == "wavenet":
        return WaveNet(WaveNetConfig(context_len=4, n_embd=6, n_hidden=10))
    return BengioMLP(BengioMLPConfig(27, context_len=4, norm="batch" if kind == "batchnorm" else "none"))


def rows(seed: int = 1, T: int = 4) -> Batch:
    stream = torch.Generator().manual_seed(seed)
    return Batch(torch.randint(27, (32, T), generator=stream), torch.randint(27, (32, 1), generator=stream))


class One:
    def __init__(self, batch: Batch):
        self.only = batch

    def batch(self, step: int, rank: int = 0) -> Batch:
        return self.only


def gradient(model, batch, objective):
    return accumulate(model, One(batch), objective, config=FitConfig(1), step=0)


KINDS = ["mlp", "batchnorm", "wavenet"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("ignored", [False, True])
def test_the_gradient_has_autograd_s_bits(kind, ignored):
    batch = rows()
    if ignored:
        batch.targets_BT[:5] = -1
    mine, theirs = network(kind), network(kind)
    assert hasattr(objective_for(mine), "gradients")
    a = gradient(mine, batch, objective_for(mine))
    b = gradient(theirs, batch, cross_entropy)
    assert (a.loss, a.norm, a.tokens, a.divisor) == (b.loss, b.norm, b.tokens, b.divisor)
    for (name, p), q in zip(mine.named_parameters(), theirs.parameters(), strict=True):
        assert torch.equal(p.grad, q.grad), name
        assert p.grad.any()
    for name, value in mine.named_buffers():
        assert torch.equal(value, theirs.get_buffer(name)), name
    fresh = network(kind)
    assert gradient(fresh, rows(seed=2), objective_for(fresh)).loss != a.loss


def test_the_lecture_s_sizes_have_the_same_bits_too():
    """Kernels choose their way by size: what holds for ten channels need not for 128."""
    for make in (
        lambda: BengioMLP(BengioMLPConfig(27), generator=torch.Generator().manual_seed(1)),
        lambda: WaveNet(WaveNetConfig(), generator=torch.Generator().manual_seed(1)),
    ):
        mine, theirs = make(), make()
        batch = rows(T=mine.config.context_len)
        gradient(mine, batch, objective_for(mine))
        gradient(theirs, batch, cross_entropy)
        for (name, p), q in zip(mine.named_parameters(), theirs.parameters(), strict=True):
            assert torch.equal(p.grad, q.grad), name


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        *((kind, {}) for kind in KINDS),
        ("batchnorm", {"accumulate": 2}),
        ("mlp", {"accumulate": 2, "workers": 2}),
        ("wavenet", {"clip_norm": 0.1}),
        ("batchnorm", {"diagnose_every": 4}),
    ],
)
def test_a_run_is_the_run_of_autograd(kind, changes, tmp_path):
    ends = []
    for place in ("hand", "autograd"):
        model, stream = network(kind), torch.Generator().manual_seed(3)
        batches = Drawn(rows(4).tokens_BT, rows(4).targets_BT, batch_size=8, generator=stream)
        fit(
            model, batches=batches, objective=objective_for(model) if place == "hand" else cross_entropy,
            optim=OptimConfig(kind="sgd", lr=0.1), schedule=ScheduleConfig("constant"),
            config=FitConfig(**{"steps": 12, **changes}), seed=1, out=tmp_path / place,
            events=EventLog(tmp_path / f"{place}.jsonl", console=False), tokenizer=LETTERS,
        )  # fmt: skip
        ends.append(model.state_dict())
    assert all(torch.equal(ends[0][name], ends[1][name]) for name in ends[0])
    assert not torch.equal(ends[0]["embedding.weight"], network(kind).embedding.weight)


def test_a_frozen_weight_stays():
    model = network("mlp")
    model.embedding.weight.requires_grad_(False)
    gradient(model, rows(), objective_for(model))
    assert model.embedding.weight.grad is None and model.w1.grad is not None


def test_rows_of_several_windows_are_left_to_autograd():
    stream = torch.Generator().manual_seed(5)
    batch = Batch(torch.randint(27, (3, 7), generator=stream), torch.randint(27, (3, 4), generator=stream))
    mine, theirs = network("mlp"), network("mlp")
    a, b = gradient(mine, batch, objective_for(mine)), gradient(theirs, batch, cross_entropy)
    assert a.loss == b.loss and torch.equal(mine.w1.grad, theirs.w1.grad)


def test_a_batch_of_one_row_has_no_deviation():
    model = network("batchnorm")
    batch = Batch(torch.zeros(1, 4, dtype=torch.long), torch.zeros(1, 1, dtype=torch.long))
    with pytest.raises(DataError, match="batch_size to 2 or"):
        gradient(model, batch, objective_for(model))


def test_several_workers_would_race_for_the_running_statistics():
    config = FitConfig(1, accumulate=2, workers=2)
    with pytest.raises(ConfigError, match="BatchNorm"), workers(network("batchnorm"), config):
        pass
    with workers(network("mlp"), config) as share:
        assert list(share(abs, [-1, 2])) == [1, 2]


def test_other_models_are_left_to_autograd():
    assert objective_for(Bigram(BigramConfig(27))) is cross_entropy
