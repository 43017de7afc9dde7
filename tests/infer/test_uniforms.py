"""Counter-based draws: any part of a stream is that part, and the numbers are uniform."""

import numpy as np

from groundup.infer.uniforms import uniforms


def test_any_part_of_a_stream_is_that_part():
    whole = uniforms(5, 2, 0, 50)
    for start in range(0, 45, 3):
        assert uniforms(5, 2, start, 5) == whole[start : start + 5]
    assert len(set(whole)) == 50


def test_streams_and_seeds_are_unrelated():
    rows = np.array([uniforms(seed, stream, 0, 200) for seed in (0, 1) for stream in (0, 1)])
    correlations = np.corrcoef(rows)[np.triu_indices(4, 1)]
    assert abs(correlations).max() < 0.25  # 3.5 standard deviations of a correlation of 200 pairs


def test_they_are_uniform_and_below_one():
    drawn = np.array(uniforms(9, 0, 0, 20_000))
    assert drawn.min() >= 0 and drawn.max() < 1
    counts = np.histogram(drawn, bins=20, range=(0, 1))[0]
    assert ((counts - 1000) ** 2 / 1000).sum() < 43.8  # chi-squared, 19 degrees of freedom: p = 0.001


def test_numpys_philox_is_the_oracle_of_the_first_numbers():
    raw = np.random.Philox(key=[3, 4], counter=0).random_raw(8)
    assert uniforms(3, 4, 0, 8) == ((raw >> np.uint64(11)) / 2.0**53).tolist()
    assert uniforms(-1, 0, 0, 1) == uniforms(2**64 - 1, 0, 0, 1)  # any integer is a seed
