"""What reading somebody else's model gives: the model, its tokenizer, how it is talked to, and where from.

`as_checkpoint` makes it what the rest of the house knows: a loaded checkpoint. `extra` of its manifest says
"chat" (the layout, or why there is none), "stop" and "bos" (ids) and "source".

Next: source.py, which chooses the reader.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from groundup.base.config import from_dict, to_dict
from groundup.base.errors import CheckpointError, ConfigError, TokenizerError
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer import layouts
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.chat import SPECIALS
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.vocabulary import VocabularyTokenizer
from groundup.weights.checkpoint import Checkpoint, Manifest

LONGEST_CONTEXT = 1 << 20  # tokens: rotary tables are made for all of them
MOST_PADDING = 100_000  # ids without a token; Qwen has 267


@dataclass(frozen=True)
class Imported:
    """A model that was made elsewhere. `template` is its chat template as it came, "" if it had none."""

    model: Transformer
    tokenizer: Tokenizer
    source: str  # a format and a name, for people
    template: str = ""
    bos: int | None = None  # an id that stands before every text
    stop: tuple[int, ...] = ()
    extra: dict[str, Any] = field(default_factory=dict)

    def as_checkpoint(self) -> Checkpoint:
        """The same as if it had been trained here and saved, at step 0 and without files."""
        extra: dict[str, Any] = {"source": self.source, "chat": self._chat(), "stop": list(self.stop)}
        if self.bos is not None:
            extra["bos"] = self.bos
        manifest = Manifest(
            kind="transformer",
            config=to_dict(self.model.config),
            step=0,
            tokenizer=self.tokenizer.fingerprint,
            files={},
            extra={**extra, **self.extra},
        )
        return Checkpoint(self.model, self.tokenizer, manifest)

    def _chat(self) -> dict[str, Any]:
        if not self.template:
            return {"none": "It came without a chat template: it continues texts, and does not answer."}
        try:
            return layouts.recognise(self.template, self.tokenizer).to_dict()
        except TokenizerError as error:
            return {"none": str(error)}


def layout_of(checkpoint: Checkpoint) -> layouts.Layout:
    """How to talk to a model; CheckpointError, with the reason, if it cannot be talked to."""
    chat = checkpoint.manifest.extra.get("chat")
    if isinstance(chat, Mapping) and "none" in chat:
        raise CheckpointError(f"{chat['none']} Use `groundup generate` to let it continue a text.")
    if chat is not None:
        return layouts.from_dict(chat)
    if missing := set(SPECIALS) - set(checkpoint.tokenizer.specials):
        raise CheckpointError(
            f"This model was never taught to chat: its tokenizer lacks {', '.join(sorted(missing))}. "
            "Use `groundup generate` to let it continue a text."
        )
    return layouts.OWN


def layout_or_none(checkpoint: Checkpoint) -> layouts.Layout | None:
    """How to talk to a model, None if it cannot be talked to."""
    try:
        return layout_of(checkpoint)
    except (CheckpointError, TokenizerError):
        return None


def config_of(settings: Mapping[str, Any], *, where: str) -> TransformerConfig:
    """The config of these settings; CheckpointError for values that fit no model."""
    length = settings.get("context_len")
    if type(length) is int and length > LONGEST_CONTEXT:
        raise CheckpointError(
            f"{where} says a context of {length:,} tokens; up to {LONGEST_CONTEXT:,} can be used here."
        )
    try:
        return from_dict(TransformerConfig, settings)
    except ConfigError as error:
        raise CheckpointError(f"{where} describes no model that can be built: {error}") from None


def fitting(tokenizer: Tokenizer, rows: int, *, where: str) -> Tokenizer:
    """The tokenizer with an id for each of the `rows` of the model's embedding.

    Vocabularies are often rounded up. An id without a token becomes a special token, named [PAD...] as
    llama.cpp does, so that nothing fails if a model should write it.
    """
    size = tokenizer.vocab_size
    if not size <= rows <= size + MOST_PADDING:
        raise CheckpointError(
            f"{where}: the tokenizer has {size:,} ids, and the model has weights for {rows:,}. They belong "
            "to different models, or one of them is damaged."
        )
    specials = {name: tokenizer.special(name) for name in tokenizer.specials}
    named = set(specials.values())
    pads = {f"[PAD{id}]": id for id in range(size, rows)}
    if isinstance(tokenizer, VocabularyTokenizer):
        tokens = [tokenizer.bytes_or_none(id) for id in range(size)]
        pads |= {f"[PAD{id}]": id for id in range(size) if tokens[id] is None and id not in named}
        return tokenizer if not pads else VocabularyTokenizer(
            tokens, tokenizer.merges, pattern=tokenizer.pattern, specials={**specials, **pads},
            whole_pieces=tokenizer.whole_pieces,
        )  # fmt: skip
    if not pads:
        return tokenizer
    names = (*tokenizer.specials, *pads)
    if isinstance(tokenizer, BytePairTokenizer):
        return BytePairTokenizer(tokenizer.merges, pattern=tokenizer.pattern, specials=names)
    assert isinstance(tokenizer, CharTokenizer), "there are three kinds"
    return CharTokenizer(tokenizer.characters, specials=names)
