"""Five things that a processor does in an instruction or two and NumPy cannot say: words out of bytes.

Each has a plain form here, which runs in the interpreter and is the definition, and a form in LLVM's language
that `fast_compile.compiled` puts in its place. They are the bottom of the fast path: a piece of up to 15
bytes is compared as two words (fast_encode.py), and 64 bytes of text are classified at once (fast_split.py).
LLVM chooses the instructions of the machine at hand.

Does not: check bounds. `load8` and `store8` touch b[i : i + 8] and `masks64` reads b[i : i + 64]: callers see
          to it that they are there. `store8` takes a word of type uint64.
Next:     fast_split.py.
"""

from collections.abc import Callable
from typing import Any

BLANK, APOSTROPHE, LINE_FEED, RETURN, SLASH = 0x20, 0x27, 0x0A, 0x0D, 0x2F


def load8(b: Any, i: int) -> int:
    """The eight bytes b[i : i + 8] as one little-endian word.

    >>> hex(load8(b"abcdefgh!", 0))
    '0x6867666564636261'
    """
    return int.from_bytes(bytes(b[i : i + 8]), "little")


def store8(b: Any, i: int, word: int) -> None:
    """Write a word to the eight bytes b[i : i + 8]: the inverse of `load8`."""
    b[i : i + 8] = list(word.to_bytes(8, "little"))


def lowest(bits: int) -> int:
    """The place of the lowest bit that is set; 64 if none is.

    >>> lowest(0b1000), lowest(0)
    (3, 64)
    """
    return (bits & -bits).bit_length() - 1 if bits else 64


def fetch_soon(b: Any, i: int) -> None:
    """Tell the memory that b[i] will be read; changes nothing."""


def masks64(b: Any, i: int) -> tuple[int, int, int, int, int, int, int, int]:
    r"""Which of the 64 bytes b[i : i + 64] are (capitals, small letters, digits, " ", other blanks, newlines,
    not ASCII, "'"): eight words with a bit for each byte.

    >>> [bin(mask) for mask in masks64(b"Ab1 \t\n\xff'" + b"." * 56, 0)]
    ['0b1', '0b10', '0b100', '0b1000', '0b10000', '0b100000', '0b1000000', '0b10000000']
    """
    kinds = [0] * 8
    for place, byte in enumerate(bytes(b[i : i + 64])):
        for kind, (first, last, _) in enumerate(RANGES):
            if first <= byte <= last or (kind == 5 and byte == RETURN):
                kinds[kind] |= 1 << place
    kinds[4] &= ~kinds[5]  # \t \v \f are 9, 11, 12: the range without the newlines in it
    return tuple(kinds)  # type: ignore[return-value]


# first byte, last byte, name
RANGES = (
    (0x41, 0x5A, "capitals"),
    (0x61, 0x7A, "small"),
    (0x30, 0x39, "digits"),
    (BLANK, BLANK, "blank"),
    (0x09, 0x0C, "other blanks"),
    (LINE_FEED, LINE_FEED, "newlines"),
    (0x80, 0xFF, "not ASCII"),
    (APOSTROPHE, APOSTROPHE, "apostrophe"),
)


# ---- The same for LLVM ---------------------------------------------------------------------------


def in_llvm() -> dict[Callable[..., Any], Callable[..., Any]]:
    """For each function above the Numba intrinsic that does the same; imports Numba."""
    from numba.core import types
    from numba.extending import intrinsic

    return {
        load8: intrinsic(lambda typing, array, i: (types.uint64(array, i), _load8)),
        store8: intrinsic(lambda typing, b, i, word: (types.void(b, i, word), _store8)),
        lowest: intrinsic(lambda typing, bits: (types.int64(bits), _lowest)),
        fetch_soon: intrinsic(lambda typing, array, i: (types.void(array, i), _fetch_soon)),
        masks64: intrinsic(lambda typing, b, i: (types.UniTuple(types.uint64, 8)(b, i), _masks64)),
    }


def _address(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    array = context.make_array(signature.args[0])(context, builder, args[0])
    return builder.gep(array.data, [args[1]])


def _load8(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from llvmlite import ir

    address = builder.bitcast(_address(context, builder, signature, args), ir.IntType(64).as_pointer())
    return builder.load(address, align=1)


def _store8(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from llvmlite import ir

    address = builder.bitcast(_address(context, builder, signature, args), ir.IntType(64).as_pointer())
    builder.store(args[2], address, align=1)
    return context.get_dummy_value()


def _lowest(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from llvmlite import ir

    return builder.cttz(args[0], ir.IntType(1)(0))


def _fetch_soon(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from llvmlite import ir

    byte, number = ir.IntType(8).as_pointer(), ir.IntType(32)
    kind = ir.FunctionType(ir.VoidType(), [byte, number, number, number])
    prefetch = builder.module.declare_intrinsic("llvm.prefetch", [byte], kind)
    address = builder.bitcast(_address(context, builder, signature, args), byte)
    builder.call(prefetch, [address, number(0), number(3), number(1)])  # to read, into all caches, data
    return context.get_dummy_value()


def _masks64(context: Any, builder: Any, signature: Any, args: Any) -> Any:
    from llvmlite import ir

    vector, word = ir.VectorType(ir.IntType(8), 64), ir.IntType(64)
    address = builder.bitcast(_address(context, builder, signature, args), vector.as_pointer())
    text = builder.load(address, align=1)

    def all_of(byte: int) -> Any:
        return ir.Constant(vector, [byte] * 64)

    def within(first: int, last: int) -> Any:
        if first == last:
            return builder.icmp_unsigned("==", text, all_of(first))
        return builder.icmp_unsigned("<=", builder.sub(text, all_of(first)), all_of(last - first))

    found = [within(first, last) for first, last, _ in RANGES]
    found[5] = builder.or_(found[5], within(RETURN, RETURN))
    masks = [builder.bitcast(mask, word) for mask in found]
    masks[4] = builder.and_(masks[4], builder.not_(masks[5]))
    return context.make_tuple(builder, signature.return_type, masks)
