"""Handwritten digits: 5,000 of MNIST's, or a file of your own in the same form.

A row of the file is one picture: its pixels from the upper left corner on, 0 for paper to 255 for ink, and
last the digit that it is. 28 by 28 pixels make 785 numbers a row, separated by commas.

Letters:  N pictures, S pixels a side.
Source:   LeCun et al. 1998, "Gradient-based learning applied to document recognition", section III.A.
"""

from __future__ import annotations

import gzip
import io
import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from groundup.base.errors import DataError
from groundup.data.fetch import Say, read_members, say_on_stderr
from groundup.data.sources import source


@dataclass(frozen=True, eq=False)
class Digits:
    """images_NSS, 0 for paper to 255 for ink, and which digit each one is."""

    images_NSS: np.ndarray  # uint8
    labels_N: np.ndarray  # int64, 0 to 9

    def __len__(self) -> int:
        return len(self.labels_N)


def read_digits(path: Path | None = None, *, say: Say = say_on_stderr) -> Digits:
    """The digits of a file (.csv, .csv.gz), or of the source `digits` if none is given.

    Raises DataError for a file that is not in this form, naming the row, and FetchError if the source cannot
    be had.
    """
    if path is None:
        ((name, content),) = read_members(source("digits"), say=say)
    else:
        name, content = str(path), _read(path)
    try:
        text = gzip.decompress(content) if name.endswith(".gz") else content
    except (OSError, EOFError) as error:
        raise DataError(f"{name} is no gzip file: {error}. Unpack it, or give the .csv itself.") from None
    return parse_digits(text, name)


def parse_digits(text: bytes, name: str) -> Digits:
    """The digits in comma-separated rows; `name` is for messages.

    >>> parse_digits(b"0,255,255,0,7\\n255,0,0,255,1\\n", "two").images_NSS.tolist()
    [[[0, 255], [255, 0]], [[255, 0], [0, 255]]]
    """
    try:
        rows = np.loadtxt(io.BytesIO(text), delimiter=",", dtype=np.float64, ndmin=2)
    except ValueError as error:
        said = str(error).rstrip(".")
        raise DataError(f"{name}: {said}. Each row holds as many numbers, the last a digit.") from None
    if not rows.size:
        raise DataError(f"{name} is empty. A row holds the pixels of a picture, and last its digit.")
    side = math.isqrt(rows.shape[1] - 1)
    if side * side != rows.shape[1] - 1 or not side:
        raise DataError(
            f"{name}: rows of {rows.shape[1]} numbers are no square pictures. For 28 by 28 pixels give "
            "785: the pixels, and last the digit."
        )
    allowed = (rows >= 0) & (rows <= 255) & (rows == np.floor(rows))  # a NaN is none of these
    allowed[:, -1] &= rows[:, -1] <= 9
    if not allowed.all():
        row, column = (int(i) for i in np.argwhere(~allowed)[0])
        what = "the digit" if column == rows.shape[1] - 1 else f"pixel {column + 1}"
        raise DataError(
            f"{name}, row {row + 1}: {what} is {rows[row, column]:g}. Pixels are whole numbers from 0 "
            "to 255, and a digit is one from 0 to 9."
        )
    images_NSS = rows[:, :-1].astype(np.uint8).reshape(-1, side, side)
    return Digits(images_NSS, rows[:, -1].astype(np.int64))


def _read(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path} cannot be read ({error.strerror}). Give a .csv or .csv.gz file.") from None
