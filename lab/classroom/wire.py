"""Dataclasses to and from the JSON objects of OpenVidu's signalling and REST.

Wire names are the field names in camel case (``created_at`` is ``createdAt``), or what the
field's metadata says under "wire". A field with a default may be missing.
"""

from __future__ import annotations

import re
import types
from collections.abc import Mapping
from dataclasses import MISSING, Field, fields, is_dataclass
from enum import Enum
from functools import cache
from typing import Any, TypeVar, Union, get_args, get_origin, get_type_hints

from lab.errors import LabError

M = TypeVar("M")


class Malformed(LabError):
    """A peer's text or JSON is not what the protocol has there."""


def write(message: Any) -> dict[str, Any]:
    """A message as a JSON object; what is None or empty by default is left out."""
    found = {}
    cacheable: Any = type(message)
    for name, wire, _, default in _plan(cacheable):
        value = getattr(message, name)
        if value == default and value in (None, ()):
            continue
        if isinstance(value, tuple):
            value = [write(item) if is_dataclass(item) else item for item in value]
        found[wire] = value
    return found


def read(kind: type[M], params: object, *, where: str) -> M:
    """A message of class ``kind`` from a JSON object; unknown keys are ignored.

    Raises `Malformed` that names ``where`` (the method) and the field.
    """
    if not isinstance(params, Mapping):
        raise _mistyped(where, "params", "an object", params)
    values = {}
    cacheable: Any = kind
    for name, wire, hint, default in _plan(cacheable):
        if wire in params:
            values[name] = _value(hint, params[wire], f"{where}.{wire}")
        elif default is MISSING:
            raise _mistyped(where, wire, "present", None)
    return kind(**values)


@cache
def _plan(kind: type[Any]) -> tuple[tuple[str, str, Any, Any], ...]:
    hints = get_type_hints(kind)
    return tuple(
        (spec.name, _wire_name(spec), hints[spec.name], spec.default) for spec in fields(kind)
    )


def _wire_name(spec: Field[Any]) -> str:
    given = spec.metadata.get("wire")
    return given or re.sub(r"_(.)", lambda match: match[1].upper(), spec.name)


def _value(hint: Any, value: Any, where: str) -> Any:
    origin = get_origin(hint)
    if origin in (Union, types.UnionType):
        if value is None:
            return None
        hint = next(option for option in get_args(hint) if option is not type(None))
        origin = get_origin(hint)
    if hint is Any:
        return value
    if origin is tuple:
        if not isinstance(value, list):
            raise _mistyped(where, "value", "a list", value)
        return tuple(_value(get_args(hint)[0], item, where) for item in value)
    if is_dataclass(hint):
        return read(hint, value, where=where)  # type: ignore[arg-type]
    return _plain(origin or hint, value, where)


def _plain(kind: type[Any], value: Any, where: str) -> Any:
    """A value of a JSON type, or of an enum of texts."""
    if issubclass(kind, Enum):
        try:
            return kind(value)
        except ValueError:
            raise _mistyped(where, "value", f"one of {', '.join(kind)}", value) from None
    if kind is float and isinstance(value, int) and not isinstance(value, bool):
        try:
            return float(value)  # JSON has one kind of number
        except OverflowError:
            raise _mistyped(where, "value", "a number that a double holds", value) from None
    if not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
        raise _mistyped(where, "value", kind.__name__, value)
    return value


def _mistyped(where: str, key: str, expected: str, found: object) -> Malformed:
    return Malformed(
        f"{where}: {key} is not as the protocol has it",
        found="nothing" if found is None else f"a {type(found).__name__}",
        expected=expected,
    )
