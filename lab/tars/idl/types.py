"""Python types for what a `Document` defines: structs, enums, a function's two structs."""

from __future__ import annotations

import keyword
from collections.abc import Iterable, Iterator
from enum import IntEnum
from typing import Annotated, Any, cast

from tarsio import Meta, StructMeta

from lab.tars import body
from lab.tars.body import Empty, Function, Struct, field
from lab.tars.idl.syntax import (
    Document,
    EnumDefinition,
    Map,
    Named,
    Operation,
    Scalar,
    StructDefinition,
    Type,
    Vector,
)

_SCALARS: dict[str, Any] = {
    "bool": bool,
    "byte": body.Byte,
    "short": body.Short,
    "int": body.Int,
    "long": body.Long,
    "unsigned byte": body.UnsignedByte,
    "unsigned short": body.UnsignedShort,
    "unsigned int": body.UnsignedInt,
    "float": body.Float,
    "double": body.Double,
    "string": str,
}
_ZEROS: dict[str, Any] = {"bool": False, "string": "", "float": 0.0, "double": 0.0}

#: The name of the return value in a function's results, and its tag.
RETURN = "ret"


class OpenEnum(IntEnum):
    """An enum of Tars: on the wire any int is legal, and one without a name is kept as it is."""

    @classmethod
    def _missing_(cls, value: object) -> OpenEnum | None:
        if not isinstance(value, int) or not -(2**31) <= value < 2**31:
            return None
        nameless = int.__new__(cls, value)
        nameless._name_ = str(value)
        nameless._value_ = value
        return nameless


class _StructType(StructMeta):
    """Of structs: a required member with a default may lack in Python, but not on the wire."""

    __tars_defaults__: dict[str, Any]

    def __call__(cls, *values: Any, **named: Any) -> Any:  # noqa: N805 - of a metaclass
        for name in cls.__struct_fields__[len(values) :]:
            if name in cls.__tars_defaults__:
                named.setdefault(name, cls.__tars_defaults__[name])
        return super().__call__(*values, **named)


class Types:
    """The classes of one document, each made once; ``of`` has them by their full names."""

    def __init__(self, document: Document) -> None:
        self.of: dict[str, type[Struct] | type[OpenEnum]] = {}
        for enum in document.enums.values():
            self.of[enum.name] = _enum(enum)
        for struct in document.structs.values():
            self.of[struct.name] = self._struct(struct)

    def annotation(self, type_: Type) -> Any:
        """The type as `lab.tars.body` has it."""
        if isinstance(type_, Scalar):
            return _bounded(_SCALARS[type_.name], type_.limit)
        if isinstance(type_, Vector):
            whole = (
                bytes if type_.item == Scalar("byte") else list[self.annotation(type_.item)]  # type: ignore[misc]
            )
            return _bounded(whole, type_.limit)
        if isinstance(type_, Map):
            return dict[self.annotation(type_.key), self.annotation(type_.value)]  # type: ignore[misc]
        kind = self.of.get(type_.name)
        if kind is None:  # the one that is being made, in a vector or map of itself
            return _short(type_.name)
        # The codec takes no enum without a name; on the wire it is an int like any other.
        return body.Int if issubclass(kind, OpenEnum) and not len(kind) else kind

    def _struct(self, struct: StructDefinition) -> type[Struct]:
        members: list[tuple[int, str, Any, Any]] = []
        defaults: dict[str, Any] = {}
        for member in struct.members:
            annotation = self.annotation(member.type)
            default = self._typed(member.type, member.default)
            if member.required:
                if default is not None:
                    defaults[member.name] = default
                members.append((member.tag, member.name, annotation, ...))
                continue
            if default is None:
                default = self._zero(member.type)
            if default is None:
                annotation = annotation | None
            members.append((member.tag, member.name, annotation, default))
        return _new_struct(
            struct.name, members, comment=struct.comment, keys=struct.keys, defaults=defaults
        )

    def _typed(self, type_: Type, default: Any) -> Any:
        if default is None or not isinstance(type_, Named):
            return default
        return cast("type[OpenEnum]", self.of[type_.name])(default)

    def _zero(self, type_: Type) -> Any:
        """What an optional member has that was not sent; None for a struct."""
        if isinstance(type_, Scalar):
            return _ZEROS.get(type_.name, 0)
        if isinstance(type_, Vector):
            return b"" if type_.item == Scalar("byte") else []
        if isinstance(type_, Map):
            return {}
        kind = self.of.get(type_.name)
        if kind is None or issubclass(kind, Struct):
            return None
        return next(iter(kind), kind(0))

    def function(self, operation: Operation) -> Function[Any, Any]:
        """Its arguments and results. Out parameters may be sent, too: TarsCpp's clients do.

        Results unpack: ``ret, first_out, second_out = results``.
        """
        given: list[tuple[int, str, Any, Any]] = []
        returned: list[tuple[int, str, Any, Any]] = []
        if operation.returns is not None:
            returned.append((0, RETURN, self.annotation(operation.returns), ...))
        for parameter in operation.parameters:
            annotation = self.annotation(parameter.type)
            if parameter.out:
                given.append((parameter.tag, parameter.name, annotation | None, None))
                returned.append((parameter.tag, parameter.name, annotation, ...))
            else:
                given.append((parameter.tag, parameter.name, annotation, ...))
        return Function(
            operation.name,
            _new_struct(f"{operation.name}_arguments", given) if given else Empty,
            _new_struct(f"{operation.name}_results", returned, unpacks=True) if returned else Empty,
        )


