"""What a packet's body holds: arguments and results, as structs whose fields have tags.

A function is described by two structs, which are also how it is called:

    class Repeat(Struct, frozen=True):
        text: str = field(tag=1)
        times: Int = field(tag=2)

    class Repeated(Struct, frozen=True):
        ret: Int = field(tag=0)         # the return value
        out: str = field(tag=3)         # an out parameter keeps its argument's tag

    REPEAT = Function("repeat", Repeat, Repeated)

Tars to Python: bool `bool`; byte, short, int, long and the unsigned ones are the `int`
types below; float `Float`, double `Double`; string `str`; vector<byte> `bytes`; vector<T>
``list[T]``; map<K, V> ``dict[K, V]``; enum an `enum.IntEnum`; struct another Struct;
an optional member ``T | None`` with a default: None is not sent.

The codec is tarsio. It reads 32-bit floats but would write them as doubles, which peers
refuse; `encode_body` writes them. A struct checks types and ranges of its members when it is
made (ValueError), but not ranges of list and map items, nor of a generic struct's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from types import GenericAlias, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import tarsio
from tarsio import Meta, Struct, TarsDict, field

from lab.tars.errors import MalformedBody, NotEncodable

Byte = Annotated[int, Meta(ge=-(2**7), le=2**7 - 1)]
Short = Annotated[int, Meta(ge=-(2**15), le=2**15 - 1)]
Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Long = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
UnsignedByte = Annotated[int, Meta(ge=0, le=2**8 - 1)]
UnsignedShort = Annotated[int, Meta(ge=0, le=2**16 - 1)]
UnsignedInt = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Float = Annotated[float, "binary32"]
Double = float

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
    "decode_body",
    "encode_body",
    "encode_value",
    "field",
    "members",
]


class Empty(Struct, frozen=True):
    """The arguments of a function that has none, the results of a void one.

    Reads any body: @tars/rpc answers even tars_ping with a zero at tag 0.
    """

    _nothing: Int | None = field(tag=255, default=None)


A = TypeVar("A", bound=Struct)
R = TypeVar("R", bound=Struct)


@dataclass(frozen=True)
class Function(Generic[A, R]):
    """One function of an interface: its name on the wire, its arguments, its results."""

    name: str
    arguments: type[A]
    results: type[R]


def encode_body(value: Struct) -> bytes:
    """The bytes of arguments or results; raises `NotEncodable`."""
    try:
        if not _holds_single(type(value)):
            return value.encode()
        out = bytearray()
        _put_members(out, value)
        return bytes(out)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise NotEncodable(f"{type(value).__name__} cannot be sent", found=str(error)) from None


def encode_value(annotation: Any, value: Any, tag: int = 0) -> bytes:
    """One value of the annotated type at ``tag``: what a TUP attribute holds (at tag 0).

    Raises `NotEncodable`.
    """
    out = bytearray()
    try:
        _put(out, tag, annotation, value)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise NotEncodable(f"{value!r:.60} cannot be sent", found=str(error)) from None
    return bytes(out)


def decode_body(kind: type[A], body: bytes) -> A:
    """Read ``body`` as ``kind``; unknown tags are skipped. Raises `MalformedBody`."""
    try:
        return kind.decode(body)
    except ValueError as error:
        raise MalformedBody(
            f"a body holds no {kind.__name__}", found=str(error), evidence=body[:256].hex()
        ) from None


# -- writing what has a 32-bit float somewhere inside --------------------------------------
# Everything else is handed to tarsio as it is. Heads are tag << 4 | type; source: tars.md.

_FLOAT, _MAP, _LIST, _BEGIN, _END = 4, 8, 9, 10, 11


@cache
def members(kind: type[Struct]) -> tuple[tuple[int, str, Any], ...]:
    """Tag, name and annotation of each member, type variables replaced, in order of tags."""
    generic = kind.__dict__.get("__origin__", kind)
    hints = get_type_hints(generic, include_extras=True)
    values = (
        dict(zip(generic.__parameters__, kind.__dict__["__args__"], strict=True))
        if generic is not kind
        else {}
    )
    info = tarsio.inspect.struct_info(kind)
    fields = info.fields if info else ()
    return tuple((m.tag, m.name, _filled(hints[m.name], values)) for m in fields)


def _filled(annotation: Any, values: dict[Any, Any]) -> Any:
    if annotation in values:
        return values[annotation]
    open_parameters = getattr(annotation, "__parameters__", ())
    if not open_parameters:
        return annotation
    return annotation[tuple(values[parameter] for parameter in open_parameters)]


def _is_struct(annotation: Any) -> bool:
    return (
        isinstance(annotation, type)
        and not isinstance(annotation, GenericAlias)
        and issubclass(annotation, Struct)
    )


@cache
def _holds_single(annotation: Any) -> bool:
    """Whether a value of that type contains a 32-bit float."""
    return any(part == Float for part in _parts(annotation, set()))


def _parts(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """The type and the types within it; a recursive struct is entered once."""
    yield annotation
    if _is_struct(annotation):
        if annotation in seen:
            return
        seen.add(annotation)
        inner = [of for _, _, of in members(annotation)]
    else:
        inner = [] if get_origin(annotation) is Annotated else list(get_args(annotation))
    for part in inner:
        yield from _parts(part, seen)


def _head(tag: int, code: int) -> bytes:
    return bytes([tag << 4 | code]) if tag < 15 else bytes([0xF0 | code, tag])


def _put_members(out: bytearray, value: Struct) -> None:
    for tag, name, annotation in members(type(value)):
        _put(out, tag, annotation, getattr(value, name))


def _put(out: bytearray, tag: int, annotation: Any, value: Any) -> None:
    origin = get_origin(annotation)
    if origin in (Union, UnionType):
        if value is not None:
            (inner,) = (of for of in get_args(annotation) if of is not type(None))
            _put(out, tag, inner, value)
    elif not _holds_single(annotation):
        out += tarsio.encode(TarsDict({tag: value}))
    elif annotation == Float:
        out += _head(tag, _FLOAT) + struct.pack(">f", value)
    elif origin is list:
        (item,) = get_args(annotation)
        out += _head(tag, _LIST) + tarsio.encode(TarsDict({0: len(value)}))
        for one in value:
            _put(out, 0, item, one)
    elif origin is dict:
        key_type, value_type = get_args(annotation)
        out += _head(tag, _MAP) + tarsio.encode(TarsDict({0: len(value)}))
        for key, one in value.items():
            _put(out, 0, key_type, key)
            _put(out, 1, value_type, one)
    else:
        out += _head(tag, _BEGIN)
        _put_members(out, value)
        out += _head(0, _END)
