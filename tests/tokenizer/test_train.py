import pytest

from groundup.base.errors import DataError, TokenizerError
from groundup.tokenizer import BytePairTokenizer, fast_train, train
from groundup.tokenizer.patterns import PATTERNS
from groundup.tokenizer.train import expression
from tests.tokenizer.conftest import SCRIPTS

train_file = __import__("sys").modules["groundup.tokenizer.train"]  # the name `train` is the function's


@pytest.fixture
def machines(monkeypatch) -> list[str]:
    """Which trainer worked, each time."""
    used = []
    fast, readable = fast_train.train_merges, BytePairTokenizer.train
    monkeypatch.setattr(fast_train, "train_merges", lambda *args: (used.append("fast"), fast(*args))[1])
    monkeypatch.setattr(
        BytePairTokenizer, "train", lambda *args, **kw: (used.append("readable"), readable(*args, **kw))[1]
    )
    return used


@pytest.fixture
def much(monkeypatch) -> None:
    """Three thousand characters are much text, whether or not the trainer was compiled before."""
    monkeypatch.setattr(train_file, "LITTLE", 3000)
    monkeypatch.setattr(train_file, "LITTLE_TO_COMPILE_FOR", 3000)


@pytest.mark.parametrize("pattern", [*sorted(PATTERNS), r"\w+|\W+", None])
def test_both_trainers_and_one_result(pattern, corpus, machines, much):
    texts = [corpus[0][:2900], *corpus[2:]]
    little = train(texts[:1], vocab_size=300, pattern=pattern, specials=("<|end|>",))
    readable = BytePairTokenizer.train(
        texts, vocab_size=400, pattern=expression(pattern), specials=("<|end|>",)
    )
    machines.clear()
    fast = train(iter(texts), vocab_size=400, pattern=pattern, specials=("<|end|>",), threads=2)
    again = train(texts[:1], vocab_size=300, pattern=pattern, specials=("<|end|>",))
    assert machines == ["fast", "readable"]
    assert fast.fingerprint == readable.fingerprint and again.fingerprint == little.fingerprint
    assert fast.vocab_size == 400 and fast.special("<|end|>") == 399
    assert fast.decode(fast.encode(SCRIPTS)) == SCRIPTS


def test_what_was_never_compiled_is_compiled_for_much_text_only(corpus, machines, monkeypatch):
    monkeypatch.setattr(train_file, "LITTLE", 3000)
    monkeypatch.setattr(train_file, "LITTLE_TO_COMPILE_FOR", 30_000)
    for kept, expected in ((False, "readable"), (True, "fast")):
        monkeypatch.setattr(fast_train, "is_compiled", lambda kept=kept: kept)
        assert train([corpus[0][:9000]], vocab_size=300).vocab_size == 300
        assert machines.pop() == expected
    monkeypatch.setattr(fast_train, "is_compiled", lambda: False)
    train(corpus[:1] * 2, vocab_size=300)
    assert machines == ["fast"]


def test_without_numba_all_is_readable(corpus, machines, much, monkeypatch):
    monkeypatch.setattr(train_file, "has_numba", lambda: False)
    assert train(corpus[:1], vocab_size=260).vocab_size == 260
    assert machines == ["readable"]


def test_importing_the_tokenizer_imports_no_compiler(tmp_path):
    import subprocess
    import sys

    code = (
        "import sys; from groundup.tokenizer import train; train('abab abab', vocab_size=258); "
        "print([name for name in ('numba', 'numpy', 'torch') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


# ---- Files ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("pattern", ["cl100k", None])
def test_a_file_is_the_text_in_it(pattern, corpus, tmp_path, machines, much, monkeypatch):
    monkeypatch.setattr(train_file, "AT_ONCE", 1000)
    file = tmp_path / "text.txt"
    file.write_bytes(corpus[1].encode())
    whole = train([corpus[1], corpus[2]], vocab_size=500, pattern=pattern)
    assert train([file, corpus[2]], vocab_size=500, pattern=pattern).fingerprint == whole.fingerprint
    assert train(file, vocab_size=500, pattern=pattern).fingerprint != whole.fingerprint
    assert set(machines) == {"fast"}


def test_a_file_that_is_no_text_or_is_not_there(tmp_path):
    file = tmp_path / "latin1.txt"
    file.write_bytes(b"plain " * 100 + "Zürich".encode("latin1"))
    with pytest.raises(
        TokenizerError, match=r"latin1.txt is not UTF-8: invalid start byte at byte 601.*iconv"
    ):
        train(file, vocab_size=300)
    with pytest.raises(DataError, match="cannot be read"):
        train([tmp_path / "nothing.txt"], vocab_size=300)


# ---- What cannot be ------------------------------------------------------------------------------


@pytest.mark.parametrize("texts", [[], [""], ""])
def test_no_text(texts):
    with pytest.raises(TokenizerError, match="all texts are empty"):
        train(texts, vocab_size=300)
    assert train(texts, vocab_size=256).merges == ()


def test_a_vocabulary_that_cannot_be(corpus, much):
    with pytest.raises(
        TokenizerError, match="vocab_size=257 is too small: 256 bytes and 2 special tokens need 258"
    ):
        train(corpus, vocab_size=257, specials=("a", "b"))
    with pytest.raises(TokenizerError, match="is larger than any"):
        train(corpus, vocab_size=1 << 21)
    for texts in (["abc abc"], ["abc abc "] * 500):  # readable, and compiled
        with pytest.raises(TokenizerError, match=r"asks for 743 merges, but this text allows only 3.*<= 260"):
            train(texts, vocab_size=1000, pattern="gpt2", specials=("<|end|>",))


def test_specials_named_twice(corpus):
    with pytest.raises(TokenizerError, match="twice"):
        train(corpus, vocab_size=300, specials=("<|end|>", "<|end|>"))


@pytest.mark.parametrize(
    ("pattern", "says"),
    [
        ("[", "not a regular expression"),
        ("gpt4", r"no split pattern named 'gpt4'. Did you mean 'gpt2'\?"),
        ("", "no split pattern named ''"),
        ("(a)|b", "capturing groups"),
    ],
)
def test_a_pattern_that_is_none(pattern, says):
    with pytest.raises(TokenizerError, match=says):
        train(
            iter(lambda: pytest.fail("read before the pattern was checked"), None),
            vocab_size=300,
            pattern=pattern,
        )


def test_a_pattern_that_skips_text(corpus, much):
    with pytest.raises(TokenizerError, match="so that text would be lost"):
        train(corpus, vocab_size=300, pattern=r"[a-z]+|\s+")


def test_no_threads(corpus):
    with pytest.raises(TokenizerError, match="threads=0"):
        train(corpus, vocab_size=300, threads=0)
