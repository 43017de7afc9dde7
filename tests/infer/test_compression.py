"""Compression with a model: every file comes back, and its size is the evaluation's bits per byte."""

import math
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import CheckpointError, ConfigError, DataError, TokenizerError
from groundup.evals.bits_per_byte import bits_per_byte
from groundup.infer import compressed_file
from groundup.infer.compressed_file import FIXED, compress, decompress, parsed
from groundup.infer.compression import LANE, decode, encode, items_of, lane_bounds, pick_lanes, spelled
from groundup.models.rnn import RNN, RNNConfig
from groundup.models.transformer import Transformer, gpt2, qwen3
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.train import train

POEM = "The cat sat on the mat,\nthe rat sat on the hat.\nIt was 12 o'clock, 你好!\n"
BYTES = train([POEM * 3], vocab_size=280, pattern="gpt2")
CHARS = CharTokenizer.train(POEM)


def shaky(config):
    """A model whose predictions differ from place to place."""
    torch.manual_seed(5)
    model = Transformer(config).eval()
    for parameter in model.parameters():
        parameter.data += 0.5 * torch.randn_like(parameter)
    return model


SIZE = {"context_len": 16, "n_layer": 1, "n_head": 2, "n_embd": 16}
MODEL = shaky(qwen3(vocab_size=BYTES.vocab_size, **SIZE))
LETTERS = shaky(gpt2(vocab_size=CHARS.vocab_size, **SIZE))


def there_and_back(data, model=MODEL, tokenizer=BYTES, **more):
    packed = compress(data, model, tokenizer, start=0, **more)
    assert decompress(packed, model, tokenizer) == data
    return packed


@pytest.mark.parametrize("lanes", [None, 1, 3, 64])
@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"a",
        POEM.encode(),
        bytes(range(256)),
        b"\xff\xfe\x00\xc3(",
        POEM.encode() * 3 + b"\x80",
        b"\0" * 99,
    ],
    ids=["empty", "one", "text", "every byte", "invalid", "text and a byte", "zeros"],
)
def test_any_file_comes_back(data, lanes):
    there_and_back(data, lanes=lanes)
    there_and_back(data, LETTERS, CHARS, lanes=lanes)


@settings(max_examples=8)
@given(st.one_of(st.binary(max_size=80), st.text(max_size=40).map(lambda text: text.encode())))
def test_any_bytes_come_back(data):
    there_and_back(data)
    there_and_back(data, LETTERS, CHARS)


def test_a_model_without_a_cache_can_do_it_too():
    there_and_back(POEM.encode(), RNN(RNNConfig(vocab_size=CHARS.vocab_size)).eval(), CHARS, lanes=2)


@pytest.mark.parametrize("lanes", [1, 3])
def test_what_is_coded_is_bits_per_byte_as_evaluated(lanes):
    items = BYTES.encode_bytes((POEM * 40).encode())
    coded = 8 * len(encode(MODEL, items, start=0, lanes=lanes))

    def evaluated(stride):
        parts = [items[a:b] for a, b in pairwise(lane_bounds(len(items), lanes))]
        return sum(
            bits_per_byte(MODEL, [0, *part], BYTES, 16, stride=stride).nats / math.log(2) for part in parts
        )

    expected = evaluated(8) + math.log2(1 + len(items) / 64)  # the windows of reading.py, and no escapes
    assert coded == pytest.approx(expected, abs=9)  # bits
    assert coded != pytest.approx(evaluated(16), abs=9)  # others give another figure: the test can fail


def test_the_size_of_a_file_is_bits_per_byte_as_evaluated():
    """The whole file, header included, to half a percent: of noise, so that few tokens make many bytes."""
    data = np.random.default_rng(0).bytes(40_000)
    items = BYTES.encode_bytes(data)
    bounds = lane_bounds(len(items), 64)
    nats = sum(bits_per_byte(MODEL, [0, *items[a:b]], BYTES, 16).nats for a, b in pairwise(bounds))
    size = len(compress(data, MODEL, BYTES, start=0, lanes=64))
    assert 8 * size / len(data) == pytest.approx(nats / math.log(2) / len(data), rel=0.005)


def test_a_better_model_makes_a_smaller_file():
    learned = shaky(qwen3(vocab_size=BYTES.vocab_size, **SIZE))
    optimizer = torch.optim.AdamW(learned.parameters(), lr=1e-2)
    ids = torch.tensor(BYTES.encode(POEM * 20))
    learned.train()
    for step in range(40):
        rows = torch.stack([ids[(17 * step + 5 * row) % 200 :][:17] for row in range(8)])
        loss = torch.nn.functional.cross_entropy(learned(rows[:, :-1]).mT, rows[:, 1:])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    sizes = [len(there_and_back(POEM.encode() * 20, model, lanes=8)) for model in (learned.eval(), MODEL)]
    assert sizes[0] < sizes[1] / 2


def test_literals_cost_about_a_byte_where_there_are_many():
    data = "ÿ".encode() * 1000
    assert set(items_of(data, CHARS)) == {-1 - 0xC3, -1 - 0xBF}
    bits = 8 * len(there_and_back(data, LETTERS, CHARS, lanes=8)) / len(data)
    assert 8 < bits < 10
    assert spelled(items_of(b"\xffc", CHARS), CHARS) == b"\xffc"


