"""The C program that `groundup export c` writes, against llama2.c: tokens a second, one thread.

    python -m benchmarks.c_program --peer DIR         DIR: a checkout of github.com/karpathy/llama2.c

A Llama of random weights in the shape of llama2.c's stories15M and stories110M is written in both formats,
float32 and int8 (groups of 32), and each program continues it greedily. Compiler and flags are the same for
all: -O3 -march=native, and -Ofast -march=native, since -Ofast is llama2.c's own advice (`make runfast`). In
float32 both must write the same ids, or nothing is claimed: it is the same model.

A round runs every program once for a few tokens and once for many; the CPU seconds between the two are
counted, so that loading is not. Rounds alternate; the ratio is the median of the rounds' ratios.

Not the same in int8: llama2.c's runq.c rounds activations to 8 bits, ours to 16.
"""

from __future__ import annotations

import argparse
import resource
import struct
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from benchmarks.result import Claim, Result, table, write
from groundup.base.device import describe_machine
from groundup.models.transformer import Transformer, TransformerConfig, llama
from groundup.tokenizer.chars import CharTokenizer
from groundup.weights import checkpoint
from groundup.weights.c_export import GROUP, quantized, write_c

VOCAB, START = 32_000, 1  # of Llama 2; its <s>, which llama2.c puts before every text and ends at
SHAPES = {
    "15m": {"context_len": 256, "n_layer": 6, "n_head": 6, "n_embd": 288, "mlp_width": 768},
    "110m": {"context_len": 1024, "n_layer": 12, "n_head": 12, "n_embd": 768, "mlp_width": 2048},
}
TOKENS = {"15m": (10, 210), "110m": (4, 44)}  # of the short run and the long one
FLAGS = {"o3": ("-O3", "-march=native"), "ofast": ("-Ofast", "-march=native")}
ROUNDS = 7


