"""adapt from a small base to the report: what is gained, what is forgotten, and what is refused."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from groundup.base.config import from_dict, load_toml, replace_path, to_dict
from groundup.base.errors import CheckpointError, ConfigError, DataError
from groundup.base.log import EventLog
from groundup.base.rundir import RunDir
from groundup.recipes.adapt import RATES, Adapt
from groundup.recipes.adapt_report import forgetting_in_words
from groundup.recipes.my_text import MyText, OwnFitConfig, OwnTextConfig
from groundup.weights import checkpoint

OLD = "The cat sat on the mat,\nthe rat sat on the hat.\n"
NEW = "hot tea at noon,\nham on the shore at ten.\n"  # the same letters, other words


def run(settings, recipe: str, out: str) -> str:
    opened = RunDir.open(
        Path(out), recipe=recipe, config=to_dict(settings), seed=settings.seed, console=False
    )
    return settings.run(opened)


@pytest.fixture(scope="module")
def base(tmp_path_factory) -> Path:
    """A run of my-text that knows the old text, in an alphabet that has the new one's letters too."""
    folder = tmp_path_factory.mktemp("base")
    (folder / "old.txt").write_text("hot ten shore nom\n" + OLD * 120)
    made = MyText(data=OwnTextConfig(path=folder / "old.txt"), device="cpu")
    for path, value in {
        "model.n_layer": 1, "model.n_embd": 32, "model.context_len": 16, "fit.steps": 120,
        "fit.batch_size": 8, "fit.looks": 4, "fit.patience": 0,
    }.items():  # fmt: skip
        made = replace_path(made, path, value)
    run(made, "my-text", str(folder / "run"))
    return folder / "run"


def recipe(base: Path | None, text: str | None = NEW * 80, **changes) -> Adapt:
    if text is not None:
        Path("new.txt").write_text(text)
    made = Adapt(
        base=base,
        data=OwnTextConfig(path=Path("new.txt"), source=""),
        fit=OwnFitConfig(steps=60, batch_size=8, looks=4, patience=0),
        replay=0.25,
        device="cpu",
    )
    return replace(made, **changes)


def summary(out: str = "run") -> dict:
    return json.loads((Path(out) / "report" / "summary.json").read_text())


def weights(out: str | Path) -> bytes:
    return (Path(out) / "model" / "model.safetensors").read_bytes()


def test_the_new_text_is_learned_and_both_texts_are_scored_before_and_after(base):
    said = run(recipe(base), "adapt", "run")
    texts = summary()["texts"]
    new, old = texts["new"], texts["old"]
    assert new["change"]["value"] < -1 and new["change"]["high"] < 0  # bits per byte, gained
    assert old["before"]["value"] < 1 < new["before"]["value"]  # the base knew one and not the other
    for found in (new, old):
        assert found["change"]["value"] == pytest.approx(found["after"]["value"] - found["before"]["value"])
    assert f"New text, held out: {new['before']['value']:.3f} -> {new['after']['value']:.3f}" in said
    assert "25% of them from the old text" in said and "forg" in said
    assert Path("run/report/report.png").read_bytes().startswith(b"\x89PNG")
    made, known = checkpoint.load("run/model"), checkpoint.load(base / "model")
    before, after = (found.manifest.extra["data"] for found in (known, made))
    assert after[: len(before)] == before and len(after) == len(before) + 1
    assert made.tokenizer.fingerprint == known.tokenizer.fingerprint


def test_it_starts_from_the_weights_of_the_base_and_leaves_them_alone(base):
    before = weights(base)
    run(recipe(base), "adapt", "run")
    assert weights(base) == before != weights("run")
    first = next(EventLog(Path("run/events.jsonl"), console=False).read("eval"))
    known = summary()["texts"]["new"]["before"]["value"]
    assert first["step"] == 0 and first["bits_per_byte"] == pytest.approx(known)


def test_replay_forgets_less(base):
    run(recipe(base, replay=0.5), "adapt", "with")
    run(recipe(base, replay=0.0), "adapt", "without")
    kept, lost = (summary(name)["texts"]["old"]["change"]["value"] for name in ("with", "without"))
    assert lost > kept + 0.05
    assert summary("without")["replay"] == 0 and "old" in summary("without")["texts"]  # measured all the same


