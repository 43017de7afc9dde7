"""What is chosen, on machines whose speed the test says."""

import dataclasses

import numpy as np
import pytest

from groundup.base.errors import ConfigError
from groundup.models.cost import parameters
from groundup.recipes import my_text_plan
from groundup.recipes.my_text import MyText, OwnFitConfig, OwnModelConfig, OwnTextConfig
from groundup.recipes.my_text_law import LADDER, MOST_READINGS, fits
from groundup.recipes.my_text_plan import TextFacts, complete


@pytest.fixture
def machine(monkeypatch):
    """`machine(flops)`: a step takes its arithmetic over so many operations a second, and no test waits."""

    def of(flops: float) -> list:
        asked = []

        def seconds_per_step(shape, tokens, *, batch_size, **rest):
            asked.append((shape, batch_size))
            return 6 * parameters(shape) * batch_size * shape.context_len / flops

        monkeypatch.setattr(my_text_plan, "seconds_per_step", seconds_per_step)
        return asked

    return of


def facts(unique: float, encode: float = 0.0) -> TextFacts:
    return TextFacts(np.arange(1000) % 50, unique=unique, encode=encode)


def planned(recipe: MyText | None = None, *, unique: float = 1e8, seconds: float = 800, encode: float = 0.0):
    recipe = recipe or MyText(device="cpu")
    return complete(recipe, facts(unique, encode), vocab_size=100, seconds=seconds)


def test_nothing_is_left_open(machine):
    machine(1e10)
    recipe = planned().recipe
    training = recipe.training()  # asserts it
    assert training.fit.steps == recipe.fit.steps and training.model.n_embd == recipe.model.n_embd
    assert recipe.fit.precision == "float32" and recipe.data.use is not None


def test_a_faster_machine_or_more_time_gives_a_larger_model(machine):
    def width(flops, seconds):
        machine(flops)
        return planned(seconds=seconds).recipe.model.n_embd

    assert width(1e10, 100) <= width(1e10, 1000) <= width(1e12, 1000) <= width(1e12, 10_000)
    assert width(1e10, 100) == LADDER[0].n_embd < width(1e13, 10_000) == LADDER[-1].n_embd


def test_the_largest_that_the_law_allows_is_taken_and_the_next_was_tried(machine):
    asked = machine(1e10)
    plan = planned(seconds=800)
    assert [trial.fits for trial in plan.trials] == [True] * (len(plan.trials) - 1) + [False]
    assert plan.chosen == plan.trials[-2]
    assert len({shape.n_embd for shape, _ in asked}) == len(plan.trials) < len(LADDER)  # no further than that


def test_the_time_is_used(machine):
    """Steps, and an eighth of it for looks: within a step of what there is."""
    machine(1e10)
    trial = planned(seconds=800).chosen
    assert trial.seconds_per_step is not None
    assert 0.97 * 800 < my_text_plan.LOOKS_TOO * trial.steps * trial.seconds_per_step <= 800


def test_a_small_text_gives_a_small_model_and_an_end(machine):
    """However fast the machine is."""
    machine(1e15)
    plan = planned(unique=200_000)
    assert plan.chosen.tokens <= MOST_READINGS * 200_000
    assert plan.recipe.model.n_embd < LADDER[-1].n_embd
    assert not any("too small" in text for text in plan.warnings)
    assert any("too small" in text for text in planned(unique=5_000).warnings)


def test_a_large_text_is_read_in_part_and_what_it_costs_to_encode_is_counted(machine):
    machine(1e10)
    free, dear = planned(unique=1e9), planned(unique=1e9, encode=1e-5)
    assert free.recipe.data.use == pytest.approx(my_text_plan.MARGIN * free.chosen.tokens / 1e9, rel=1e-3)
    assert dear.chosen.tokens < free.chosen.tokens
    assert planned(unique=1e5).recipe.data.use == 1.0
    assert planned(MyText(device="cpu", data=OwnTextConfig(use=0.5))).recipe.data.use == 0.5


def test_what_was_asked_for_is_kept_and_its_steps_are_found(machine):
    asked = machine(1e10)
    shape = OwnModelConfig(n_layer=1, n_embd=32, context_len=64, dropout=0.1)
    plan = planned(MyText(device="cpu", model=shape))
    assert dataclasses.replace(plan.recipe.model, n_head=None) == shape and plan.recipe.model.n_head == 1
    assert len(plan.trials) == 1 and all(s.n_embd == 32 for s, _ in asked)


def test_with_the_steps_given_no_clock_is_asked(machine):
    asked = machine(1e10)
    plan = planned(MyText(device="cpu", fit=OwnFitConfig(steps=7_000)))
    assert plan.recipe.fit.steps == 7_000 and not asked
    assert plan.chosen.seconds_per_step is None
    assert plan.chosen.fits  # the size is one that so many steps suffice for
    longer = planned(MyText(device="cpu", fit=OwnFitConfig(steps=700_000)))
    assert longer.recipe.model.n_embd > plan.recipe.model.n_embd


def test_a_plan_of_a_plan_is_the_same_plan(machine):
    asked = machine(1e10)
    first = planned().recipe
    asked.clear()
    assert planned(first, seconds=1.0).recipe == first and not asked


def test_a_larger_shape_than_the_law_allows_is_trained_with_a_warning(machine):
    machine(1e10)
    shape = OwnModelConfig(n_layer=6, n_embd=384)
    plan = planned(MyText(device="cpu", model=shape))
    assert plan.recipe.model.n_embd == 384
    assert any("larger than the law advises" in text for text in plan.warnings)
    assert not any("larger than the law" in text for text in planned().warnings)


def test_too_little_time_is_said(machine):
    machine(1e10)
    assert any("enough for only" in text for text in planned(seconds=5).warnings)
    assert planned(seconds=-3).recipe.fit.steps == 1  # reading alone took longer: it still ends


def test_what_does_not_fit_into_the_memory_is_not_built(machine, monkeypatch):
    asked = machine(1e15)
    monkeypatch.setattr(my_text_plan, "memory_there", lambda device: 50_000_000)
    plan = planned(seconds=10_000)
    assert 0 < plan.recipe.model.n_embd < LADDER[-1].n_embd and plan.chosen.fits
    asked.clear()
    with pytest.raises(
        ConfigError, match=r"A model of .* weights with batches of 8 x 128 tokens needs about"
    ):
        planned(MyText(device="cpu", model=OwnModelConfig(n_layer=40, n_embd=2048)))
    assert not asked


def test_batches_grow_where_much_is_read_as_far_as_they_fit(machine, monkeypatch):
    machine(1e10)
    monkeypatch.setattr(my_text_plan, "memory_there", lambda device: 80_000_000_000)
    small = planned(seconds=100).recipe.fit.batch_size
    machine(1e14)
    large = planned(seconds=1000).recipe
    assert large.fit.batch_size > small
    monkeypatch.setattr(my_text_plan, "memory_there", lambda device: 2_000_000_000)
    assert small <= planned(seconds=1000).recipe.fit.batch_size < large.fit.batch_size
    assert planned(MyText(device="cpu", fit=OwnFitConfig(batch_size=3))).recipe.fit.batch_size == 3


def test_what_fits_is_the_laws_word(machine):
    machine(3e11)
    for trial in planned(unique=3e6).trials:
        assert trial.fits == fits(trial.weights, trial.tokens, 3e6)
