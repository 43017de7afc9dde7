"""The published vocabularies beside tiktoken, and texts that try everything, for the tests of this folder."""

import random
from functools import lru_cache

import pytest
import tiktoken
from tiktoken_ext import openai_public

from groundup.base.errors import TokenizerError
from groundup.tokenizer.published import load_published
from groundup.tokenizer.vocabulary import VocabularyTokenizer

PUBLISHED_NAMES = ("r50k", "p50k", "cl100k", "o200k")


@lru_cache(maxsize=len(PUBLISHED_NAMES))
def published(name: str) -> VocabularyTokenizer:
    """A vocabulary of OpenAI's with its compiled path ready; a skip (in CI a failure) if it is not here."""
    try:
        tokenizer = load_published(name)
    except TokenizerError as error:
        pytest.skip(str(error))
    assert tokenizer.warm_up()
    return tokenizer


@lru_cache(maxsize=len(PUBLISHED_NAMES))
def oracle_of(name: str) -> tiktoken.Encoding:
    """The same vocabulary in tiktoken, with the pattern that tiktoken ships under that name."""
    tokenizer = published(name)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(openai_public, "load_tiktoken_bpe", lambda *args, **kwargs: {})
        pattern = openai_public.ENCODING_CONSTRUCTORS[f"{name}_base"]()["pat_str"]
    ranks = {
        token: id for id in range(tokenizer.vocab_size) if (token := tokenizer.bytes_or_none(id)) is not None
    }
    specials = {special: tokenizer.special(special) for special in tokenizer.specials}
    return tiktoken.Encoding(name, pat_str=pattern, mergeable_ranks=ranks, special_tokens=specials)


ALPHABETS = (
    "aB1٣½ \n\r\t.!/'’stREvmLldDlMTSve你éǅ\u0301\u00a0\u3000\u017f\x1cʰ'''  AZz\U0001f600я\0",
    "ab  \n\n\r\t..//''stll123 ",
    "abcdE '.\n ",
    "aB你好é'  sT/\n",
    "абвГД ,1\n",
    "  \n\t a",
    "123456 a",
    "//\n/\n!a ",
)


def crafted_texts(seed: int, n: int) -> list[str]:
    """Texts of up to some hundred characters in which few kinds of character meet often, and any at all."""
    draw = random.Random(seed)
    texts = []
    for _ in range(n):
        alphabet = draw.choice(ALPHABETS)
        letters = draw.choices(alphabet, k=draw.randint(2, 8)) if draw.random() < 0.5 else list(alphabet)
        if draw.random() < 0.2:
            letters += [chr(draw.choice([draw.randrange(0xD800), draw.randrange(0xE000, 0x110000)]))]
        if draw.random() < 0.2:
            letters += ["<|endoftext|>", "<|end", "|>", " the", "tion"]
        texts.append("".join(draw.choices(letters, k=draw.choice([3, 12, 40, 120, 300]))))
    return texts
