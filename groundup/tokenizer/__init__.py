"""Floor 3: text to ids and back.

Characters first, then byte-pair encoding from scratch with the split patterns and special tokens of the GPT
family, the one chat template, and streaming decode that never emits half a character. Works without torch.
What a user types can never become a control token: `encode` yields no special id, and `special(name)` is the
only way to one.

Read in this order: protocol, table, chars, pieces, bpe, patterns, long_piece, train, vocabulary, published,
stream, chat, load. The files named fast_*.py are the same, compiled, and are imported when they are needed.
"""

from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.chars import CharTokenizer
from groundup.tokenizer.load import from_dict, load
from groundup.tokenizer.protocol import Tokenizer
from groundup.tokenizer.stream import StreamDecoder
from groundup.tokenizer.train import train
from groundup.tokenizer.vocabulary import VocabularyTokenizer

__all__ = [
    "BytePairTokenizer",
    "CharTokenizer",
    "StreamDecoder",
    "Tokenizer",
    "VocabularyTokenizer",
    "from_dict",
    "load",
    "train",
]
