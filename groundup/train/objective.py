"""What a training step makes small: the loss of one batch, as a sum and the count it is a sum over.

Sums, not means: a mean of means is wrong as soon as two micro-batches, or two machines, hold different
numbers of targets. `fit` adds the sums and the counts and divides once.

Letters: B batch, T time, C channels, V vocabulary, N the places of the batch that have a target.
Next:    fit.py.
"""

from typing import Any, Protocol

import torch.nn.functional as F
from torch import Tensor

IGNORE = -1  # the target of a place that carries no loss; every batch in data/ uses it


class Objective(Protocol):
    def __call__(self, model: Any, batch: Any) -> tuple[Tensor, Tensor | int, dict[str, float | Tensor]]:
        """(loss_sum, count, metrics): a differentiable scalar, what it is a sum over, numbers to log.

        Metrics are averaged over the micro-batches of a step, and only read on steps that are logged.
        """


def cross_entropy(model: Any, batch: Any) -> tuple[Tensor, Tensor, dict[str, float | Tensor]]:
    """Nats to predict the targets of `batch`, and how many there are. Documents packed in a row stay apart.

    The logits of every place are computed, also where no loss is asked for: right for pretraining, where all
    count.
    """
    # Only the models that can keep documents apart are asked to.
    apart = {} if batch.segments_BT is None else {"segments_BT": batch.segments_BT}
    x_BTC = model.hidden(batch.tokens_BT, **apart)
    logits_BTV = model.head(x_BTC).float()  # a sum of exponentials in bfloat16 loses small probabilities
    loss_sum = F.cross_entropy(
        logits_BTV.flatten(0, 1), batch.targets_BT.flatten(), ignore_index=IGNORE, reduction="sum"
    )
    return loss_sum, (batch.targets_BT != IGNORE).sum(), {}


def cross_entropy_where_asked(model: Any, batch: Any) -> tuple[Tensor, Tensor, dict[str, float | Tensor]]:
    """The same sum and count, with the last feed-forward and the head run only on places that have a target.

    For chat fine-tuning, where most of a conversation carries no loss. The number of such places differs
    from batch to batch, which a compiled or captured step does not like.
    """
    asked_BT = batch.targets_BT != IGNORE
    x_NC = model.hidden(batch.tokens_BT, segments_BT=batch.segments_BT, asked_BT=asked_BT)
    logits_NV = model.head(x_NC).float()
    targets_N = batch.targets_BT[asked_BT]
    return F.cross_entropy(logits_NV, targets_N, reduction="sum"), asked_BT.sum(), {}
