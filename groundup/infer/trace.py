"""A text as the model saw it: how probable each token was that it wrote, and what else might have come.

One JSON object a line:

    place        of the token, from 0
    id, text     what was chosen; bytes that are no whole character are shown as \\xe4
    probability  of the model's own distribution at this temperature, before top-k, top-p and min-p
    entropy      of that distribution, in bits: 0 is sure, 3 is as unsure as among eight
    kept         how many ids those filters left to choose from
    candidates   the most probable ids, each with text and probability
    cache_bytes  keys and values of all tokens read when it was chosen
    ms           since the token before it; of the first, since the prompt was given

Next: recipes/trace_figure.py, the picture.
"""

from __future__ import annotations

import json
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from groundup.base.errors import DataError
from groundup.base.files import read_text, write_atomic
from groundup.infer.sampling import SamplingParams, filtered
from groundup.models.cost import kv_bytes
from groundup.models.transformer import TransformerConfig
from groundup.tokenizer.protocol import Tokenizer


@dataclass(frozen=True)
class Candidate:
    """An id that might have come."""

    id: int
    text: str
    probability: float


@dataclass(frozen=True)
class Step:
    """One token, and how it came about."""

    place: int
    id: int
    text: str
    probability: float
    entropy: float
    kept: int
    candidates: tuple[Candidate, ...]
    cache_bytes: int
    ms: float


class Tracer:
    """Listens to a generation: `before` with the logits, `after` with the id. Its own time is not counted."""

    def __init__(
        self, config: TransformerConfig, tokenizer: Tokenizer, params: SamplingParams, *, most: int = 5
    ):
        self.steps: list[Step] = []
        self._config, self._tokenizer, self._params, self._most = config, tokenizer, params, most
        self._since = time.perf_counter()

    def before(self, held: int, logits_V: Tensor) -> None:
        """The model has read `held` tokens, and these are its scores for the next one."""
        self._spent = time.perf_counter() - self._since
        self._held, self._logits_V = held, logits_V
        self._since = time.perf_counter()

    def after(self, id: int) -> None:
        """This id was chosen."""
        spent = self._spent + time.perf_counter() - self._since
        probs_V = (self._logits_V.float() / (self._params.temperature or 1.0)).softmax(-1)
        best = probs_V.topk(min(self._most, len(probs_V)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        kept = filtered(probs_V[None], self._params)[0] > 0 if self._params.temperature else best.indices[:1]
        surprise = -torch.special.entr(probs_V.double()).sum() / torch.tensor(2.0).log()
        self.steps.append(
            Step(
                place=len(self.steps),
                id=id,
                text=shown(self._tokenizer, id),
                probability=float(probs_V[id]),
                entropy=abs(float(surprise)),
                kept=int(kept.sum()) if self._params.temperature else 1,
                candidates=tuple(Candidate(i, shown(self._tokenizer, i), p) for i, p in pairs),
                cache_bytes=kv_bytes(self._config, self._held, self._logits_V.element_size()),
                ms=spent * 1e3,
            )
        )
        self._since = time.perf_counter()

    def write(self, path: Path) -> None:
        """All steps as JSON Lines, whole or not at all."""
        write_atomic(path, "".join(json.dumps(asdict(s), ensure_ascii=False) + "\n" for s in self.steps))


def shown(tokenizer: Tokenizer, id: int) -> str:
    """What an id stands for, as text: the name of a special token, or its bytes.

    >>> from groundup.tokenizer.bpe import BytePairTokenizer
    >>> shown(BytePairTokenizer([]), 104), shown(BytePairTokenizer([]), 0xE4)
    ('h', '\\\\xe4')
    """
    raw = tokenizer.bytes_of(id)
    if not raw:
        return next((name for name in tokenizer.specials if tokenizer.special(name) == id), "")
    return raw.decode("utf-8", errors="backslashreplace")


def read_trace(path: Path) -> list[Step]:
    """The steps in a file of `Tracer.write`. Raises DataError with the line that is not one."""
    steps = []
    for number, line in enumerate(read_text(path).splitlines(), 1):
        try:
            fields: Any = json.loads(line)
            candidates = tuple(Candidate(**each) for each in fields.pop("candidates"))
            steps.append(Step(**fields, candidates=candidates))
        except (json.JSONDecodeError, KeyError, TypeError, AttributeError) as error:
            raise DataError(
                f"{path}, line {number} is no step of a trace ({error}). Give a file of `groundup generate "
                "--trace`."
            ) from None
    return steps