@pytest.mark.slow
def test_the_same_words_twice_give_the_same_bits_and_a_second_run_nothing_to_do(base):
    first = run(recipe(base), "adapt", "a")
    stamp = Path("a/train/last/manifest.json").stat().st_mtime_ns
    assert run(recipe(base), "adapt", "a") == first
    assert Path("a/train/last/manifest.json").stat().st_mtime_ns == stamp
    run(recipe(base), "adapt", "b")
    assert weights("a") == weights("b")
    run(recipe(base, seed=5), "adapt", "c")
    assert weights("c") != weights("a")  # the comparison can fail


def test_what_the_plan_chose_is_written_down(base):
    run(recipe(base), "adapt", "run")
    content = load_toml(Path("run/plan/chosen.toml"))
    assert content.pop("recipe") == "adapt"
    chosen = from_dict(Adapt, content)
    assert chosen.fit.steps == 60 and chosen.fit.precision == "float32"
    assert 0 < chosen.data.use <= 1


def test_a_base_without_its_text_is_refused_until_replay_is_given_up(base):
    checkpoint.copy(base / "model", "alone/model", extra={})
    with pytest.raises(ConfigError, match=r"--old RUN.*--replay 0"):
        run(recipe(Path("alone")), "adapt", "refused")
    said = run(recipe(Path("alone"), replay=0.0), "adapt", "run")
    assert "was not measured" in said and list(summary()["texts"]) == ["new"]
    run(recipe(Path("alone"), old=base), "adapt", "named")
    assert "old" in summary("named")["texts"]


def test_a_letter_that_the_base_does_not_know_is_refused_by_name(base):
    with pytest.raises(DataError, match=r"2 more: 'Z' \(U\+005A\), 'é' \(U\+00E9\)"):
        run(recipe(base, NEW * 80 + "Zoé"), "adapt", "run")


def test_a_tampered_base_is_refused(base):
    checkpoint.copy(base / "model", "harmed/model", extra={})
    path = Path("harmed/model/model.safetensors")
    content = bytearray(path.read_bytes())
    path.unlink()  # it is a link to the base's own
    content[-1] ^= 1
    path.write_bytes(content)
    with pytest.raises(CheckpointError, match=r"altered or damaged: its SHA-256"):
        run(recipe(Path("harmed"), replay=0.0), "adapt", "run")


@pytest.mark.parametrize(
    ("changes", "error", "says"),
    [
        ({"base": None}, ConfigError, "needs a model to go on from.*--base RUN"),
        ({"base": Path("nowhere")}, CheckpointError, "nowhere does not exist"),
        ({"data": OwnTextConfig(source="")}, ConfigError, r"needs a text to learn.*--data\.path"),
        ({"data": OwnTextConfig(path=Path("gone.txt"), source="")}, DataError, "no file or folder"),
        ({"text": "tea"}, DataError, "Of 3 characters none is left|tokens are"),
    ],
)
def test_what_is_missing_is_said(base, changes, error, says):
    given = {"base": base, "text": NEW * 80, **changes}
    with pytest.raises(error, match=says):
        run(recipe(given.pop("base"), given.pop("text"), **given), "adapt", "run")


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"minutes": 0.0}, "minutes=0.0 is not possible"),
        ({"peak": float("nan")}, "peak=nan"),
        ({"readings": float("inf")}, "readings=inf"),
        ({"replay": 1.0}, r"replay=1\.0 is not a share"),
        ({"warmup": -0.1}, r"warmup=-0\.1"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, says):
    with pytest.raises(ConfigError, match=says):
        Adapt(**wrong)


def test_the_schedule_rises_to_a_share_of_every_rate_and_falls():
    made = recipe(None, None, peak=0.25)
    for name in RATES:
        assert getattr(made.rates(), name) == pytest.approx(0.25 * getattr(made.optim, name))
    assert made.rates().weight_decay == made.optim.weight_decay
    schedule = made.schedule()
    assert (schedule.kind, schedule.warmup, schedule.floor) == ("cosine", 3, 0.05)


def test_forgetting_in_words_has_four_endings():
    def said(value: float, low: float, high: float) -> str:
        change = {"value": value, "low": low, "high": high}
        return forgetting_in_words({"replay": 0.1, "texts": {"old": {"change": change}}})

    assert "not measured" in forgetting_in_words({"texts": {}})
    assert "nothing that could be measured" in said(0.01, -0.01, 0.03)
    assert "better than before" in said(-0.1, -0.2, -0.05)
    assert "more --replay (such as 0.2)" in said(0.3, 0.2, 0.4)


def test_the_preset_is_this_recipe():
    from groundup.recipes import adapt

    content = load_toml(Path(adapt.__file__).with_name("presets") / "adapt.toml")
    assert content.pop("recipe") == "adapt"
    assert from_dict(Adapt, content) == Adapt()
