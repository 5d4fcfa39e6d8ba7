"""Values of Tars types as JSON has them, and back: what JSON bodies and people write.

A struct is an object of its members, a map an object whose keys are strings whatever their
type. In a JSON body an enum is its number and vector<byte> a list of numbers (TarsCpp writes
them signed; unsigned ones are read too). For people (``readable``) an enum is its name,
vector<byte> ``{"hex": "00ff"}``, a float without a number "NaN", "Infinity" or "-Infinity",
and a map whose keys are structs a list of pairs; `from_plain` takes these everywhere, and
values that have their type already. A string for a vector<byte> is its UTF-8.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from enum import IntEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from blueprints.errors import nearest
from lab.tars.body import Struct, limits, members, wire_name

_HEX = "hex"


def to_plain(value: Any, *, readable: bool = False) -> Any:
    """What json.dumps takes for ``value``."""
    if isinstance(value, Struct):
        kind = type(value)
        named = ((wire_name(kind, name), getattr(value, name)) for _, name, _ in members(kind))
        return {
            name: to_plain(member, readable=readable)
            for name, member in named
            if member is not None
        }
    if isinstance(value, Mapping):
        return _plain_map(value, readable=readable)
    if isinstance(value, list | tuple):
        return [to_plain(item, readable=readable) for item in value]
    return (_readable if readable else _plain_single)(value)


def _plain_single(value: Any) -> Any:
    if isinstance(value, bytes):
        return [byte - 256 if byte > 127 else byte for byte in value]
    return int(value) if isinstance(value, IntEnum) else value


def _readable(value: Any) -> Any:
    if isinstance(value, bytes):
        return {_HEX: value.hex()}
    if isinstance(value, IntEnum):
        return value.name if value.name in type(value).__members__ else int(value)
    if isinstance(value, float) and not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return value


def _plain_map(value: Mapping[Any, Any], *, readable: bool) -> Any:
    if readable and any(isinstance(key, Struct | bytes) for key in value):
        return [[to_plain(part, readable=True) for part in pair] for pair in value.items()]
    return {_key(key): to_plain(item, readable=readable) for key, item in value.items()}


def _key(key: Any) -> str:
    if isinstance(key, bool):
        return "true" if key else "false"
    return str(int(key)) if isinstance(key, int) else str(key)


def from_plain(annotation: Any, plain: Any, *, strict: bool = False) -> Any:
    """The value of the annotated type that ``plain`` writes; members with defaults may lack.

    ``strict`` also refuses members that the struct does not have. Raises `ValueError` that
    says where in ``plain`` it does not fit.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        value = from_plain(get_args(annotation)[0], plain, strict=strict)
        return _in_range(annotation, value)
    if origin in (Union, UnionType):
        (inner,) = (of for of in get_args(annotation) if of is not type(None))
        return None if plain is None else from_plain(inner, plain, strict=strict)
    if origin is list:
        (item,) = get_args(annotation)
        items = enumerate(_checked((list, tuple), plain, "a list"))
        return [_within(f"[{n}]", item, one, strict) for n, one in items]
    if origin is dict:
        return _map(annotation, plain, strict)
    return _single(annotation, plain, strict)


def _in_range(annotation: Any, value: Any) -> Any:
    if (bounds := limits(annotation)) is not None and not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"found {value}, expected {bounds[0]:.0f} to {bounds[1]:.0f}")
    return value


def _map(annotation: Any, plain: Any, strict: bool) -> dict[Any, Any]:
    key, value = get_args(annotation)
    if isinstance(plain, list):
        pairs = [_checked((list, tuple), pair, "a [key, value] pair") for pair in plain]
        if any(len(pair) != 2 for pair in pairs):
            raise ValueError("expected [key, value] pairs")
    else:
        pairs = list(_checked(Mapping, plain, "an object").items())
    return {
        _within(f".key {name!r:.40}", key, _named(key, name), strict): _within(
            f"[{name!r:.40}]", value, one, strict
        )
        for name, one in pairs
    }


def _single(annotation: Any, plain: Any, strict: bool) -> Any:
    if annotation is bytes:
        return _bytes(plain)
    if issubclass(annotation, Struct):
        return _struct(annotation, plain, strict)
    if issubclass(annotation, IntEnum):
        return _enum(annotation, plain)
    if annotation is float:
        named = plain in ("NaN", "Infinity", "-Infinity")
        try:
            return float(plain if named else _checked((int, float), plain, "a number"))
        except OverflowError:
            raise ValueError("expected a number that a double holds, found a larger one") from None
    return _checked(annotation, plain)


def _bytes(plain: Any) -> bytes:
    if isinstance(plain, bytes | bytearray):
        return bytes(plain)
    if isinstance(plain, str):
        return plain.encode()
    if isinstance(plain, Mapping) and set(plain) == {_HEX}:
        return bytes.fromhex(_checked(str, plain[_HEX]))
    items = _checked((list, tuple), plain, 'numbers, text, or {"hex": "00ff"}')
    return bytes(_checked(int, byte, "a byte") & 0xFF for byte in items)


def _enum(kind: type[IntEnum], plain: Any) -> IntEnum:
    if isinstance(plain, str):
        if plain not in kind.__members__:
            raise ValueError(
                f"{kind.__name__} has no {plain!r}; {nearest(plain, kind.__members__)}"
            )
        return kind[plain]
    return kind(_checked(int, plain, f"a name or number of {kind.__name__}"))


def _struct(kind: type[Struct], plain: Any, strict: bool) -> Struct:
    if isinstance(plain, kind):
        return plain
    _checked(Mapping, plain, "an object")
    known = {wire_name(kind, name): (name, of) for _, name, of in members(kind)}
    if strict and (unknown := [name for name in plain if name not in known]):
        name = str(unknown[0])
        raise ValueError(f"{kind.__name__} has no member {name!r}; {nearest(name, known)}")
    given = {
        name: _within(f".{called}", of, plain[called], strict)
        for called, (name, of) in known.items()
        if called in plain
    }
    try:
        return kind(**given)
    except TypeError as error:  # a member without a default is missing
        raise ValueError(f"{kind.__name__}: {error}") from None


def _within(place: str, annotation: Any, plain: Any, strict: bool) -> Any:
    try:
        return from_plain(annotation, plain, strict=strict)
    except ValueError as error:
        text = str(error)
        raise ValueError(f"{place}{text if text[:1] in '.[' else f': {text}'}") from None


def _checked(kind: Any, plain: Any, expected: str = "") -> Any:
    if not isinstance(plain, kind) or (isinstance(plain, bool) and kind is not bool):
        raise ValueError(f"found {plain!r:.60}, expected {expected or kind.__name__}")
    return plain


def _named(key: Any, name: Any) -> Any:
    """A map's key, read from the string that JSON makes of it."""
    kind = get_args(key)[0] if get_origin(key) is Annotated else key
    if not isinstance(name, str) or kind in (str, bytes):
        return name
    if kind is bool:
        return {"true": True, "false": False}.get(name, name)
    if not isinstance(kind, type) or not issubclass(kind, int | float):
        return name
    try:
        return int(name) if issubclass(kind, int) else float(name)
    except ValueError:
        if issubclass(kind, IntEnum):
            return name
        raise ValueError(f"key {name!r}: expected a number") from None
