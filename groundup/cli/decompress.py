"""`groundup decompress`: what `groundup compress` made, as it was before, or a refusal that says why.

Next: infer/compressed_file.py, what is checked.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from groundup.base.files import write_atomic
from groundup.cli.compress import read_bytes, refuse_existing, unpack


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    packed = read_bytes(asked.file)
    refuse_existing(asked.out)

    from groundup.infer.compressed_file import parsed
    from groundup.weights.source import load

    parsed(packed)  # a torn file is refused before any model is loaded
    data = unpack(load(asked.model), packed)
    write_atomic(asked.out, data)
    print(f"{asked.out}: {len(data):,} bytes, checksum as written")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup decompress",
        description="Decompress a file with the model that it was compressed with.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="what `groundup compress` wrote")
    add("-o", "--out", type=Path, required=True, metavar="OUT", help="the file again, which must be new")
    add("--model", required=True, metavar="SOURCE", help="the model that it was compressed with")
    return parser
