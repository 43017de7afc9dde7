from pathlib import Path
from xml.etree import ElementTree

import pytest

from groundup.cli.main import main


def test_a_picture_and_a_table_of_what_is_in_it(capsys):
    assert main(["graph", "a=2; b=-3; c=10; f=-2; d=a*b+c; L=d*f", "-o", "g.svg"]) == 0
    told = capsys.readouterr().out
    assert "d L / d a = 6" in told and "d L / d f = 4" in told and "g.svg: open it" in told
    ElementTree.parse("g.svg")


def test_numbers_for_names_in_any_place(capsys):
    words = [
        "--x1",
        "2",
        "--x2=0",
        "tanh(x1*w1 + x2*w2 + b)",
        "--w1",
        "-3",
        "--w2=1",
        "--b",
        "6.8813735870195432",
    ]
    assert main(["graph", *words]) == 0
    told = capsys.readouterr().out
    assert "result         0.7071" in told and "d result / d x1 = -1.5" in told
    assert Path("graph.svg").exists()


def test_a_network_instead(capsys):
    assert main(["graph", "--mlp", "2,16,16,1", "-o", "net.svg", "--seed", "3"]) == 0
    assert "d y / d x2" in capsys.readouterr().out
    first = Path("net.svg").read_text()
    assert ">L2 n16<" in first and "L1 n1 w1" not in first  # each neuron is one box
    assert "MLP of 2,16,16,1, seed 3" in first
    assert main(["graph", "--mlp", "2,16,16,1", "-o", "net.svg", "--seed", "4"]) == 0
    assert Path("net.svg").read_text() != first
    assert main(["graph", "--mlp", "2,3,1", "-o", "net.svg"]) == 0
    small = Path("net.svg").read_text()
    for name in ("x1", "L1 n3 w2", "L1 n3 b", "L1 n3", "L2 n1 w3", "y"):
        assert f">{name}<" in small  # each weight is, with its name


@pytest.mark.parametrize(
    ("words", "says"),
    [
        ([], "Give an expression"),
        (["a=1", "--mlp", "2,1"], "One of the two"),
        (["--mlp", "2,a"], "sizes are whole numbers"),
        (["--mlp", "2,3"], "the last is 1"),
        (["--mlp", "2"], "the last is 1"),
        (["--mlp", "2,1", "--x1", "3"], "--mlp has none"),
        (["a*2", "--a", "two"], "--a two: a number must follow"),
        (["a*2", "--a"], "a number must follow"),
        (["a*2", "--a", "nan"], "cannot be NaN"),
        (["a*2", "--a", "1", "--c", "1"], "'c' is given a number, and the expression does not use it"),
        (["a=1", "-o", "g.png"], "the picture is SVG"),
        (["a=1; b=c"], "'c' has no value yet"),
        (["__import__('os')"], "no function '__import__'"),
    ],
)
def test_bad_input_is_one_paragraph_and_no_file(words, says, capsys):
    assert main(["graph", *words]) == 2
    said = capsys.readouterr().err
    assert says in " ".join(said.split()) and "Traceback" not in said
    assert not list(Path().glob("*.svg")) and not list(Path().glob("*.png"))


def test_help(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["graph", "--help"])
    assert stop.value.code == 0 and "EXPR" in capsys.readouterr().out
