import dataclasses
import enum
import math
import tomllib
from pathlib import Path
from typing import Any, Literal

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.config import diff, digest, from_dict, load_toml, replace_path, to_dict, to_toml
from groundup.base.errors import ConfigError, DataError


class Norm(enum.Enum):
    RMS = "rms"
    LAYER = "layer"


@dataclasses.dataclass(frozen=True)
class Model:
    n_head: int = 4
    n_embd: int = 64
    rate: float = 1e-3
    tie: bool = False
    norm: Norm = Norm.RMS
    mlp: Literal["gelu", "swiglu"] = "swiglu"

    def __post_init__(self):
        if self.n_embd % self.n_head:
            raise ValueError(
                f"n_embd={self.n_embd} is not divisible by n_head={self.n_head}. Choose n_head from [1, 2]."
            )


@dataclasses.dataclass(frozen=True)
class Recipe:
    seed: int
    model: Model = Model()
    path: Path = Path("a/b")
    mix: tuple[float, ...] = ()
    pair: tuple[int, str] = (1, "x")
    words: list[str] = dataclasses.field(default_factory=list)
    rates: dict[str, float] = dataclasses.field(default_factory=dict)
    limit: int | None = None
    teacher: Model | None = None
    either: int | str = 0
    models: tuple[Model, ...] = ()
    derived: int = dataclasses.field(default=0, init=False)


finite = st.floats(allow_nan=False).map(lambda x: x + 0.0)  # -0.0 equals 0.0 and is written otherwise
models = st.builds(
    Model, n_head=st.sampled_from([1, 2, 4]), n_embd=st.integers(1, 99).map(lambda n: 4 * n), rate=finite,
    tie=st.booleans(), norm=st.sampled_from(Norm), mlp=st.sampled_from(["gelu", "swiglu"]),
)  # fmt: skip
text = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
recipes = st.builds(
    Recipe,
    seed=st.integers(),
    model=models,
    path=text.map(Path),
    mix=st.lists(finite, max_size=3).map(tuple),
    pair=st.tuples(st.integers(), text),
    words=st.lists(text, max_size=3),
    rates=st.dictionaries(text, finite, max_size=3),
    limit=st.none() | st.integers(),
    teacher=st.none() | models,
    either=st.integers() | text,
    models=st.lists(models, max_size=2).map(tuple),
)


@settings(max_examples=50)
@given(recipes)
def test_what_is_written_is_read_back(recipe):
    assert from_dict(Recipe, tomllib.loads(to_toml(recipe))) == recipe
    assert from_dict(Recipe, to_dict(recipe)) == recipe


@settings(max_examples=50)
@given(recipes, recipes)
def test_equal_digests_mean_equal_configurations(one, other):
    assert (digest(one) == digest(other)) == (to_dict(one) == to_dict(other))
    assert (diff(to_dict(one), to_dict(other)) == []) == (to_dict(one) == to_dict(other))


values = st.integers() | text | finite | st.booleans() | st.lists(text, max_size=3)
tables = st.dictionaries(
    text, values | st.dictionaries(text, values | st.dictionaries(text, values, max_size=2), max_size=2)
)


@settings(max_examples=50)
@given(tables)
def test_any_nested_table_round_trips(table):
    assert tomllib.loads(to_toml(table)) == table


