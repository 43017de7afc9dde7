"""The picture of curves: drawn whatever is missing, the same bytes from the same data."""

import math

import pytest

from groundup.base.errors import UserError
from groundup.recipes.curves_figure import beginnings, moved, powers, write_figure
from groundup.train.curves import Curves


def curves(run: str = "", stage: str = "train", steps: int = 50, **changes) -> Curves:
    points = [(step, 4 / step) for step in range(1, steps + 1)]
    fields = dict.fromkeys(("loss", "grad_norm", "lr", "lr_scale", "tokens_per_second"), points)
    return Curves(run, stage, **{**fields, "held_out": [(1, 4.0), (steps, 1.0)], "clipped": [], **changes})


def test_png_and_svg_and_the_same_data_gives_the_same_bytes(tmp_path):
    for ending, start in ((".png", b"\x89PNG"), (".svg", b"<?xml")):
        paths = [tmp_path / f"{name}{ending}" for name in "ab"]
        for path in paths:
            write_figure(path, [curves("a"), curves("b", clipped=[(3, 1.0)])])
        first, second = (path.read_bytes() for path in paths)
        assert first == second and first.startswith(start)
        write_figure(paths[1], [curves("a", steps=49)])
        assert paths[1].read_bytes() != first


def test_names_are_text_in_the_svg_and_stages_stand_one_after_the_other(tmp_path):
    found = [curves("run_1", "pretrain"), curves("run_1", "finetune"), curves("run_2", "pretrain")]
    assert beginnings(found) == [0, 50, 0]
    assert moved([(1, 2.0), (2, math.nan), (3, 1.0)], 50) == [(51, 2.0), (53, 1.0)]
    write_figure(tmp_path / "x.svg", found)
    assert "stage after stage" in (tmp_path / "x.svg").read_text()


def test_what_a_log_lacks_is_left_out(tmp_path):
    bare = curves(lr=[], held_out=[], tokens_per_second=[], grad_norm=[])
    write_figure(tmp_path / "x.png", [bare])
    lost = curves("lost", loss=[(1, 4.0), (2, math.inf), (3, 1e9)], held_out=[])
    write_figure(tmp_path / "y.png", [lost, curves("well")])
    assert (tmp_path / "y.png").stat().st_size > 10_000


@pytest.mark.parametrize(("low", "high"), [(0.54, 0.98), (0.28, 0.8), (0.9, 31.0), (1e-4, 1e4)])
def test_a_logarithmic_axis_has_figures_however_short_it_is(low, high):
    from matplotlib.figure import Figure

    axes = Figure().subplots()
    axes.plot([1, 2], [low, high])
    powers(axes)
    shown = [tick for tick in axes.get_yticks() if low <= tick <= high]
    assert 2 <= len(shown) <= 9


def test_another_ending_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"\.png or \.svg"):
        write_figure(tmp_path / "x.pdf", [curves()])
