"""Writes a body in a dialect, where that is not what tarsio writes.

What tarsio writes alike is handed to it. Heads are tag << 4 | type; source: tars.md.
"""

from __future__ import annotations

import struct
from collections.abc import Collection
from enum import Enum
from functools import cache
from typing import Any, get_args, get_origin

import tarsio
from tarsio import Struct, TarsDict

from lab.tars.packets import Dialect
from lab.tars.schema import Float, bare_type, defaults_of, is_class, members, parts_of

_FLOAT, _DOUBLE, _STRING1, _STRING4, _MAP, _LIST, _BEGIN, _END, _ZERO = 4, 5, 6, 7, 8, 9, 10, 11, 12

#: Within it TarsCpp takes a float for equal to its default (TC_Common::equal).
_EPSILON = 1e-6


@cache
def is_plain(annotation: Any, dialect: Dialect) -> bool:
    """Whether tarsio writes a value of that type as the dialect does."""
    bares = {bare_type(part) for part in parts_of(annotation, set())}
    return not any(
        bare == Float
        or (is_class(bare, Struct) and defaults_of(bare))
        or (dialect is Dialect.TARSCPP and (bare is float or get_origin(bare) is dict))
        for bare in bares
    )


def _head(tag: int, code: int) -> bytes:
    return bytes([tag << 4 | code]) if tag < 15 else bytes([0xF0 | code, tag])


def _size(items: Collection[Any]) -> bytes:
    return tarsio.encode(TarsDict({0: len(items)}))


def put_members(out: bytearray, value: Struct, dialect: Dialect) -> None:
    defaults = defaults_of(type(value)) if dialect is Dialect.TARSCPP else {}
    for tag, name, annotation in members(type(value)):
        member = getattr(value, name)
        if member is not None and not (
            name in defaults and _is_left_out(annotation, member, defaults[name])
        ):
            put(out, tag, annotation, member, dialect)


def _is_left_out(annotation: Any, value: Any, default: Any) -> bool:
    """Whether TarsCpp leaves out an optional member of that value."""
    bare = bare_type(annotation)
    if is_class(bare, bool, Enum, Struct):
        return False
    if isinstance(value, list | dict | bytes):
        return not value
    if isinstance(value, float):
        return bool(abs(value - default) < _EPSILON)
    return bool(value == default)


def put(out: bytearray, tag: int, annotation: Any, value: Any, dialect: Dialect) -> None:
    bare = bare_type(annotation)
    if value is None:
        return
    if is_plain(bare, dialect) and _put_plain(out, tag, value):
        return
    if bare is str:
        _put_string(out, tag, value.encode("utf-8", "surrogateescape"))
    elif bare == Float or bare is float:
        _put_float(out, tag, value, single=bare == Float, dialect=dialect)
    elif get_origin(bare) is list:
        (item,) = get_args(bare)
        out += _head(tag, _LIST) + _size(value)
        for one in value:
            put(out, 0, item, one, dialect)
    elif get_origin(bare) is dict:
        key_type, value_type = get_args(bare)
        out += _head(tag, _MAP) + _size(value)
        keys = sorted(value, key=_in_order) if dialect is Dialect.TARSCPP else value
        for key in keys:
            put(out, 0, key_type, key, dialect)
            put(out, 1, value_type, value[key], dialect)
    else:
        out += _head(tag, _BEGIN)
        put_members(out, value, dialect)
        out += _head(0, _END)


def _put_plain(out: bytearray, tag: int, value: Any) -> bool:
    """As tarsio writes it; False where text has bytes that are no UTF-8 (as surrogates)."""
    try:
        out += tarsio.encode(TarsDict({tag: value}))
    except UnicodeEncodeError:
        return False
    return True


def _put_string(out: bytearray, tag: int, text: bytes) -> None:
    if len(text) < 256:
        out += _head(tag, _STRING1) + bytes([len(text)]) + text
    else:
        out += _head(tag, _STRING4) + len(text).to_bytes(4, "big") + text


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
        return key.encode("utf-8", "surrogateescape")
    if isinstance(key, Struct):
        names = getattr(type(key), "__tars_keys__", key.__struct_fields__)
        return tuple(_in_order(getattr(key, name)) for name in names)
    return key
