"""Training on one GPU against nanoGPT: its Shakespeare recipe, and the speed of GPT-2 small.

    python -m benchmarks.gpu.training --peer DIR --data FILE

Two families of claims. On Tiny Shakespeare nanoGPT's GPU recipe (published: 1.4697) and the preset
shakespeare-course with our own choices (OURS) run in turn, each as its command: the seconds until ours is
below the peer's best loss, and the best loss of each, scored by the same lines on the whole held-out text.
On random ids the same 124 M model is trained by both for a few steps: tokens a second, model FLOPs
utilisation, peak memory; ours as `fit` runs it, and with the objective compiled.

Never run yet: it was written where there was no GPU, and is tested on a CPU with a tiny model. It publishes
nothing until somebody runs it.
Next: nanogpt.py and shakespeare_char.py, the same against a CPU.
"""

import argparse
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks.nanogpt import loss_of, peer_module, prepare, run, windows_loss
from benchmarks.result import Claim, Result, bigger_is_better, smaller_is_better, table, write
from benchmarks.zero_to_chat import versions
from groundup.base.errors import ConfigError, DataError, UserError
from groundup.base.files import read_text
from groundup.base.log import EventLog
from groundup.base.rundir import provenance
from groundup.data.batches import Batch
from groundup.models.cost import flops_per_token
from groundup.models.transformer import Transformer, TransformerConfig, gpt2
from groundup.train.fit import FitConfig, accumulate
from groundup.train.metrics import peak_flops
from groundup.train.objective import cross_entropy
from groundup.train.optim import OptimConfig, build_optimizer
from groundup.weights import checkpoint

NAME = "training-gpu"
PEER = "nanoGPT"
SMALL = gpt2(
    vocab_size=50304, context_len=1024, n_layer=12, n_head=12, n_embd=768, bias=False
)  # its speed test
OURS = (  # on top of shakespeare-course; what won on a CPU, with the course's size and dropout
    "--fit.steps 2500 --fit.precision bfloat16 --fit.eval_every 100 --model.mlp relu2 --model.norm rms "
    "--model.position rotary --model.qk_norm True --model.tie False --model.zero_init_out True "
    "--optim.kind muon --optim.weight_decay 0.1 --schedule.kind wsd --schedule.warmup 0"
)


@dataclass(frozen=True)
class Speed:
    """What training the same model came to: medians over the timed steps."""

    tokens_per_second: float
    peak_bytes: int | None  # None on a CPU, which does not count


def main(words: Sequence[str]) -> int:
    """Measure, print the claims and write them."""
    parser = argparse.ArgumentParser(
        prog="benchmarks.gpu.training", description="Against nanoGPT, on one GPU."
    )
    parser.add_argument("--peer", type=Path, required=True, metavar="DIR", help="a nanoGPT checkout")
    parser.add_argument(
        "--data", type=Path, required=True, metavar="FILE", help="Tiny Shakespeare, input.txt"
    )
    parser.add_argument("--work", type=Path, default=Path("runs/bench-gpu"), metavar="DIR")
    parser.add_argument("--rows", type=int, default=12, help="rows of 1,024 tokens in the speed test")
    parser.add_argument("--out", type=Path, metavar="FILE", help="default: in benchmarks/results/")
    asked = parser.parse_args(words)
    try:
        if not torch.cuda.is_available():
            raise ConfigError(
                "This benchmark needs a CUDA GPU; benchmarks.shakespeare_char is the one for a CPU."
            )
        nanogpt = prepare(asked.peer.resolve(), asked.work.resolve() / "nanogpt", read_text(asked.data))
        device = torch.device("cuda")
        claims = (
            *speed_claims(nanogpt, SMALL, rows=asked.rows, device=device),
            *shakespeare_claims(nanogpt, asked.data.resolve(), asked.work.resolve()),
        )
        about = versions(provenance(NAME, seed=1337))
        machine = torch.cuda.get_device_name(device)
        known = {name: str(version) for name, version in about.items() if version}
        result = Result(NAME, machine, known, date.today().isoformat(), claims)
        print(table(result), f"\nwritten to {write(result, asked.out)}")
    except UserError as error:
        print(f"benchmarks: {error}", file=sys.stderr)
        return 2
    return 0


# ---- Speed ---------------------------------------------------------------------------------------


def speed_claims(
    nanogpt: Path,
    config: TransformerConfig,
    *,
    rows: int,
    device: torch.device,
    steps: int = 30,
    compile: bool = True,
) -> Iterator[Claim]:
    """Tokens a second, utilisation and memory of both, in turn on the same random ids."""
    batch = synthetic(config, rows, device)
    theirs = timed(peer_step(nanogpt, config, batch, compile=compile), batch, steps=steps)
    ways = {"": timed(our_step(config, batch, compile=False), batch, steps=steps)}
    if compile:
        ways["-compiled"] = timed(our_step(config, batch, compile=True), batch, steps=steps)
    cost, peak = flops_per_token(config, config.context_len), peak_flops(device)
    for way, ours in ways.items():
        note = f"{rows} x {config.context_len} random ids, bfloat16 autocast, AdamW; median step of {steps}"
        if peak:
            mine, peers = (100 * speed.tokens_per_second * cost / peak for speed in (ours, theirs))
            note = f"{note}; MFU {mine:.1f} % against {peers:.1f} %"
        yield Claim(
            f"tokens-per-second-124m{way}", "training speed of GPT-2 small", "tokens/s",
            ours.tokens_per_second, theirs=theirs.tokens_per_second, peer=PEER, note=note, n=steps,
            ratio=bigger_is_better(ours.tokens_per_second, theirs.tokens_per_second),
        )  # fmt: skip
        if ours.peak_bytes and theirs.peak_bytes:
            yield Claim(
                f"peak-memory-124m{way}", "peak memory of the same", "GB", ours.peak_bytes / 1e9,
                theirs=theirs.peak_bytes / 1e9, peer=PEER, n=1,
                ratio=smaller_is_better(ours.peak_bytes, theirs.peak_bytes),
            )  # fmt: skip


