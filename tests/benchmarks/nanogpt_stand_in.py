"""A checkout with nanoGPT's interface and none of its code: files, flags, log lines, checkpoint, `model.py`.

The real one is no dependency, so the tests of how a peer is run run this. A bigram model learns something in
a second.
"""

from pathlib import Path

MODEL = """
from dataclasses import dataclass
import torch
import torch.nn as nn
import torch.nn.functional as F

@dataclass
class GPTConfig:
    block_size: int = 64
    vocab_size: int = 65
    n_layer: int = 1
    n_head: int = 1
    n_embd: int = 8
    dropout: float = 0.0
    bias: bool = False

class GPT(nn.Module):
    def __init__(self, config):
        super().__init__()
        self.table = nn.Embedding(config.vocab_size, config.vocab_size)

    def forward(self, idx, targets=None):
        logits = self.table(idx)
        if targets is None:
            return logits[:, [-1]], None
        return logits, F.cross_entropy(logits.flatten(0, 1), targets.flatten(), ignore_index=-1)

    def configure_optimizers(self, weight_decay, learning_rate, betas, device_type):
        return torch.optim.AdamW(self.parameters(), lr=learning_rate, betas=betas, weight_decay=weight_decay)
"""

TRAIN = """
import os, pickle, sys, time
import numpy as np
import torch
from model import GPT, GPTConfig

flags = dict(word[2:].split("=") for word in sys.argv[1:] if word.startswith("--"))
data = os.path.join("data", "shakespeare_char")
meta = pickle.load(open(os.path.join(data, "meta.pkl"), "rb"))
ids = torch.from_numpy(np.fromfile(os.path.join(data, "train.bin"), dtype=np.uint16).astype(np.int64))
T, B = int(flags["block_size"]), int(flags["batch_size"])
torch.manual_seed(1337)
arguments = {"vocab_size": meta["vocab_size"], "block_size": T}
model = GPT(GPTConfig(**arguments))
optimizer = model.configure_optimizers(0.1, 3e-2, (0.9, 0.99), "cpu")
for step in range(int(flags["max_iters"]) + 1):
    began = time.time()
    starts = torch.randint(len(ids) - T, (B,))
    x, y = (torch.stack([ids[s + shift : s + shift + T] for s in starts]) for shift in (0, 1))
    _, loss = model(x, y)
    optimizer.zero_grad(); loss.backward(); optimizer.step()
    print(f"iter {step}: loss {loss.item():.4f}, time {1000 * (time.time() - began):.2f}ms, mfu -100.00%")
os.makedirs(flags["out_dir"], exist_ok=True)
weights = {"_orig_mod." + name: tensor for name, tensor in model.state_dict().items()}
saved = {"model": weights, "model_args": arguments, "config": flags}
torch.save(saved, os.path.join(flags["out_dir"], "ckpt.pt"))
"""


def checkout(folder: Path) -> Path:
    """The stand-in, in this folder."""
    (folder / "config").mkdir(parents=True)
    for name, text in (
        ("model.py", MODEL),
        ("train.py", TRAIN),
        ("configurator.py", ""),
        ("config/train_shakespeare_char.py", ""),
    ):
        (folder / name).write_text(text)
    return folder
