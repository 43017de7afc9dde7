"""How groundup says no: one exception class for what the user can mend, and its kinds.

A message is one paragraph: what was wrong with the value, what is allowed, what to do. The command line
prints a `UserError` without a traceback and exits with 2; every other exception is our bug, and exits with 1.

Next: config.py, which raises most of them.
"""

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something that the person at the keyboard can mend: a value, a file, a full disk, a missing network."""


class ConfigError(UserError):
    """A setting has an unknown name, the wrong type, or a value that does not fit the others."""


class DataError(UserError):
    """A text, corpus or shard cannot be used: not text, empty, too short, damaged."""


class FetchError(UserError):
    """Something could not be fetched: no network, or an unknown source."""


class HashError(FetchError):
    """A file is not the one that was pinned. Never mended by going on with something else."""


class CheckpointError(UserError):
    """Saved weights cannot be loaded: truncated, altered, or made for another tokenizer or model."""


class RunDirError(UserError):
    """A run directory holds something else than what was asked for."""


class TokenizerError(UserError):
    """A tokenizer cannot be trained, loaded or used with the ids it was given."""


class DivergedError(UserError):
    """A loss or gradient was not finite. The step was not taken, and evidence was written."""


class GraphError(UserError):
    """An expression cannot be computed or differentiated: log of a negative, shapes that do not fit."""


def suggest(word: str, options: Iterable[str]) -> str:
    """A question that names the nearest option, to be put after a message, or "" if nothing is near.

    >>> suggest("n_heads", ["n_head", "n_layer"])
    " Did you mean 'n_head'?"
    >>> suggest("zebra", ["n_head", "n_layer"])
    ''
    """
    folded = {option.casefold(): option for option in options}
    near = difflib.get_close_matches(word.casefold(), folded, n=1, cutoff=0.6)
    return f" Did you mean {folded[near[0]]!r}?" if near else ""
