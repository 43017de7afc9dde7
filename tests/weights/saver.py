"""Saves checkpoints for ever, to be killed by a test: `python saver.py PATH`.

Each line on standard input is the step to start from: a child is forked that saves step after step, and says
each when it is on the disk. The test kills the child; this process says "dead" with the signal that ended it
(0: none, it failed by itself) and waits for the next line, so that a kill costs no new import of torch. The
weights say which step they are of: a mixture of two saves would be seen.
"""

import os
import sys
from pathlib import Path

import torch

from groundup.models.transformer import Transformer, TransformerConfig
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint


def say(*words: object) -> None:
    """One line in one write: `print` makes one for each word when Python is told not to buffer."""
    os.write(sys.stdout.fileno(), (" ".join(map(str, words)) + "\n").encode())


def save_for_ever(path: Path, step: int) -> None:
    tokenizer = CharTokenizer.train("abcdefgh")
    model = Transformer(TransformerConfig(vocab_size=8, context_len=16, n_layer=2, n_head=2, n_embd=64))
    say("pid", os.getpid())
    while True:
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.fill_(float(step))
        moments = {"moment": torch.full((100_000,), float(step)), "step": step}
        checkpoint.save(path, model=model, tokenizer=tokenizer, step=step, training=moments)
        say("saved", step)
        step += 1


if __name__ == "__main__":
    torch.set_num_threads(1)  # before the first fork: a pool of threads would not survive it
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            save_for_ever(Path(sys.argv[1]), int(line))
        _, status = os.waitpid(child, 0)
        say("dead", os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0)
