"""JSON Lines: one JSON object a line, one document an object, read line by line.

    {"text": "...", "id": "optional"}

Every problem names the line.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from groundup.base.errors import DataError, suggest
from groundup.data.read_text_plain import not_utf8, opened

LONGEST = 1 << 28  # bytes of a line: what is longer is no line of JSON, or would not fit into the memory


def documents_in_lines(file: Path, field: str) -> Iterator[tuple[str, str]]:
    """(key, text) of each line that has something visible in `field`.

    The key is the line's "id" if it has one, else its number. Raises DataError: not JSON, not UTF-8, a line
    without that field, none with any text in it.
    """
    found = False
    for number, line in _lines(file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            raise DataError(
                f"{file}, line {number:,} is not JSON: {error.msg}. Each line is one object."
            ) from None
        except RecursionError:
            raise DataError(
                f"{file}, line {number:,} is nested too deeply. Each line is one object."
            ) from None
        if not isinstance(row, dict) or not isinstance(row.get(field), str):
            raise DataError(f"{file}, line {number:,} {_what_is_there(row, field)}")
        if "\\u" in line and (half := _half_of_a_pair(row[field])):
            raise DataError(
                f"{file}, line {number:,}: its {field!r} holds {half}, half of a surrogate pair, which is no "
                "character. Write the text again as UTF-8."
            )
        if row[field].strip():
            found = True
            yield str(row["id"] if isinstance(row.get("id"), str | int) else number), row[field]
    if not found:
        raise DataError(f'{file} holds no text: every "{field}" in it is blank. Fill it or take it out.')


def _what_is_there(row: object, field: str) -> str:
    """The rest of the sentence "line 7 ...", for a row that has no text in `field`."""
    if not isinstance(row, dict):
        return f'is a JSON {type(row).__name__}. Each line must be one object with a field "{field}".'
    texts = [key for key, value in row.items() if isinstance(value, str)]
    advice = f" Choose with --data.field from {', '.join(texts)}." if texts else " Add it."
    has = ", ".join(f"{key} ({type(value).__name__})" for key, value in row.items()) or "nothing"
    return f'has no "{field}" that is a string (it has: {has}).{suggest(field, texts)}{advice}'


def _half_of_a_pair(text: str) -> str:
    """The first character that UTF-8 cannot write, as JSON spells it; "" if there is none."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        return f"\\u{ord(text[error.start]):04x}"
    return ""


def _lines(file: Path) -> Iterator[tuple[int, str]]:
    """The lines with their numbers from 1. Only a line feed ends a line: JSON may hold other breaks."""
    with opened(file) as stream:
        for number, line in enumerate(iter(lambda: _line(stream, file), b""), start=1):
            try:
                text = line.decode()
            except UnicodeDecodeError as error:
                raise not_utf8(file, error, 0, f", line {number:,}") from None
            yield number, text.removeprefix("\ufeff") if number == 1 else text


def _line(stream: BinaryIO, file: Path) -> bytes:
    line = stream.readline(LONGEST + 1)
    if len(line) > LONGEST:
        raise DataError(
            f"{file} has a line of more than {LONGEST:,} bytes. JSON Lines is one object a line: if the file "
            "is one JSON list, write its objects on lines of their own (jq -c '.[]')."
        )
    return line
