"""Values of Tars types as JSON has them, and back: what JSON bodies and people write.

A struct is an object of its members, an enum its number, vector<byte> a list of numbers
(TarsCpp writes them signed; unsigned ones are read too), a map an object whose keys are
strings whatever their type.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import IntEnum
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from lab.tars.body import Struct, members


def to_plain(value: Any) -> Any:
    """What json.dumps takes for ``value``."""
    if isinstance(value, Struct):
        named = ((name, getattr(value, name)) for _, name, _ in members(type(value)))
        return {name: to_plain(member) for name, member in named if member is not None}
    if isinstance(value, bytes):
        return [byte - 256 if byte > 127 else byte for byte in value]
    if isinstance(value, Mapping):
        return {_key(key): to_plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_plain(item) for item in value]
    return int(value) if isinstance(value, IntEnum) else value


def _key(key: Any) -> str:
    return key if isinstance(key, str) else str(int(key))


def from_plain(annotation: Any, plain: Any) -> Any:
    """The value of the annotated type that ``plain`` writes; members with defaults may lack.

    Raises `ValueError` that says where in ``plain`` it does not fit.
    """
    origin = get_origin(annotation)
    if origin is Annotated:
        return from_plain(get_args(annotation)[0], plain)
    if origin in (Union, UnionType):
        (inner,) = (of for of in get_args(annotation) if of is not type(None))
        return None if plain is None else from_plain(inner, plain)
    return (_collection if origin in (list, dict) else _single)(annotation, plain)


def _collection(annotation: Any, plain: Any) -> Any:
    if get_origin(annotation) is list:
        (item,) = get_args(annotation)
        return [_within(f"[{n}]", item, one) for n, one in enumerate(_checked(list, plain))]
    key, value = get_args(annotation)
    return {
        _within(f"key {name!r}", key, _number(key, name)): _within(f"[{name!r}]", value, one)
        for name, one in _checked(dict, plain).items()
    }


def _single(annotation: Any, plain: Any) -> Any:
    if annotation is bytes:
        return bytes(_checked(int, byte) & 0xFF for byte in _checked(list, plain))
    if issubclass(annotation, Struct):
        return _struct(annotation, _checked(dict, plain))
    if issubclass(annotation, IntEnum):
        return annotation(_checked(int, plain))
    if annotation is float:
        return float(_checked((int, float), plain))
    return _checked(annotation, plain)


def _struct(kind: type[Struct], plain: dict[str, Any]) -> Struct:
    given = {
        name: _within(f".{name}", annotation, plain[name])
        for _, name, annotation in members(kind)
        if name in plain
    }
    try:
        return kind(**given)
    except TypeError as error:  # a member without a default is missing
        raise ValueError(str(error)) from None


def _within(place: str, annotation: Any, plain: Any) -> Any:
    try:
        return from_plain(annotation, plain)
    except ValueError as error:
        raise ValueError(f"{place}: {error}") from None


def _checked(kind: Any, plain: Any) -> Any:
    if not isinstance(plain, kind) or (isinstance(plain, bool) and kind is not bool):
        raise ValueError(f"found {plain!r:.60}, expected {getattr(kind, '__name__', 'a number')}")
    return plain


def _number(key: Any, name: str) -> Any:
    """A map's key, read from the string that JSON makes of it."""
    kind = get_args(key)[0] if get_origin(key) is Annotated else key
    if kind is str:
        return name
    try:
        return int(name)
    except ValueError:
        raise ValueError(f"key {name!r}: expected a number") from None
