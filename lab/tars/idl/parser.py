"""From tokens to a `Document`: the grammar of `.tars` files, by recursive descent.

Source: TarsCpp's ``tools/tarsgrammar/tars.y`` and ``tools/tarsparse``. What those refuse is
refused; more is taken where it can mean one thing only: nested modules, ``::`` before a name,
names that begin with "tars".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NoReturn

from lab.tars.idl.syntax import (
    Constant,
    Document,
    EnumDefinition,
    IdlError,
    InterfaceDefinition,
    Literal,
    Map,
    Member,
    Named,
    Operation,
    Parameter,
    Place,
    Scalar,
    StructDefinition,
    Type,
    Vector,
)
from lab.tars.idl.tokens import Token, tokens

_UNSIGNED = ("byte", "short", "int")
_RANGES = {
    "byte": range(-(2**7), 2**7),
    "short": range(-(2**15), 2**15),
    "int": range(-(2**31), 2**31),
    "long": range(-(2**63), 2**63),
    "unsigned byte": range(2**8),
    "unsigned short": range(2**16),
    "unsigned int": range(2**32),
}
_SCALARS = ("bool", "byte", "short", "int", "long", "float", "double", "string")
_KEYWORDS = frozenset({
    *_SCALARS, "void", "struct", "vector", "map", "key", "routekey", "module", "interface", "out",
    "require", "optional", "false", "true", "enum", "const", "unsigned",
})  # fmt: skip
_MAX_TAG = 255
_MAX_LIMIT = 2**20 - 1
#: Of types within types and modules within modules.
_MAX_DEPTH = 32

#: Reads an included file: ``(as written, the place of the include)`` to text and file name,
#: or None when it was read already.
Include = Callable[[str, Place], tuple[str, str] | None]


class Parser:
    """Reads one file, and by ``include`` those that it includes, into ``document``."""

    def __init__(self, text: str, file: str, document: Document, include: Include) -> None:
        self._tokens: Iterator[Token] = tokens(text, file)
        self._next = next(self._tokens)
        self._document = document
        self._include = include
        self._modules: list[str] = []
        self._depth = 0

    def parse(self) -> None:
        """The whole file; raises `IdlError`."""
        self._definitions()
        if self._next.kind != "end":
            self._refuse("nothing may stand here", "a definition")

    # -- definitions ------------------------------------------------------------------------

    def _definitions(self) -> None:
        readers = {
            "module": self._module,
            "struct": self._struct,
            "enum": self._enum,
            "const": self._constant,
            "interface": self._interface,
            "key": self._key,
        }
        while True:
            if self._next.kind == "include":
                self._included()
            elif self._next.kind == "word" and self._next.text in readers:
                start = self._advance()
                if start.text != "module" and not self._modules:
                    raise IdlError(start.place, f"a {start.text} must stand in a module")
                readers[start.text](start)
                self._symbol(";", f"after the {start.text}")
            else:
                return

    def _included(self) -> None:
        token = self._advance()
        source = self._include(str(token.value), token.place)
        if source is not None:
            text, file = source
            Parser(text, file, self._document, self._include).parse()

    def _module(self, start: Token) -> None:
        if len(self._modules) >= _MAX_DEPTH:
            raise IdlError(start.place, "modules are nested too deeply")
        self._modules.append(self._name("module").text)
        self._symbol("{", "to open the module")
        self._definitions()
        self._symbol("}", "or a definition, in a module")
        self._modules.pop()

    def _struct(self, start: Token) -> None:
        name = self._new_name("struct")
        # Known from here on, so that its members may be vectors and maps of it.
        self._document.structs[name] = StructDefinition(name, (), start.comment, start.place)
        self._symbol("{", "to open the struct")
        members: list[Member] = []
        while self._next.text != "}":
            members.append(self._member(name, members))
            self._symbol(";", "after a member")
        end = self._advance()
        if not members:
            raise IdlError(end.place, f"struct {name} must have a member")
        self._document.structs[name] = StructDefinition(
            name, tuple(sorted(members, key=lambda m: m.tag)), start.comment, start.place
        )

    def _member(self, struct: str, before: list[Member]) -> Member:
        start = self._next
        if start.kind != "integer":
            self._refuse("a struct's member needs a tag", f"a number from 0 to {_MAX_TAG}, or }}")
        tag = self._number(self._advance(), range(_MAX_TAG + 1), "a tag")
        if self._next.text not in ("require", "optional"):
            self._refuse("a struct's member needs to be required or not", "require or optional")
        required = self._advance().text == "require"
        type_ = self._type()
        if type_ == Named(struct):
            raise IdlError(start.place, f"struct {struct} cannot be a member of itself")
        type_, name = self._declared(type_, "member")
        for other in before:
            if tag == other.tag:
                raise IdlError(start.place, f"members {other.name} and {name.text} have tag {tag}")
            if name.text == other.name:
                raise IdlError(name.place, f"struct {struct} has two members {name.text}")
        default = self._initial(type_) if self._took("=") else None
        return Member(tag, required, type_, name.text, default)

    def _enum(self, start: Token) -> None:
        name = self._new_name("enum")
        self._symbol("{", "to open the enum")
        values: dict[str, int] = {}
        number = 0
        while self._next.text != "}":
            value = self._name("value of an enum")
            if value.text in values:
                raise IdlError(value.place, f"enum {name} has two values {value.text}")
            if self._took("="):
                number = self._enumerator(values)
            values[value.text] = self._in_range(number, _RANGES["int"], value.place)
            number += 1
            if not self._took(","):
                break
        self._symbol("}", "or a comma, after a value of an enum")
        self._document.enums[name] = EnumDefinition(name, values, start.comment, start.place)

    def _enumerator(self, before: dict[str, int]) -> int:
        if self._next.text in before:
            return before[self._advance().text]
        return int(self._initial(Scalar("int")))

    def _constant(self, start: Token) -> None:
        type_, name = self._declared(self._type(), "constant")
        self._symbol("=", "after a constant's name")
        full = self._unused(name, "constant")
        value = self._initial(type_)
        self._document.constants[full] = Constant(full, type_, value, start.place)

    def _key(self, start: Token) -> None:
        self._symbol("[", "after key")
        named = self._qualified()
        struct = self._document.structs.get(self._resolve(named, start.place).name)
        if struct is None:
            raise IdlError(start.place, "a key is of a struct", found=named)
        keys: list[str] = []
        while self._took(","):
            key = self._name("key")
            if key.text not in {member.name for member in struct.members}:
                raise IdlError(key.place, f"struct {struct.name} has no member", found=key.text)
            keys.append(key.text)
        self._symbol("]", "or a comma, after a key")
        if not keys:
            raise IdlError(start.place, f"key[{named}] names no member")
        self._document.structs[struct.name] = StructDefinition(
            struct.name, struct.members, struct.comment, struct.place, tuple(keys)
        )

    def _interface(self, start: Token) -> None:
        name = self._new_name("interface")
        self._symbol("{", "to open the interface")
        operations: dict[str, Operation] = {}
        while self._next.text != "}":
            operation = self._operation()
            if operation.name in operations:
                raise IdlError(
                    operation.place, f"interface {name} has two functions {operation.name}"
                )
            operations[operation.name] = operation
            self._symbol(";", "after a function")
        self._advance()
        self._document.interfaces[name] = InterfaceDefinition(
            name, operations, start.comment, start.place
        )

    def _operation(self) -> Operation:
        start = self._next
        returns = None if self._took("void") else self._type()
        name = self._next
        if name.kind != "word":  # keywords are allowed here, because a ( follows
            self._refuse("a function needs a name", "a name")
        self._advance()
        self._symbol("(", "after a function's name")
        parameters: list[Parameter] = []
        while self._next.text != ")":
            if parameters:
                self._symbol(",", "or ), after a parameter")
            parameters.append(self._parameter(name.text, parameters))
        self._advance()
        return Operation(name.text, returns, tuple(parameters), start.comment, name.place)

    def _parameter(self, function: str, before: list[Parameter]) -> Parameter:
        out = self._took("out")
        route_key = not out and self._took("routekey")
        type_, name = self._declared(self._type(), "parameter")
        if name.text == function or name.text in {other.name for other in before}:
            raise IdlError(name.place, f"function {function} has two names {name.text}")
        tag = self._in_range(len(before) + 1, range(_MAX_TAG + 1), name.place)
        return Parameter(tag, type_, name.text, out, route_key)

    # -- types and values -------------------------------------------------------------------

    def _type(self) -> Type:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise IdlError(self._next.place, "types are nested too deeply")
        type_ = self._simple_type()
        if self._took(":"):
            type_ = self._limited(type_)
        self._depth -= 1
        return type_

    def _simple_type(self) -> Type:
        token = self._next
        if token.text == "::" or (token.kind == "word" and token.text not in _KEYWORDS):
            return self._resolve(self._qualified(), token.place)
        if token.kind != "word" or token.text not in (*_SCALARS, "unsigned", "vector", "map"):
            self._refuse("here must stand a type", "a type")
        self._advance()
        if token.text == "vector":
            return Vector(self._bracketed(1)[0])
        if token.text == "map":
            key, value = self._bracketed(2)
            return Map(key, value)
        if token.text == "unsigned":
            if self._next.text not in _UNSIGNED:
                self._refuse("this type has no unsigned form", "byte, short or int")
            return Scalar(f"unsigned {self._advance().text}")
        return Scalar(token.text)

    def _bracketed(self, count: int) -> list[Type]:
        self._symbol("<", "to open the type's parameters")
        types = [self._type()]
        while len(types) < count:
            self._symbol(",", "between key and value")
            types.append(self._type())
        self._symbol(">", "to close the type's parameters")
        return types

    def _limited(self, type_: Type) -> Type:
        token = self._next
        if token.kind != "integer":
            self._refuse("a bounded type needs its length", "a number")
        limit = self._number(self._advance(), range(1, _MAX_LIMIT + 1), "a length")
        if isinstance(type_, Vector) and type_.limit is None:
            if isinstance(type_.item, Scalar | Vector) and type_.item.limit is not None:
                raise IdlError(token.place, "a bounded type cannot be in a bounded one")
            return Vector(type_.item, limit)
        if type_ == Scalar("string"):
            return Scalar("string", limit)
        raise IdlError(token.place, "only a string or vector has a bound", found=str(type_))

    def _declared(self, type_: Type, what: str) -> tuple[Type, Token]:
        """A name after its type, with what may stand around it: ``* x``, ``x[8]``, ``x:8``."""
        if self._next.text == "*":
            star = self._advance()
            if type_ != Scalar("byte"):
                raise IdlError(star.place, "only byte * can be a pointer", found=str(type_))
            return Vector(type_), self._name(what)
        name = self._name(what)
        if self._took("["):
            type_ = self._limited(Vector(type_))
            self._symbol("]", "after the length")
        elif self._took(":"):
            type_ = self._limited(type_)
        return type_, name

    def _initial(self, type_: Type) -> Literal:
        """A default or constant of that type."""
        token = self._next
        if isinstance(type_, Named) and type_.name in self._document.enums:
            return self._enum_value(type_.name)
        if not isinstance(type_, Scalar):
            raise IdlError(token.place, f"a {type_} cannot have a value here", found=str(token))
        self._advance()
        if type_.name == "bool" and token.text in ("true", "false"):
            return token.text == "true"
        if type_.name == "string" and token.kind == "string":
            return str(token.value)
        if type_.name in ("float", "double") and token.kind in ("integer", "float"):
            return float(token.value)
        if type_.name in _RANGES and token.kind == "integer":
            return self._in_range(int(token.value), _RANGES[type_.name], token.place)
        raise IdlError(
            token.place, "this is no value of its type", found=str(token), expected=f"a {type_}"
        )

    def _enum_value(self, enum: str) -> int:
        token = self._next
        if token.kind == "integer":
            return self._number(self._advance(), _RANGES["int"], "an enum's value")
        values = self._document.enums[enum].values
        *_, value = self._qualified().split("::")
        if value not in values:
            raise IdlError(
                token.place,
                f"enum {enum} has no such value",
                found=value,
                expected=" or ".join(values),
            )
        return values[value]

    # -- names ------------------------------------------------------------------------------

    def _qualified(self) -> str:
        """``X``, ``tars::X`` or ``::tars::X``, as written."""
        parts = ["::"] if self._took("::") else []
        parts.append(self._name("type").text)
        while self._took("::"):
            parts += ["::", self._name("type").text]
        return "".join(parts)

    def _resolve(self, name: str, place: Place) -> Named:
        """The struct or enum called so in the modules around, innermost first."""
        around = [] if name.startswith("::") else self._modules
        for depth in range(len(around), -1, -1):
            full = "::".join((*around[:depth], name.removeprefix("::")))
            if full in self._document.structs or full in self._document.enums:
                return Named(full)
        raise IdlError(place, "no struct or enum has this name before here", found=name)

    def _new_name(self, what: str) -> str:
        return self._unused(self._name(what), what)

    def _unused(self, name: Token, what: str) -> str:
        full = "::".join((*self._modules, name.text))
        if (other := self._document.definition(full)) is not None:
            raise IdlError(
                name.place, f"{what} {full} has a name that is taken", found=f"{other.place}"
            )
        return full

    def _name(self, what: str) -> Token:
        if self._next.kind != "word":
            self._refuse(f"a {what} needs a name", "a name")
        if self._next.text in _KEYWORDS:
            self._refuse(f"a keyword cannot be the name of a {what}", "a name")
        return self._advance()

    # -- tokens -----------------------------------------------------------------------------

    def _advance(self) -> Token:
        token = self._next
        if token.kind != "end":
            self._next = next(self._tokens)
        return token

    def _took(self, text: str) -> bool:
        if self._next.kind in ("symbol", "word") and self._next.text == text:
            self._advance()
            return True
        return False

    def _symbol(self, text: str, where: str) -> None:
        if not self._took(text):
            self._refuse(f"{text} is missing", f"{text} {where}")

    def _number(self, token: Token, allowed: range, what: str) -> int:
        return self._in_range(int(token.value), allowed, token.place, what)

    def _in_range(self, number: int, allowed: range, place: Place, what: str = "a number") -> int:
        if number not in allowed:
            raise IdlError(
                place,
                f"{what} is out of its range",
                found=str(number),
                expected=f"{allowed[0]} to {allowed[-1]}",
            )
        return number

    def _refuse(self, what: str, expected: str) -> NoReturn:
        raise IdlError(self._next.place, what, found=str(self._next), expected=expected)
