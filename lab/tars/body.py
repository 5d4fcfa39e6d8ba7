"""What a packet's body holds: arguments and results, as structs whose fields have tags.

A function is described by two structs, which are also how it is called:

    class Repeat(Struct, frozen=True):
        text: str = field(tag=1)
        times: Int = field(tag=2)

    class Repeated(Struct, frozen=True):
        ret: Int = field(tag=0)         # the return value
        out: str = field(tag=3)         # an out parameter keeps its argument's tag

    REPEAT = Function("repeat", Repeat, Repeated)

`lab.tars.idl` makes them from `.tars` files.

Tars to Python: bool `bool`; byte, short, int, long and the unsigned ones are the `int`
types below; float `Float`, double `Double`; string `str`; vector<byte> `bytes`; vector<T>
``list[T]``; map<K, V> ``dict[K, V]``; enum an `enum.IntEnum`; struct another Struct;
an optional member ``T | None`` with a default: None is not sent. In a struct with
``omit_defaults`` the members with defaults are those that Tars calls optional.

The codec is tarsio. Added here is what it lacks: 32-bit floats, which it would write as
doubles that peers refuse; dialects; strings that are no UTF-8; and the ranges of list and
map items and of a generic struct's members, which it does not check when a struct is made.
"""

from __future__ import annotations

import contextlib
import struct
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tarsio import Struct, field

from lab.tars.errors import MalformedBody, NotEncodable
from lab.tars.packets import Dialect
from lab.tars.ranges import check_items
from lab.tars.reading import read_leniently
from lab.tars.schema import (
    Byte,
    Double,
    Float,
    Int,
    Long,
    Short,
    UnsignedByte,
    UnsignedInt,
    UnsignedShort,
    limits,
    members,
    wire_name,
)
from lab.tars.writing import is_plain, put, put_members

__all__ = [
    "Byte",
    "Double",
    "Empty",
    "Float",
    "Function",
    "Int",
    "Long",
    "Short",
    "Struct",
    "UnsignedByte",
    "UnsignedInt",
    "UnsignedShort",
    "changed",
    "decode_body",
    "encode_body",
    "encode_value",
    "field",
    "limits",
    "members",
    "wire_name",
]


class Empty(Struct, frozen=True):
    """The arguments of a function that has none, the results of a void one.

    Reads any body: @tars/rpc answers even tars_ping with a zero at tag 0.
    """

    _nothing: Int | None = field(tag=255, default=None)


A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


def changed(value: A, **members: object) -> A:
    """A copy with other members; raises as the constructor does."""
    kept = {name: getattr(value, name) for name in value.__struct_fields__}
    return type(value)(**{**kept, **members})


@dataclass(frozen=True)
class Function(Generic[A, R]):
    """One function of an interface: its name on the wire, its arguments, its results."""

    name: str
    arguments: type[A]
    results: type[R]


#: What the codec and the checks here raise for a value that its type cannot hold.
_UNFIT = (ValueError, TypeError, OverflowError, struct.error)


def encode_body(value: Struct, dialect: Dialect = Dialect.TARSCPP) -> bytes:
    """The bytes of arguments or results as a peer of ``dialect`` writes them.

    TarsCpp leaves out an optional member that equals its default (not a bool, enum or
    struct), sorts maps by key, and writes a zero float or double in full; @tars/rpc writes
    every member, keeps the order of maps, and has one byte for a zero. Each reads the other's.
    Source: tars2cpp's writeTo, Tars.h, recorded bodies. Raises `NotEncodable`.
    """
    kind = type(value)
    try:
        check_items(kind, value)
        if is_plain(kind, dialect):
            with contextlib.suppress(UnicodeEncodeError):
                return value.encode()
        out = bytearray()
        put_members(out, value, dialect)
        return bytes(out)
    except _UNFIT as error:
        raise NotEncodable(f"{kind.__name__} cannot be sent", found=str(error)) from None


def encode_value(
    annotation: Any, value: Any, tag: int = 0, dialect: Dialect = Dialect.TARSCPP
) -> bytes:
    """One value of the annotated type at ``tag``: what a TUP attribute holds (at tag 0).

    Raises `NotEncodable`.
    """
    out = bytearray()
    try:
        check_items(annotation, value)
        put(out, tag, annotation, value, dialect)
    except _UNFIT as error:
        raise NotEncodable(f"{value!r:.60} cannot be sent", found=str(error)) from None
    return bytes(out)


def decode_body(kind: type[A], body: bytes) -> A:
    """Read ``body`` as ``kind``; unknown tags are skipped. Raises `MalformedBody`.

    Nothing is allocated for lengths that the body only claims. Bytes in a string that are no
    UTF-8 become surrogates, as in file names (``os.fsencode`` gives them back).
    """
    try:
        value = _decoded(kind, body)
        check_items(kind, value)
    except ValueError as error:
        raise MalformedBody(
            f"a body holds no {kind.__name__}", found=str(error), evidence=body[:256].hex()
        ) from None
    return value


def _decoded(kind: type[A], body: bytes) -> A:
    try:
        return kind.decode(body)
    except ValueError:
        with contextlib.suppress(ValueError, TypeError, MalformedBody):
            return read_leniently(kind, body)
        raise
