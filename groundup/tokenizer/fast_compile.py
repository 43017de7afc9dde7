"""How the plain functions of the fast_*.py files become machine code, once a machine.

They are written as ordinary Python functions over NumPy arrays, so they can be read, and run slowly, without
any compiler. `compiled` has Numba translate one entry function, with the functions that it calls, into code
that runs without the interpreter lock, so threads can share the work. Translating takes seconds; the result
is kept in the cache folder (base/files.py), and loading it takes some tenths of a second.

Numba notices when the file of the entry function changed, but not when a function that it calls did. So the
folder's name holds a hash of the files of all of them: after any change they are translated again.

Does not: import Numba before the first call, since that takes a third of a second.
Next:     fast_split.py.
"""

import functools
import hashlib
import importlib.util
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

from groundup.base.files import cache_dir
from groundup.tokenizer.fast_words import in_llvm

Function = Callable[..., Any]
ALLOCATORS = {"arange", "empty", "full", "ones", "zeros"}  # of NumPy


def has_numba() -> bool:
    """Whether Numba is installed; it is not imported."""
    return importlib.util.find_spec("numba") is not None


@functools.cache
def compiled(entry: Function, *callees: Function) -> Function:
    """`entry` as machine code for the types of its first call; `callees` are all functions below it.

    LLVM puts small callees in place of their calls, where a call would cost more than what it does; one whose
    name begins with `_` always. (Numba's own inlining does the same before LLVM, at minutes of compilation.)
    """
    import numba

    for callee in callees:
        _allow(callee)
    config: Any = numba.config
    before = config.CACHE_DIR
    config.CACHE_DIR = str(cache_folder((entry, *callees), before or None))
    try:
        return numba.njit(cache=True, **_options(entry))(entry)
    finally:
        config.CACHE_DIR = before


@functools.cache
def _allow(callee: Function) -> None:
    """Let compiled code call this function, compiling it too; those of fast_words.py in their LLVM form."""
    from numba.extending import overload

    word = _words().get(callee)
    if word is not None:
        calls: dict[int, Any] = {
            1: lambda bits: lambda bits: word(bits),
            2: lambda b, i: lambda b, i: word(b, i),
            3: lambda b, i, x: lambda b, i, x: word(b, i, x),
        }
        overload(callee, strict=False)(calls[callee.__code__.co_argcount])
        return
    options: Any = _options(callee) | {"forceinline": callee.__name__.startswith("_")}
    overload(callee, jit_options=options, strict=False)(lambda *args: callee)


def _options(function: Function) -> dict[str, Any]:
    """How Numba compiles a function.

    It would count the references of every array at every call, a thousand cycles for the twenty arrays of the
    encoder. Only a function that makes arrays needs that; those of a caller outlive the call anyway.
    """
    makes_arrays = not ALLOCATORS.isdisjoint(function.__code__.co_names)
    return {"nogil": True, "error_model": "numpy", "_nrt": makes_arrays}


@functools.cache
def _words() -> dict[Function, Function]:
    return in_llvm()


def is_kept(functions: tuple[Function, ...]) -> bool:
    """Whether `compiled(*functions)` finds its work done on the disk; Numba is not imported."""
    folder = cache_folder(functions, os.environ.get("NUMBA_CACHE_DIR"))
    return any(folder.rglob(f"*.{functions[0].__name__}-*.nbi"))


def cache_folder(functions: tuple[Function, ...], chosen: str | None = None) -> Path:
    """Where the compiled code of these functions as they are now is kept; `chosen` is $NUMBA_CACHE_DIR."""
    digest = hashlib.sha256()
    for path in sorted({__file__, *(function.__code__.co_filename for function in functions)}):
        digest.update(Path(path).read_bytes())
    return Path(chosen or cache_dir() / "numba") / f"tokenizer-{digest.hexdigest()[:16]}"
