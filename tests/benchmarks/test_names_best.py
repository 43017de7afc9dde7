"""The comparison with makemore: a word's nats, the same batch less padding, an interval that can fail."""

import numpy as np
import pytest
import torch

from benchmarks.names_best import OURS, CutToLongest, Trained, compare, nats, per_character
from benchmarks.wavenet import LECTURE_VAL, our_trainer
from groundup.data.windows import Words, examples, padded
from groundup.models.transformer import Transformer
from groundup.tokenizer.chars import CharTokenizer

LETTERS = CharTokenizer("\n" + "abcdefghijklmnopqrstuvwxyz")
NAMES = ["ava", "emma", "isabella", "jo", "mia", "olivia"]


def guesser(certainty: float):
    """Logits that favour the next letter of the alphabet by so much: a model without weights."""
    return lambda tokens_BT: certainty * torch.nn.functional.one_hot((tokens_BT + 1) % 27, 27).float()


def test_a_model_that_knows_nothing_loses_log_27_a_character():
    rows = padded(NAMES, LETTERS)
    total_N, count_N = nats(guesser(0.0), rows)
    assert count_N.tolist() == [len(name) + 1 for name in NAMES]
    assert total_N / count_N == pytest.approx(np.log(27))
    assert per_character(guesser(3.0), rows) != pytest.approx(np.log(27))


def test_batches_lose_only_columns_without_targets():
    words = Words(NAMES, LETTERS, batch_size=2, generator=torch.Generator().manual_seed(0), context_len=16)
    cut, shorter = CutToLongest(words), False
    for step in range(8):
        whole, less = words.batch(step), cut.batch(step)
        T = less.tokens_BT.size(1)
        assert torch.equal(less.targets_BT, whole.targets_BT[:, :T]) and (whole.targets_BT[:, T:] == -1).all()
        shorter |= T < 16
    assert shorter


def test_ours_is_below_200_000_weights():
    assert sum(p.numel() for p in Transformer(OURS).parameters()) == 196_672


def test_the_gap_is_clear_only_where_there_is_one():
    rows = padded(NAMES * 20, LETTERS)
    good, bad = (Trained(per_character(guesser(c), rows), 1, 1.0, guesser(c)) for c in (-1.0, 0.0))
    gap = next(claim for claim in compare([bad], [good], rows) if claim.id == "names.gap")
    same = next(claim for claim in compare([good], [good], rows) if claim.id == "names.gap")
    assert gap.spread is not None and (gap.spread[0] > 0 or gap.spread[1] < 0)
    assert same.spread == (0.0, 0.0)


def test_a_wavenet_step_learns_and_the_lecture_s_figure_is_the_printed_one():
    train = our_trainer(examples(NAMES, LETTERS, 8))
    assert train(60) < train(1) + 0.1 and train(100) < 1.5
    assert round(LECTURE_VAL, 4) == 1.9937
