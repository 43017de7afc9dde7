"""What a quantized model is calibrated with and measured on: text of the kind that the model is for.

    a run that learned a text     its tokens: what it learned calibrates, what was held out measures
    an assistant of zero-to-chat  conversations as it was taught, drawn anew; its own replies are measured
    --text FILE                   its first half calibrates, its second measures
    --text FILE.jsonl             the same with conversations, a line each: {"messages": [{"role": ...,
                                  "content": ...}, ...]}, laid out as the model is talked to; its replies

An assistant's base text would be the wrong kind: it no longer continues texts. Nor are a user's words
measured, which it never has to write.

Next: quantize.py, which measures before and after.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from groundup.base.config import from_dict, load_toml
from groundup.base.errors import DataError
from groundup.base.files import read_text
from groundup.base.seeds import derive
from groundup.data.shards import TokenShards
from groundup.data.skills import mix
from groundup.evals.bits_per_byte import BitsPerByte, ratio
from groundup.evals.paired_bits import PIECES, pieces_of, score
from groundup.models.transformer import Transformer
from groundup.recipes.adapt_stages import old_tokens
from groundup.tokenizer.chat import Conversation
from groundup.weights.checkpoint import Checkpoint
from groundup.weights.imported import layout_of

CALIBRATED = 32_768  # tokens: 128 windows of 256; GPTQ's own 128 windows
SCORED = 131_072  # tokens, as adapt scores
BATCH = 8  # windows at a time
CONVERSATIONS = 800  # of each kind: about as many tokens as above
TOO_FEW = 4  # tokens

Talk = tuple[list[int], list[int]]  # ids, and which of them the assistant writes


@dataclass(frozen=True)
class Text:
    """`calibration`: tokens_BT, none if there is no text. `score`: the same pieces each time, or None."""

    calibration: list[Tensor]
    score: Callable[[Transformer], list[BitsPerByte]] | None
    what: str  # in words, for reports and cards


def text_for(found: Checkpoint, model: Path, file: Path | None) -> Text:
    """The text of a model that was read from `model`: the file's, else its own run's, else none."""
    if file is not None and file.suffix.lower() == ".jsonl":
        talks = rendered(found, conversations_in(file))
        half = len(talks) // 2
        return of_talks(found, talks[:half], talks[half:], f"the replies in {file.name}")
    if file is not None:
        tokens = np.array(found.tokenizer.encode(read_text(file)), dtype=np.int64)
        if len(tokens) < TOO_FEW:
            raise DataError(
                f"{file} has {len(tokens)} tokens: too few to measure anything. Give a longer one."
            )
        return of_tokens(found, tokens[: len(tokens) // 2], tokens[len(tokens) // 2 :], file.name)
    folder = old_tokens(model)
    if folder is None:
        return Text([], None, "")
    if "can_do" in found.manifest.extra and (folder.parent / "corpus" / "words.txt").is_file():
        learned, fresh = (
            rendered(found, taught(folder.parent, purpose)) for purpose in ("calibrate", "score")
        )
        return of_talks(found, learned, fresh, "new conversations as it was taught, its replies")
    train, held_out = (
        TokenShards.open(folder / side, tokenizer_fingerprint=found.tokenizer.fingerprint).tokens
        for side in ("train", "held_out")
    )
    return of_tokens(found, train, held_out, "text that its run held out")


# ---- A stream of text ----------------------------------------------------------------------------


def of_tokens(found: Checkpoint, learned: np.ndarray, held_out: np.ndarray, what: str) -> Text:
    """Windows of the one, pieces of the other."""
    length = found.config["context_len"]
    pieces = pieces_of(held_out, most=SCORED, context_len=length)
    return Text(windows(learned, length), lambda model: score(model, pieces, found.tokenizer, length), what)


def windows(tokens: np.ndarray, context_len: int) -> list[Tensor]:
    """Batches tokens_BT of about CALIBRATED tokens from all over the text."""
    T = min(context_len, len(tokens))
    if not T:
        return []
    count = max(1, min(CALIBRATED // T, len(tokens) // T))
    starts = [(len(tokens) - T) * window // max(1, count - 1) for window in range(count)]
    rows = np.stack([np.asarray(tokens[start : start + T], dtype=np.int64) for start in starts])
    return list(torch.from_numpy(rows).split(BATCH))


# ---- Conversations -------------------------------------------------------------------------------


def taught(run: Path, purpose: str) -> list[Conversation]:
    """Conversations of the run's own mix that no training drew: a seed of their own."""
    recipe = load_toml(run / "recipe.toml")
    words = read_text(run / "corpus" / "words.txt").split()
    seed = derive(int(recipe["seed"]), f"quantize.{purpose}")
    shares = from_dict(mix.MixConfig, recipe["finetune"]["mix"])
    return [made.conversation for made in mix.conversations(seed, CONVERSATIONS, shares, words=words)]


def conversations_in(file: Path) -> list[Conversation]:
    """Those of a file, one a line. DataError names the line that is none."""
    found = []
    for number, line in enumerate(read_text(file).split("\n"), 1):
        if not line.strip():
            continue
        try:
            found.append(Conversation.from_dict(json.loads(line)))
        except (json.JSONDecodeError, RecursionError):
            raise DataError(
                f"{file}, line {number:,} is not JSON. Each line is one object with messages."
            ) from None
        except DataError as error:
            raise DataError(f"{file}, line {number:,}: {error}") from None
    if len(found) < 2:
        raise DataError(
            f"{file} holds {len(found)} conversations: one half calibrates, the other measures. Give more."
        )
    return found


def rendered(found: Checkpoint, conversations: Sequence[Conversation]) -> list[Talk]:
    """As the model is talked to, at most as long as it reads. DataError if none has a reply in it."""
    layout, most = layout_of(found), found.config["context_len"]
    talks = [layout.render(found.tokenizer, talk) for talk in conversations]
    short = [(ids[:most], asked[:most]) for ids, asked in talks]
    kept = [(ids, asked) for ids, asked in short if any(asked[1:])]
    if len(kept) < 2:
        raise DataError("Of these conversations fewer than two have a reply that fits. Give others.")
    return kept


def of_talks(found: Checkpoint, learned: Sequence[Talk], fresh: Sequence[Talk], what: str) -> Text:
    """Each conversation a row of its own, as in training and in use."""
    sizes = np.array([len(found.tokenizer.bytes_of(id)) for id in range(found.tokenizer.vocab_size)])
    groups = [fresh[start::PIECES] for start in range(min(PIECES, len(fresh)))]
    rows, tokens = [], 0
    for ids, _ in learned:
        if tokens < CALIBRATED:
            rows.append(torch.tensor([ids]))
            tokens += len(ids)
    return Text(rows, lambda model: [replies(model, group, sizes) for group in groups], what)


@torch.inference_mode()
def replies(model: Transformer, talks: Sequence[Talk], sizes: np.ndarray) -> BitsPerByte:
    """The score of what the assistant writes in these conversations."""
    nats, lengths, count = [], [], 0
    for ids, asked in talks:
        logits_TV = model(torch.tensor([ids[:-1]]))[0].float()
        where = torch.tensor(asked[1:], dtype=torch.bool)
        targets = torch.tensor(ids[1:])[where]
        nats.append(float(F.cross_entropy(logits_TV[where], targets, reduction="sum").double()))
        lengths.append(int(sizes[targets.numpy()].sum()))
        count += len(targets)
    value, low, high = ratio(np.array(nats) / math.log(2), np.array(lengths))
    return BitsPerByte(value, low, high, sum(nats), count, sum(lengths))