def synthetic(config: TransformerConfig, rows: int, device: torch.device) -> Batch:
    """One batch of random ids."""
    ids_BT = torch.randint(
        config.vocab_size, (rows, config.context_len + 1), generator=torch.Generator().manual_seed(0)
    )
    return Batch(ids_BT[:, :-1].contiguous(), ids_BT[:, 1:].contiguous()).to(device)


def our_step(config: TransformerConfig, batch: Batch, *, compile: bool) -> Callable[[], None]:
    """A step of `fit`: gradient, clipping, optimizer."""
    torch.manual_seed(0)
    model = Transformer(config).to(batch.tokens_BT.device)
    optimizer = build_optimizer(
        model, OptimConfig(kind="adamw", lr=6e-4, betas=(0.9, 0.95), weight_decay=0.1)
    )
    fit = FitConfig(steps=1, precision="bfloat16" if batch.tokens_BT.is_cuda else "float32")
    objective: Any = torch.compile(cross_entropy, dynamic=False) if compile else cross_entropy

    class Same:
        def batch(self, step: int, rank: int = 0) -> Batch:
            return batch

    def step() -> None:
        accumulate(model, Same(), objective, config=fit, step=0)
        optimizer.step()
        optimizer.zero_grad()

    return step


def peer_step(nanogpt: Path, config: TransformerConfig, batch: Batch, *, compile: bool) -> Callable[[], None]:
    """A step of nanoGPT's train.py, as its bench.py takes it, with the clipping of train.py."""
    torch.manual_seed(0)
    module, device = peer_module(nanogpt), batch.tokens_BT.device
    shape = module.GPTConfig(
        block_size=config.context_len, vocab_size=config.vocab_size, n_layer=config.n_layer,
        n_head=config.n_head, n_embd=config.n_embd, dropout=0.0, bias=config.bias,
    )  # fmt: skip
    model = module.GPT(shape).to(device)
    optimizer = model.configure_optimizers(
        weight_decay=0.1, learning_rate=6e-4, betas=(0.9, 0.95), device_type=device.type
    )
    called = torch.compile(model) if compile else model
    half = torch.autocast("cuda", torch.bfloat16) if device.type == "cuda" else nullcontext()

    def step() -> None:
        with half:
            _logits, loss = called(batch.tokens_BT, batch.targets_BT)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    return step


def timed(step: Callable[[], None], batch: Batch, *, steps: int, warm_up: int = 10) -> Speed:
    """The step's speed once it is warm, and the memory that it reached."""
    cuda = batch.tokens_BT.is_cuda
    wait = torch.cuda.synchronize if cuda else (lambda: None)
    if cuda:
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
    for _ in range(warm_up):
        step()
    seconds = []
    for _ in range(steps):
        wait()
        began = time.perf_counter()
        step()
        wait()
        seconds.append(time.perf_counter() - began)
    peak = torch.cuda.max_memory_allocated() if cuda else None
    return Speed(batch.tokens_BT.numel() / statistics.median(seconds), peak)


# ---- Tiny Shakespeare ----------------------------------------------------------------------------


def shakespeare_claims(nanogpt: Path, data: Path, work: Path) -> Iterator[Claim]:
    """nanoGPT's GPU recipe and ours, one after the other."""
    ids = np.fromfile(nanogpt / "data" / "shakespeare_char" / "val.bin", dtype="<u2").astype(np.int64)
    peer = run(
        [sys.executable, "train.py", "config/train_shakespeare_char.py", f"--out_dir={work / 'peer'}"],
        work / "peer.log", cwd=nanogpt,
    )  # fmt: skip
    their_loss = loss_of(nanogpt, work / "peer" / "ckpt.pt", ids, context=256)
    out = work / "ours"
    command = [sys.executable, "-m", "groundup", "run", "shakespeare-course", "--data.path", str(data)]
    ours = run([*command, *OURS.split(), "--out", str(out)], work / "ours.log")
    loaded = checkpoint.load(out / "model").model.eval()
    our_loss = windows_loss(loaded, ids, context=256)
    evals = EventLog(out / "events.jsonl").read("eval")
    reached = reaching(evals, their_loss, ours.began)
    yield Claim(
        "best-loss-gpu", "best held-out loss, whole split", "nats a character", our_loss, theirs=their_loss,
        ratio=smaller_is_better(our_loss, their_loss), peer=PEER, n=1,
        note=f"ours in {ours.seconds:.0f} s, the peer in {peer.seconds:.0f} s, compile time included",
    )  # fmt: skip
    if reached is None:
        raise DataError(
            f"Ours never evaluated below the peer's {their_loss:.4f}: there is no time to its loss."
        )
    yield Claim(
        "time-to-peer-loss-gpu", "seconds to nanoGPT's best loss (ratio: ours / theirs)", "s", reached,
        theirs=peer.seconds, ratio=bigger_is_better(reached, peer.seconds), peer=PEER, n=1,
        note="ours by its own evaluations on a part of the held-out text",
    )  # fmt: skip


def reaching(evals: Any, loss: float, began: float) -> float | None:
    """Seconds from `began` until an evaluation was at or below `loss`.

    >>> reaching([{"time": 12.0, "loss": 2.0}, {"time": 15.0, "loss": 1.4}], 1.5, began=10.0)
    5.0
    """
    return next((event["time"] - began for event in evals if event["loss"] <= loss), None)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
