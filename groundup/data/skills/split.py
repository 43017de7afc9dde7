"""Who may see what: the one set of rules that keeps exam material out of training.

Training (`mix.py`) and the exam both ask these functions, so the two can never disagree. Every rule is a
stable hash of the thing itself, never of its position in a list: adding words or names moves nothing to
another side.

- words are split 80 / 10 / 10 (train / dev / test); the four famous ones are always test.
- numbers 10..999, as operands of the calculator or of head addition, are split 80 / 10 / 10. The digits
  0..9 are not reserved: there are only ten, each is a case of its own (times zero, times one), and they
  occur inside every other number anyway, so holding one out would test nothing and take a tenth of the
  simplest sums away.
- an unordered pair of two-digit numbers is held out if either number is, and of the rest 80 / 10 / 10 by
  pair, for both arithmetic skills.
- invented names, and real names that are not taught, are split 80 / 10 / 10.
- facts are the same everywhere (they are what is taught); only the wording of the question differs.

"Never occurs" means in that role: the text of a president's number may contain a reserved operand.
Next: frames.py, for how wordings are held out.
"""

from functools import lru_cache
from hashlib import blake2b
from typing import Literal

Split = Literal["train", "dev", "test"]
SPLITS: tuple[Split, ...] = ("train", "dev", "test")
ALWAYS_TEST = frozenset({"strawberry", "mississippi", "banana", "raspberry"})


@lru_cache(maxsize=1 << 17)
def percentile(kind: str, key: str) -> float:
    """A number in [0, 100) that depends on `kind` and `key` alone, the same on every machine and Python.

    >>> percentile("word", "apple") == percentile("word", "apple") != percentile("name", "apple")
    True
    """
    digest = blake2b(f"{kind}\0{key}".encode(), digest_size=8).digest()
    return int.from_bytes(digest, "big") * 100 / 2**64


def _split(kind: str, key: str) -> Split:
    p = percentile(kind, key)
    return "train" if p < 80 else "dev" if p < 90 else "test"


def split_of_word(word: str) -> Split:
    """The side that may spell `word` or count in it; upper and lower case are the same word.

    >>> split_of_word("Strawberry"), split_of_word("STRAWBERRY")
    ('test', 'test')
    """
    key = word.casefold()
    return "test" if key in ALWAYS_TEST else _split("word", key)


def split_of_number(n: int) -> Split:
    """The side that may use `n` as an operand. 0..9 belong to everyone and answer "train".

    >>> {split_of_number(n) for n in range(10)}
    {'train'}
    """
    return "train" if 0 <= n <= 9 else _split("number", str(n))


def split_of_pair(a: int, b: int) -> Split:
    """The side that may add `a` and `b` in the head; the order of the two does not matter.

    >>> split_of_pair(47, 85) == split_of_pair(85, 47)
    True
    """
    numbers = {split_of_number(a), split_of_number(b)}
    if "test" in numbers:
        return "test"
    return "dev" if "dev" in numbers else _split("pair", f"{min(a, b)}+{max(a, b)}")


def split_of_name(name: str) -> Split:
    """The side that may be asked about `name`, an invented name or a real one that is not taught."""
    return _split("name", " ".join(name.casefold().split()))


def split_of_operands(a: int, b: int) -> Split | None:
    """The side that may give `a` and `b` to the calculator; None where they belong to two sides.

    A dev or test problem has at least one reserved operand (or a reserved two-digit pair) and no operand of
    another side except a digit 0..9; a training problem has none that is reserved.

    >>> split_of_operands(3, 4)
    'train'
    """
    if 10 <= a <= 99 and 10 <= b <= 99:
        sides = {split_of_number(a), split_of_number(b)}
        return split_of_pair(a, b) if sides != {"dev", "test"} else None
    sides = {split_of_number(n) for n in (a, b) if n > 9} or {"train"}
    return sides.pop() if len(sides) == 1 else None
