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
doubles that peers refuse; dialects; and the ranges of list and map items and of a generic
struct's members, which it does not check when a struct is made.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import Enum
from functools import cache
from types import GenericAlias, UnionType
from typing import Annotated, Any, Generic, TypeVar, Union, get_args, get_origin, get_type_hints

import tarsio
from tarsio import Meta, Struct, TarsDict, field

from lab.tars.errors import MalformedBody, NotEncodable
from lab.tars.packets import Dialect

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
        _check_items(kind, value)
        if _is_plain(kind, dialect):
            return value.encode()
        out = bytearray()
        _put_members(out, value, dialect)
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
        _check_items(annotation, value)
        _put(out, tag, annotation, value, dialect)
    except _UNFIT as error:
        raise NotEncodable(f"{value!r:.60} cannot be sent", found=str(error)) from None
    return bytes(out)


def decode_body(kind: type[A], body: bytes) -> A:
    """Read ``body`` as ``kind``; unknown tags are skipped. Raises `MalformedBody`.

    Nothing is allocated for lengths that the body only claims.
    """
    try:
        value = kind.decode(body)
        _check_items(kind, value)
    except ValueError as error:
        raise MalformedBody(
            f"a body holds no {kind.__name__}", found=str(error), evidence=body[:256].hex()
        ) from None
    return value


# -- what annotations say -------------------------------------------------------------------


@cache
def members(kind: type[Struct]) -> tuple[tuple[int, str, Any], ...]:
    """Tag, name and annotation of each member, type variables replaced, in order of tags."""
    generic = kind.__dict__.get("__origin__", kind)
    hints = get_type_hints(generic, localns={generic.__name__: generic}, include_extras=True)
    values = (
        dict(zip(generic.__parameters__, kind.__dict__["__args__"], strict=True))
        if _is_filled(kind)
        else {}
    )
    return tuple((m.tag, m.name, _filled(hints[m.name], values)) for m in _fields(kind))


def wire_name(kind: type[Struct], name: str) -> str:
    """What Tars calls a member whose name cannot be Python's (``class_``), else its name."""
    return str(kind.__dict__.get("__tars_names__", {}).get(name, name))


def _fields(kind: type[Struct]) -> Iterable[Any]:
    info = tarsio.inspect.struct_info(kind)
    return info.fields if info else ()


@cache
def _defaults(kind: type[Struct]) -> dict[str, Any]:
    """The defaults of the members that are optional in Tars' sense; None is never sent."""
    if not kind.__struct_config__.omit_defaults:
        return {}
    return {
        m.name: m.default if m.default_factory is tarsio.NODEFAULT else m.default_factory()
        for m in _fields(kind)
        if m.has_default and m.default is not None
    }


def _filled(annotation: Any, values: dict[Any, Any]) -> Any:
    if annotation in values:
        return values[annotation]
    open_parameters = getattr(annotation, "__parameters__", ())
    if not open_parameters:
        return annotation
    return annotation[tuple(values[parameter] for parameter in open_parameters)]


def _is_filled(kind: type[Struct]) -> bool:
    """Whether a generic struct's type variables were replaced to make it."""
    return "__origin__" in kind.__dict__


def _is_class(annotation: Any, *of: type) -> bool:
    return (
        isinstance(annotation, type)
        and not isinstance(annotation, GenericAlias)
        and issubclass(annotation, of)
    )


def _bare(annotation: Any) -> Any:
    """The type without "or None", range and limit; `Float` stays as it is."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (of for of in get_args(annotation) if of is not type(None))
    if annotation == Float or get_origin(annotation) is not Annotated:
        return annotation
    return get_args(annotation)[0]


def _parts(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """The type and those within it; a recursive struct is entered once."""
    yield annotation
    bare = _bare(annotation)
    inner: Iterable[Any] = ()
    if _is_class(bare, Struct):
        if bare not in seen:
            seen.add(bare)
            inner = [of for _, _, of in members(bare)]
    elif bare != Float:
        inner = get_args(bare)
    for part in inner:
        yield from _parts(part, seen)


# -- ranges that tarsio does not check ------------------------------------------------------

_Check = Callable[[Any], None]


def _check_items(annotation: Any, value: Any) -> None:
    """Raises ValueError when an item of a list or map is out of its type's range."""
    if value is not None and (check := _item_check(annotation)) is not None:
        check(value)


@cache
def _item_check(annotation: Any) -> _Check | None:
    bare = _bare(annotation)
    if _is_class(bare, Struct):
        return _check_members if _holds_ranges(bare) else None
    if get_origin(bare) is list:
        return _every(get_args(bare)[0])
    if get_origin(bare) is dict:
        keys, values = map(_every, get_args(bare))
        return _both(keys, values) if keys or values else None
    return None


def _holds_ranges(kind: type[Struct]) -> bool:
    """Whether something in it has a range that tarsio leaves unchecked."""
    return any(
        any(map(limits, get_args(_bare(part)))) or (_is_class(part, Struct) and _is_filled(part))
        for part in _parts(kind, set())
    )


def limits(annotation: Any) -> tuple[float, float] | None:
    """The range of an annotated number, both ends included."""
    for meta in get_args(annotation)[1:]:
        if isinstance(meta, Meta) and meta.ge is not None and meta.le is not None:
            return meta.ge, meta.le
    return None


