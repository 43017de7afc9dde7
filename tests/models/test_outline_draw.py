"""Text and picture: every part has its row, and the columns stand below each other."""

from xml.etree import ElementTree

from groundup.models.catalog import build
from groundup.models.outline import outline
from groundup.models.outline_draw import as_svg, as_text, lines_of
from groundup.models.transformer import Transformer, llama

SVG = "{http://www.w3.org/2000/svg}"
MODEL = Transformer(llama(vocab_size=40, context_len=16, n_layer=3, n_head=4, n_embd=32))
TREE = outline(MODEL, name="a <b> & c")


def test_text():
    heads, first, *rows = as_text(TREE)
    assert first.startswith("a <b> & c") and f"{TREE.parameters:,}" in first
    assert len(rows) + 1 == len(lines_of(TREE)) == len(list(TREE.walk()))
    (block,) = (row for row in rows if "3 alike, each:" in row)
    end = heads.index("parameters") + len("parameters")
    for row in (first, block):
        assert row[end - 1].isdigit() and row[end : end + 2] == "  "
    assert [row.strip("│├└─ ").split(" ")[0] for row in rows if row[0] != "│" and row[0] != " "] == [
        "embedding.weight",
        "blocks",
        "norm.weight",
        "unembedding.weight",
    ]


def test_columns_of_which_nothing_is_known_are_left_out():
    told = "\n".join(as_text(outline(build("bigram", {"vocab_size": 27}))))
    assert "27 x 27" in told and "729" in told and "FLOPs" not in told and "KV" not in told


def test_picture():
    drawn = ElementTree.fromstring(as_svg(TREE, title="one <two>", notes=("a note & another",)))
    words = [element.text for element in drawn.iter(f"{SVG}text")]
    assert "one <two>" in words and "a note & another" in words and "a <b> & c" in words
    width = float(drawn.get("width"))
    bars = [e for e in drawn.iter(f"{SVG}rect") if e.get("rx")]
    assert len(bars) == 2 * len(lines_of(TREE))
    for bar in bars:
        assert 0 <= float(bar.get("x")) <= float(bar.get("x")) + float(bar.get("width")) < width
    titles = [e.text for e in drawn.iter(f"{SVG}title")]
    assert any(t.startswith("down.weight, 3 in all; 9,216 parameters, ") for t in titles)
    for element in drawn.iter(f"{SVG}text"):  # nothing reaches over the edge
        ends = element.get("text-anchor") == "end"
        assert float(element.get("x")) + (0 if ends else 7.3 * len(element.text)) < width
