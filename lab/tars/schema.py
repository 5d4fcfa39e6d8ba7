"""What the annotations of a struct say: Tars' types in Python, members, defaults, ranges."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import cache
from types import GenericAlias, UnionType
from typing import Annotated, Any, Union, get_args, get_origin, get_type_hints

import tarsio
from tarsio import Meta, Struct

Byte = Annotated[int, Meta(ge=-(2**7), le=2**7 - 1)]
Short = Annotated[int, Meta(ge=-(2**15), le=2**15 - 1)]
Int = Annotated[int, Meta(ge=-(2**31), le=2**31 - 1)]
Long = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
UnsignedByte = Annotated[int, Meta(ge=0, le=2**8 - 1)]
UnsignedShort = Annotated[int, Meta(ge=0, le=2**16 - 1)]
UnsignedInt = Annotated[int, Meta(ge=0, le=2**32 - 1)]
Float = Annotated[float, "binary32"]
Double = float


@cache
def members(kind: type[Struct]) -> tuple[tuple[int, str, Any], ...]:
    """Tag, name and annotation of each member, type variables replaced, in order of tags."""
    generic = kind.__dict__.get("__origin__", kind)
    hints = get_type_hints(generic, localns={generic.__name__: generic}, include_extras=True)
    values = (
        dict(zip(generic.__parameters__, kind.__dict__["__args__"], strict=True))
        if is_filled(kind)
        else {}
    )
    return tuple((m.tag, m.name, _filled(hints[m.name], values)) for m in fields_of(kind))


def wire_name(kind: type[Struct], name: str) -> str:
    """What Tars calls a member whose name cannot be Python's (``class_``), else its name."""
    return str(kind.__dict__.get("__tars_names__", {}).get(name, name))


def fields_of(kind: type[Struct]) -> Iterable[Any]:
    """tarsio's own description of the members."""
    info = tarsio.inspect.struct_info(kind)
    return info.fields if info else ()


@cache
def defaults_of(kind: type[Struct]) -> dict[str, Any]:
    """The defaults of the members that are optional in Tars' sense; None is never sent."""
    if not kind.__struct_config__.omit_defaults:
        return {}
    return {
        m.name: m.default if m.default_factory is tarsio.NODEFAULT else m.default_factory()
        for m in fields_of(kind)
        if m.has_default and m.default is not None
    }


def _filled(annotation: Any, values: dict[Any, Any]) -> Any:
    if annotation in values:
        return values[annotation]
    open_parameters = getattr(annotation, "__parameters__", ())
    if not open_parameters:
        return annotation
    return annotation[tuple(values[parameter] for parameter in open_parameters)]


def is_filled(kind: type[Struct]) -> bool:
    """Whether a generic struct's type variables were replaced to make it."""
    return "__origin__" in kind.__dict__


def is_class(annotation: Any, *of: type) -> bool:
    return (
        isinstance(annotation, type)
        and not isinstance(annotation, GenericAlias)
        and issubclass(annotation, of)
    )


def bare_type(annotation: Any) -> Any:
    """The type without "or None", range and limit; `Float` stays as it is."""
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (of for of in get_args(annotation) if of is not type(None))
    if annotation == Float or get_origin(annotation) is not Annotated:
        return annotation
    return get_args(annotation)[0]


def parts_of(annotation: Any, seen: set[Any]) -> Iterator[Any]:
    """The type and those within it; a recursive struct is entered once."""
    yield annotation
    bare = bare_type(annotation)
    inner: Iterable[Any] = ()
    if is_class(bare, Struct):
        if bare not in seen:
            seen.add(bare)
            inner = [of for _, _, of in members(bare)]
    elif bare != Float:
        inner = get_args(bare)
    for part in inner:
        yield from parts_of(part, seen)


def limits(annotation: Any) -> tuple[float, float] | None:
    """The range of an annotated number, both ends included."""
    for meta in get_args(annotation)[1:]:
        if isinstance(meta, Meta) and meta.ge is not None and meta.le is not None:
            return meta.ge, meta.le
    return None
