"""How large a model should be for a text and a time: the law by which my-text chooses.

Three facts make the choice. In a given time a small model reads more than a large one. At equal cost the
best model is one that has read so many tokens for each weight (Chinchilla: about 20; nanochat: 12, which
size_dial.py takes, and so do we). And a text that is read again and again teaches less each time: R further
readings of U tokens are worth no more than

    U + U R* (1 - e^(-R / R*)),   R* = 15.39

fresh ones, and after some 40 readings nothing more. So: the largest model for which what it can read in the
time, counted at its worth, is still TOKENS_PER_WEIGHT tokens for each weight.

Source:  tokens for a weight: Hoffmann et al. 2022 (Chinchilla), arXiv 2203.15556, table 3; nanochat. What is
         repeated: Muennighoff et al. 2023, arXiv 2305.16264, section 3.1 and the fit of R*; 4 readings cost
         next to nothing, 40 are the most that help. Measured by ourselves with 0.02 to 0.8 M weights:
         docs/log.md. The ladder ends at the largest shape of the course, which has published runs on a
         megabyte of text.
Does not: know how fast the machine is; calibrate.py measures that.
Next:    calibrate.py, my_text_plan.py.
"""

import math
from dataclasses import dataclass

from groundup.recipes.size_dial import TOKENS_PER_WEIGHT

REPEAT_WORTH = 15.39  # R*: so many further readings give 1 - 1/e of all that repetition can give
MOST_READINGS = 40.0


@dataclass(frozen=True)
class Rung:
    """A shape of the ladder, from the smallest that writes words to the course's GPT."""

    n_layer: int
    n_embd: int
    context_len: int

    @property
    def n_head(self) -> int:
        """Heads of 32 channels below a width of 256, of 64 from there on."""
        return self.n_embd // (32 if self.n_embd < 256 else 64)


# Wide and shallow at the low end: at equal time three wide layers learn more than five of 128 (docs/log.md).
LADDER = (
    Rung(2, 64, 128),
    Rung(3, 96, 128),
    Rung(3, 128, 128),
    Rung(3, 160, 128),
    Rung(4, 192, 128),
    Rung(4, 256, 256),
    Rung(5, 320, 256),
    Rung(6, 384, 256),
)


def worth(tokens: float, unique: float) -> float:
    """How many fresh tokens it is worth to read `tokens` in all of a text of `unique`.

    >>> worth(500_000, 1_000_000)
    500000
    >>> round(worth(4_000_000, 1_000_000))  # four readings: nearly four texts
    3725711
    >>> round(worth(1e12, 1_000_000))  # for ever: never more than 16.39 texts
    16390000
    """
    if tokens <= unique:
        return tokens
    repeats = tokens / unique - 1
    return unique + unique * REPEAT_WORTH * -math.expm1(-repeats / REPEAT_WORTH)


def readable(tokens: float, unique: float) -> float:
    """As many of these tokens as can still teach something: at most MOST_READINGS of the text."""
    return min(tokens, MOST_READINGS * unique)


def fits(weights: int, tokens: float, unique: float) -> bool:
    """Whether a model of so many weights is not too large for what it reads.

    >>> fits(80_000, 1_000_000, 10_000_000), fits(100_000, 1_000_000, 10_000_000)
    (True, False)
    """
    return worth(readable(tokens, unique), unique) >= TOKENS_PER_WEIGHT * weights


def tokens_in(seconds: float, *, step: float, encode: float, unique: float) -> float:
    """How many tokens can be read in so many seconds, if one costs `step` seconds in training.

    Each of the text's `unique` tokens must also be encoded once, at `encode` seconds; of a text that is too
    large for the time, only what is read.

    >>> tokens_in(110, step=1, encode=1, unique=10), tokens_in(110, step=1, encode=1, unique=1000)
    (100.0, 55.0)
    """
    whole = (seconds - unique * encode) / step
    return float(whole if whole >= unique else seconds / (step + encode))


def smallest_text() -> float:
    """Tokens of a text below which even the smallest model of the ladder has too many weights.

    Such a text is learned by heart to some degree, whatever is done.
    """
    rung = LADDER[0]
    blocks = 12 * rung.n_layer * rung.n_embd**2
    return TOKENS_PER_WEIGHT * blocks / worth(MOST_READINGS, 1.0)


def vocabulary(size: float, alphabet: int) -> tuple[str, int]:
    """Which tokenizer for a text of `size` bytes to learn from: ("chars", 0) or ("bpe", its vocabulary).

    >>> vocabulary(50_000, 80), vocabulary(1_000_000, 80), vocabulary(10_000_000, 80)
    (('chars', 0), ('bpe', 512), ('bpe', 1024))
    """
    if size < 200_000 and alphabet <= 256:
        return "chars", 0
    return "bpe", 512 if size < 2_000_000 else 1024
