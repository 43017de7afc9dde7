import pytest
import torch
from torch import nn
from torch.testing import assert_close

from groundup.train.muon import SCHEDULES, Muon, newton_schulz


def matrices(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


@pytest.mark.parametrize("schedule", SCHEDULES)
@pytest.mark.parametrize("shape", [(3, 32, 32), (2, 64, 16), (2, 16, 64)])
def test_newton_schulz_makes_all_singular_values_about_one(shape, schedule):
    given = matrices(*shape)
    values = torch.linalg.svdvals(newton_schulz(given, schedule=schedule))
    assert values.min() > 0.05  # the smallest of a square Gaussian matrix is nearly 0: it was lifted tenfold
    assert values.median() > 0.7
    assert values.max() < 1.28
    assert torch.linalg.svdvals(given).max() > 3  # they were not so before


@pytest.mark.parametrize(("schedule", "from_", "low", "high"), [
    ("jordan5", 0.01, 0.67, 1.21), ("polar3", 0.01, 0.73, 1.27),
])  # fmt: skip
def test_the_promised_interval_of_each_schedule(schedule, from_, low, high):
    """On a diagonal matrix Newton-Schulz is its polynomials, value by value; the norm is taken out first."""
    wanted = torch.logspace(torch.log10(torch.tensor(from_)).item(), 0, 400, dtype=torch.float64)
    x = wanted.clone()
    for a, b, c in SCHEDULES[schedule]:
        x = a * x + b * x**3 + c * x**5
    assert low <= x.min() and x.max() <= high
    below = torch.tensor(from_ / 20, dtype=torch.float64)  # far below, a value is not lifted all the way
    for a, b, c in SCHEDULES[schedule]:
        below = a * below + b * below**3 + c * below**5
    assert below < low


def test_newton_schulz_keeps_the_singular_vectors():
    given = matrices(1, 24, 12)
    U, _, Vh = torch.linalg.svd(given, full_matrices=False)
    turned = U.mT @ newton_schulz(given) @ Vh.mT  # diagonal if the directions are those of the input
    assert_close(turned, torch.diag_embed(torch.diagonal(turned, dim1=-2, dim2=-1)), atol=1e-4, rtol=0)


@pytest.mark.parametrize("shape", [(5, 16, 16), (4, 48, 16), (4, 16, 48)])
def test_a_batch_equals_one_by_one(shape):
    given = matrices(*shape) * torch.logspace(-3, 3, shape[0])[:, None, None]
    alone = torch.cat([newton_schulz(matrix[None]) for matrix in given])
    assert_close(newton_schulz(given), alone, atol=1e-5, rtol=1e-4)


def test_zero_stays_zero():
    assert newton_schulz(torch.zeros(2, 8, 4)).abs().max() == 0


def weights(seed: int) -> list[nn.Parameter]:
    shapes = [(16, 16), (48, 16), (16, 48), (16, 16), (4, 16)]
    return [nn.Parameter(matrices(*shape, seed=seed + i)) for i, shape in enumerate(shapes)]


def train(parameters: list[nn.Parameter], optimizer: torch.optim.Optimizer, steps: int = 6) -> None:
    for step in range(steps):
        for i, parameter in enumerate(parameters):
            parameter.grad = matrices(*parameter.shape, seed=100 * step + i)
        optimizer.step()


@pytest.mark.skipif(not hasattr(torch.optim, "Muon"), reason="this torch has no Muon to compare with")
@pytest.mark.parametrize("weight_decay", [0.0, 0.1])
def test_muon_equals_torchs(weight_decay, monkeypatch):
    # torch runs Newton-Schulz in bfloat16 everywhere; in float32 the two must agree to rounding.
    monkeypatch.setattr(torch.Tensor, "bfloat16", torch.Tensor.float)
    ours, theirs = weights(1), weights(1)
    settings = {"lr": 0.02, "momentum": 0.95, "weight_decay": weight_decay}
    train(ours, Muon(ours, **settings))
    train(theirs, torch.optim.Muon(theirs, **settings))
    for our, their, start in zip(ours, theirs, weights(1), strict=True):
        assert_close(our, their, atol=2e-5, rtol=1e-4)
        assert (our - start).norm() > 0.1  # they moved


def test_pieces_are_treated_as_matrices_of_their_own():
    q, k, v = (nn.Parameter(matrices(rows, 16, seed=i)) for i, rows in enumerate((16, 8, 8)))
    fused = nn.Parameter(torch.cat([q, k, v]).detach().clone())
    whole = nn.Parameter(fused.detach().clone())
    apart, together = Muon([q, k, v]), Muon([fused], pieces={0: (16, 8, 8)})
    blind = Muon([whole])
    for step in range(4):
        fused.grad = matrices(32, 16, seed=step)
        whole.grad = fused.grad.clone()
        for part, grad in zip((q, k, v), fused.grad.split((16, 8, 8)), strict=True):
            part.grad = grad.clone()
        for optimizer in (apart, together, blind):
            optimizer.step()
    assert_close(fused, torch.cat([q, k, v]))
    assert not torch.allclose(fused, whole, atol=1e-3)  # cutting it matters


def test_a_weight_without_gradient_does_not_move():
    moving, still = nn.Parameter(matrices(4, 4)), nn.Parameter(matrices(4, 4))
    moving.grad = matrices(4, 4, seed=1)
    Muon([moving, still], weight_decay=0.1).step()
    assert torch.equal(still, matrices(4, 4))
    assert not torch.equal(moving, matrices(4, 4))


def test_what_is_no_matrix_and_what_does_not_add_up_refuse():
    with pytest.raises(ValueError, match="shape \\(3,\\)"):
        Muon([nn.Parameter(torch.zeros(3))])
    with pytest.raises(ValueError, match="do not add up to the 4 rows"):
        Muon([nn.Parameter(torch.zeros(4, 2))], pieces={0: (1, 2)})
