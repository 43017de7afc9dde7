"""`groundup chat`: talk to a model that you trained, and watch it use its calculator; or to a real one.

At a terminal the reply appears as it is made. From a pipe each line is a message and each reply is printed
after it, with nothing else on stdout, so that a script can read it: `echo "12 * 12?" | groundup chat RUN`.

Next: agent/conversation.py, which makes the reply.
"""

import argparse
import contextlib
import io
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from groundup.base.errors import ConfigError, UserError, suggest

if TYPE_CHECKING:
    from groundup.agent.conversation import Event
    from groundup.infer.sampling import SamplingParams
    from groundup.tokenizer.chat import Part
    from groundup.weights.checkpoint import Checkpoint

COMMANDS = {
    "/help": "this list",
    "/reset": "forget the conversation so far",
    "/temperature": "show it, or set it: /temperature 0.7 (0 always takes the likeliest word)",
    "/quit": "leave; Ctrl-D and a second Ctrl-C do the same",
}


def main(words: Sequence[str]) -> int:
    """Run the command with these words."""
    args = parser().parse_args(words)
    from groundup.base.device import pick_device, set_threads
    from groundup.infer.sampling import SamplingParams
    from groundup.weights.source import load_transformer

    set_threads()
    params = SamplingParams(temperature=args.temperature, max_tokens=args.max_tokens)
    source = args.model or args.run
    checkpoint = load_transformer(source, device=pick_device(args.device))
    session = Session(checkpoint, params, seed=args.seed, colour=colourful())
    if isinstance(sys.stdin, io.TextIOWrapper):
        sys.stdin.reconfigure(errors="replace")  # bytes that are no text become U+FFFD, not a traceback
    if sys.stdin.isatty():
        print(greeting(source, checkpoint))
        at_terminal(session)
        return 0
    for line in sys.stdin:
        session.take(line)
        if session.over:
            break
    return 0


def parser() -> argparse.ArgumentParser:
    """The command's own words."""
    out = argparse.ArgumentParser(prog="groundup chat", description="Talk to a model that you trained.")
    which = out.add_mutually_exclusive_group(required=True)
    which.add_argument("run", type=Path, nargs="?", metavar="RUN", help="a run, or a checkpoint in one")
    which.add_argument(
        "--model", metavar="SOURCE", help="a GGUF file, a folder of Hugging Face's, or smollm2: a real model"
    )
    out.add_argument(
        "--temperature", type=float, default=0.2, help="0: always the likeliest word (%(default)s)"
    )
    out.add_argument("--max-tokens", type=int, default=200, help="longest reply (%(default)s)")
    out.add_argument("--seed", type=int, help="the same seed and the same words give the same replies")
    out.add_argument("--device", default="cpu", help="cpu, cuda, mps or auto (%(default)s)")
    return out


def at_terminal(session: "Session", read: Callable[[str], str] = input) -> None:
    """Takes what the user types until /quit, Ctrl-D, or Ctrl-C twice in a row (one may stop a reply)."""
    # importing readline gives `input` a history and cursor keys; Windows has none
    with contextlib.suppress(ImportError):
        import readline  # noqa: F401
    stopped = False
    while not session.over:
        try:
            line = read("\n> ")
        except EOFError:
            print()
            return
        except KeyboardInterrupt:
            print()
            if stopped:
                return
            stopped = True
            print("  (Ctrl-C once more, or /quit, leaves)")
            continue
        stopped = False
        try:
            session.take(line)
        except UserError as error:
            print(f"  {error}")
        except KeyboardInterrupt:
            stopped = True


