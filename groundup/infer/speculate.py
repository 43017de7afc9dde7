"""Guessing ahead: several tokens are read in one step, where they were guessed rightly.

A step of a small batch takes as long for four tokens of a text as for one: the weights have to be read either
way. So somebody guesses the next few ids, the model reads them all at once, and its own choices are compared
with the guesses: up to the first difference they are right, and the choice made there is right too.

    text    ... a b c        the last `match` ids stood in the text before, and then came d e f
    drafts            d e f  the model would say d, then e, then x: three tokens in one step

Its own choices are drawn as ever, with the uniforms of those places. So nothing about the distribution has to
be argued: what comes out are *the same ids* as without guesses, and a guess of the n-gram kind is kept with
the probability that the model gives it, the best that any rule could do. A model that guesses draws with the
same uniforms, and so guesses what the large model will say wherever the two agree.

Source: Leviathan et al. 2023, arXiv 2211.17192 (drafts by a smaller model; their rule of acceptance keeps the
        distribution, ours the draws); n-gram lookup: Saxena 2023, "Prompt lookup decoding".
Next:   engine.py, who checks.
"""

from __future__ import annotations

from typing import Protocol

import torch

from groundup.base.errors import UserError
from groundup.infer.sampling import choose
from groundup.infer.sequence import Sequence
from groundup.models.transformer import Transformer
from groundup.nn.cache import KVCache


class Drafter(Protocol):
    """Says what may come next. Wrong guesses cost time, never a word."""

    def propose(self, sequence: Sequence, most: int) -> list[int]:
        """Up to `most` ids that may follow what the sequence holds."""


class NGramDrafter:
    """What followed the last few ids when they stood in this text before, the longest match first."""

    def __init__(self, *, longest: int = 4, shortest: int = 2, window: int = 2048):
        if not 1 <= shortest <= longest:
            raise UserError(f"shortest={shortest}, longest={longest}: choose 1 <= shortest <= longest.")
        self.longest, self.shortest, self.window = longest, shortest, window

    def propose(self, sequence: Sequence, most: int) -> list[int]:
        """Up to `most` ids, those behind the latest match; none where nothing matches."""
        return lookup(sequence.ids[-self.window :], self.longest, self.shortest, most)


def lookup(ids: list[int], longest: int, shortest: int, most: int) -> list[int]:
    """What came after the latest earlier place where the end of `ids` stood.

    >>> lookup([1, 2, 3, 9, 1, 2, 4, 7, 1, 2], longest=3, shortest=2, most=3)
    [4, 7, 1]
    >>> lookup([1, 2, 3], longest=3, shortest=2, most=3)
    []
    """
    for length in range(min(longest, len(ids) - 1), shortest - 1, -1):
        ending = ids[-length:]
        last = ending[-1]
        for end in range(len(ids) - 2, length - 2, -1):  # where the earlier match ends
            if ids[end] == last and ids[end - length + 1 : end + 1] == ending:
                found = ids[end + 1 : end + 1 + most]
                while len(found) < most:  # the match reaches into itself: a loop goes on as it went
                    found += ids[end + 1 :][: most - len(found)]
                return found
    return []


class ModelDrafter:
    """A smaller model with the same vocabulary, which draws with the numbers that the large one will use."""

    def __init__(self, model: Transformer, *, vocab_size: int):
        if model.config.vocab_size != vocab_size:
            raise UserError(
                f"The draft model knows {model.config.vocab_size} ids and the model {vocab_size}: one cannot "
                "guess for the other. Take models with the same tokenizer."
            )
        self.model = model
        self._caches: dict[int, tuple[Sequence, KVCache, list[int]]] = {}  # by sequence; and the ids in it

    def propose(self, sequence: Sequence, most: int) -> list[int]:
        """`most` ids, as the small model would go on; none beyond its context."""
        self._caches = {key: kept for key, kept in self._caches.items() if kept[0].state != "finished"}
        room = self.model.config.context_len - len(sequence.ids)
        if room < 1:
            return []
        was_training = self.model.training
        self.model.eval()
        try:
            with torch.inference_mode():
                return self._propose(sequence, min(most, room))
        finally:
            self.model.train(was_training)

    def _propose(self, sequence: Sequence, most: int) -> list[int]:
        _, cache, held = self._caches.setdefault(id(sequence), (sequence, self._cache(), []))
        ids, guessed = list(sequence.ids), []
        for n in range(most):
            same = next((i for i, (a, b) in enumerate(zip(held, ids, strict=False)) if a != b), len(held))
            same = min(same, len(ids) - 1)
            cache.rewind(same)
            x_1TC = self.model.hidden(torch.tensor([ids[same:]], device=cache.lengths_B.device), cache)
            cache.advance(len(ids) - same)
            held[:] = ids
            uniform = 0.0 if sequence.rule.temperature == 0 else sequence.uniform(sequence.made + n)
            uniforms_B = torch.tensor([uniform], dtype=torch.float64, device=x_1TC.device)
            guess = int(choose(self.model.head(x_1TC[:, -1]), sequence.rule, uniforms_B)[0])
            guessed.append(guess)
            ids.append(guess)
        return guessed

    def _cache(self) -> KVCache:
        c = self.model.config
        weight = self.model.embedding.weight
        return KVCache(
            n_layer=c.n_layer,
            batch=1,
            n_kv_head=c.kv_heads,
            head_dim=c.head_width,
            capacity=c.context_len,
            device=weight.device,
            dtype=weight.dtype,
        )
