"""Supervised fine-tuning: imitate the assistant's side of conversations.

A conversation becomes ids and a mask (tokenizer/chat.py); the mask keeps only what the assistant itself must
write, so the model learns to answer and never to ask. Everything else is the ordinary training loop with the
ordinary cross-entropy: what differs between pretraining and this is the data.

Source:  Ouyang et al. 2022, arXiv 2203.02155, section 3.5 (SFT is step 1 of the three).
Not here: LoRA, packing (data/packing.py does that), preferences.
Next:    grpo.py, the same loss with advantages in place of ones.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from groundup.base.errors import DataError
from groundup.tokenizer.chat import Conversation, render
from groundup.tokenizer.protocol import Tokenizer


@dataclass(frozen=True)
class Encoded:
    """Conversations as (ids, mask) pairs, and how many were too long to keep."""

    examples: list[tuple[list[int], list[int]]]
    dropped: int

    @property
    def tokens(self) -> int:
        """All tokens, trained on or not."""
        return sum(len(ids) for ids, _ in self.examples)


def encode(tokenizer: Tokenizer, conversations: Iterable[Conversation], *, context_len: int) -> Encoded:
    """Conversations as training examples of at most `context_len` tokens.

    A longer one is left out and counted, never cropped: half an answer teaches the model to stop half-way.
    Raises DataError if nothing is left, or if a conversation holds no assistant token to learn from.
    """
    examples, dropped = [], 0
    for number, conversation in enumerate(conversations):
        ids, mask = render(tokenizer, conversation)
        if not any(mask):
            raise DataError(
                f"Conversation {number} has no assistant message, so there is nothing to learn from it. "
                "Give each conversation at least one reply."
            )
        if len(ids) > context_len:
            dropped += 1
        else:
            examples.append((ids, mask))
    if not examples:
        raise DataError(
            f"None of the {dropped} conversations fits into {context_len} tokens. "
            "Raise context_len, or give shorter conversations."
        )
    return Encoded(examples, dropped)
