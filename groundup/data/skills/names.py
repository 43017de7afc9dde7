"""Names that nobody has: syllables that sound like a country or a person, and taught names with a slip.

An invented name may happen to be a real one somewhere; what matters is that nothing is taught about it.
"""

import random
import string

ONSETS = ["", *"b br c ch d dr f fl g gr h j k kr l m n p pl qu r s sh sk st t th tr v w x y z".split()]
VOWELS = "a e i o u a e i o u ai ee ei oo ou ia y".split()
CODAS = ["", "", "", "", *"l m n r s t k x nd rn th ld rk ng".split()]
ENDINGS = {
    "capital": ["", "", "", *"ia land stan a or ova and onia istan any os una istria ark".split()],
    "play": ["", "", "", "", *"o a us ia io el ius ine ard in ora ette an".split()],
}


def invented_name(kind: str, rng: random.Random) -> str:
    """A capitalised name of 3 to 12 letters, with an ending of its kind ("capital" or "play").

    >>> invented_name("capital", random.Random(0)).isalpha()
    True
    """

    def pick(options: list[str]) -> str:
        return options[int(rng.random() * len(options))]

    while True:
        name = "".join(pick(ONSETS) + pick(VOWELS) + pick(CODAS) for _ in range(1 + int(rng.random() * 2.4)))
        ending = pick(ENDINGS[kind])
        stem = name.rstrip("aeiouy") if ending[:1] in ("a", "e", "i", "o", "u") else name
        if 3 <= len(stem + ending) <= 12:
            return (stem + ending).capitalize()


def near_miss(name: str, rng: random.Random) -> str:
    """The name with one of its small letters changed to another."""
    places = [i for i, c in enumerate(name) if c.islower()]
    i = places[int(rng.random() * len(places))]
    others = [c for c in string.ascii_lowercase if c != name[i]]
    return name[:i] + others[int(rng.random() * len(others))] + name[i + 1 :]
