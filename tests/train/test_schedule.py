import pytest

from groundup.base.errors import ConfigError
from groundup.train.schedule import ScheduleConfig, lr_scale


@pytest.mark.parametrize("kind", ["wsd", "cosine", "constant"])
def test_warm_up_rises_and_nothing_leaves_the_range(kind):
    config = ScheduleConfig(kind, warmup=10, decay=0.5, floor=0.1)
    scales = [lr_scale(step, 100, config) for step in range(100)]
    assert scales[:10] == pytest.approx([(step + 1) / 10 for step in range(10)])
    assert all(0.1 <= scale <= 1 for scale in scales)
    assert max(scales) == 1


@pytest.mark.parametrize("kind", ["wsd", "cosine"])
def test_the_end_is_near_the_floor(kind):
    config = ScheduleConfig(kind, decay=0.5, floor=0.1)
    last = lr_scale(999, 1000, config)
    assert 0.1 <= last < 0.102
    assert lr_scale(0, 1000, config) == 1  # so there was a way down


def test_wsd_stays_before_it_decays():
    config = ScheduleConfig("wsd", decay=0.25, floor=0.0)
    assert [lr_scale(step, 8, config) for step in range(8)] == [1, 1, 1, 1, 1, 1, 1, 0.5]


def test_no_decay_is_constant():
    assert {lr_scale(step, 7, ScheduleConfig("wsd", decay=0.0)) for step in range(7)} == {1.0}


@pytest.mark.parametrize(("field", "value"), [("warmup", -1), ("decay", 1.5), ("floor", -0.1)])
def test_impossible_numbers_refuse(field, value):
    with pytest.raises(ConfigError, match=field):
        ScheduleConfig(**{field: value})
