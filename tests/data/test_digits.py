import gzip
from pathlib import Path

import numpy as np
import pytest

from groundup.base.errors import DataError
from groundup.data.digits import parse_digits, read_digits
from groundup.data.documents import documents
from groundup.data.fetch import kept_path, local_copy
from groundup.data.sources import source

ROWS = "0,255,255,0,7\n255,0,128,255,1\n"


@pytest.mark.parametrize("name", ["mine.csv", "mine.csv.gz"])
def test_a_file_of_ones_own(name):
    content = ROWS.encode()
    Path(name).write_bytes(gzip.compress(content) if name.endswith("gz") else content)
    digits = read_digits(Path(name))
    assert len(digits) == 2 and digits.labels_N.tolist() == [7, 1]
    assert digits.images_NSS[1].tolist() == [[255, 0], [128, 255]] and digits.images_NSS.dtype == np.uint8


@pytest.mark.parametrize(
    ("rows", "says"),
    [
        ("0,1,2,3\n", "rows of 4 numbers are no square pictures"),
        ("7\n", "rows of 1 numbers are no square pictures"),
        ("0,nan,0,0,7\n", "row 1: pixel 2 is nan. Pixels are whole numbers from 0 to 255"),
        (ROWS + "0,0,0,256,7\n", "row 3: pixel 4 is 256"),
        ("0,0,0,0.5,7\n", "pixel 4 is 0.5"),
        ("0,0,0,0,10\n", "the digit is 10"),
        ("0,0,0,0,-1\n", "the digit is -1"),
        (ROWS + "0,0\n", "Each row holds as many numbers"),
        ("a,b\n", "Each row holds as many numbers"),
        ("", "is empty"),
    ],
)
@pytest.mark.filterwarnings("ignore:loadtxt")
def test_a_file_in_another_form_is_refused_with_its_row(rows, says):
    with pytest.raises(DataError, match=f"^my.csv.*{says}"):
        parse_digits(rows.encode(), "my.csv")


def test_a_file_that_is_not_there_or_no_gzip():
    with pytest.raises(DataError, match="cannot be read"):
        read_digits(Path("none.csv"))
    Path("bad.csv.gz").write_bytes(b"not gzip")
    with pytest.raises(DataError, match="no gzip file"):
        read_digits(Path("bad.csv.gz"))


def test_pictures_are_no_documents():
    with pytest.raises(DataError, match="pictures, not text"):
        next(documents("digits"))


@pytest.mark.slow
def test_the_five_thousand_are_five_hundred_of_each():
    wanted = source("digits")
    if not (local_copy(wanted) or kept_path(wanted).is_file()):
        pytest.fail("digits is not here. Run: groundup data get digits")
    digits = read_digits()
    assert digits.images_NSS.shape == (5000, 28, 28)
    assert np.bincount(digits.labels_N).tolist() == [500] * 10
    assert 30 < digits.images_NSS.mean() < 36 and digits.images_NSS.max() == 255
