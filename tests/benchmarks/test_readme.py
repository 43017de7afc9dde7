"""Figures are copied into the pages, in both languages, and a page that differs is noticed."""

import re
from dataclasses import replace

import pytest

from benchmarks import readme
from benchmarks.result import Claim, Result, write
from benchmarks.zero_to_chat import claims_of
from groundup.base.errors import DataError

PAGE = """# A

<!-- figures:time -->
<!-- /figures -->

text

<!-- figures:scores -->
old 12 %
<!-- /figures -->
"""


@pytest.fixture
def results(finished_run, tmp_path):
    write(claims_of(finished_run), tmp_path / "results" / "zero-to-chat.x.json")
    return tmp_path / "results"


def test_without_results_blocks_are_empty(tmp_path):
    filled = readme.fill(PAGE, "en", tmp_path)
    assert "12 %" not in filled
    assert filled.count("-->\n<!-- /figures -->") == 2


def test_the_figures_stand_in_the_page_and_filling_again_changes_nothing(results):
    filled = readme.fill(PAGE, "en", results)
    assert "**8 min 32 s** (all stages) on Some CPU, 2 cores, 2 threads" in filled
    assert "| spelling a word | **90.0 %** [87.0, 92.0] n=300 | **80.0 %** [77.0, 82.0] n=300 |" in filled
    assert "| the same, after as many seconds of more fine-tuning | **60.0 %** " in filled
    assert "**1.500** bits per byte, behind the best n-gram that read the same text (1.400)" in filled
    assert "test set, seed 7" in filled and "counting" not in filled  # what was not measured has no row
    assert readme.fill(filled, "en", results) == filled


def test_both_languages_have_the_same_figures(results):
    english, chinese = (readme.fill(PAGE, language, results) for language in ("en", "zh"))

    def figures(page):
        return sorted(re.findall(r"\d+(?:[.:,]\d+)*", re.sub(r"figures:\w+", "", page)))

    assert figures(english) == figures(chinese) and len(figures(english)) > 30
    assert readme.LABELS["en"].skills.keys() == readme.LABELS["zh"].skills.keys()


@pytest.fixture
def scalars(tmp_path):
    """(what was measured of the autograd floor, where it is published)."""
    pairs = {"moons-eager-vs-micrograd": 12.0, "moons-eager-vs-micrograd.gc-off": 3.5,
             "moons-replay-vs-micrograd": 2345.0, "moons-replay-vs-torch": 1.25}  # fmt: skip
    claims = [Claim(id, "moons", "ms", 1.0, theirs=x, ratio=x, peer="them") for id, x in pairs.items()]
    claims.append(Claim("scalar-gpt", "GPT", "CPU s", 7.25, n=5))
    return Result("autograd", "Some CPU", {}, "2026-01-02", tuple(claims)), tmp_path / "scalars"


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_figures_of_the_scalars(scalars, language):
    page = "<!-- figures:scalars -->\n<!-- /figures -->\n"
    result, folder = scalars
    assert readme.fill(page, language, folder) == page
    write(result, folder / "autograd.x.json")
    filled = readme.fill(page, language, folder)
    for figure in ("**12**", "3.5", "**2,345**", "**1.2**", "7.2", "n=5", "2026-01-02", "Some CPU"):
        assert figure in filled
    assert readme.fill(filled, language, folder) == filled
    write(replace(result, claims=result.claims[1:]), folder / "autograd.x.json")
    assert readme.fill(filled, language, folder) == page  # a half says nothing


@pytest.mark.parametrize(("language", "behind"), [("en", "0.53 (behind)"), ("zh", "0.53（落后）")])
def test_the_figures_of_the_tokenizer_say_where_a_peer_is_ahead(tmp_path, language, behind):
    page = "<!-- figures:encoding -->\n<!-- /figures -->\n"
    claims = [Claim("encode-warm-vs-tiktoken", "all", "MB", 28.4, theirs=1.0, ratio=28.4, peer="t", n=7),
              Claim("encode-english-vs-gigatoken", "all", "MB", 0.53, theirs=1.0, ratio=0.53, peer="g", n=7),
              Claim("start-to-first-id", "cl100k", "CPU s", 0.4)]  # fmt: skip
    assert readme.fill(page, language, tmp_path) == page
    write(Result("tokenizer", "Some CPU", {}, "2026-01-02", tuple(claims)), tmp_path / "tokenizer.x.json")
    filled = readme.fill(page, language, tmp_path)
    for figure in ("| t | **28** |", f"| g | {behind} |", "n=7", "2026-01-02", "Some CPU"):
        assert figure in filled
    assert "start" not in filled
    assert readme.fill(filled, language, tmp_path) == filled


def test_check_notices_and_the_command_mends(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(readme, "HOME", tmp_path)
    monkeypatch.setattr(readme, "fill", lambda page, language: page.replace("old", "new"))
    for name in readme.PAGES:
        (tmp_path / name).write_text(PAGE)
    assert readme.main(["--check"]) == 1
    assert "README.zh-CN.md differs" in capsys.readouterr().out
    assert (tmp_path / "README.md").read_text() == PAGE
    assert readme.main([]) == 0
    assert "new 12 %" in (tmp_path / "README.md").read_text()
    assert readme.main(["--check"]) == 0


def test_a_block_that_nobody_knows_is_refused(tmp_path):
    with pytest.raises(DataError, match="'speed'"):
        readme.fill(PAGE.replace("figures:time", "figures:speed"), "en", tmp_path)


def test_what_fewer_bits_cost(tmp_path):
    page = "<!-- figures:fewer-bits -->\n<!-- /figures -->\n"
    ways = {"int8": -0.0001, "int4-nearest": 0.0211, "int4-gptq": 0.0012}
    claims = [
        Claim(f"{model}.{way}.perplexity", "growth", "share", grew, n=9, spread=(grew - 0.001, grew + 0.001))
        for model in ("chat", "larger")
        for way, grew in ways.items()
    ]
    result = Result("quantization", "Some CPU", {}, "2026-11-24", tuple(claims[:-1]))  # one is missing
    write(result, tmp_path / "quantization.x.json")
    filled = readme.fill(page, "en", tmp_path)
    assert "**-0.01 %** [-0.11, +0.09] | **+2.11 %** [+2.01, +2.21] | **+0.12 %**" in filled
    assert filled.count("%**") == 3 and "10.7 M" not in filled
    assert readme.fill(filled, "en", tmp_path) == filled
    assert readme.LABELS["en"].fewer.keys() == readme.LABELS["zh"].fewer.keys()
