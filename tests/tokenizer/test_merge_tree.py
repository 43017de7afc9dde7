from xml.etree import ElementTree

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from groundup.base.errors import TokenizerError
from groundup.tokenizer import BytePairTokenizer, VocabularyTokenizer
from groundup.tokenizer.merge_tree import Node, draw_merges, merge_tree, visible
from groundup.tokenizer.patterns import split

BYTES = [bytes([byte]) for byte in range(256)]


def leaves(node: Node) -> bytes:
    return b"".join(map(leaves, node.parts)) if node.parts else node.token


def nodes(node: Node) -> list[Node]:
    return [node, *(below for part in node.parts or () for below in nodes(part))]


@settings(max_examples=100)
@given(text=st.text(max_size=20) | st.text("aehlo ", max_size=30))
def test_the_tree_ends_in_the_ids(tokenizer, text):
    for piece in split(tokenizer.pattern, text):
        tree = merge_tree(tokenizer, piece.encode())
        assert [node.id for node in tree] == tokenizer.encode(piece)
        assert b"".join(map(leaves, tree)) == piece.encode()
        steps = sorted(below.step for node in tree for below in nodes(node) if below.parts)
        assert steps == list(range(1, len(steps) + 1))


def test_the_order_of_merges_is_that_of_learning():
    first = merge_tree(BytePairTokenizer([(97, 98), (98, 99)]), b"abc")
    second = merge_tree(BytePairTokenizer([(98, 99), (97, 98)]), b"abc")
    assert [node.token for node in first] == [b"ab", b"c"] and [node.token for node in second] == [
        b"a",
        b"bc",
    ]


def test_a_piece_that_is_looked_up_whole():
    (node,) = merge_tree(VocabularyTokenizer([*BYTES, b"xyz"], [], whole_pieces=True), b"xyz")
    assert (node.id, node.parts, leaves(node)) == (256, None, b"xyz")


def test_the_picture(tokenizer):
    drawn = draw_merges(tokenizer, "Fische & <b>")
    root = ElementTree.fromstring(drawn)
    words = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    assert "·" in "".join(words) and "<" in "".join(words)
    assert drawn.count("<rect") - 1 == sum(
        len(nodes(node)) for piece in split(tokenizer.pattern, "Fische & <b>")
        for node in merge_tree(tokenizer, piece.encode())
    )  # fmt: skip


@pytest.mark.parametrize("text", ["", "a" * 201])
def test_nothing_and_too_much(text):
    with pytest.raises(TokenizerError, match="drawn for 1 to 200 bytes of text, and this has"):
        draw_merges(BytePairTokenizer([]), text)


def test_what_one_sees():
    assert visible(b"\ta\x00\xff") == "\\ta\\x00\\xff"
    assert visible("你 \u200b".encode()) == "你·\\u200b"