class Session:
    """One conversation: takes a line, prints what happens, remembers it."""

    def __init__(
        self,
        checkpoint: "Checkpoint",
        params: "SamplingParams",
        *,
        seed: int | None = None,
        colour: bool = False,
    ):
        from groundup.agent.calculator import Calculator
        from groundup.infer.engine import Engine, EngineConfig
        from groundup.tokenizer.chat import Conversation
        from groundup.weights.imported import layout_of

        self.layout = layout_of(checkpoint)
        # One engine for the whole conversation: of each turn it reads only what is new.
        # A checkpoint may hold other models; those with the special tokens of a layout are transformers.
        self.engine = Engine.of(checkpoint.model, EngineConfig(seed=seed))  # type: ignore[arg-type]
        self.tokenizer = checkpoint.tokenizer
        self.params, self.tools = params, (Calculator(),) if self.layout.tools else ()
        self.conversation: Conversation = Conversation(())
        self.colour = colour
        self.over = False

    def take(self, line: str) -> None:
        """Answers a message or obeys a command. On a UserError the conversation is as it was."""
        line = line.strip()
        if line.startswith("/"):
            self.obey(line)
        elif line:
            self.answer(line)

    def obey(self, line: str) -> None:
        """A command, whole or as its first letters, with its one argument if it takes one."""
        name, _, argument = line.partition(" ")
        meant = [command for command in COMMANDS if command.startswith(name)]
        name = meant[0] if len(meant) == 1 else name
        match name:
            case "/help":
                print("\n".join(f"  {command:<13} {what}" for command, what in COMMANDS.items()))
            case "/reset":
                self.conversation = replace(self.conversation, messages=())
                print("  (forgotten)")
            case "/temperature":
                if argument:
                    self.params = replace(self.params, temperature=number(argument))
                print(f"  (temperature {self.params.temperature:g})")
            case "/quit":
                self.over = True
            case _:
                raise UserError(
                    f"There is no command {name}.{suggest(name, COMMANDS)} There are {', '.join(COMMANDS)}. "
                    "A message cannot begin with /."
                )

    def answer(self, text: str) -> None:
        """The reply, printed as it comes. On Ctrl-C, which is passed on, what was said so far is kept."""
        from groundup.agent.conversation import reply
        from groundup.tokenizer.chat import Message, user

        asked = self.conversation.add(user(text))
        printer = Printer(self.colour)
        try:
            (message,) = reply(
                self.engine,
                self.tokenizer,
                [asked],
                tools=self.tools,
                layout=self.layout,
                params=self.params,
                on_event=lambda row, event: printer.show(event),
            )
        except KeyboardInterrupt:
            self.conversation = asked.add(Message("assistant", tuple(printer.parts)))
            print(printer.dim(" (stopped)"), flush=True)
            raise
        print(flush=True)
        self.conversation = asked.add(message)


class Printer:
    """Prints the events of one reply, and keeps its parts."""

    def __init__(self, colour: bool):
        self.colour = colour
        self.parts: list[Part] = []

    def show(self, event: "Event") -> None:
        """One event on stdout, at once."""
        from groundup.agent.conversation import Called, Returned, Text
        from groundup.tokenizer.chat import Result

        match event:
            case Text(text):
                shown = printable(text if self.parts else text.lstrip())
                self.parts.append(text)
            case Called(call):
                shown = self.dim(f"[{printable(call.name)} {printable(call.argument)} ")
                self.parts.append(call)
            case Returned(result):
                shown = self.dim(f"→ {printable(result.text)}] ")
                self.parts.append(Result(result.text))
            case _:
                return
        print(shown, end="", flush=True)

    def dim(self, text: str) -> str:
        """In the colour of what the machine did, where there is colour."""
        return f"\x1b[36m{text}\x1b[0m" if self.colour else text


def greeting(run: Path | str, checkpoint: "Checkpoint") -> str:
    """The first lines: which model this is, what it says it can do, how to leave.

    What it can do stands in the checkpoint's manifest, under extra.can_do: the recipe that taught it says so.
    """
    manifest = checkpoint.manifest
    size = sum(weight.numel() for weight in checkpoint.model.parameters())
    what = manifest.extra.get("what") or manifest.extra.get("source")
    lines = [f"{what or run}: {size:,} parameters{'' if what else f', step {manifest.step:,}'}"]
    can_do = manifest.extra.get("can_do")
    if isinstance(can_do, str):
        can_do = [can_do]
    lines += (
        []
        if what and not can_do
        else [
            f"  {line}" for line in can_do or ("What it can talk about depends on what it was trained on.",)
        ]
    )
    return "\n".join([*lines, "  /help lists the commands; Ctrl-C stops a reply, twice leaves."])


def printable(text: str) -> str:
    """The text without control characters that could move a terminal's cursor or colour it.

    >>> printable("a\\x1b[31mb\\n")
    'a\\ufffd[31mb\\n'
    """
    return "".join(sign if sign.isprintable() or sign in "\n\t" else "\ufffd" for sign in text)


def number(text: str) -> float:
    """The number that was typed, or ConfigError."""
    try:
        return float(text)
    except ValueError:
        raise ConfigError(f"{text!r} is no temperature. Type a number, 0 or more: /temperature 0.7") from None


def colourful() -> bool:
    """Is stdout a terminal that wants colour? (NO_COLOR: no-color.org)"""
    return sys.stdout.isatty() and "NO_COLOR" not in os.environ
