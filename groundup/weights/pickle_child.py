"""What a pickle describes, without doing what it says: the process that reads nanoGPT's files.

A pickle is a program for a small machine, and "call this function with that" is one of its instructions. Here
the instructions are read (pickletools names them) and carried out on plain values only; a function is a name
that is never looked up, and a name that is not in ALLOWED ends the reading. So there is nothing to escape
from. Yet this runs as a process of its own, started by nanogpt.py, in which, before a byte is read, memory
and processor time are limited and no file, socket or process can be opened any more: a bug here would find a
locked room.

stdin: the pickle. stdout: JSON of the parts that are wanted. Standard library only; not imported elsewhere.
"""

import json
import pickletools
import sys
from typing import Any

ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch HalfStorage",
    "torch BFloat16Storage",
    "torch LongStorage",
    "torch BoolStorage",
}
MEMORY, SECONDS = 1 << 30, 30
PLAIN = {
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8", "UNICODE", "BININT", "BININT1", "BININT2", "LONG1",
    "INT", "BINFLOAT",
}  # fmt: skip
CONSTANTS: dict[str, Any] = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
EMPTY: dict[str, Any] = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}


class Refused(Exception):
    """The pickle asks for something that is not allowed."""


class Name(str):
    """A function or class that the pickle names: never looked up."""


def described(data: bytes) -> Any:
    """The value of the pickle; tensors and storages are dicts that say where their numbers lie.

    >>> described(b"\\x80\\x02}X\\x01\\x00\\x00\\x00aK\\x01s.")
    {'a': 1}
    """
    stack: list[Any] = []
    marks: list[int] = []
    memo: dict[int, Any] = {}

    def since_mark() -> list[Any]:
        start = marks.pop()
        taken = stack[start:]
        del stack[start:]
        return taken

    argument: Any
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name in PLAIN:
            stack.append(argument)
        elif name in CONSTANTS:
            stack.append(CONSTANTS[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("BINPUT", "LONG_BINPUT", "PUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET", "GET"):
            stack.append(memo[argument])
        elif name in ("TUPLE1", "TUPLE2", "TUPLE3"):
            count = int(name[-1])
            stack[-count:] = [tuple(stack[-count:])]
        elif name == "TUPLE":
            stack.append(tuple(since_mark()))
        elif name in ("SETITEM", "SETITEMS"):
            items = [stack.pop(-2), stack.pop()] if name == "SETITEM" else since_mark()
            stack[-1].update(zip(items[::2], items[1::2], strict=True))
        elif name in ("APPEND", "APPENDS"):
            added = [stack.pop()] if name == "APPEND" else since_mark()
            stack[-1].extend(added)
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            if name == "STACK_GLOBAL":
                argument = f"{stack.pop(-2)} {stack.pop()}"
            if argument not in ALLOWED:
                raise Refused(f"it asks for {argument.replace(' ', '.')}")
            stack.append(Name(argument))
        elif name == "REDUCE":
            given = stack.pop()
            stack[-1] = called(stack[-1], given)
        elif name == "BUILD":
            stack.pop()  # attributes of an OrderedDict: torch's notes about versions
        elif name == "BINPERSID":
            kind, storage, key, _, count = stack.pop()
            stack.append({"storage": str(storage), "key": str(key), "count": int(count), "kind": str(kind)})
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "FRAME"):
            raise Refused(f"it uses the instruction {name}")
    raise Refused("it does not end")


def called(function: Any, given: tuple[Any, ...]) -> Any:
    """What the two functions that occur would give."""
    if function == "collections OrderedDict" and not given:
        return {}
    if function == "torch._utils _rebuild_tensor_v2" and isinstance(function, Name):
        storage, start, shape, stride, *_ = given
        return {**storage, "start": start, "shape": list(shape), "stride": list(stride)}
    raise Refused(f"it calls {function!r}")


def wanted(root: Any) -> dict[str, Any]:
    """The parts of a checkpoint, or of a meta.pkl, that make a model."""
    if "itos" in root:
        return {"itos": sorted(root["itos"].items())}
    return {name: root.get(name) for name in ("model", "model_args", "iter_num")}


def lock() -> None:
    """No more memory, time, files, sockets or processes than this takes, for the rest of this process."""
    try:
        import resource
    except ImportError:  # Windows has no such limits; what is read here calls nothing all the same
        return
    for limit, most in (
        (resource.RLIMIT_AS, MEMORY),
        (resource.RLIMIT_CPU, SECONDS),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 3),  # stdin, stdout and stderr: a socket is a file too
    ):
        resource.setrlimit(limit, (most, most))


def main() -> int:
    lock()
    try:
        found = wanted(described(sys.stdin.buffer.read()))
        sys.stdout.write(json.dumps(found))
    except Refused as error:
        sys.stderr.write(str(error))
        return 3
    return 0


if __name__ == "__main__":
    sys.exit(main())
