"""AdamW against torch's own, to the bit, and against its equations."""

import subprocess
import sys

import torch
from torch import nn
from torch.testing import assert_close

from groundup.train.adamw import AdamW, adamw_written_out

SHAPES = [(7, 5), (33,), (2, 3, 4)]


def weights(seed: int) -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(seed)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def groups(parameters: list[nn.Parameter]) -> list[dict]:
    return [
        {"params": parameters[:2], "lr": 0.01, "weight_decay": 0.1},
        {"params": parameters[2:], "lr": 0.003, "weight_decay": 0.0},
    ]


def gradients(parameters: list[nn.Parameter], step: int) -> None:
    generator = torch.Generator().manual_seed(100 + step)
    for weight in parameters:
        weight.grad = torch.randn(weight.shape, generator=generator)


def test_the_same_bits_as_torch_and_the_equations_to_rounding():
    ours, theirs = weights(0), weights(0)
    mine = AdamW(groups(ours), betas=(0.8, 0.95), eps=1e-10)
    oracle = torch.optim.AdamW(groups(theirs), betas=(0.8, 0.95), eps=1e-10, fused=True)
    plain = [(w.detach().double(), torch.zeros(w.shape), torch.zeros(w.shape)) for w in ours]
    for step in range(6):
        gradients(ours, step)
        gradients(theirs, step)
        mine.step()
        oracle.step()
        for i, weight in enumerate(ours):
            lr, decay = (0.01, 0.1) if i < 2 else (0.003, 0.0)
            plain[i] = adamw_written_out(
                plain[i][0], weight.grad.double(), *plain[i][1:],
                t=step + 1, lr=lr, betas=(0.8, 0.95), eps=1e-10, weight_decay=decay,
            )  # fmt: skip
    for weight, other, (expected, m, v), start in zip(ours, theirs, plain, weights(0), strict=True):
        assert torch.equal(weight, other)
        assert_close(weight.double(), expected, rtol=1e-5, atol=1e-6)
        assert_close(mine.state[weight]["exp_avg"].double(), m, rtol=1e-5, atol=1e-6)
        assert_close(mine.state[weight]["exp_avg_sq"].double(), v, rtol=1e-5, atol=1e-6)
        assert not torch.equal(weight, start)


def test_a_weight_without_a_gradient_stays_and_has_no_state():
    moving, still = weights(1)[:2]
    optimizer = AdamW([{"params": [moving, still], "lr": 0.1, "weight_decay": 0.5}], betas=(0.9, 0.9), eps=0)
    before = still.detach().clone()
    gradients([moving], 0)
    optimizer.step()
    assert torch.equal(still, before)
    assert still not in optimizer.state
    assert moving in optimizer.state


def test_training_does_not_load_the_compiler():
    code = (
        "import sys, torch; from torch import nn\n"
        "from groundup.train.optim import OptimConfig, build_optimizer\n"
        "model = nn.Linear(3, 3)\n"
        "for kind in ('muon', 'adamw'):\n"
        "    model(torch.ones(1, 3)).sum().backward()\n"
        "    build_optimizer(model, OptimConfig(kind=kind)).step()\n"
        "assert 'torch._dynamo' not in sys.modules\n"
        "torch.optim.AdamW(model.parameters())\n"
        "assert 'torch._dynamo' in sys.modules, 'torch no longer does: its own AdamW would serve'\n"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=300)