def test_a_nan_survives():
    assert math.isnan(tomllib.loads(to_toml({"x": math.nan}))["x"])


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({"model": {"n_head": "four"}}, 'model.n_head = "four" (a string) but it must be an integer.'),
        ({"model": {"n_head": True}}, "model.n_head = true (a truth value) but it must be an integer."),
        ({"model": {"n_head": 4.0}}, "model.n_head = 4.0 (a number with a fraction) but"),
        ({"model": {"tie": 1}}, "model.tie = 1 (an integer) but it must be true or false."),
        ({"model": {"rate": "1e-3"}}, 'model.rate = "1e-3" (a string) but it must be a number.'),
        ({"model": {"rate": True}}, "model.rate = true (a truth value) but it must be a number."),
        ({"model": {"norm": "rsm"}}, "it must be one of \"rms\", \"layer\". Did you mean 'rms'?"),
        ({"model": {"mlp": "gleu"}}, "it must be one of \"gelu\", \"swiglu\". Did you mean 'gelu'?"),
        ({"model": {"n_heads": 4}}, "[model] has no setting 'n_heads'. Did you mean 'n_head'? Allowed: mlp,"),
        ({"modle": {}}, "r.toml: there is no setting 'modle'. Did you mean 'model'?"),
        ({"derived": 1}, "there is no setting 'derived'."),
        ({"model": 3}, "model = 3 (an integer) but it must be a section of settings."),
        ({"model": {"n_head": 5}}, "r.toml: [model] n_embd=64 is not divisible by n_head=5. Choose"),
        ({"mix": [1, "x"]}, 'mix[1] = "x" (a string) but it must be a number.'),
        ({"mix": 1}, "mix = 1 (an integer) but it must be a list, each item a number."),
        ({"pair": [1]}, "pair = [1] (a list of 1) but it must be a list of 2: an integer, a string."),
        ({"rates": {"a": "b"}}, 'rates.a = "b" (a string) but it must be a number.'),
        ({"limit": "none"}, 'limit = "none" (a string) but it must be an integer.'),
        ({"either": 1.5}, "either = 1.5 (a number with a fraction) but it must be an integer or a string."),
        ({"path": 3}, "path = 3 (an integer) but it must be a path."),
        ({"models": [{"n_head": "x"}]}, 'models[0].n_head = "x"'),
    ],
)  # fmt: skip
def test_each_mistake_is_named_with_key_value_and_type(content, words):
    with pytest.raises(ConfigError) as error:
        from_dict(Recipe, {"seed": 1, **content}, where="r.toml")
    assert words in str(error.value) and str(error.value).startswith("r.toml: ")
    from_dict(Recipe, {"seed": 1}, where="r.toml")  # without the mistake it is fine


def test_a_missing_setting_is_named():
    with pytest.raises(ConfigError, match="seed is missing; it must be an integer"):
        from_dict(Recipe, {})


def test_an_integer_is_a_number_and_becomes_a_float():
    rate = from_dict(Recipe, {"seed": 1, "model": {"rate": 1}}).model.rate
    assert rate == 1 and type(rate) is float


def test_exact_types_win_in_a_union():
    assert from_dict(Recipe, {"seed": 1, "either": "7"}).either == "7"
    assert from_dict(Recipe, {"seed": 1, "either": 7}).either == 7


def test_none_that_toml_cannot_say_is_refused_on_writing():
    @dataclasses.dataclass(frozen=True)
    class Bad:
        limit: int | None = 5

    assert "limit = 5" in to_toml(Bad())
    with pytest.raises(TypeError, match="limit is None but its default is 5"):
        to_toml(Bad(limit=None))


def test_what_a_configuration_cannot_hold_is_our_bug():
    @dataclasses.dataclass(frozen=True)
    class Bad:
        what: set[int] = dataclasses.field(default_factory=set)
        anything: Any = None

    with pytest.raises(TypeError, match="cannot have the type"):
        from_dict(Bad, {"what": [1]})
    with pytest.raises(TypeError, match="cannot hold a set"):
        to_dict(Bad())


def test_replace_path_checks_and_leaves_the_original_alone():
    before = Recipe(seed=1)
    after = replace_path(before, "model.n_head", 8)
    assert (before.model.n_head, after.model.n_head) == (4, 8)
    for path, value, words in (
        ("model.n_haed", 8, "no setting 'model.n_haed'. Did you mean 'n_head'?"),
        ("model.n_head", "8", "must be an integer"),
        ("model.n_head", 5, "not divisible"),
        ("seed.x", 1, "seed = 1 is a value, not a section"),
    ):
        with pytest.raises(ConfigError, match="(?s)" + words.replace("?", r"\?")):
            replace_path(before, path, value)


def test_a_file_that_is_no_toml_says_where(tmp_path):
    bad = tmp_path / "bad.toml"
    bad.write_text("seed = 1\nmodel = {\n")
    with pytest.raises(ConfigError, match=r"bad\.toml is not valid TOML: .*line"):
        load_toml(bad)
    with pytest.raises(DataError, match=r"does not exist\. Did you mean 'bad.toml'"):
        load_toml(tmp_path / "bda.toml")
    bad.write_text("")
    assert load_toml(bad) == {}


def test_diff_sees_what_it_does_not_show():
    long = "x" * 200
    assert len(diff({"a": long + "1"}, {"a": long + "2"})) == 1
    assert len(diff({"a": 1}, {"a": True})) == len(diff({"a": 1}, {"a": 1.0})) == 1


def test_diff_names_keys_and_both_values():
    assert diff({"a": {"b": 1.0}, "c": None}, {"a": {"b": 2.0}, "c": None, "d": "x"}) == [
        "a.b: 1.0 -> 2.0",
        'd: (absent) -> "x"',
    ]
    assert diff({"a": None}, {}) == []  # as in TOML
