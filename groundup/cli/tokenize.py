"""`groundup tokenize`: train a tokenizer, use one, and see what it does.

    groundup tokenize show "Hello, 世界"                      its tokens, in colours
    groundup tokenize show strawberry --tree strawberry.svg   how they were merged
    groundup tokenize compare gpt2 cl100k o200k --plot bytes.png
    groundup tokenize train book.txt --vocab-size 4096 -o mine.json
    groundup tokenize encode mine.json book.txt -o book.bin
    groundup tokenize decode mine.json book.bin -o again.txt
    groundup tokenize export mine.json tokenizer.json

A tokenizer is a name (gpt2, p50k, cl100k, o200k: `groundup data get vocabularies` fetches them), a file of
ours, a tokenizer.json of Hugging Face's, or a .tiktoken file with --pattern. Control tokens are never found
in text, whatever it spells.

Next: tokenizer/show.py, tokenizer/merge_tree.py, tokenizer/compare.py.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from groundup.base.errors import DataError, TokenizerError

if TYPE_CHECKING:
    import numpy as np

    from groundup.tokenizer.pieces import PieceTokenizer
    from groundup.tokenizer.protocol import Tokenizer

AT_ONCE = 1 << 20  # ids that are decoded together


def main(words: Sequence[str]) -> int:
    """Run one of the commands with these words."""
    asked = _parser().parse_args(words)
    asked.run(asked)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="groundup tokenize", description="Text to tokens and back.")
    commands = parser.add_subparsers(
        required=True, metavar="show | compare | train | encode | decode | export"
    )
    one: dict[str, Any] = {"metavar": "TOKENIZER", "help": "gpt2, p50k, cl100k, o200k, or a file"}

    show = _command(commands, "show", _show, "a text as its tokens, in colours")
    show.add_argument("text", metavar="TEXT", help="the text itself, or - for what is piped in")
    show.add_argument("--tokenizer", default="cl100k", metavar="TOKENIZER", help="default: cl100k")
    show.add_argument("--ids", action="store_true", help="write each token's id behind it")
    show.add_argument("--tree", type=Path, metavar="FILE.svg", help="draw how the tokens were merged")

    compare = _command(commands, "compare", _compare, "bytes a token of several tokenizers")
    compare.add_argument("tokenizers", nargs="+", metavar="TOKENIZER", help=one["help"])
    compare.add_argument(
        "--text", type=Path, action="append", metavar="FILE",
        help="on this text (may be repeated) instead of ten languages, sums and Python",
    )  # fmt: skip
    compare.add_argument("--plot", type=Path, metavar="FILE", help="draw it: .png, .svg or .pdf")

    train = _command(commands, "train", _train, "learn a tokenizer from texts", pattern="default: cl100k")
    train.add_argument("texts", nargs="+", type=Path, metavar="TEXT", help="a file, or a folder of files")
    train.add_argument("--vocab-size", type=int, required=True, metavar="N", help="ids in all")
    train.add_argument("--special", action="append", default=[], metavar="NAME", help="a control token")
    train.add_argument("--threads", type=int, default=1, metavar="N", help="to split and count (default: 1)")
    train.add_argument("-o", "--out", type=Path, required=True, metavar="FILE.json")

    encode = _command(commands, "encode", _encode, "a text to ids")
    encode.add_argument("tokenizer", **one)
    encode.add_argument("text", nargs="?", type=Path, metavar="FILE", help="default: what is piped in")
    encode.add_argument(
        "-o", "--out", type=Path, metavar="FILE.bin", help="2 bytes an id, 4 above 65,536 ids"
    )

    decode = _command(commands, "decode", _decode, "ids to their text")
    decode.add_argument("tokenizer", **one)
    decode.add_argument("ids", nargs="*", metavar="ID", help="ids, or a file of encode's; default: piped in")
    decode.add_argument("-o", "--out", type=Path, metavar="FILE")

    export = _command(commands, "export", _export, "write a tokenizer for other programs")
    export.add_argument("tokenizer", **one)
    export.add_argument("out", type=Path, metavar="OUT", help="....json (Hugging Face) or ....tiktoken")
    return parser


def _command(
    commands: Any, name: str, run: Any, what: str, *, pattern: str = "of a .tiktoken file"
) -> argparse.ArgumentParser:
    command = commands.add_parser(name, help=what, description=f"{what[0].upper()}{what[1:]}.")
    command.add_argument(
        "--pattern", metavar="P",
        help=f"how text is split: gpt2, cl100k, o200k, digits, or a regular expression ({pattern})",
    )  # fmt: skip
    command.set_defaults(run=run)
    return command


# ---- See -----------------------------------------------------------------------------------------


def _show(asked: argparse.Namespace) -> None:
    from groundup.tokenizer.show import shown, summary

    tokenizer = _load(asked.tokenizer, asked)
    text = _piped().decode("utf-8", errors="replace") if asked.text == "-" else asked.text
    if asked.tree is not None and asked.tree.suffix.lower() != ".svg":
        raise TokenizerError(f"{asked.tree}: the picture is SVG. Name a file that ends in .svg.")
    colours = sys.stdout.isatty() and "NO_COLOR" not in os.environ
    print(shown(tokenizer, text, colours=colours, ids=asked.ids))
    print(summary(tokenizer, text))
    if asked.tree is not None:
        from groundup.base.files import write_atomic
        from groundup.tokenizer.merge_tree import draw_merges

        write_atomic(asked.tree, draw_merges(_of_pieces(tokenizer, asked.tokenizer), text))
        print(f"{asked.tree}: open it with any browser")


def _compare(asked: argparse.Namespace) -> None:
    from groundup.base.files import read_text
    from groundup.tokenizer import compare

    tokenizers = [_load(name, asked) for name in asked.tokenizers]
    texts = {path.name: read_text(path) for path in asked.text} if asked.text else compare.samples()
    rows = compare.compare(tokenizers, texts)
    names = [Path(name).name for name in asked.tokenizers]
    print(compare.told(names, rows))
    if asked.plot is not None:
        if asked.plot.suffix.lower() not in (".png", ".svg", ".pdf"):
            raise TokenizerError(f"{asked.plot}: name a picture that ends in .png, .svg or .pdf.")
        compare.draw(asked.plot, names, rows)
        print(f"drawn in {asked.plot}")


# ---- Use -----------------------------------------------------------------------------------------


def _train(asked: argparse.Namespace) -> None:
    from groundup.data.read_text import read_passages
    from groundup.tokenizer.train import train

    texts = (passage.text for path in asked.texts for passage in read_passages(path))
    tokenizer = train(
        texts,
        vocab_size=asked.vocab_size,
        pattern=asked.pattern or "cl100k",
        specials=asked.special,
        threads=asked.threads,
    )
    tokenizer.save(asked.out)
    longest = max(map(tokenizer.bytes_of, range(tokenizer.vocab_size)), key=len)
    print(
        f"{asked.out}: {tokenizer.vocab_size:,} ids, {len(tokenizer.merges):,} of them merges; the longest "
        f"token is {longest.decode('utf-8', errors='backslashreplace')!r}"
    )


def _encode(asked: argparse.Namespace) -> None:
    from groundup.base.files import atomic_file

    tokenizer = _load(asked.tokenizer, asked)
    arrays = _arrays(tokenizer, asked.text)
    if asked.out is None:
        for ids in arrays:
            print(*ids.tolist())
        return
    count = 0
    with atomic_file(asked.out) as out:
        for ids in arrays:
            out.write(ids.astype(_dtype(tokenizer)).tobytes())
            count += len(ids)
    print(f"{asked.out}: {count:,} ids of {_dtype(tokenizer).itemsize} bytes, little-endian")


def _arrays(tokenizer: Tokenizer, path: Path | None) -> Iterator[np.ndarray]:
    """The ids of a file, or of what is piped in; of a file in parts, so that it may be of any size."""
    import numpy as np

    from groundup.base.files import read_text
    from groundup.tokenizer.pieces import PieceTokenizer

    if isinstance(tokenizer, PieceTokenizer):
        parts = iter([tokenizer.encode_array(_piped())]) if path is None else tokenizer.encode_file(path)
        yield from parts
        return
    text = _piped().decode("utf-8", errors="replace") if path is None else read_text(path, empty_ok=True)
    yield np.array(tokenizer.encode(text), np.uint32)


def _decode(asked: argparse.Namespace) -> None:
    import numpy as np

    from groundup.base.files import atomic_file

    tokenizer = _load(asked.tokenizer, asked)
    if len(asked.ids) == 1 and not asked.ids[0].isdigit():
        ids = _ids_in(Path(asked.ids[0]), _dtype(tokenizer))
    else:
        words = asked.ids or _piped().decode("utf-8", errors="replace").split()
        ids = np.array([_id(word) for word in words], np.int64)
    with ExitStack() as stack:
        out: IO[bytes] = (
            sys.stdout.buffer if asked.out is None else stack.enter_context(atomic_file(asked.out))
        )
        for start in range(0, len(ids), AT_ONCE):
            some = ids[start : start + AT_ONCE].tolist()
            out.write(b"".join(map(tokenizer.bytes_of, some)))
    if asked.out is not None:
        print(f"{asked.out}: {len(ids):,} ids decoded")


def _id(word: str) -> int:
    try:
        return int(word.strip(",[]"))
    except ValueError:
        raise TokenizerError(
            f"{word!r} is no id: ids are whole numbers, as in: groundup tokenize decode cl100k 9906 1917"
        ) from None


def _ids_in(path: Path, dtype: np.dtype) -> np.ndarray:
    import numpy as np

    if not path.is_file():
        raise DataError(f"{path} is neither an id nor a file of ids. `groundup tokenize encode` makes one.")
    size = path.stat().st_size
    if size % dtype.itemsize:
        raise DataError(
            f"{path} has {size:,} bytes, which is no whole number of ids of {dtype.itemsize} bytes. It was "
            "cut short, or is of another tokenizer; encode the text again."
        )
    return np.memmap(path, dtype, mode="r") if size else np.empty(0, dtype)


def _export(asked: argparse.Namespace) -> None:
    from groundup.tokenizer.hugging_face import save_hugging_face
    from groundup.tokenizer.published import save_tiktoken

    tokenizer = _of_pieces(_load(asked.tokenizer, asked), asked.tokenizer)
    if asked.out.suffix == ".json":
        save_hugging_face(tokenizer, asked.out)
        print(f"{asked.out}: for tokenizers and transformers")
    elif asked.out.suffix == ".tiktoken":
        save_tiktoken(tokenizer, asked.out)
        print(f"{asked.out}: tokens only. Who reads it must be told the split pattern, {tokenizer.pattern}")
        print(f"and the special tokens: {', '.join(tokenizer.specials) or 'none'}")
    else:
        raise TokenizerError(f"{asked.out}: name a file that ends in .json (Hugging Face's) or .tiktoken.")


# ---- Shared --------------------------------------------------------------------------------------


def _load(name: str, asked: argparse.Namespace) -> Tokenizer:
    from groundup.tokenizer.load import load

    return load(name, pattern=asked.pattern)


def _of_pieces(tokenizer: Tokenizer, name: str) -> PieceTokenizer:
    from groundup.tokenizer.pieces import PieceTokenizer

    if not isinstance(tokenizer, PieceTokenizer):
        raise TokenizerError(
            f"{name} has an id for each character, and no merges. Give a byte-pair tokenizer, such as cl100k."
        )
    return tokenizer


def _dtype(tokenizer: Tokenizer) -> np.dtype:
    from groundup.data.shards import dtype_for

    return dtype_for(tokenizer.vocab_size)


def _piped() -> bytes:
    if sys.stdin.isatty():
        raise DataError(
            "Nothing is piped in. Name a file, or pipe something: echo hello | groundup tokenize ..."
        )
    return sys.stdin.buffer.read()