@dataclass(frozen=True)
class Program:
    """A compiled program and its weights; `command(n)` makes it write n tokens."""

    words: tuple[str, ...]

    def run(self, n: int) -> tuple[float, str]:
        """(CPU seconds, what it wrote)."""
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run([*self.words, "-n", str(n)], capture_output=True, text=True, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout

    def speed(self, few: int, many: int) -> float:
        """Tokens a CPU second."""
        return (many - few) / (self.run(many)[0] - self.run(few)[0])


# ---- The same model in both formats --------------------------------------------------------------


def random_model(shape: str) -> Transformer:
    """Random weights; the row of START is 0, so that greedy text never comes to it."""
    torch.manual_seed(0)
    model = Transformer(llama(vocab_size=VOCAB, tie=True, norm_eps=1e-5, **SHAPES[shape])).eval()
    model.embedding.weight.data.normal_(std=0.3)
    for name, parameter in model.named_parameters():
        if name.startswith("blocks") and parameter.dim() == 2:
            parameter.data.normal_(std=1.5 / parameter.size(1) ** 0.5)
    model.embedding.weight.data[START] = 0
    return model


def their_matrices(model: Transformer) -> list[list[Tensor]]:
    """wq, wk, wv, wo, w1, w2, w3, each of all layers. They rotate channels 2i and 2i+1, we i and i+D/2."""
    c, found = model.config, []
    weights = model.state_dict()
    for layer in range(c.n_layer):
        at = f"blocks.{layer}."
        q, k, v = weights[at + "attention.qkv.weight"].chunk(3)
        gate, up = weights[at + "mlp.gate_up.weight"].chunk(2)
        out, down = weights[at + "attention.out.weight"], weights[at + "mlp.down.weight"]
        found.append([_paired(q, c), _paired(k, c), v, out, gate, down, up])
    return [list(kind) for kind in zip(*found, strict=True)]


def _paired(rows: Tensor, c: TransformerConfig) -> Tensor:
    halves = rows.view(c.n_head, 2, c.head_width // 2, c.n_embd)
    return halves.transpose(1, 2).reshape(rows.shape)


def write_theirs(model: Transformer, path: Path, *, int8: bool) -> None:
    """Their file: export.py, legacy_export (float32, for run.c) and version2_export (int8, for runq.c)."""
    c, weights, matrices = model.config, model.state_dict(), their_matrices(model)
    sizes = struct.pack("7i", c.n_embd, c.mlp_hidden, c.n_layer, c.n_head, c.n_head, VOCAB, c.context_len)
    norms = [
        [weights[f"blocks.{i}.{name}.weight"] for i in range(c.n_layer)]
        for name in ("attention_norm", "mlp_norm")
    ]
    embedding = weights["embedding.weight"]
    with path.open("wb") as file:
        if int8:
            head = struct.pack("<Ii", 0x616B3432, 2) + sizes + struct.pack("<Bi", 1, GROUP)
            file.write(head.ljust(256, b"\0"))
            for gain in (*norms[0], *norms[1], weights["norm.weight"]):
                file.write(_floats(gain))
            for matrix in (embedding, *(matrix for kind in matrices for matrix in kind)):
                scales, numbers = quantized(matrix)
                file.write(numbers + scales)
            return
        file.write(sizes + _floats(embedding))
        for kind in (norms[0], *matrices[:4], norms[1], *matrices[4:]):
            file.writelines(map(_floats, kind))
        unused = bytes(4 * c.context_len * c.head_width)  # where tables of rotations were once
        file.write(_floats(weights["norm.weight"]) + unused)


def _floats(tensor: Tensor) -> bytes:
    return tensor.numpy().astype("<f4").tobytes()


def write_their_tokens(path: Path) -> None:
    """Their tokenizer.bin, in which every token is its id and a blank: so run.c writes ids."""
    tokens = [b"%d " % id for id in range(VOCAB)]
    entries = (struct.pack("<fi", 0.0, len(token)) + token for token in tokens)
    path.write_bytes(struct.pack("<i", max(map(len, tokens))) + b"".join(entries))


# ---- Programs and rounds -------------------------------------------------------------------------


def compile_c(source: Path, out: Path, flags: Sequence[str]) -> Path:
    subprocess.run(["cc", *flags, str(source), "-lm", "-o", str(out)], check=True)
    return out


def programs(shape: str, flags: str, peer: Path, work: Path) -> dict[str, Program]:
    """ours, ours_int8, theirs, theirs_int8: written to `work`, and compiled."""
    model, options = random_model(shape), FLAGS[flags]
    letters = CharTokenizer.train("".join(map(chr, range(0x4E00, 0x4E00 + VOCAB))))
    checkpoint.save(work / "model", model=model, tokenizer=letters, step=0, extra={"bos": START})
    loaded = checkpoint.load(work / "model")
    write_their_tokens(work / "tokens.bin")
    made = {}
    for dtype, name in (("float32", "run"), ("int8", "runq")):
        suffix = "_int8" if dtype == "int8" else ""
        write_c(loaded, work / f"c{suffix}", dtype="int8" if dtype == "int8" else "float32")
        write_theirs(model, work / f"{name}.bin", int8=dtype == "int8")
        ours = compile_c(work / f"c{suffix}" / "groundup.c", work / f"ours{suffix}", options)
        theirs = compile_c(peer / f"{name}.c", work / name, options)
        made[f"ours{suffix}"] = Program((str(ours), str(work / f"c{suffix}" / "model.bin"), "-i", "-t", "0"))
        weights, tokens = str(work / f"{name}.bin"), str(work / "tokens.bin")
        made[f"theirs{suffix}"] = Program((str(theirs), weights, "-t", "0", "-z", tokens))
    return made


def check_same(made: dict[str, Program], n: int) -> None:
    """SystemExit unless both write the same ids."""
    ours = made["ours"].run(n)[1].split()
    theirs = [str(START), *made["theirs"].run(n)[1].split()]
    if ours != theirs or len(ours) <= n or len(set(ours)) < 5:
        heads = " ".join(ours[:9]), " ".join(theirs[:9])
        raise SystemExit(f"Not one model: ours wrote {heads[0]} ..., theirs {heads[1]} ...")


def claims_of(shape: str, flags: str, made: dict[str, Program]) -> Iterator[Claim]:
    """Ratios of alternating rounds."""
    few, many = TOKENS[shape]
    check_same(made, few)
    rounds = [{name: program.speed(few, many) for name, program in made.items()} for _ in range(ROUNDS)]
    what = f"stories{shape.upper()}'s shape, {' '.join(FLAGS[flags])}"
    for id, a, b, peer in (
        ("float32", "ours", "theirs", "llama2.c run.c"),
        ("int8", "ours_int8", "theirs_int8", "llama2.c runq.c"),
        ("int8-float32", "ours_int8", "ours", "ours in float32"),
    ):
        ratios = sorted(round[a] / round[b] for round in rounds)
        speed = median(round[a] for round in rounds)
        yield Claim(
            f"c.{shape}.{flags}.{id}", f"{what}: {id}", "tokens/CPU s", speed, speed / median(ratios),
            median(ratios), n=ROUNDS, peer=peer,
            note=f"median of {ROUNDS} alternating rounds; ratios {ratios[0]:.2f} to {ratios[-1]:.2f}",
        )  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--peer", type=Path, required=True)
    parser.add_argument("--shapes", nargs="+", choices=list(SHAPES), default=list(SHAPES))
    parser.add_argument("--out", type=Path)
    arguments = parser.parse_args()
    if not (arguments.peer / "runq.c").is_file():
        raise SystemExit(f"{arguments.peer} holds no run.c and runq.c. Give another --peer.")
    claims: list[Claim] = []
    for shape in arguments.shapes:
        for flags in FLAGS:
            with tempfile.TemporaryDirectory() as work:
                claims += claims_of(shape, flags, programs(shape, flags, arguments.peer, Path(work)))
    compiler = subprocess.run(["cc", "-dumpfullversion"], capture_output=True, text=True, check=True)
    versions = {"cc": compiler.stdout.strip(), "torch": torch.__version__, "numpy": np.__version__}
    where = f"{describe_machine()}, 1 thread"
    result = Result("c-program", where, versions, date.today().isoformat(), tuple(claims))
    print(table(result))
    print(write(result, arguments.out))


if __name__ == "__main__":
    main()
