"""Conversations become examples whole or not at all, with loss on what the assistant says."""

import pytest
import torch

from groundup.base.errors import DataError
from groundup.data.bucketing import BucketBatches
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.posttrain.sft import encode
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.chat import SPECIALS, Call, Conversation, Result, assistant, user
from groundup.train.objective import cross_entropy, cross_entropy_where_asked

TOKENIZER = CharTokenizer.train("abcdefgh 0123456789+=cal", specials=SPECIALS)


def talk(asked: str, *replied) -> Conversation:
    return Conversation((user(asked), assistant(*replied)))


def test_only_what_the_assistant_writes_is_learned():
    ((ids, mask),) = encode(
        TOKENIZER, [talk("ab", Call("calc", "1+1"), Result("2"), "=2")], context_len=64
    ).examples
    learned = "".join(TOKENIZER.decode([id]) or "|" for id, keep in zip(ids, mask, strict=True) if keep)
    assert learned == "|calc 1+1|=2|"  # <|call|> and its request to <|result|>, the text, <|end|>
    unlearned = "".join(TOKENIZER.decode([id]) or "|" for id, keep in zip(ids, mask, strict=True) if not keep)
    assert unlearned == "||ab||2|"  # what the user says and what the engine computes


def test_a_conversation_too_long_is_left_out_whole_and_counted():
    short, long = talk("a", "b"), talk("abcabc", "bcbcbc")
    fits = len(encode(TOKENIZER, [long], context_len=99).examples[0][0])
    both = encode(TOKENIZER, [short, long, short], context_len=fits)
    assert (len(both.examples), both.dropped) == (3, 0)
    less = encode(TOKENIZER, [short, long, short], context_len=fits - 1)
    assert (less.examples, less.dropped) == ([both.examples[0], both.examples[2]], 1)
    assert less.tokens == 2 * len(both.examples[0][0])


def test_what_teaches_nothing_is_refused():
    with pytest.raises(DataError, match="None of the 1 conversations fits into 5 tokens"):
        encode(TOKENIZER, [talk("abc", "def")], context_len=5)
    with pytest.raises(DataError, match="Conversation 1 has no assistant message"):
        encode(TOKENIZER, [talk("a", "b"), Conversation((user("a"),))], context_len=64)


def test_the_loss_does_not_see_what_the_user_says():
    """Changing an id that the user wrote changes no target; changing a reply's does."""
    torch.manual_seed(0)
    model = Transformer(
        TransformerConfig(TOKENIZER.vocab_size, context_len=32, n_layer=1, n_head=2, n_embd=16)
    )
    examples = encode(TOKENIZER, [talk("ab", "cd"), talk("abcde", "fgh")], context_len=32).examples
    batch = BucketBatches(examples, batch_tokens=64, seed=0).batch(0)
    targets = sorted(TOKENIZER.decode([id]) for id in batch.targets_BT[batch.targets_BT >= 0].tolist())
    assert targets == sorted(["c", "d", "f", "g", "h", "", ""])
    loss, count, _ = cross_entropy(model, batch)
    asked_loss, asked_count, _ = cross_entropy_where_asked(model, batch)
    assert int(count) == int(asked_count) == 7
    torch.testing.assert_close(loss, asked_loss)
