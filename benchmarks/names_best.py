"""Our best model of at most 200,000 weights on the course's names, against makemore's at its best.

    python -m benchmarks.names_best --peer DIR [--work DIR]    DIR: a checkout of github.com/karpathy/makemore

Both learn from the same 80 % (the lectures' shuffle, seed 42), both are judged on the dev split while they
learn, and of both the weights with the lowest dev loss are kept: makemore's default run overfits, so it is
followed until PATIENCE looks in a row brought nothing better. Three seeds each. Then, once, the six models
read the test split: nats a character, the end of a name counted as one, and for the difference a paired
bootstrap over words.

The peer is its own classes with its own default settings (4 layers of 64, AdamW 5e-4, batch 32 with
replacement, a look every 500 steps). Three things make it faster and nothing else: its GELU is torch's (the
same tanh formula), AdamW is fused, and a batch is cut to its longest name, since what lies behind carries no
loss.

Everything goes into --work and goes on from there: about half an hour of one core in all.
"""

from __future__ import annotations

import argparse
import importlib.util
import platform
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from benchmarks.result import Claim, Result, table, write
from groundup.base.device import describe_machine
from groundup.base.log import EventLog
from groundup.data.batches import IGNORED, Batch
from groundup.data.names import Names, read_names
from groundup.data.windows import Words, padded
from groundup.evals.intervals import paired_bootstrap
from groundup.models.transformer import Transformer, TransformerConfig
from groundup.train.fit import FitConfig, fit
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig
from groundup.train.schedule import ScheduleConfig
from groundup.weights import checkpoint

PEER_SEEDS, OUR_SEEDS = (3407, 3408, 3409), (1, 2, 3)  # 3407 is makemore's default
LOOK, PATIENCE = 500, 6
# 196,672 weights. Chosen on dev in three trials: dropout 0.1 (1.956) against 0.2 (2.000) at 4,000 steps, and
# 2,000 steps (1.995).
OURS = TransformerConfig(
    vocab_size=27, context_len=16, n_layer=4, n_head=4, n_embd=64, mlp="relu2", mlp_width=248, dropout=0.1,
    zero_init_out=True,
)  # fmt: skip
STEPS, WORDS = 4000, 64


@dataclass(frozen=True)
class Trained:
    """One model at its lowest dev loss: nats of each word and what it cost to get there."""

    dev: float
    step: int
    seconds: float  # CPU, the looks not counted
    model: Callable[[Tensor], Tensor]


class CutToLongest:
    """Batches without the columns in which no row has a target."""

    def __init__(self, batches: Words) -> None:
        self.batches, self.batch_size = batches, batches.batch_size

    def batch(self, step: int, rank: int = 0) -> Batch:
        whole = self.batches.batch(step, rank)
        T = int((whole.targets_BT != IGNORED).sum(1).max())
        return Batch(whole.tokens_BT[:, :T], whole.targets_BT[:, :T])


