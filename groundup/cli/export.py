"""`groundup export`: a model for other programs, faithful or refused.

Next: weights/exported.py, then hugging_face_export.py, gguf_export.py, c_export.py and html_export.py.
"""

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.errors import ConfigError

if TYPE_CHECKING:
    from groundup.weights.checkpoint import Checkpoint

DTYPES = {  # of each the default first
    "hf": ("float32",),
    "gguf": ("f32", "f16", "q8_0", "q4_0", "q4_1"),
    "c": ("float32", "int8"),
    "html": ("int8",),
}


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    allowed = DTYPES[asked.format]
    dtype = asked.dtype or allowed[0]
    if dtype not in allowed:
        raise ConfigError(f"--dtype {dtype} is not written as {asked.format}. Choose {', '.join(allowed)}.")
    from groundup.weights.source import load

    write: dict[str, Callable[[Checkpoint, Path, Any], None]] = {
        "hf": _hugging_face,
        "gguf": _gguf,
        "c": _c,
        "html": _html,
    }
    write[asked.format](load(asked.run), asked.out, dtype)
    return 0


def _hugging_face(checkpoint: "Checkpoint", out: Path, dtype: str) -> None:
    from groundup.weights.hugging_face_export import write_folder

    kind = write_folder(checkpoint, out)
    print(f"{out}: a {kind} in {dtype}, with tokenizer, chat template and model card.")
    print(f'Load it: transformers.AutoModelForCausalLM.from_pretrained("{out}")')


def _gguf(checkpoint: "Checkpoint", out: Path, dtype: Any) -> None:
    from groundup.weights.gguf_export import write_file

    kind, remarks = write_file(checkpoint, out, dtype=dtype)
    size = out.stat().st_size / 1e6
    print(f"{out}: a {kind} in {dtype}, {size:.1f} MB, with tokenizer, chat template and model card.")
    for remark in remarks:
        print(f"Not the same: {remark}.")
    print(f"Load it: llama-cli -m {out}, or groundup chat --model {out}")


def _c(checkpoint: "Checkpoint", out: Path, dtype: str) -> None:
    from groundup.weights.c_export import write_c

    write_c(checkpoint, out, dtype="int8" if dtype == "int8" else "float32")
    print(f"{out}: groundup.c, model.bin in {dtype}, and a model card.")
    print(f"Compile it: cc -O3 -march=native {out}/groundup.c -lm -o {out}/groundup")
    print(f'Run it: {out}/groundup {out}/model.bin "Once upon a time"')


def _html(checkpoint: "Checkpoint", out: Path, dtype: str) -> None:
    from groundup.weights.html_export import write_page

    size = write_page(checkpoint, out)
    print(f"{out}: the model in {dtype} and a program to run it, {size / 1e6:.1f} MB, one page.")
    print("Open it in a browser, or mail it: it needs no network and no other file.")


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup export", description="Write a model for other programs.")
    add = parser.add_argument
    add(
        "format",
        choices=list(DTYPES),
        help="hf: a folder for transformers and vLLM; gguf: a file for llama.cpp and what is built on it; "
        "c: a C program to read, and its weights; html: a page with the model in it, to open in a browser or "
        "to mail",
    )
    add("run", metavar="RUN", help="a run, a GGUF file, a Hugging Face folder, or smollm2")
    add("-o", "--out", type=Path, required=True, metavar="PATH", help="a file or folder that is new")
    add(
        "--dtype",
        metavar="TYPE",
        help="gguf: f32 (default), f16, q8_0, q4_0, q4_1; c: float32 (default), int8; html is always int8",
    )
    return parser
