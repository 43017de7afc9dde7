import pytest

from groundup.base.errors import TokenizerError
from groundup.tokenizer import BytePairTokenizer
from groundup.tokenizer.compare import ARTICLE_1, compare, draw, samples, told
from tests.tokenizer.oracles import published


def test_bytes_per_token():
    letters, pairs = BytePairTokenizer([]), BytePairTokenizer([(97, 98)])
    (row,) = compare([letters, pairs], {"ab": "abab"})
    assert row.tokens == (4, 2) and row.bytes_per_token == (1.0, 2.0)
    assert told(["letters", "pairs"], [row]).splitlines()[1].split() == ["ab", "1.00", "(4)", "2.00", "(2)"]


def test_the_same_sentence_costs_more_elsewhere():
    """In tokens of GPT-2's vocabulary; GPT-4o's has grown for them."""
    tokenizers = [published("r50k"), published("o200k")]
    tokens = {row.text: row.tokens for row in compare(tokenizers, samples())}
    assert tokens.keys() == {*ARTICLE_1, "sums", "Python"}
    for language in ("Russian", "Arabic", "Hindi", "Korean"):
        old, new = tokens[language]
        assert old > 3 * tokens["English"][0] and new < 2 * tokens["English"][1], language


@pytest.mark.parametrize("ending", ["png", "svg"])
def test_the_picture(tmp_path, ending):
    tokenizers = [BytePairTokenizer([]), BytePairTokenizer([(97, 98)])]
    path = tmp_path / f"compared.{ending}"
    draw(path, ["a", "b"], compare(tokenizers, samples()))
    assert path.stat().st_size > 5_000
    if ending == "svg":
        assert "<svg" in path.read_text()


def test_an_empty_text():
    with pytest.raises(TokenizerError, match="The text mine is empty"):
        compare([BytePairTokenizer([])], {"mine": ""})
