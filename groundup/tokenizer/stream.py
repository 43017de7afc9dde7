"""Text as it arrives, one token at a time, never half a character.

A byte-level token may end in the middle of a character: 你 is three bytes, and a model may well spend two
tokens on it. Printing each token by itself would show U+FFFD twice. So bytes wait until their character is
whole, and a byte that can no longer become one is given up as U+FFFD at once, where `decode` would put it:

    the pieces from `push`, joined, and what `flush` gives  ==  tokenizer.decode(all ids)

>>> from groundup.tokenizer.bpe import BytePairTokenizer
>>> tokenizer = BytePairTokenizer([])          # 256 bytes, no merges: the worst case
>>> stream = StreamDecoder(tokenizer)
>>> [stream.push(id) for id in tokenizer.encode("a你!")]
['a', '', '', '你', '!']
>>> stream.push(0xE4), stream.flush()          # the reply ended in the middle of a character
('', '\ufffd')
"""

import codecs

from groundup.tokenizer.protocol import Tokenizer


class StreamDecoder:
    """Holds back at most three bytes: those of a character that is not yet whole."""

    def __init__(self, tokenizer: Tokenizer):
        self._tokenizer = tokenizer
        self._decoder = codecs.getincrementaldecoder("utf-8")(errors="replace")

    def push(self, id: int) -> str:
        """The text that this token completes, often one word and sometimes ""."""
        return self._decoder.decode(self._tokenizer.bytes_of(id))

    def flush(self) -> str:
        """What was held back, as U+FFFD, at the end of the ids; the decoder is then as new."""
        rest = self._decoder.decode(b"", final=True)
        self._decoder.reset()
        return rest
