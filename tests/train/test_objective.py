import math

import pytest
import torch
from torch.testing import assert_close

from groundup.data.batches import Batch
from groundup.train.objective import cross_entropy, cross_entropy_where_asked


def batch(targets: list[list[int]]) -> Batch:
    targets_BT = torch.tensor(targets)
    return Batch((targets_BT + 3) % 8, targets_BT)


def test_it_is_the_sum_over_the_targets_that_count(job):
    net = job.model(dropout=0.0)
    given = batch([[1, -1, 3, 4], [-1, -1, 7, 0]])
    loss_sum, count, _ = cross_entropy(net, given)
    log_probs_BTV = net(given.tokens_BT).log_softmax(-1)
    by_hand = -sum(
        log_probs_BTV[b, t, y]
        for b, row in enumerate(given.targets_BT.tolist())
        for t, y in enumerate(row)
        if y >= 0
    )
    assert count == 5
    assert_close(loss_sum, by_hand)


def test_a_fresh_model_knows_nothing(job):
    loss_sum, count, _ = cross_entropy(job.model(), batch([[1, 2, 3, 4]]))
    assert (loss_sum / count).item() == pytest.approx(math.log(8), abs=0.05)


def test_the_head_where_asked_gives_the_same_loss_and_gradient(job):
    given = batch([[1, -1, 3, 4], [-1, -1, 7, 0]])
    nets = []
    for objective in (cross_entropy, cross_entropy_where_asked):
        net = job.model(dropout=0.0)
        loss_sum, count, _ = objective(net, given)
        loss_sum.backward()
        nets.append((net, loss_sum, count))
    (all_places, a, n), (asked, b, m) = nets
    assert n == m == 5
    assert_close(a, b)
    for left, right in zip(all_places.parameters(), asked.parameters(), strict=True):
        assert_close(left.grad, right.grad)


def test_documents_packed_in_a_row_do_not_see_each_other(job):
    net = job.model(dropout=0.0).eval()
    tokens_BT, targets_BT = torch.tensor([[1, 2, 3, 4, 5, 6]]), torch.tensor([[-1, -1, -1, 5, 6, 7]])
    segments_BT = torch.tensor([[1, 1, 1, 2, 2, 2]])
    alone, _, _ = cross_entropy(net, Batch(tokens_BT[:, 3:], targets_BT[:, 3:]))
    packed, _, _ = cross_entropy(net, Batch(tokens_BT, targets_BT, segments_BT))
    mixed, _, _ = cross_entropy(net, Batch(tokens_BT, targets_BT))
    assert_close(packed, alone)
    assert not torch.allclose(mixed, alone, atol=1e-4)
