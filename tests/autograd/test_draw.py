"""The picture is well-formed, says every number, and stays readable: above 400 values by neurons."""

import random
from xml.etree import ElementTree

import pytest

from groundup.autograd.draw import Box, boxes_of, draw, number
from groundup.autograd.expression import evaluate
from groundup.autograd.nn import MLP
from groundup.autograd.value import Value
from groundup.base.errors import GraphError

SVG = "{http://www.w3.org/2000/svg}"


def drawn(expression: str, **given: float) -> tuple[Value, ElementTree.Element]:
    result = list(evaluate(expression, given).values())[-1]
    result.backward()
    return result, ElementTree.fromstring(draw(result, title=expression))


def texts(root: ElementTree.Element) -> list[str]:
    return [element.text for element in root.iter(f"{SVG}text")]


def test_every_value_is_a_box_with_its_number_and_gradient():
    _, root = drawn("a=2; b=-3; c=10; f=-2; d=a*b+c; L=d*f")
    said = texts(root)
    assert {"a", "b", "c", "d", "f", "L", "*", "+"} <= set(said)
    for name, data, grad in [
        ("a", 2, 6),
        ("b", -3, -4),
        ("c", 10, -2),
        ("d", 4, -2),
        ("f", -2, 4),
        ("L", -8, 1),
    ]:
        at = said.index(name)
        assert said[at + 1 : at + 3] == [f"data {data}", f"grad {grad}"]
    assert len(list(root.iter(f"{SVG}rect"))) == 7 + 1 and len(list(root.iter(f"{SVG}path"))) == 6


def test_a_line_says_what_it_hands_back():
    _, root = drawn("a=2; b=-3; L=a*b")
    told = [element.text for path in root.iter(f"{SVG}path") for element in path]
    assert told == ["hands back -3 × 1 = -3", "hands back 2 × 1 = 2"]
    _, root = drawn("a=3; L=a+a")  # used twice: one line, both parts in it
    assert [path[0].text for path in root.iter(f"{SVG}path")] == ["hands back 2 × 1 = 2"]


def test_labels_from_outside_cannot_break_the_picture():
    a = Value(1.0, "<script>\"&'</script>")
    out = a * 2.0
    out.backward()
    svg = draw(out, title="a < b & c")
    assert "<script>" not in svg and "&lt;script&gt;" in svg
    root = ElementTree.fromstring(svg)
    assert "<script>\"&'</script>" in texts(root) and "a < b & c" in texts(root)


def test_a_long_name_is_shortened_in_the_box_and_whole_in_its_tooltip():
    name = "a_name_that_is_much_too_long_for_a_box"
    root = ElementTree.fromstring(draw(Value(1.0, name)))
    assert "a_name_that_is_much_too…" in texts(root)
    assert any(name in (element.text or "") for element in root.iter(f"{SVG}title"))


def test_text_fits_its_box():
    for box in (
        Box("x", "", 1.0, 0.5, "leaf"),
        Box("", "sigmoid", -1.234e-100, -5.678e-200, "computed", 1234),
    ):
        width, height = box.size
        assert width > 7.2 * max(map(len, box.rows)) + box.disc and height >= 17 * len(box.rows)


def test_a_network_above_400_values_is_drawn_by_its_neurons():
    model = MLP(2, [16, 16, 1], rng=random.Random(1337))
    x = [Value(1.0, "x1"), Value(-2.0, "x2")]
    y = model(x)
    y.backward()
    boxes, edges = boxes_of(y)
    assert len(boxes) == 2 + 16 + 16 + 1 and len(edges) == 2 * 16 + 16 * 16 + 16
    assert [box.operation for box in boxes].count("ReLU") == 32
    assert sum(box.inside for box in boxes) > 400
    first = next(box for box in boxes if box.operation == "ReLU")
    assert first.inside == 8  # two weights, two products, bias, two sums, the ReLU
    ElementTree.fromstring(draw(y))


def test_a_network_below_400_is_drawn_value_by_value():
    y = MLP(2, [4, 1], rng=random.Random(1))([Value(1.0), Value(2.0)])
    boxes, _ = boxes_of(y)
    assert all(box.inside == 1 for box in boxes) and len(boxes) > 40


def test_a_batch_is_refused():
    model = MLP(2, [16, 16, 1], rng=random.Random(0))
    total = Value(0.0)
    for i in range(20):
        total = total + model([float(i), 1.0])
    with pytest.raises(GraphError, match=r"with each neuron as one box, and 400 is the most"):
        draw(total)


def test_a_chain_of_a_hundred_thousand_is_one_box():
    x = Value(1.0, "x")
    y = x
    for _ in range(100_000):
        y = y + 0.5
    boxes, edges = boxes_of(y)
    assert [box.inside for box in boxes] == [200_001] and not edges


def test_numbers_are_short_and_zero_has_no_sign():
    assert (number(-0.0), number(1 / 3), number(1e300), number(-12345.678)) == (
        "0",
        "0.3333",
        "1e+300",
        "-1.235e+04",
    )
