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

The tracer only listens: it reads the text along, on a cache of its own, so that whatever writes it (the plain
loop, an engine, one that guesses ahead) needs to know nothing of it. Its windows are those of
continuation.py, its figures those of the draw up to rounding, and its own time is not counted.

Next: recipes/trace_figure.py, the picture.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch

from groundup.base.errors import DataError
from groundup.base.files import read_text, write_atomic
from groundup.infer.reading import reading
from groundup.infer.sampling import SamplingParams, filtered
from groundup.models.cost import kv_bytes
from groundup.models.transformer import Transformer
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
    """Listens to one text as it is written: `after` is told each new id."""

    def __init__(
        self,
        model: Transformer,
        tokenizer: Tokenizer,
        params: SamplingParams,
        *,
        prompt: Sequence[int],
        most: int = 5,
    ):
        """`prompt` is what the model was given; of each token the `most` likeliest candidates are kept."""
        self.steps: list[Step] = []
        self._model, self._tokenizer, self._params, self._most = model, tokenizer, params, most
        self._text = list(prompt)
        self._read(max(1, model.config.context_len - 1))
        self._since = time.perf_counter()

    def after(self, id: int) -> None:
        """This id was chosen."""
        ms = (time.perf_counter() - self._since) * 1e3
        self.steps.append(self._step(id, ms))
        self._text.append(id)
        self._held += 1
        context_len = self._model.config.context_len
        if self._held >= context_len:  # as continuation.py: full, so its second half is read again
            self._read(max(1, context_len // 2))
        else:
            self._reading.push(torch.tensor([id], device=self._device))
        self._since = time.perf_counter()

    def _read(self, most: int) -> None:
        window = self._text[-most:]
        self._held = len(window)
        self._reading = reading(self._model, torch.tensor([window], device=self._device))

    @property
    def _device(self) -> torch.device:
        return self._model.embedding.weight.device

    def _step(self, id: int, ms: float) -> Step:
        logits_V = self._reading.logits()[0]
        greedy = self._params.temperature == 0
        probs_V = (logits_V.float() / (self._params.temperature or 1.0)).softmax(-1)
        best = probs_V.topk(min(self._most, len(probs_V)))
        pairs = zip(best.indices.tolist(), best.values.tolist(), strict=True)
        return Step(
            place=len(self.steps),
            id=id,
            text=shown(self._tokenizer, id),
            probability=float(probs_V[id]),
            entropy=float(torch.special.entr(probs_V.double()).sum()) / math.log(2),
            kept=1 if greedy else int((filtered(probs_V[None], self._params) > 0).sum()),
            candidates=tuple(Candidate(i, shown(self._tokenizer, i), p) for i, p in pairs),
            cache_bytes=kv_bytes(self._model.config, self._held, logits_V.element_size()),
            ms=ms,
        )

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
