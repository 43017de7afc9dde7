import subprocess
import sys

import pytest

from groundup.tokenizer import BytePairTokenizer, CharTokenizer, Tokenizer

ALL = [
    BytePairTokenizer([(97, 98)], specials=("<|end|>",)),
    CharTokenizer.train("abc<|end>", specials=("<|end|>",)),
]


@pytest.mark.parametrize("tokenizer", ALL, ids=["bpe", "chars"])
def test_every_tokenizer_keeps_the_promise(tokenizer):
    assert isinstance(tokenizer, Tokenizer)
    ids = tokenizer.encode("abc")
    assert tokenizer.decode(ids) == "abc"
    assert b"".join(map(tokenizer.bytes_of, ids)) == b"abc"
    assert all(0 <= id < tokenizer.vocab_size for id in ids)
    assert tokenizer.special("<|end|>") == tokenizer.vocab_size - 1


@pytest.mark.parametrize("tokenizer", ALL, ids=["bpe", "chars"])
def test_the_spelling_of_a_special_token_is_only_text(tokenizer):
    ids = tokenizer.encode("<|end|>")
    assert tokenizer.special("<|end|>") not in ids
    assert tokenizer.decode(ids) == "<|end|>"


def test_something_else_is_not_a_tokenizer():
    assert not isinstance("abc", Tokenizer)


def test_the_floor_works_without_torch_and_numpy():
    code = (
        "import sys, groundup.tokenizer, groundup.tokenizer.chat\n"
        "print([name for name in ('torch', 'numpy', 'numba') if name in sys.modules])"
    )
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "[]"
