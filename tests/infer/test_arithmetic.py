"""The coder alone: every sequence comes back, in as many bits as it is surprising."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from groundup.infer.arithmetic import MOST_TOTAL, WHOLE, Decoder, Encoder

TABLES = st.lists(st.one_of(st.integers(1, 5), st.integers(1, 1 << 30)), min_size=1, max_size=20)


def coded(symbols, sizes):
    encoder, total = Encoder(), sum(sizes)
    for symbol in symbols:
        encoder.encode(sum(sizes[:symbol]), sizes[symbol], total)
    return encoder.finish()


def decoded(data, count, sizes):
    decoder, total, found = Decoder(data), sum(sizes), []
    for _ in range(count):
        place, symbol = decoder.place(total), 0
        while sum(sizes[: symbol + 1]) <= place:
            symbol += 1
        decoder.take(sum(sizes[:symbol]), sizes[symbol], total)
        found.append(symbol)
    return found


@given(st.data(), TABLES)
def test_what_was_coded_comes_back_in_its_surprise(data, sizes):
    symbols = data.draw(st.lists(st.integers(0, len(sizes) - 1), max_size=60))
    out = coded(symbols, sizes)
    assert decoded(out, len(symbols), sizes) == symbols
    bits = -sum(math.log2(sizes[symbol] / sum(sizes)) for symbol in symbols)
    assert 8 * len(out) < bits + 8.01


def test_a_carry_runs_through_bytes_already_written():
    """The last of three shares again and again is 0xffff...; then a number just above needs the carry."""
    sizes = [1, 1, (1 << 24) - 2]
    carried = 0
    for ones in range(1, 40):
        for last in ([0], [1], [1, 0], [2, 1, 0]):
            symbols = [1] * (ones % 3) + [2] * ones + last
            out = coded(symbols, sizes)
            assert decoded(out, len(symbols), sizes) == symbols
            carried += out.count(0) > 0
    assert carried


def test_the_carry_is_needed(monkeypatch):
    sizes = [5, 9, 2]
    symbols = [(7 * i * i + i) % 3 for i in range(400)]
    assert decoded(coded(symbols, sizes), 400, sizes) == symbols
    monkeypatch.setattr(Encoder, "_carry", lambda self: None)
    assert decoded(coded(symbols, sizes), 400, sizes) != symbols


def test_nothing_is_nothing():
    assert coded([], [1]) == b"" and coded([0] * 1000, [1]) == b""


def test_another_table_decodes_to_something_else():
    sizes, symbols = [3, 1, 4, 1, 5], [4, 1, 0, 2, 3] * 9
    assert decoded(coded(symbols, sizes), 45, [1, 3, 4, 1, 5]) != symbols


@pytest.mark.parametrize("share", [(0, 0, 4), (3, 2, 4), (-1, 1, 4), (0, 1, MOST_TOTAL + 1)])
def test_what_is_no_share_is_refused(share):
    with pytest.raises(ValueError, match="is no share"):
        Encoder().encode(*share)
    with pytest.raises(ValueError, match="is no share"):
        Decoder(b"").take(*share)


def test_the_most_total_leaves_room():
    assert (WHOLE >> 8) // MOST_TOTAL >= 1 << 16
