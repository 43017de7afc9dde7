"""The command line's front door: a table of commands, and what becomes of an error.

A command is one file in this folder with `main(words) -> int | None`, imported only when it is called:
`groundup --help` needs neither torch nor a second. Exit codes: 0 done, 2 the user's error (one paragraph on
stderr, a traceback only with --debug), 1 our bug, 130 stopped by Ctrl-C.

Next: run.py, the command that does most of the work.
"""

import importlib
import importlib.util
import io
import os
import sys
import textwrap
import traceback
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType

import groundup
from groundup.base.errors import UserError, suggest

COMMANDS = {  # name: what it does; the module is in groundup.cli
    "run": "run a recipe: corpus, tokenizer, training, all of it",
    "chat": "talk to a model that you trained",
    "generate": "continue a prompt",
    "data": "list, fetch and check the texts to learn from",
    "inspect": "what is in a run or a checkpoint, and whether it is whole",
    "plot": "the curves of runs: loss, learning rate, gradient norm, tokens a second",
    "lr-find": "how large the learning rate may be, in one short run",
    "graph": "a computation as a picture, every value with its gradient",
    "lesson": "the course: list the lessons, run them, check their numbers",
    "doctor": "what this machine has, and what is wrong with it",
    "serve": "an OpenAI-compatible API and a chat page",
    "eval": "score a model on a task, with error bars",
    "compare": "models of names side by side: parameters, losses, time, samples",
    "tokenize": "see how a text is cut into tokens",
    "export": "write a model for other programs",
    "quantize": "make a model smaller and faster",
    "compress": "a file as small as a model can predict it, beside gzip, xz and zstd",
    "decompress": "the file again, to the last byte",
    "bench": "how fast a model writes here, and how near that is to the machine's roof",
    "plan": "will it fit, and how long will it take",
    "convert": "read other programs' models",
}

ROAD = {  # floor: the step of the road that it is, from the ground up
    "base": "files that survive a crash, seeds, settings",
    "autograd": "a scalar that knows its gradient",
    "tokenizer": "text to ids and back",
    "data": "sources to documents to batches",
    "nn": "attention and the other parts",
    "models": "a whole transformer in one file",
    "weights": "checkpoints that are whole or absent",
    "parallel": "many processes",
    "train": "one loop for every kind of training",
    "infer": "from weights to words",
    "agent": "a model that uses tools",
    "evals": "how good is it, with error bars",
    "posttrain": "from a base model to an assistant",
    "recipes": "parts joined into jobs",
    "serve": "a server that others can call",
}


def main(words: Sequence[str] | None = None) -> int:
    """Run one command line, by default this process's, and return the exit code."""
    sys.excepthook = _our_bug
    for stream in (sys.stdout, sys.stderr):  # a terminal that has no Chinese shows \\u4f60 instead of failing
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if words is None else words)
    debug = "--debug" in words
    words = [word for word in words if word != "--debug"]
    try:
        return _dispatch(words)
    except UserError as error:
        if debug:
            traceback.print_exc()
        print(
            textwrap.fill(f"groundup: {error}", 100, break_long_words=False, break_on_hyphens=False),
            file=sys.stderr,
        )
        return 2
    except KeyboardInterrupt:
        print("\ngroundup: stopped.", file=sys.stderr)
        return 130
    except BrokenPipeError:  # `groundup data list | head`: the reader has seen enough
        os.dup2(
            os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno()
        )  # or the flush at exit would fail again
        return 0


def _dispatch(words: list[str]) -> int:
    if not words:
        print(road_map())
        return 0
    name, rest = words[0], words[1:]
    if name in ("-h", "--help", "help"):
        print(usage())
        return 0
    if name in ("-V", "--version"):
        print(f"groundup {groundup.__version__}")
        return 0
    if name not in COMMANDS:
        raise UserError(
            f"There is no command {name!r}.{suggest(name, COMMANDS)} Commands: {', '.join(existing())}. "
            "`groundup` alone shows the road."
        )
    if name not in existing():
        raise UserError(
            f"`groundup {name}` ({COMMANDS[name]}) is not built yet. There today: {', '.join(existing())}."
        )
    return importlib.import_module(module_of(name)).main(rest) or 0


def existing() -> list[str]:
    """The commands that have a file today."""
    return [name for name in COMMANDS if importlib.util.find_spec(module_of(name))]


def module_of(name: str) -> str:
    """The module of a command: `lr-find` is in lr_find.py."""
    return f"groundup.cli.{name.replace('-', '_')}"


def usage() -> str:
    """What --help prints."""
    rows = "\n".join(f"  {name:<10} {COMMANDS[name]}" for name in existing())
    return (
        f"usage: groundup COMMAND [...]\n\n{rows}\n\n"
        "  groundup COMMAND --help   that command's own settings\n"
        "  groundup --version        the version\n"
        "  groundup                  a map of the road, from scalar to server\n\n"
        "  --debug with any command shows the traceback of an error.\n"
        "  Exit codes: 0 done, 2 something to mend on your side, 1 a bug on ours."
    )


def road_map() -> str:
    """What `groundup` alone prints: the floors from the ground up, which are there, and where to start."""
    home = Path(groundup.__file__).parent
    rows = []
    for number, (floor, words) in enumerate(ROAD.items(), 1):
        there = any(path.name != "__init__.py" for path in (home / floor).glob("*.py"))
        rows.append(f"  {number:>2}  {'●' if there else '○'} {floor:<10} {words}")
    later = [name for name in COMMANDS if name not in existing()]
    return "\n".join(
        [
            f"groundup {groundup.__version__}: "
            "from a scalar that knows its gradient to a chat model that you can serve.",
            "",
            "  The road, from the ground up (● there today, ○ still to be built)",
            "",
            *rows,
            "",
            "  Start here",
            "",
            "    groundup run zero-to-chat         raw text to a chat model, in one command",
            "    groundup chat runs/zero-to-chat   talk to it",
            "    groundup run --list               the other things that can be trained",
            "    groundup doctor                   if anything seems wrong",
            "",
            _listed("Commands", existing()),
            *([_listed("Later", later)] if later else []),
        ]
    )


def _listed(label: str, names: list[str]) -> str:
    return textwrap.fill(
        ", ".join(names), 100, initial_indent=f"  {label + ':':<10}", subsequent_indent=" " * 12
    )


def _our_bug(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
    """The last resort for an exception that nobody caught (Python then exits with 1): it is our bug."""
    traceback.print_exception(kind, error, trace)
    if issubclass(kind, MemoryError):
        print(
            "groundup: out of memory. Use a smaller batch or model, or close other programs.", file=sys.stderr
        )
    else:
        print(
            f"groundup {groundup.__version__}: this is a bug of ours, not of yours. Nothing that was saved "
            "before is "
            "lost. Please report it with the lines above.",
            file=sys.stderr,
        )