def python_names(names: Iterable[str]) -> list[str]:
    """Names that Python takes: keywords and ``__x__`` get an underscore, as do repeated ones."""
    found: list[str] = []
    for name in names:
        own = name
        while keyword.iskeyword(own) or own in found or own.startswith("__"):
            own = f"{own.lstrip('_') or 'x'}_"
        found.append(own)
    return found


def _short(name: str) -> str:
    return name.rpartition("::")[2]


def _bounded(annotation: Any, limit: int | None) -> Any:
    return annotation if limit is None else Annotated[annotation, Meta(max_len=limit)]


def _new_struct(
    full_name: str,
    members: list[tuple[int, str, Any, Any]],
    *,
    comment: str = "",
    keys: tuple[str, ...] = (),
    defaults: dict[str, Any] | None = None,
    unpacks: bool = False,
) -> type[Struct]:
    """A struct of ``(tag, name, annotation, default)``; a default ``...`` is none."""
    names = python_names(name for _, name, _, _ in members)
    own = dict(zip((name for _, name, _, _ in members), names, strict=True))
    module, _, name = full_name.rpartition("::")
    content: dict[str, Any] = {
        "__module__": module.replace("::", ".") or __name__,
        "__qualname__": name,
        "__doc__": comment or None,
        "__annotations__": dict(
            zip(names, (annotation for _, _, annotation, _ in members), strict=True)
        ),
        "__tars_names__": {python: tars for tars, python in own.items() if python != tars},
        "__tars_defaults__": {own[tars]: value for tars, value in (defaults or {}).items()},
    }
    if keys:
        content["__tars_keys__"] = tuple(own[key] for key in keys)
    if unpacks:
        content["__iter__"] = _members_of
    for (tag, _, _, default), python in zip(members, names, strict=True):
        if default is ...:
            content[python] = field(tag=tag)
        elif isinstance(default, list | dict):
            content[python] = field(tag=tag, default_factory=type(default))
        else:
            content[python] = field(tag=tag, default=default)
    make: Any = _StructType
    # Python wants what has a default last, Tars has it anywhere.
    given = [default is not ... for _, _, _, default in members]
    kind: type[Struct] = make(
        name, (Struct,), content, frozen=True, omit_defaults=True, kw_only=given != sorted(given)
    )
    return kind


def _members_of(results: Struct) -> Iterator[Any]:
    return iter([getattr(results, name) for name in results.__struct_fields__])


def _enum(enum: EnumDefinition) -> type[OpenEnum]:
    # Enum keeps "mro" and _x_ for itself.
    values = {
        f"{name}_" if name == "mro" or name.startswith("_") else name: value
        for name, value in enum.values.items()
    }
    module, _, name = enum.name.rpartition("::")
    make: Any = OpenEnum
    kind: type[OpenEnum] = make(name, values, module=module.replace("::", "."), qualname=name)
    kind.__doc__ = enum.comment or None
    return kind
