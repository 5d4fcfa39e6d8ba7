"""Arguments and results in the version of their packet: TARS, TUP or JSON.

TUP: a map at tag 0, from each parameter's name to its value, which stands there at tag 0; the
return value is called "", to TarsCpp "tars_ret" too. In the old TUP (2) the type's name is
in between. JSON: an object by names, the return value is "tars_ret".
Source: recorded answers of TarsCpp 3.0.22 and @tars/rpc 2.0.15.
"""

from __future__ import annotations

import json
from enum import IntEnum
from types import UnionType
from typing import Annotated, Any, TypeVar, Union, get_args, get_origin

from lab.tars import body as of_tars
from lab.tars.body import Struct, field, members, wire_name
from lab.tars.errors import MalformedBody, MissingArgument, NotEncodable
from lab.tars.packets import Dialect, Version
from lab.tars.plain import from_plain, to_plain

K = TypeVar("K", bound=Struct)

_RETURN = "tars_ret"
_RETURN_TAG = 0


class _Attributes(Struct, frozen=True):
    of: dict[str, bytes] = field(tag=0)


class _OldAttributes(Struct, frozen=True):
    of: dict[str, dict[str, bytes]] = field(tag=0)


def encode_arguments(value: Struct, version: int = Version.TARS) -> bytes:
    """The body of a request; raises `NotEncodable`."""
    if version in (Version.TUP, Version.TUP_OLD):
        return _attributes(value, {}, version)
    return _json(value) if version == Version.JSON else of_tars.encode_body(value)


def decode_arguments(kind: type[K], body: bytes, version: int = Version.TARS) -> K:
    """Read a request's body; raises `MalformedBody`, `MissingArgument`."""
    if version in (Version.TUP, Version.TUP_OLD):
        return _from_attributes(kind, body, version)
    return _from_json(kind, body) if version == Version.JSON else of_tars.decode_body(kind, body)


def encode_results(
    value: Struct, version: int = Version.TARS, dialect: Dialect = Dialect.TARSCPP
) -> bytes:
    """The body of an answer as a server of ``dialect`` writes it; raises `NotEncodable`."""
    if dialect.is_tup(version):
        names = ("", _RETURN) if dialect is Dialect.TARSCPP else ("",)
        return _attributes(value, {_RETURN_TAG: names}, version)
    return _json(value) if version == Version.JSON else of_tars.encode_body(value)


def decode_results(kind: type[K], body: bytes, version: int = Version.TARS) -> K:
    """Read an answer's body; raises `MalformedBody`. Of a void function none is looked at."""
    if kind is of_tars.Empty:
        return kind()
    return decode_arguments(kind, body, version)


def _attributes(value: Struct, names: dict[int, tuple[str, ...]], version: int) -> bytes:
    """Every member by its name, or the names that its tag has in ``names``."""
    found = {
        called: (annotation, of_tars.encode_value(annotation, member))
        for tag, name, annotation in members(type(value))
        if (member := getattr(value, name)) is not None
        for called in names.get(tag, (wire_name(type(value), name),))
    }
    # TarsCpp's maps are sorted; nothing depends on the order of a map's entries.
    ordered = sorted(found.items())
    if version == Version.TUP:
        new = {name: encoded for name, (_, encoded) in ordered}
        return of_tars.encode_body(_Attributes(new))
    old = {name: {type_name(annotation): encoded} for name, (annotation, encoded) in ordered}
    return of_tars.encode_body(_OldAttributes(old))


def _from_attributes(kind: type[K], body: bytes, version: int) -> K:
    if version == Version.TUP:
        named = of_tars.decode_body(_Attributes, body).of
    else:
        old = of_tars.decode_body(_OldAttributes, body).of
        named = {name: value for name, by_type in old.items() for value in by_type.values()}
    whole = bytearray()
    for tag, name, annotation in members(kind):
        value = named.get(wire_name(kind, name))
        if value is None and tag == _RETURN_TAG:
            value = named.get("", named.get(_RETURN))
        if value is not None:
            whole += _at_tag(tag, value)
        elif type(None) not in get_args(annotation):
            raise MissingArgument(f"the TUP body has no attribute {name}", found=str(list(named)))
    return of_tars.decode_body(kind, bytes(whole))


def _at_tag(tag: int, value: bytes) -> bytes:
    """An encoded value that stands at tag 0, at ``tag``."""
    if not value:
        return b""
    code = value[0] & 0x0F
    head = bytes([tag << 4 | code]) if tag < 15 else bytes([0xF0 | code, tag])
    return head + value[1:]


_TYPE_NAMES = {bool: "bool", float: "double", str: "string", bytes: "list<char>", int: "int64"}
_NARROW_NAMES = {
    of_tars.Byte: "char",
    of_tars.Short: "short",
    of_tars.Int: "int32",
    of_tars.UnsignedByte: "short",
    of_tars.UnsignedShort: "int32",
    of_tars.UnsignedInt: "int64",
    of_tars.Float: "float",
    of_tars.Long: "int64",
}


def type_name(annotation: Any) -> str:
    """What the old TUP calls a type (@tars/stream's ``_classname``)."""
    origin, inner = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _NARROW_NAMES.get(annotation) or type_name(inner[0])  # a bounded one
    if origin in (Union, UnionType):
        return next(type_name(of) for of in inner if of is not type(None))
    if origin is list:
        return f"list<{type_name(inner[0])}>"
    if origin is dict:
        return f"map<{type_name(inner[0])},{type_name(inner[1])}>"
    if issubclass(annotation, IntEnum):
        return "int32"
    return _TYPE_NAMES.get(annotation) or str(annotation.__name__)


def _json(value: Struct) -> bytes:
    named = {
        _RETURN if tag == _RETURN_TAG else wire_name(type(value), name): to_plain(member)
        for tag, name, _ in members(type(value))
        if (member := getattr(value, name)) is not None
    }
    try:
        text = json.dumps(named, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
        return text.encode()
    except ValueError as error:
        raise NotEncodable(f"{type(value).__name__} is no JSON", found=str(error)) from None


def _from_json(kind: type[K], body: bytes) -> K:
    try:
        plain = json.loads(body)
        if isinstance(plain, dict) and _RETURN in plain:
            for tag, name, _ in members(kind):
                if tag == _RETURN_TAG:
                    plain[name] = plain.pop(_RETURN)
        value: K = from_plain(kind, plain)
    except (ValueError, RecursionError) as error:
        raise MalformedBody(
            f"a JSON body holds no {kind.__name__}", found=str(error), evidence=body[:256].hex()
        ) from None
    return value
