"""`groundup export`: a model for other programs, faithful or refused.

Next: weights/hugging_face_export.py.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    from groundup.weights.hugging_face_export import write_folder
    from groundup.weights.source import load

    kind = write_folder(load(asked.run), asked.out)
    print(f"{asked.out}: a {kind} in float32, with tokenizer, chat template and model card.")
    print(f'Load it: transformers.AutoModelForCausalLM.from_pretrained("{asked.out}")')
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup export", description="Write a model for other programs.")
    parser.add_argument("format", choices=["hf"], help="hf: a folder for transformers and vLLM")
    parser.add_argument("run", metavar="RUN", help="a run, a GGUF file, a Hugging Face folder, or smollm2")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="PATH", help="a folder that is new")
    return parser