def test_another_machine_decodes_to_something_else():
    """Why the probe is there: weights that differ in a last bit spoil what follows."""
    items = BYTES.encode_bytes((POEM * 10).encode())
    coded = encode(MODEL, items, start=0, lanes=1)
    assert decode(MODEL, coded, len(items), start=0, lanes=1) == items
    other = shaky(qwen3(vocab_size=BYTES.vocab_size, **SIZE))
    other.norm.weight.data *= 1 + 2e-7
    assert decode(other, coded, len(items), start=0, lanes=1) != items


def test_a_machine_that_computes_other_bits_is_refused(monkeypatch):
    packed = there_and_back(POEM.encode())
    monkeypatch.setattr(compressed_file, "probe", lambda model, lanes: b"\0" * 8)
    with pytest.raises(DataError, match="does not compute the same bits as the one that compressed"):
        decompress(packed, MODEL, BYTES)


def test_bits_that_differ_later_are_still_seen(monkeypatch):
    packed = there_and_back((POEM * 10).encode())
    monkeypatch.setattr(compressed_file, "decode", lambda *args, **more: BYTES.encode(POEM))
    with pytest.raises(DataError, match="its checksum does not fit, though file and model are whole"):
        decompress(packed, MODEL, BYTES)


def test_the_threads_are_those_of_the_file(monkeypatch):
    seen = []
    packed = there_and_back(POEM.encode())
    monkeypatch.setattr(torch, "set_num_threads", seen.append)
    decompress(packed, MODEL, BYTES)
    assert seen == [parsed(packed)[0].threads, torch.get_num_threads()]


def test_another_model_or_tokenizer_is_refused():
    packed = there_and_back(POEM.encode())
    other = shaky(qwen3(vocab_size=BYTES.vocab_size, **SIZE))
    other.norm.weight.data[3] += 1e-3
    with pytest.raises(CheckpointError, match="Only the same weights and tokenizer can read it"):
        decompress(packed, other, BYTES)
    with pytest.raises(CheckpointError, match="Only the same weights"):
        decompress(packed, MODEL, train([POEM[::-1] * 3], vocab_size=280, pattern="gpt2"))


def test_a_torn_or_altered_file_is_refused():
    packed = there_and_back(POEM.encode())
    for cut in range(len(packed)):
        with pytest.raises(DataError):
            parsed(packed[:cut])
    for place in range(len(packed)):
        altered = bytearray(packed)
        altered[place] ^= 1 << place % 8
        with pytest.raises(DataError):
            parsed(bytes(altered))
    with pytest.raises(DataError, match="was cut short: it has"):
        parsed(packed[:-1])
    with pytest.raises(DataError, match="has something behind its end"):
        parsed(packed + b"!")
    with pytest.raises(DataError, match="does not begin with GULM"):
        parsed(b"gzip")
    with pytest.raises(DataError, match="version 9"):
        parsed(packed[:4] + b"\x09" + packed[5:])


@pytest.mark.parametrize(
    "lie", [{"items": 10**9}, {"lanes": 0}, {"lanes": 4000}, {"threads": 0}, {"threads": 60_000}]
)
def test_a_header_that_says_what_cannot_be_is_refused(lie):
    packed = there_and_back(POEM.encode())
    header, coded = parsed(packed)
    forged = replace(header, **lie).packed() + coded + packed[-4:]
    with pytest.raises(DataError, match="says what cannot be"):
        parsed(forged)
    forged = replace(header, start=10**6).packed() + coded + packed[-4:]
    with pytest.raises(DataError, match="which this model does not have"):
        decompress(forged, MODEL, BYTES)


def test_a_header_is_about_a_hundred_bytes():
    assert FIXED.size == 74
    assert len(there_and_back(b"")) < 130


def test_lanes_are_for_long_texts():
    assert [pick_lanes(MODEL, n) for n in (0, LANE - 1, 2 * LANE, 10**9)] == [1, 1, 2, 64]
    wide = Transformer(qwen3(vocab_size=8, context_len=4096, n_layer=512, n_head=2, n_embd=32))
    assert pick_lanes(wide, 10**9) == 1
    with pytest.raises(ConfigError, match="lanes=0 is not possible"):
        compress(b"abc", MODEL, BYTES, start=0, lanes=0)


def test_a_tokenizer_that_loses_something_is_refused():
    class Tidy(BytePairTokenizer):
        def encode_bytes(self, data):
            return super().encode_bytes(data.replace(b"  ", b" "))

    with pytest.raises(DataError, match="does not give back what it encodes"):
        items_of(b"a  b", Tidy([]))


def test_a_vocabulary_without_some_bytes_has_literals():
    class Poor(BytePairTokenizer):
        def encode_bytes(self, data):
            raise TokenizerError("no such byte")

        def encode(self, text):
            if not text.isascii():
                raise TokenizerError("no such byte")
            return super().encode(text)

    items = items_of("aä".encode(), Poor([]))
    assert items == [97, -1 - 0xC3, -1 - 0xA4]


def test_progress_counts_the_bytes_of_the_text():
    seen = []
    data = (POEM * 3).encode() + b"\xff"
    packed = compress(data, MODEL, BYTES, start=0, lanes=2, on_bytes=seen.append)
    assert sum(seen) == len(data)
    seen.clear()
    decompress(packed, MODEL, BYTES, on_bytes=seen.append)
    assert sum(seen) == len(data)


def test_weights_that_are_damaged_are_refused():
    broken = shaky(qwen3(vocab_size=BYTES.vocab_size, **SIZE))
    broken.norm.weight.data[0] = float("nan")
    with pytest.raises(DataError, match="not a number"):
        compress(b"abc", broken, BYTES, start=0)
