"""What a `.tars` file says: its types and definitions, with every name in full (``tars::X``)."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import NamedTuple, TypeAlias

from lab.tars.errors import TarsError


class Place(NamedTuple):
    """Where something stands; line and column count from 1, columns in characters."""

    file: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.file}:{self.line}:{self.column}"


class IdlError(TarsError):
    """A `.tars` file that cannot be read, or does not follow the language; ``place`` says where."""

    def __init__(
        self, place: Place, what: str, *, found: str | None = None, expected: str | None = None
    ) -> None:
        self.place = place
        super().__init__(f"{place}: {what}", found=found, expected=expected)


@dataclass(frozen=True)
class Scalar:
    """bool, byte … double, string, "unsigned byte", "unsigned short", "unsigned int".

    ``limit`` bounds a string's length (``string:8``).
    """

    name: str
    limit: int | None = None

    def __str__(self) -> str:
        return self.name + (f":{self.limit}" if self.limit else "")


@dataclass(frozen=True)
class Vector:
    """``vector<T>``, and the array forms of it, which bound its length."""

    item: Type
    limit: int | None = None

    def __str__(self) -> str:
        return f"vector<{self.item}>" + (f":{self.limit}" if self.limit else "")


@dataclass(frozen=True)
class Map:
    key: Type
    value: Type

    def __str__(self) -> str:
        return f"map<{self.key}, {self.value}>"


@dataclass(frozen=True)
class Named:
    """A struct or an enum, by its full name."""

    name: str

    def __str__(self) -> str:
        return self.name


Type: TypeAlias = Scalar | Vector | Map | Named

#: An enum's default is its number.
Literal: TypeAlias = bool | int | float | str


@dataclass(frozen=True)
class Member:
    tag: int
    required: bool
    type: Type
    name: str
    #: What the file says; None when it says nothing.
    default: Literal | None


@dataclass(frozen=True)
class StructDefinition:
    """``members`` in order of their tags; ``keys``: what compares it as a map's key."""

    name: str
    members: tuple[Member, ...]
    comment: str
    place: Place
    keys: tuple[str, ...] = ()


@dataclass(frozen=True)
class EnumDefinition:
    name: str
    values: dict[str, int]
    comment: str
    place: Place


@dataclass(frozen=True)
class Constant:
    name: str
    type: Type
    value: Literal
    place: Place


@dataclass(frozen=True)
class Parameter:
    tag: int
    type: Type
    name: str
    out: bool = False
    route_key: bool = False

    def __str__(self) -> str:
        kind = "out " if self.out else "routekey " if self.route_key else ""
        return f"{kind}{self.type} {self.name}"


@dataclass(frozen=True)
class Operation:
    """A function of an interface; ``returns`` is None for void."""

    name: str
    returns: Type | None
    parameters: tuple[Parameter, ...]
    comment: str
    place: Place

    def __str__(self) -> str:
        return f"{self.returns or 'void'} {self.name}({', '.join(map(str, self.parameters))})"


@dataclass(frozen=True)
class InterfaceDefinition:
    name: str
    operations: dict[str, Operation]
    comment: str
    place: Place


Definition: TypeAlias = StructDefinition | EnumDefinition | Constant | InterfaceDefinition


@dataclass
class Document:
    """All that a file and the files that it includes define, by full name, in their order."""

    structs: dict[str, StructDefinition] = field(default_factory=dict)
    enums: dict[str, EnumDefinition] = field(default_factory=dict)
    constants: dict[str, Constant] = field(default_factory=dict)
    interfaces: dict[str, InterfaceDefinition] = field(default_factory=dict)

    def definition(self, name: str) -> Definition | None:
        for kind in (self.structs, self.enums, self.interfaces, self.constants):
            if (found := kind.get(name)) is not None:
                return found
        return None