def _check_members(value: Struct) -> None:
    for name, check in _member_checks(type(value)):
        if (member := getattr(value, name)) is not None:
            check(member)


@cache
def _member_checks(kind: type[Struct]) -> tuple[tuple[str, _Check], ...]:
    checks = [(name, _item_check(of)) for _, name, of in members(kind)]
    if _is_filled(kind):
        alone = ((name, limits(of)) for _, name, of in members(kind))
        checks += [(name, _single(bounds)) for name, bounds in alone if bounds]
    return tuple((name, check) for name, check in checks if check)


def _single(bounds: tuple[float, float]) -> _Check:
    within = _within(bounds)
    return lambda value: within((value,))


def _within(bounds: tuple[float, float]) -> Callable[[Collection[Any]], None]:
    low, high = bounds

    def check(items: Collection[Any]) -> None:
        if items and not (low <= min(items) and max(items) <= high):
            wrong = next(item for item in items if not low <= item <= high)
            raise ValueError(f"{wrong} is out of range: {low:.0f} to {high:.0f}")

    return check


def _every(item: Any) -> Callable[[Collection[Any]], None] | None:
    if (bounds := limits(item)) is not None:
        return _within(bounds)
    if (inner := _item_check(item)) is None:
        return None

    def check(items: Collection[Any]) -> None:
        for one in items:
            inner(one)

    return check


def _both(keys: _Check | None, values: _Check | None) -> _Check:
    def check(items: dict[Any, Any]) -> None:
        if keys:
            keys(items.keys())
        if values:
            values(items.values())

    return check


# -- writing what tarsio writes otherwise than the dialect ----------------------------------
# Everything else is handed to tarsio as it is. Heads are tag << 4 | type; source: tars.md.

_FLOAT, _DOUBLE, _MAP, _LIST, _BEGIN, _END, _ZERO = 4, 5, 8, 9, 10, 11, 12

#: Within it TarsCpp takes a float for equal to its default (TC_Common::equal).
_EPSILON = 1e-6


@cache
def _is_plain(annotation: Any, dialect: Dialect) -> bool:
    """Whether tarsio writes a value of that type as the dialect does."""
    bares = {_bare(part) for part in _parts(annotation, set())}
    return not any(
        bare == Float
        or (_is_class(bare, Struct) and _defaults(bare))
        or (dialect is Dialect.TARSCPP and (bare is float or get_origin(bare) is dict))
        for bare in bares
    )


def _head(tag: int, code: int) -> bytes:
    return bytes([tag << 4 | code]) if tag < 15 else bytes([0xF0 | code, tag])


def _size(items: Collection[Any]) -> bytes:
    return tarsio.encode(TarsDict({0: len(items)}))


def _put_members(out: bytearray, value: Struct, dialect: Dialect) -> None:
    defaults = _defaults(type(value)) if dialect is Dialect.TARSCPP else {}
    for tag, name, annotation in members(type(value)):
        member = getattr(value, name)
        if member is not None and not (
            name in defaults and _is_left_out(annotation, member, defaults[name])
        ):
            _put(out, tag, annotation, member, dialect)


def _is_left_out(annotation: Any, value: Any, default: Any) -> bool:
    """Whether TarsCpp leaves out an optional member of that value."""
    bare = _bare(annotation)
    if _is_class(bare, bool, Enum, Struct):
        return False
    if isinstance(value, list | dict | bytes):
        return not value
    if isinstance(value, float):
        return bool(abs(value - default) < _EPSILON)
    return bool(value == default)


def _put(out: bytearray, tag: int, annotation: Any, value: Any, dialect: Dialect) -> None:
    bare = _bare(annotation)
    if value is None:
        return
    if _is_plain(bare, dialect):
        out += tarsio.encode(TarsDict({tag: value}))
    elif bare == Float or bare is float:
        _put_float(out, tag, value, single=bare == Float, dialect=dialect)
    elif get_origin(bare) is list:
        (item,) = get_args(bare)
        out += _head(tag, _LIST) + _size(value)
        for one in value:
            _put(out, 0, item, one, dialect)
    elif get_origin(bare) is dict:
        key_type, value_type = get_args(bare)
        out += _head(tag, _MAP) + _size(value)
        keys = sorted(value, key=_in_order) if dialect is Dialect.TARSCPP else value
        for key in keys:
            _put(out, 0, key_type, key, dialect)
            _put(out, 1, value_type, value[key], dialect)
    else:
        out += _head(tag, _BEGIN)
        _put_members(out, value, dialect)
        out += _head(0, _END)


def _put_float(out: bytearray, tag: int, value: float, *, single: bool, dialect: Dialect) -> None:
    if value == 0 and dialect is Dialect.TARSJS:
        out += _head(tag, _ZERO)
    elif single:
        out += _head(tag, _FLOAT) + struct.pack(">f", value)
    else:
        out += _head(tag, _DOUBLE) + struct.pack(">d", value)


def _in_order(key: Any) -> Any:
    """What a std::map compares: strings by their bytes, structs by their key[] members."""
    if isinstance(key, str):
        return key.encode()
    if isinstance(key, Struct):
        names = getattr(type(key), "__tars_keys__", key.__struct_fields__)
        return tuple(_in_order(getattr(key, name)) for name in names)
    return key
