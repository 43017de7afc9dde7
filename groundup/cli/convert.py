"""`groundup convert`: somebody else's model as a checkpoint of ours, checked and saved.

Next: weights/source.py, which reads it.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from groundup.base.errors import CheckpointError
from groundup.base.files import sha256_file


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    out: Path = asked.out
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise CheckpointError(f"{out} is there and not empty. Choose another with -o RUN.")
    from groundup.weights import checkpoint
    from groundup.weights.source import digest, load_transformer

    if asked.origin == "nanogpt":
        from groundup.weights.nanogpt import read_nanogpt

        found = read_nanogpt(asked.source, meta=asked.meta).as_checkpoint()
        sha256 = sha256_file(asked.source)
    else:
        found = load_transformer(asked.source)
        sha256 = digest(asked.source)
    extra = {**found.manifest.extra, "source_sha256": sha256}
    checkpoint.save(out, model=found.model, tokenizer=found.tokenizer, step=found.step, extra=extra)
    size = sum(weight.numel() for weight in found.model.parameters())
    print(f"{out}: {size:,} parameters, from {found.manifest.extra.get('source', asked.source)}.")
    print(f"Next: groundup {'generate' if 'none' in extra.get('chat', {}) else 'chat'} {out}")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup convert", description="Read other programs' models.")
    parser.add_argument("source", metavar="SOURCE", help="a GGUF file, a Hugging Face folder, or smollm2")
    parser.add_argument("-o", "--out", type=Path, required=True, metavar="RUN", help="a folder that is new")
    parser.add_argument(
        "--from",
        dest="origin",
        choices=["nanogpt"],
        help="a checkpoint of nanoGPT's: its pickle is read, never run, in a process that can reach nothing",
    )
    parser.add_argument("--meta", type=Path, help="nanoGPT's meta.pkl, for models of characters")
    return parser
