"""The picture: a bar for each of a few matrices, a line for each kind of many."""

from matplotlib.figure import Figure

from groundup.recipes.quantize_figure import MOST_BARS, draw_by_layer, draw_errors
from groundup.weights.quantize import MatrixError

KINDS = ("attention.qkv", "attention.out", "mlp.gate_up", "mlp.down")


def errors(layers, outputs):
    inside = [
        MatrixError(f"blocks.{layer}.{kind}.weight", 4, 0.1 + layer / 1000, outputs)
        for layer in range(layers)
        for kind in KINDS
    ]
    return [MatrixError("embedding.weight", 8, 0.01, None), *inside]


def test_bars():
    axes = Figure().subplots()
    draw_errors(axes, errors(2, 0.05))
    assert len(axes.patches) == 9 + 8  # every matrix, and what eight of them give


def test_lines_over_many_layers():
    assert len(errors(30, None)) > MOST_BARS
    for outputs, lines in ((None, 4), (0.05, 8)):
        axes = Figure().subplots()
        draw_by_layer(axes, errors(30, outputs))
        assert len(axes.lines) == lines and [text.get_text() for text in axes.get_legend().texts] == list(
            KINDS
        )
        assert list(axes.lines[0].get_xdata()) == list(range(30))
        assert axes.lines[0].get_ydata()[-1] == 100 * (0.1 + 29 / 1000)
