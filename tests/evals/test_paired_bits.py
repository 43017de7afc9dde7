import math

import numpy as np
import pytest
import torch

from groundup.evals.bits_per_byte import BitsPerByte, bits_per_byte
from groundup.evals.paired_bits import change, joined, pieces_of, score
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer

TOKENIZER = CharTokenizer.train("abcdefgh")


def made(bits: list[float], size: int = 100) -> list[BitsPerByte]:
    return [BitsPerByte(b, None, None, b * size * math.log(2), size, size) for b in bits]


@pytest.mark.parametrize(
    ("n", "most", "context_len"), [(1000, 320, 4), (1000, 5000, 4), (70, 70, 16), (9, 9, 16)]
)
def test_pieces_come_from_all_over_and_are_no_shorter_than_a_window(n, most, context_len):
    pieces = pieces_of(np.arange(n), most=most, context_len=context_len)
    assert 1 <= len(pieces) <= 32 and len({len(piece) for piece in pieces}) == 1
    assert len(pieces[0]) > context_len or len(pieces) == 1
    flat = np.concatenate(pieces)
    assert len(set(flat.tolist())) == len(flat) <= most  # none twice
    assert flat[-1] >= n - n // len(pieces)


def test_a_change_that_is_the_same_everywhere_is_certain_however_much_the_pieces_differ():
    rng = np.random.default_rng(0)
    before = rng.uniform(1, 3, 32)
    after = before + 0.02 + rng.normal(0, 0.005, 32)
    found = change(made(before.tolist()), made(after.tolist()))
    assert found.value == pytest.approx((after - before).mean()) and found.is_clear and found.low > 0.015
    apart = joined(made(before.tolist())), joined(made(after.tolist()))
    assert apart[1].low < apart[0].value < apart[1].high  # unpaired, the same change is lost in the noise


def test_a_change_back_and_forth_is_none():
    before = [2.0] * 32
    after = [2.0 + (0.3 if i % 2 else -0.3) for i in range(32)]
    found = change(made(before), made(after))
    assert abs(found.value) < 1e-12 and not found.is_clear


def test_the_interval_covers_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for _ in range(400):
        before = rng.uniform(1, 3, 32)
        found = change(made(before.tolist()), made((before + rng.normal(0.05, 0.1, 32)).tolist()))
        covered += found.low <= 0.05 <= found.high
    assert 0.90 <= covered / 400 <= 0.98


def test_one_piece_has_no_interval_and_other_pieces_no_change():
    assert change(made([2.0]), made([1.5])).low is None and not change(made([2.0]), made([1.5])).is_clear
    with pytest.raises(ValueError, match="different pieces"):
        change(made([2.0, 2.0]), made([2.0]))


def test_scores_of_pieces_are_those_of_the_text():
    torch.manual_seed(0)
    net = Transformer(TransformerConfig(8, context_len=8, n_layer=1, n_head=2, n_embd=16))
    text = np.random.default_rng(0).integers(0, 8, 400)
    whole = joined(score(net, [text], TOKENIZER, 8))
    assert whole.value == pytest.approx(bits_per_byte(net, text, TOKENIZER, 8).value)
    parts = score(net, pieces_of(text, most=400, context_len=8), TOKENIZER, 8)
    assert joined(parts).value == pytest.approx(whole.value, rel=0.02)  # but for what stands before each
    assert joined(parts).low < whole.value < joined(parts).high
