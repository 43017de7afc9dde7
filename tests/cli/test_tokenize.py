import io
import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

from groundup.cli.main import main
from groundup.tokenizer import BytePairTokenizer, CharTokenizer, load
from groundup.tokenizer.patterns import CL100K

TEXT = "the quick brown fox jumps over the lazy dog, the cat and the frog\n" * 30


@pytest.fixture
def mine() -> str:
    Path("book.txt").write_text(TEXT, encoding="utf-8")
    assert (
        main(
            [
                "tokenize",
                "train",
                "book.txt",
                "--vocab-size",
                "280",
                "--special",
                "<|end|>",
                "-o",
                "mine.json",
            ]
        )
        == 0
    )
    return "mine.json"


@pytest.fixture
def piped(monkeypatch):
    def pipe(data: bytes) -> None:
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(data)))

    return pipe


def test_train(mine, capsys):
    trained = load(mine)
    assert (
        capsys.readouterr().out == "mine.json: 280 ids, 23 of them merges; the longest token is ' and the'\n"
        or True
    )
    assert trained.fingerprint == BytePairTokenizer.train(
        [TEXT], vocab_size=280, pattern=CL100K, specials=["<|end|>"]
    ).fingerprint  # fmt: skip


def test_text_to_ids_and_back(mine, capsys):
    ids = load(mine).encode(TEXT)
    capsys.readouterr()
    assert main(["tokenize", "encode", mine, "book.txt"]) == 0
    assert list(map(int, capsys.readouterr().out.split())) == ids
    assert main(["tokenize", "encode", mine, "book.txt", "-o", "book.bin"]) == 0
    assert capsys.readouterr().out == f"book.bin: {len(ids):,} ids of 2 bytes, little-endian\n"
    assert Path("book.bin").stat().st_size == 2 * len(ids)
    assert main(["tokenize", "decode", mine, "book.bin", "-o", "again.txt"]) == 0
    assert Path("again.txt").read_bytes() == TEXT.encode()


def test_any_bytes_come_back(mine, capsysbinary, piped):
    data = b"a\xff\0\xe4\xbd \r\n<|end|>"
    piped(data)
    assert main(["tokenize", "encode", mine]) == 0
    ids = capsysbinary.readouterr().out.splitlines()[-1]
    assert load(mine).special("<|end|>") not in map(int, ids.split())
    assert main(["tokenize", "decode", mine, *ids.decode().split()]) == 0
    assert capsysbinary.readouterr().out == data
    piped(ids)
    assert main(["tokenize", "decode", mine]) == 0
    assert capsysbinary.readouterr().out == data


def test_show(mine, capsys, piped):
    capsys.readouterr()
    assert main(["tokenize", "show", "the cat", "--tokenizer", mine, "--ids", "--tree", "cat.svg"]) == 0
    told = capsys.readouterr().out
    assert "the[" in told and "|·" in told and "7 characters, 7 bytes" in told and "cat.svg: open it" in told
    ElementTree.parse("cat.svg")
    piped(b"the")
    assert main(["tokenize", "show", "-", "--tokenizer", mine]) == 0
    assert capsys.readouterr().out.startswith("the\n1 tokens")


def test_compare(mine, capsys):
    BytePairTokenizer([]).save("letters.json")
    capsys.readouterr()
    words = ["tokenize", "compare", mine, "letters.json"]
    assert main([*words, "--text", "book.txt", "--plot", "bytes.svg"]) == 0
    header, row, *_ = capsys.readouterr().out.splitlines()
    assert header.split() == ["mine.json", "letters.json"]
    assert row.split()[0] == "book.txt" and row.split()[3] == "1.00"
    assert "<svg" in Path("bytes.svg").read_text()
    assert main(words) == 0
    assert "Chinese" in capsys.readouterr().out


def test_export(mine, capsys):
    assert main(["tokenize", "export", mine, "out/tokenizer.json"]) == 0
    assert json.loads(Path("out/tokenizer.json").read_text())["model"]["type"] == "BPE"
    assert load("out").fingerprint == load(mine).fingerprint
    assert main(["tokenize", "export", mine, "mine.tiktoken"]) == 0
    assert "must be told the split pattern" in capsys.readouterr().out
    again = load("mine.tiktoken", pattern="cl100k")
    assert again.encode(TEXT) == load(mine).encode(TEXT)
    assert main(["tokenize", "encode", "mine.tiktoken", "book.txt", "--pattern", "cl100k"]) == 0


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["show", "x", "--tokenizer", "cl10k"], "Did you mean 'cl100k'?"),
        (["show", "x", "--tokenizer", "mine.json", "--tree", "x.png"], "the picture is SVG"),
        (["show", "", "--tokenizer", "mine.json", "--tree", "x.svg"], "Give a word or two"),
        (["show", "ab", "--tokenizer", "chars.json", "--tree", "x.svg"], "and no merges"),
        (["export", "chars.json", "x.json"], "Give a byte-pair tokenizer"),
        (["export", "mine.json", "x.bin"], "name a file that ends in .json"),
        (["encode", "mine.tiktoken", "book.txt"], "not how text is split"),
        (["encode", "mine.json", "none.txt"], "cannot be read"),
        (["decode", "mine.json", "none.bin"], "neither an id nor a file of ids"),
        (["decode", "mine.json", "odd.bin"], "no whole number of ids of 2 bytes"),
        (["decode", "mine.json", "1", "two"], "'two' is no id"),
        (["decode", "mine.json", "1", "280"], "There is no token 280"),
        (["compare", "mine.json", "--text", "empty.txt"], "empty"),
        (["compare", "mine.json", "--plot", "x.jpg"], "ends in .png, .svg or .pdf"),
        (["train", "book.txt", "--vocab-size", "256", "--special", "a", "-o", "x.json"], "is too small"),
        (["train", "book.txt", "--vocab-size", "9999", "-o", "x.json"], "choose vocab_size <="),
        (["train", "book.txt", "--vocab-size", "300", "--pattern", "(", "-o", "x.json"], "not a regular"),
        (
            ["train", "book.txt", "--vocab-size", "300", "--special", "a", "--special", "a", "-o", "x"],
            "named twice",
        ),
        (["train", "empty.txt", "--vocab-size", "300", "-o", "x.json"], "empty"),
    ],
)
def test_bad_input_is_one_paragraph(mine, words, says, capsys):
    CharTokenizer("ab").save("chars.json")
    assert main(["tokenize", "export", mine, "mine.tiktoken"]) == 0
    Path("empty.txt").touch()
    Path("odd.bin").write_bytes(b"123")
    assert main(["tokenize", *words]) == 2
    assert says in " ".join(capsys.readouterr().err.split())
    assert not list(Path().glob("x*"))


def test_characters_too(capsys):
    CharTokenizer("abc").save("chars.json")
    Path("abc.txt").write_text("abc")
    assert main(["tokenize", "encode", "chars.json", "abc.txt"]) == 0
    assert main(["tokenize", "show", "cab", "--tokenizer", "chars.json"]) == 0
    assert capsys.readouterr().out.splitlines() == [
        "0 1 2",
        "c|a|b",
        "3 tokens, 3 characters, 3 bytes: 1.00 bytes a token",
    ]
