"""Words to spell when the corpus gives too few: pronounceable inventions from English pieces.

Real words teach more, so callers pass corpus words and `mix.py` adds a share of these: they bring letter
sequences that the corpus words lack, and a model that must spell any word has to know the letters of every
token.
"""

import random

ONSETS = (
    "b bl br c ch cl cr d dr f fl fr g gl gr h j k l m n p ph pl pr qu r s sc sh sl sm sn sp st str sw t th "
    "tr v w wh y z"
).split()
VOWELS = "a e i o u a e i o u ai ea ee oo ou ie oa y au".split()
CODAS = (
    "b ck d ff g ll m mm n nn nd ng nk nt p pp r rr rd rk rm rn rt s ss st t tt tch th x zz ll ss tt bb dd gg"
).split()
ENDINGS = "ing er ed ly ness ment tion able ful less y le ish ous est al ive ity".split()


def invented_word(rng: random.Random) -> str:
    """A lower-case word of 3 to 12 letters."""

    def pick(options: list[str]) -> str:
        return options[int(rng.random() * len(options))]

    while True:
        word = ""
        for _ in range(1 + int(rng.random() * 3)):
            word += pick(ONSETS) if rng.random() < 0.85 else ""
            word += pick(VOWELS)
            word += pick(CODAS) if rng.random() < 0.7 else ""
        word += pick(ENDINGS) if rng.random() < 0.3 else ""
        if 3 <= len(word) <= 12:
            return word


def invented_words(rng: random.Random, n: int) -> list[str]:
    """n different inventions.

    >>> len(set(invented_words(random.Random(0), 100)))
    100
    """
    words: dict[str, None] = {}
    while len(words) < n:
        words[invented_word(rng)] = None
    return list(words)
