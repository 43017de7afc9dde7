"""The pictures of what happens inside a network, and the numbers that they are made of."""

import pytest
import torch

from groundup.base.errors import RunDirError, UserError
from groundup.base.log import EventLog
from groundup.cli.main import main
from groundup.recipes.diagnostics_figure import MOST, _some, write_inside
from groundup.train.diagnostics import bits
from groundup.train.diagnostics_data import VIEWS, figure_data, looks


def layer(name, bend="tanh", stuck=((True, False, False), (True, True, False))):
    flags = [list(row) for row in stuck]
    dead = [all(unit) for unit in zip(*flags, strict=True)]
    return {
        "name": name, "bend": bend, "weight": "w", "fan_in": 4, "normed": False, "mean": 0.0, "std": 0.6,
        "gain": 0.6, "span": [-1.0, 1.0], "bins": list(range(64)), "grad_std": 1e-3,
        "grad_span": [-0.1, 0.1], "grad_bins": [1] * 64, "beyond_97": 0.5, "beyond_99": 0.5, "units": 3,
        "dead": bits(torch.tensor(dead)), "map": [bits(torch.tensor(row)) for row in flags], "map_units": 3,
    }  # fmt: skip


@pytest.fixture
def run(tmp_path):
    """A run with three looks of one stage, the second made twice, and one look of another stage."""
    log = EventLog(tmp_path / "diagnostics.jsonl", console=False)
    for step, label, norm in ((0, "a", 1.0), (10, "a", 9.0), (5, "b", 7.0), (10, "a", 2.0), (20, "a", 3.0)):
        weight = {"name": "w", "shape": [3, 4], "std": 1.0, "grad_norm": norm, "grad_std": 1.0, "ratio": -2.0}
        bias = weight | {"name": "b", "shape": [3], "ratio": -1.0}
        log.write(
            "diagnostics", label=label, step=step, loss=3.0, vocab_size=27, layers=[layer("h.tanh")],
            weights=[weight, bias], useless_biases=[],
        )  # fmt: skip
    return tmp_path


def test_a_look_made_twice_counts_once_and_the_last_one(run):
    assert [record["step"] for record in looks(run)] == [0, 10, 20]
    assert [record["step"] for record in looks(run, "b")] == [5]
    data = figure_data("gradients", run)
    assert data["series"] == {"w": [(0, 1.0), (10, 2.0), (20, 3.0)], "b": [(0, 1.0), (10, 2.0), (20, 3.0)]}


def test_ratios_are_those_of_matrices(run):
    data = figure_data("ratios", run)
    assert list(data["series"]) == ["w"] and data["guide"] == -3.0


def test_the_picture_of_saturation_is_the_flags(run):
    (found,) = figure_data("saturation", run)["layers"]
    assert found["rows"] == [[1, 0, 0], [1, 1, 0]]


def test_histograms_are_of_the_first_and_the_last_look(run):
    data = figure_data("histograms", run)
    assert [look["step"] for look in data["looks"]] == [0, 20]
    assert len(data["looks"][0]["layers"][0]["counts"]) == 64


@pytest.mark.parametrize("view", VIEWS)
def test_every_view_is_drawn_and_again_the_same(run, tmp_path, view):
    for name in ("one.png", "two.png"):
        write_inside(tmp_path / name, figure_data(view, run))
    one = (tmp_path / "one.png").read_bytes()
    assert one.startswith(b"\x89PNG") and one == (tmp_path / "two.png").read_bytes()


def test_plot_draws_a_view_and_says_what_is_wrong(run, capsys):
    assert main(["plot", str(run), "--view", "saturation"]) == 0
    told = capsys.readouterr().out
    assert "layer 1 (h.tanh): 50 % of tanh outputs beyond 0.99" in told and "saturation.png" in told
    assert (run / "saturation.png").exists()


def test_what_is_not_there_is_said(run, tmp_path, capsys):
    with pytest.raises(UserError, match="Did you mean 'ratios'"):
        figure_data("ratio", run)
    with pytest.raises(UserError, match="Stages: a, b"):
        looks(run, "c")
    with pytest.raises(RunDirError, match=r"--fit\.diagnose-every"):
        looks(tmp_path / "nothing")
    assert main(["plot", str(run), str(run), "--view", "ratios"]) == 2
    assert "one run alone" in capsys.readouterr().err


def test_too_many_lines_are_thinned_from_first_to_last():
    assert _some(list(range(5))) == [0, 1, 2, 3, 4]
    thinned = _some(list(range(100)))
    assert len(thinned) == MOST and thinned[0] == 0 and thinned[-1] == 99
