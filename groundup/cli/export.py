"""`groundup export`: a model for other programs, faithful or refused.

Next: weights/hugging_face_export.py, weights/c_export.py.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import ConfigError

if TYPE_CHECKING:
    from groundup.weights.checkpoint import Checkpoint

DTYPES = {"hf": ("float32",), "c": ("float32", "int8")}


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    if asked.dtype not in DTYPES[asked.format]:
        allowed = ", ".join(DTYPES[asked.format])
        raise ConfigError(f"--dtype {asked.dtype} is not written as {asked.format}. Choose {allowed}.")
    from groundup.weights.source import load

    write: dict[str, Callable[[Checkpoint, Path, str], None]] = {"hf": _hugging_face, "c": _c}
    write[asked.format](load(asked.run), asked.out, asked.dtype)
    return 0


def _hugging_face(checkpoint: "Checkpoint", out: Path, dtype: str) -> None:
    from groundup.weights.hugging_face_export import write_folder

    kind = write_folder(checkpoint, out)
    print(f"{out}: a {kind} in {dtype}, with tokenizer, chat template and model card.")
    print(f'Load it: transformers.AutoModelForCausalLM.from_pretrained("{out}")')


def _c(checkpoint: "Checkpoint", out: Path, dtype: str) -> None:
    from groundup.weights.c_export import write_c

    write_c(checkpoint, out, dtype="int8" if dtype == "int8" else "float32")
    print(f"{out}: groundup.c, model.bin in {dtype}, and a model card.")
    print(f"Compile it: cc -O3 -march=native {out}/groundup.c -lm -o {out}/groundup")
    print(f'Run it: {out}/groundup {out}/model.bin "Once upon a time"')


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup export", description="Write a model for other programs.")
    add = parser.add_argument
    add(
        "format",
        choices=list(DTYPES),
        help="hf: a folder for transformers and vLLM; c: a C program to read, and its weights",
    )
    add("run", metavar="RUN", help="a run, a GGUF file, a Hugging Face folder, or smollm2")
    add("-o", "--out", type=Path, required=True, metavar="PATH", help="a folder that is new")
    add("--dtype", default="float32", metavar="TYPE", help="float32, and for c also int8 (%(default)s)")
    return parser
