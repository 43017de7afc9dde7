"""`groundup compress`: a file coded with a language model, and beside it what gzip, xz and zstd make of it.

The size over that of the file, in bits, is the model's bits per byte: no evaluation can flatter itself here,
because the file comes back (`groundup decompress`), and before it is written that is tried.

Next: infer/compression.py.
"""

from __future__ import annotations

import argparse
import bz2
import gzip
import importlib
import lzma
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import DataError, UserError
from groundup.base.files import write_atomic
from groundup.base.log import Progress

if TYPE_CHECKING:
    from groundup.weights.checkpoint import Checkpoint


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    asked = _parser().parse_args(words)
    if asked.out is None and not asked.compare:
        raise UserError("Where should it go? Name the compressed file with -o, or ask for --compare alone.")
    data = read_bytes(asked.file)
    if asked.out is not None:
        refuse_existing(asked.out)

    from groundup.base.device import set_threads
    from groundup.weights.source import load

    set_threads()
    trained = load(asked.model)
    began = time.perf_counter()
    packed = pack(trained, data, asked.lanes)
    seconds = time.perf_counter() - began
    if not asked.no_check:
        unpack(trained, packed, label="checking", expected=data)
    if asked.out is not None:
        write_atomic(asked.out, packed)
        print(f"{asked.out}: {told(len(data), len(packed))}, {'not ' * asked.no_check}checked")
    if asked.compare:
        rows = [("groundup", len(packed), seconds), *others(data)]
        print("\n".join(table(len(data), rows)))
        print(f"groundup needs the model again to read it: {weights_bytes(trained):,} bytes, not counted.")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="groundup compress",
        description="Compress a file, losslessly, with what a model knows of such texts. The same model on "
        "the same kind of machine decompresses it.",
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("file", type=Path, metavar="FILE", help="any file; texts like those that the model read get small")
    add("-o", "--out", type=Path, metavar="OUT", help="the compressed file, which must be new")
    add("--model", required=True, metavar="SOURCE", help="a run, a GGUF file, a Hugging Face folder, smollm2")
    add("--lanes", type=int, help="parts coded side by side: faster, a little larger (default: by the size)")
    add("--no-check", action="store_true", help="do not decompress it once before it is written")
    add("--compare", action="store_true", help="a table with gzip, bzip2, xz and zstd")
    return parser


def read_bytes(path: Path) -> bytes:
    """All of a file. Raises DataError for what is none."""
    try:
        return path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"{path} does not exist. Give the path of a file.") from None
    except IsADirectoryError:
        raise DataError(f"{path} is a folder. Give one file; tar makes one of a folder.") from None
    except PermissionError:
        raise DataError(f"{path} may not be read by this user. Change its permissions, or copy it.") from None


def refuse_existing(path: Path) -> None:
    """Raises UserError if there is something at the path already."""
    if path.exists():
        raise UserError(f"{path} exists, and would be overwritten. Delete it, or name another file with -o.")


def pack(trained: Checkpoint, data: bytes, lanes: int | None) -> bytes:
    """The compressed file, with progress."""
    from groundup.infer.compressed_file import compress
    from groundup.tokenizer.layouts import beginning

    start = trained.manifest.extra.get("bos", beginning(trained.tokenizer))
    with Progress(len(data), "compressing", "byte") as bar:
        return compress(
            data, trained.model, trained.tokenizer, start=start, lanes=lanes, on_bytes=bar.advance
        )


def unpack(
    trained: Checkpoint, packed: bytes, *, label: str = "decompressing", expected: bytes | None = None
) -> bytes:
    """The file again, with progress. Raises DataError if it is not `expected`."""
    from groundup.infer.compressed_file import decompress, parsed

    with Progress(parsed(packed)[0].size, label, "byte") as bar:
        data = decompress(packed, trained.model, trained.tokenizer, on_bytes=bar.advance)
    if expected is not None and data != expected:
        raise DataError("The compressed file does not come back as it was, so nothing was written.")
    return data


def told(size: int, packed: int) -> str:
    """One line: both sizes and the bits for a byte.

    >>> told(1000, 250)
    '1,000 bytes in, 250 out, 2.000 bits per byte'
    """
    rate = f", {8 * packed / size:.3f} bits per byte" if size else ""
    return f"{size:,} bytes in, {packed:,} out{rate}"


def others(data: bytes) -> Iterator[tuple[str, int, float]]:
    """(name, bytes, seconds) of general compressors at their strongest usual setting."""
    ways: dict[str, Callable[[bytes], bytes]] = {
        "gzip -9": lambda data: gzip.compress(data, 9),
        "bzip2 -9": lambda data: bz2.compress(data, 9),
        "xz -9e": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
    }
    if zstd := _zstd():
        ways["zstd -19"] = zstd
    for name, way in ways.items():
        began = time.perf_counter()
        size = len(way(data))
        yield name, size, time.perf_counter() - began


def _zstd() -> Callable[[bytes], bytes] | None:
    """Zstandard of Python 3.14 or of the package `zstandard`; None where neither is."""
    try:
        ours = importlib.import_module("compression.zstd")
        return lambda data: ours.compress(data, 19)
    except ModuleNotFoundError:
        pass
    try:
        package = importlib.import_module("zstandard")
    except ModuleNotFoundError:
        return None
    return lambda data: package.ZstdCompressor(level=19).compress(data)


def table(size: int, rows: Sequence[tuple[str, int, float]]) -> Iterator[str]:
    """The smallest first."""
    yield f"{'':<10} {'bytes':>12} {'of the file':>12} {'bits per byte':>14} {'bytes a second':>15}"
    for name, packed, seconds in sorted(rows, key=lambda row: row[1]):
        share, rate = (f"{packed / size:.1%}", f"{8 * packed / size:.3f}") if size else ("-", "-")
        yield f"{name:<10} {packed:>12,} {share:>12} {rate:>14} {size / max(seconds, 1e-9):>15,.0f}"
    if not any(name.startswith("zstd") for name, _, _ in rows):
        yield "zstd is not here: pip install 'groundup[zstd]', or Python 3.14."


def weights_bytes(trained: Checkpoint) -> int:
    """Bytes of the model's weights as they are in memory, one that two names share counted once."""
    return sum(parameter.nbytes for parameter in trained.model.parameters())
