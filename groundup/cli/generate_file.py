"""A file of prompts, many at a time: JSON Lines in, JSON Lines out, and a run that was cut off goes on.

    in   {"prompt": "1 + 1 =", "temperature": 0, "max_tokens": 4}
    out  {"index": 0, "prompt": "1 + 1 =", "text": " 2", "finish": "stop", "tokens": 3, "logprob": -0.2}

Line i draws from a stream of its own, so a run that was resumed says what one in one go had said. What is
done stands in OUT.partial, in the order in which it was finished; when all is done, it becomes OUT, in the
order of the prompts.

Next: infer/engine.py.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from groundup.base.config import digest
from groundup.base.errors import DataError, UserError, suggest
from groundup.base.files import write_atomic
from groundup.base.log import Progress
from groundup.base.seeds import derive

if TYPE_CHECKING:
    from groundup.infer.engine import Engine
    from groundup.infer.sampling import SamplingParams
    from groundup.infer.sequence import Sequence as Writing
    from groundup.infer.stop_strings import TextUntil
    from groundup.weights.checkpoint import Checkpoint

SETTINGS: dict[str, Any] = {
    "max_tokens": int,
    "temperature": (int, float),
    "top_k": int,
    "top_p": (int, float),
    "min_p": (int, float),
    "repetition_penalty": (int, float),
    "seed": int,
}


@dataclass(frozen=True)
class Line:
    """One prompt of the file with its own settings."""

    index: int
    prompt: str
    params: SamplingParams


def continue_file(
    trained: Checkpoint,
    engine: Engine,
    source: Path,
    out: Path,
    *,
    params: SamplingParams,
    seed: int,
    stops: Sequence[str],
) -> str:
    """Continues every prompt of `source` into `out`; says how many, and how many an earlier run had done."""
    if out.exists():
        raise UserError(f"{out} exists already. Choose another --out, or delete it first.")
    lines = read_prompts(source, params, seed)
    partial = out.with_name(out.name + ".partial")
    what = digest(
        {
            "prompts": [(line.prompt, str(line.params)) for line in lines],
            "stops": list(stops),
            "weights": trained.manifest.files,
        }
    )
    done = _resume(partial, what)
    from groundup.cli.generate import prompt_ids
    from groundup.infer.engine import Token
    from groundup.infer.stop_strings import TextUntil

    def begin(line: Line) -> None:
        sequence = engine.add(prompt_ids(trained, line.prompt), line.params)
        writing[sequence] = (line, TextUntil(trained.tokenizer, stops), [])

    for line in lines:  # before the first of them is continued, not an hour later
        try:
            engine.check(prompt_ids(trained, line.prompt), line.params)
        except UserError as error:
            raise DataError(f"{source}, line {line.index + 1}: {error}") from None
    waiting = [line for line in reversed(lines) if line.index not in done]
    writing: dict[Writing, tuple[Line, TextUntil, list[str]]] = {}
    before = len(done)
    with (
        partial.open("a", encoding="utf-8") as file,
        Progress(len(lines), "generate", "prompt", initial=before) as bar,
    ):
        while waiting or writing:
            while waiting and len(writing) < 2 * engine.config.max_running:  # never all of a large file
                begin(waiting.pop())
            for event in engine.step():
                line, text, said = writing[event.sequence]
                if isinstance(event, Token):
                    if not text.stopped:
                        said.append(text.push(event.id))
                        if text.stopped:
                            engine.cancel(event.sequence)
                    continue
                row = _row(line, event.sequence, text, "".join(said) + text.flush())
                del writing[event.sequence]
                done[line.index] = row
                file.write(json.dumps(row, ensure_ascii=False) + "\n")
                file.flush()
                bar.advance(1)
    write_atomic(out, "".join(json.dumps(done[i], ensure_ascii=False) + "\n" for i in sorted(done)))
    partial.unlink()
    return f"{len(lines)} continuations in {out}" + (f"; {before} were there already" if before else "")


def read_prompts(source: Path, params: SamplingParams, seed: int) -> list[Line]:
    """The prompts of a file with their settings. Raises DataError with the line for what is wrong."""
    try:
        text = source.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{source} cannot be read: {error}. Give a file of JSON Lines in UTF-8.") from None
    lines = []
    for number, raw in enumerate(text.splitlines()):
        if raw.strip():
            lines.append(_line(f"{source}, line {number + 1}", raw, params, seed, number))
    if not lines:
        raise DataError(f'{source} holds no prompts. Write one a line: {{"prompt": "Once upon"}}')
    return lines


def _line(where: str, raw: str, params: SamplingParams, seed: int, number: int) -> Line:
    try:
        fields: Any = json.loads(raw)
    except json.JSONDecodeError as error:
        raise DataError(f'{where} is not JSON: {error}. Write {{"prompt": "..."}} on each line.') from None
    if not isinstance(fields, dict) or not isinstance(fields.get("prompt"), str):
        raise DataError(f'{where} has no prompt. Write {{"prompt": "..."}} on each line.')
    own = {name: value for name, value in fields.items() if name not in ("prompt", "id")}
    for name, value in own.items():
        if name not in SETTINGS:
            raise DataError(
                f"{where}: {name!r} is unknown.{suggest(name, SETTINGS)} Allowed: prompt, id, "
                f"{', '.join(SETTINGS)}."
            )
        if not isinstance(value, SETTINGS[name]) or isinstance(value, bool):
            raise DataError(f"{where}: {name}={value!r} is not a number that fits. Write it without quotes.")
    try:
        made = replace(params, **{"seed": derive(seed, "generate.file", step=number), **own})
    except UserError as error:
        raise DataError(f"{where}: {error}") from None
    return Line(number, fields["prompt"], made)


def _row(line: Line, sequence: Writing, text: TextUntil, said: str) -> dict[str, Any]:
    return {
        "index": line.index,
        "prompt": line.prompt,
        "text": said,
        "finish": "stop" if text.stopped else sequence.finish,
        "tokens": sequence.made,
        "logprob": round(sum(sequence.logprobs), 4),
    }


def _resume(partial: Path, what: str) -> dict[int, dict[str, Any]]:
    """What an earlier run had done, by index; its file is cut after the last whole line, or begun."""
    if not partial.exists():
        write_atomic(partial, json.dumps({"of": what}) + "\n")
        return {}
    whole = partial.read_bytes().rpartition(b"\n")[0] + b"\n"
    try:
        head, *rows = [json.loads(line) for line in whole.decode().splitlines()]
        if head != {"of": what}:
            raise UserError(
                f"{partial} was begun with other prompts, settings or weights. Delete it, or choose another "
                "--out."
            )
        done = {row["index"]: row for row in rows}
    except (ValueError, KeyError, TypeError):
        raise DataError(f"{partial} is damaged. Delete it: its prompts are then continued again.") from None
    write_atomic(partial, whole)
    return done
