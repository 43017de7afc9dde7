"""WaveNet: the tree and the convolution are one function; sizes and first loss are the lecture's."""

import pytest
import torch
import torch.nn.functional as F
from torch.testing import assert_close

from groundup.base.errors import ConfigError, DataError
from groundup.models.wavenet import WaveNet, WaveNetConfig, flatten_consecutive
from groundup.train.sgd import SGD


def lively() -> WaveNet:
    """Running statistics and gains as after training: nothing at 0 or 1 that would hide a mistake."""
    torch.manual_seed(0)
    model = WaveNet(WaveNetConfig(vocab_size=27, n_embd=10, n_hidden=12))
    for level in model.levels:
        level.norm.gain.data += 0.3 * torch.randn(12)
        level.norm.bias.data += 0.3 * torch.randn(12)
        level.norm.running_mean += torch.randn(12)
        level.norm.running_var += torch.rand(12)
    return model.eval()


def spelled(word: str) -> list[int]:
    return [0] * 8 + [ord(letter) - 96 for letter in word]


@pytest.mark.parametrize(("n_embd", "n_hidden", "count"), [(10, 68, 22_397), (24, 128, 76_579)])
def test_the_lecture_s_sizes(n_embd, n_hidden, count):
    model = WaveNet(WaveNetConfig(n_embd=n_embd, n_hidden=n_hidden))
    assert sum(p.numel() for p in model.parameters()) == count


def test_flatten_consecutive_moves_no_number():
    x = torch.randn(4, 8, 10)
    fused = flatten_consecutive(x, 2)
    assert fused.shape == (4, 4, 20) and fused.data_ptr() == x.data_ptr()
    assert flatten_consecutive(fused, 2).shape == (4, 2, 40)
    assert flatten_consecutive(x, 8).shape == (4, 1, 80)
    assert torch.equal(fused[:, 1, :10], x[:, 2])
    with pytest.raises(ValueError, match="8 places do not fall into groups of 3"):
        flatten_consecutive(x, 3)


def test_eight_windows_one_by_one_are_one_convolution():
    """The lecture's last remark, on its own example."""
    model = lively()
    ids = torch.tensor(spelled("diondre"))
    windows = ids.unfold(0, 8, 1)
    assert windows.shape == (8, 8)
    one_by_one = torch.cat([model(window[None]) for window in windows], 1)
    at_once = model(ids[None])
    assert at_once.shape == (1, 8, 27)
    assert_close(at_once, one_by_one, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(at_once[:, 0], at_once[:, 1])  # the windows differ


def test_a_level_is_a_dilated_convolution_of_torch():
    model = lively()
    x_BTC = model.embedding(torch.tensor([spelled("diondre")]))
    for i, level in enumerate(model.levels):
        weight, bias = level.folded()
        kernel = weight.view(12, 2, -1).permute(0, 2, 1)  # out, in, older and newer
        x_BTC = torch.tanh(F.conv1d(x_BTC.mT, kernel, bias, dilation=2**i)).mT
    assert_close(x_BTC, model.convolution(torch.tensor([spelled("diondre")])), rtol=1e-5, atol=1e-5)


def test_folding_changes_nothing_but_the_operations():
    level = lively().levels[0]
    pairs = torch.randn(3, 4, 20)
    assert_close(level(pairs), torch.tanh(level.norm(F.linear(pairs, level.weight))), rtol=1e-5, atol=1e-5)
    level.norm.running_mean += 1
    assert not torch.allclose(level(pairs), level.train()(pairs))


def test_statistics_are_one_a_channel_also_over_places():
    """The bug of the lecture's log: one mean for each place as well."""
    model = WaveNet(WaveNetConfig())
    model(torch.randint(27, (32, 8)))
    assert [level.norm.running_mean.shape for level in model.levels] == [(128,)] * 3
    assert model.levels[0].norm.running_mean.abs().max() > 0


def test_only_the_last_eight_characters_count():
    model, ids = lively(), torch.tensor([spelled("alexandrina")])
    before = model(ids)[:, -1]
    ids[:, -9] += 1
    assert_close(model(ids)[:, -1], before)
    ids[:, -8] += 1
    assert not torch.allclose(model(ids)[:, -1], before)


def test_gradients_reach_every_weight():
    model = WaveNet(WaveNetConfig(n_embd=4, n_hidden=6))
    ids = torch.arange(24).view(3, 8)
    F.cross_entropy(model(ids)[:, 0], torch.tensor([1, 2, 3])).backward()
    assert all(p.grad is not None and p.grad.abs().max() > 0 for p in model.parameters())


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="context_len=6 cannot be halved"):
        WaveNetConfig(context_len=6)
    with pytest.raises(ConfigError, match="n_embd=0"):
        WaveNetConfig(n_embd=0)
    with pytest.raises(ValueError, match="7 tokens are no window of context_len=8"):
        lively()(torch.zeros(1, 7, dtype=torch.long))
    with pytest.raises(DataError, match="one row"):  # the top of the tree has one place
        WaveNet(WaveNetConfig())(torch.zeros(1, 8, dtype=torch.long))


def course_run(steps: int) -> dict[int, float]:
    """The lecture's training with its seed: the loss of the batch of every thousandth step."""
    from groundup.data.names import read_names
    from groundup.data.windows import Windows

    names = read_names()
    torch.manual_seed(42)
    model = WaveNet(WaveNetConfig())
    batches = Windows(
        names.train, names.tokenizer, context_len=8, batch_size=32, generator=torch.default_generator
    )
    optimizer, seen = SGD(model.parameters(), lr=0.1), {}
    for step in range(steps + 1):
        batch = batches.batch(step)
        loss = F.cross_entropy(model(batch.tokens_BT)[:, 0], batch.targets_BT[:, 0])
        if step % 1000 == 0:
            seen[step] = loss.item()
        model.zero_grad()
        loss.backward()
        optimizer.step()
    return seen


@pytest.mark.needs("course-names")
def test_the_lecture_s_first_loss():
    assert course_run(0)[0] == pytest.approx(3.3167, abs=1e-4)


@pytest.mark.slow
@pytest.mark.needs("course-names")
def test_the_lecture_s_loss_after_ten_thousand_steps():
    """Printed to four places, on another machine with other kernels; drift stays below that."""
    seen = course_run(10_000)
    assert seen[10_000] == pytest.approx(2.0576, abs=1e-4)
    assert len({round(loss, 3) for loss in seen.values()}) > 5  # batches differ
