"""Real, small tokenizers, trained on real text: the source of two modules and a line in many scripts."""

import argparse
import textwrap
from pathlib import Path

import pytest

from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chat import SPECIALS
from groundup.tokenizer.patterns import PATTERNS

SCRIPTS = (
    "Fischers Fritz fischt frische Fische. 你好，世界！今天天气很好。Привет, мир 2026! नमस्ते दुनिया "
    "مرحبا بالعالم ١٢٣ こんにちは 안녕하세요 👩‍💻🇨🇭😀 naïve café e\u0301 ½ "
    "ⅻ It's I'LL we'Re 1234567\r\n\t  \u00a0\u3000x"
)


@pytest.fixture(scope="session")
def corpus() -> list[str]:
    return [Path(module.__file__).read_text(encoding="utf-8") for module in (argparse, textwrap)] + [
        SCRIPTS
    ] * 3


@pytest.fixture(scope="session", params=sorted(PATTERNS))
def tokenizer(request, corpus) -> BytePairTokenizer:
    """One for each named pattern, with the chat's special tokens."""
    return BytePairTokenizer.train(corpus, vocab_size=600, pattern=PATTERNS[request.param], specials=SPECIALS)


@pytest.fixture(scope="session")
def chat_tokenizer(corpus) -> BytePairTokenizer:
    return BytePairTokenizer.train(corpus, vocab_size=400, pattern=PATTERNS["digits"], specials=SPECIALS)