@torch.no_grad()
def nats(model: Callable[[Tensor], Tensor], rows: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """(nats, characters) of each word, the end mark counted as a character."""
    tokens_NT, targets_NT = rows
    loss_NT = F.cross_entropy(
        model(tokens_NT).flatten(0, 1), targets_NT.flatten(), ignore_index=IGNORED, reduction="none"
    ).view_as(targets_NT)
    return loss_NT.sum(1).double().numpy(), (targets_NT != IGNORED).sum(1).numpy()


def per_character(model: Callable[[Tensor], Tensor], rows: tuple[Tensor, Tensor]) -> float:
    """Nats a character over all words."""
    total_N, count_N = nats(model, rows)
    return float(total_N.sum() / count_N.sum())


def load_peer(folder: Path) -> ModuleType:
    """makemore.py as a module, with torch's own kernel of its GELU."""
    spec = importlib.util.spec_from_file_location("makemore_peer", folder / "makemore.py")
    if spec is None or spec.loader is None:
        raise SystemExit(f"{folder} holds no makemore.py. Give --peer a checkout of karpathy/makemore.")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.NewGELU.forward = lambda self, x: F.gelu(x, approximate="tanh")
    return module


def train_peer(peer: ModuleType, names: Names, seed: int, folder: Path) -> Trained:
    """makemore's Transformer until its dev loss has not fallen for PATIENCE looks; from `folder` on."""
    folder.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(seed)
    model = peer.Transformer(
        peer.ModelConfig(vocab_size=27, block_size=16, n_layer=4, n_head=4, n_embd=64, n_embd2=64)
    )
    optimizer = torch.optim.AdamW(
        model.parameters(), lr=5e-4, weight_decay=0.01, betas=(0.9, 0.99), eps=1e-8, fused=True
    )
    tokens_NT, targets_NT = padded(names.train, names.tokenizer)
    length_N = (targets_NT != IGNORED).sum(1)
    dev = padded(names.dev, names.tokenizer)
    state: dict[str, Any] = {"step": 0, "seconds": 0.0, "curve": []}
    if (folder / "last.pt").exists():
        state = torch.load(folder / "last.pt", weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
    curve, step, seconds = list(state["curve"]), state["step"], state["seconds"]
    while not curve or step - min(curve, key=lambda look: look[1])[0] < LOOK * PATIENCE:
        began = time.process_time()
        for _ in range(LOOK):
            rows_B = torch.randint(len(tokens_NT), (32,))
            T = int(length_N[rows_B].max())
            _, loss = model(tokens_NT[rows_B, :T], targets_NT[rows_B, :T])
            model.zero_grad(set_to_none=True)
            loss.backward()
            optimizer.step()
        step, seconds = step + LOOK, seconds + time.process_time() - began
        curve.append((step, per_character(lambda tokens: model(tokens)[0], dev)))
        print(f"makemore {seed}  step {step}  dev {curve[-1][1]:.5f}  {seconds:.0f} CPU s", flush=True)
        if curve[-1][1] == min(look[1] for look in curve):
            torch.save(model.state_dict(), folder / "best.pt")
        kept = {
            "model": model.state_dict(),
            "optimizer": optimizer.state_dict(),
            "rng": torch.get_rng_state(),
        }
        torch.save(kept | {"curve": curve, "step": step, "seconds": seconds}, folder / "next.pt")
        (folder / "next.pt").replace(folder / "last.pt")
    model.load_state_dict(torch.load(folder / "best.pt", weights_only=True))
    best_step, best = min(curve, key=lambda look: look[1])
    return Trained(best, best_step, seconds, lambda tokens: model(tokens)[0])


def train_ours(names: Names, seed: int, folder: Path) -> Trained:
    """Our transformer by `fit`, weights averaged; from `folder` on."""
    torch.manual_seed(seed)
    model = Transformer(OURS)
    dev = padded(names.dev, names.tokenizer)
    batches = CutToLongest(
        Words(names.train, names.tokenizer, batch_size=WORDS, generator=torch.Generator().manual_seed(seed))
    )

    def look(model: nn.Module) -> dict[str, float]:
        loss = per_character(model, dev)
        print(f"groundup {seed}  dev {loss:.5f}", flush=True)
        return {"loss": loss}

    folder.mkdir(parents=True, exist_ok=True)
    done = fit(
        model, batches=batches, objective=cross_entropy, optim=OptimConfig(), schedule=ScheduleConfig(),
        config=FitConfig(steps=STEPS, eval_every=LOOK, save_every=LOOK, average=0.99), out=folder,
        events=EventLog(folder / "events.jsonl", console=False), tokenizer=names.tokenizer, seed=seed,
        evaluate=look,
    )  # fmt: skip
    best = checkpoint.load(done.best).model
    return Trained(per_character(best, dev), STEPS, done.seconds, best)


def compare(ours: Sequence[Trained], theirs: Sequence[Trained], rows: tuple[Tensor, Tensor]) -> list[Claim]:
    """The claims: the mean of the seeds of each, word by word, on rows that nobody has looked at before."""
    (our_N, count_N), (their_N, _) = (_mean_nats(models, rows) for models in (ours, theirs))
    a, b = float(our_N.sum() / count_N.sum()), float(their_N.sum() / count_N.sum())
    # A word's nats over the mean length of a word: the mean over words is then nats a character.
    scale = count_N.mean()
    gap = paired_bootstrap((our_N / scale).tolist(), (their_N / scale).tolist(), np.random.default_rng(0))
    size = sum(p.numel() for p in Transformer(OURS).parameters())
    spread = [per_character(each.model, rows) for each in ours]
    theirs_spread = ", ".join(f"{per_character(each.model, rows):.4f}" for each in theirs)
    peer = "makemore's Transformer at its best dev loss"
    dev, their_dev = (float(np.mean([each.dev for each in models])) for models in (ours, theirs))
    return [
        Claim(
            "names.test", f"names, test split, {size:,} weights against 204,544", "nats a character", a, b,
            b / a, n=len(ours), spread=(min(spread), max(spread)), peer=peer,
            note=f"spread: lowest and highest of {len(ours)} seeds; theirs: {theirs_spread}",
        ),
        Claim(
            "names.gap", "how much higher makemore's test loss is, same words", "nats a character",
            gap.value, n=len(count_N), spread=(gap.low, gap.high),
            note="spread: 95 % paired bootstrap over words",
        ),
        Claim(
            "names.dev", "names, dev split, on which both were chosen", "nats a character", dev, their_dev,
            their_dev / dev, n=len(ours), peer=peer,
            note="makemore's best at steps " + ", ".join(str(each.step) for each in theirs),
        ),
    ]  # fmt: skip


def _mean_nats(models: Sequence[Trained], rows: tuple[Tensor, Tensor]) -> tuple[np.ndarray, np.ndarray]:
    """Nats of each word, the mean over the seeds; and its characters."""
    found = [nats(each.model, rows) for each in models]
    return np.mean([total for total, _ in found], axis=0), found[0][1]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--work", type=Path, default=Path("runs/names-best"))
    parser.add_argument("--only", choices=["ours", "theirs"], help="train these and stop")
    parser.add_argument("--seeds", type=int, nargs="+", default=OUR_SEEDS, help="of ours")
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    names = read_names()
    ours: list[Trained] = []
    theirs: list[Trained] = []
    if arguments.only != "theirs":
        ours = [train_ours(names, seed, arguments.work / f"ours-{seed}") for seed in arguments.seeds]
    if arguments.only != "ours":
        peer = load_peer(arguments.peer)
        theirs = [train_peer(peer, names, seed, arguments.work / f"peer-{seed}") for seed in PEER_SEEDS]
    if not (ours and theirs):
        return
    claims = compare(ours, theirs, padded(names.test, names.tokenizer))
    versions = {"python": platform.python_version(), "torch": torch.__version__}
    where = f"{describe_machine()}, 1 thread"
    result = Result("names_best", where, versions, date.today().isoformat(), tuple(claims))
    print(table(result))
    print(write(result, arguments.out))


if __name__ == "__main__":
    main()
