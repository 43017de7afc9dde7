"""The arithmetic of the benchmark; what it times has no place in a test."""

import time

import pytest
import torch

from groundup.base.errors import ConfigError
from groundup.infer.bench import (
    Roof,
    Timing,
    check_lengths,
    made_up_prompts,
    measure_roof,
    step_bytes,
    summarised,
    timed,
    writer,
)
from groundup.models.transformer import Transformer, qwen3

SIZE = {"vocab_size": 50, "context_len": 32, "n_layer": 2, "n_head": 2, "n_embd": 16}


def test_a_writer_ticks_once_for_each_token_of_all_rows():
    model = Transformer(qwen3(**SIZE)).eval()
    timing = timed(writer(model), made_up_prompts(50, 3, 8), 10)
    assert timing.batch == 3 and len(timing.gaps) == 9
    assert min(timing.gaps) > 0 and timing.first > 0
    with pytest.raises(ValueError, match="ticked 2 times for 3 tokens"):
        timed(lambda prompts, n, tick: (tick(), tick()), [[1]], 3)


def test_the_time_is_that_of_the_writer():
    def slow(prompts, new_tokens, tick):
        for pause in (0.03, 0.01, 0.01):
            time.sleep(pause)
            tick()

    timing = timed(slow, [[1], [2]], 3)
    assert timing.first >= 0.03 and all(gap >= 0.01 for gap in timing.gaps)
    assert timing.tokens_per_second <= 6 / 0.05


def test_prompts_share_nothing():
    prompts = made_up_prompts(1000, 4, 16)
    assert len({tuple(prompt[:4]) for prompt in prompts}) == 4 and prompts == made_up_prompts(1000, 4, 16)


def test_what_a_step_reads():
    tied, free = (Transformer(qwen3(**SIZE, tie=tie)) for tie in (True, False))
    every = 4 * sum(parameter.numel() for parameter in free.parameters())
    table, row, past = 4 * 50 * 16, 4 * 16, 2 * 2 * 16 * 4
    assert step_bytes(free, 1, 0) == every - table + row
    assert step_bytes(free, 3, 10) == every - table + 3 * row + 3 * 10 * past
    assert step_bytes(free, 100, 0) == every  # more rows than the table has
    assert step_bytes(tied, 5, 0) == every - table


def test_shares_and_spreads():
    model = Transformer(qwen3(**SIZE))
    seen = step_bytes(model, 2, 8 + 1)
    roof = Roof(copy=seen * 5.0, triad=seen * 10.0, read=seen * 8.0, read_small=seen * 20.0, bytes=1)
    assert roof.memory == seen * 10 and roof.model == seen * 20
    rounds = [
        Timing(2, 1.0, (0.1, 0.2, 0.3)),
        Timing(2, 3.0, (0.4, 0.4, 0.4)),
        Timing(2, 2.0, (0.1, 0.1, 9.0)),
    ]
    row = summarised(rounds, model, 8, roof)
    assert row.first == (2.0, 1.0, 3.0) and row.token == (0.2, 0.1, 0.4) and row.p99 == 9.0
    assert row.share_of_memory == pytest.approx(0.5) and row.share_of_roof == pytest.approx(0.25)
    assert row.tokens_per_second[2] == pytest.approx(2 * 4 / 1.6)


def test_the_roof_is_positive_and_its_small_part_as_large_as_asked():
    roof = measure_roof(100_000, size=1 << 20, rounds=2)
    assert min(roof.copy, roof.triad, roof.read, roof.read_small) > 1e6 and roof.bytes == 100_000


def test_lengths_that_do_not_fit_are_refused():
    check_lengths(32, 16, 16)
    for prompt, new, message in (
        (17, 16, "do not fit the 32"),
        (0, 5, "cannot be timed"),
        (5, 1, "cannot be"),
    ):
        with pytest.raises(ConfigError, match=message):
            check_lengths(32, prompt, new)
    assert torch.get_num_threads() == 1
