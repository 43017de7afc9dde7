"""`groundup export`: a model for other programs, faithful or refused.

Next: weights/exported.py, then hugging_face_export.py and gguf_export.py beside it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from groundup.base.errors import UserError


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    if asked.format == "hf":
        if asked.dtype not in (None, "f32"):
            raise UserError(f"A Hugging Face folder is written in f32, not {asked.dtype}. Leave --dtype out.")
        return _hf(asked.run, asked.out)
    return _gguf(asked.run, asked.out, asked.dtype or "f32")


def _hf(run: str, out: Path) -> int:
    from groundup.weights.hugging_face_export import write_folder
    from groundup.weights.source import load

    kind = write_folder(load(run), out)
    print(f"{out}: a {kind} in float32, with tokenizer, chat template and model card.")
    print(f'Load it: transformers.AutoModelForCausalLM.from_pretrained("{out}")')
    return 0


def _gguf(run: str, out: Path, dtype: str) -> int:
    from groundup.weights.gguf_export import write_file
    from groundup.weights.source import load

    kind, remarks = write_file(load(run), out, dtype=dtype)  # type: ignore[arg-type]  # argparse checked it
    size = out.stat().st_size / 1e6
    print(f"{out}: a {kind} in {dtype}, {size:.1f} MB, with tokenizer, chat template and model card.")
    for remark in remarks:
        print(f"Not the same: {remark}.")
    print(f"Load it: llama-cli -m {out}, or groundup chat --model {out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup export", description="Write a model for other programs.")
    parser.add_argument(
        "format",
        choices=["hf", "gguf"],
        help="hf: a folder for transformers and vLLM; gguf: a file for llama.cpp and what is built on it",
    )
    parser.add_argument("run", metavar="RUN", help="a run, a GGUF file, a Hugging Face folder, or smollm2")
    parser.add_argument(
        "-o", "--out", type=Path, required=True, metavar="PATH", help="a folder or file that is new"
    )
    parser.add_argument(
        "--dtype",
        choices=["f32", "f16", "q8_0", "q4_0", "q4_1"],
        help="how gguf writes matrices (default: f32; the q ones are 8 and 4 bits in blocks of 32)",
    )
    return parser
