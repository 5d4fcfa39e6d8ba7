"""Reads bodies without knowing their types, and with types what tarsio refuses.

TarsCpp puts any bytes into a string (a node's state, packed) and reads a vector<byte> that was
sent as a list; tarsio takes neither. Heads are tag << 4 | type; source: tars.md.
"""

from __future__ import annotations

import struct
from enum import Enum
from typing import Any, NamedTuple, TypeAlias, TypeVar, get_args, get_origin

from tarsio import Struct

from lab.tars.errors import MalformedBody
from lab.tars.schema import Float, bare_type, fields_of, is_class, limits, members

#: As tarsio's: no body of a peer is nested deeper.
_MAX_DEPTH = 48

_INTS = {0: (1, "int1"), 1: (2, "int2"), 2: (4, "int4"), 3: (8, "int8")}
_FLOATS = {4: (">f", "float"), 5: (">d", "double")}
_STRINGS = {6: (1, "string1"), 7: (4, "string4")}
_MAP, _LIST, _BEGIN, _END, _ZERO, _BYTES = 8, 9, 10, 11, 12, 13


class Node(NamedTuple):
    """One value on the wire. ``kind``: zero, int1 … int8, float, double, string1, string4,
    bytes, list, map, struct.

    ``value`` is the number, the bytes of a string (of any encoding) or of bytes, the nodes of
    a list's items or a struct's members, or the pairs of nodes of a map.
    """

    tag: int
    kind: str
    value: Value


Value: TypeAlias = int | float | bytes | list[Node] | list[tuple[Node, Node]]


def read_nodes(body: bytes) -> list[Node]:
    """The values of a body; raises `MalformedBody` and allocates nothing that is not there."""
    reader = _Reader(body)
    nodes = []
    while not reader.at_end:
        nodes.append(reader.node())
    return nodes


class _Reader:
    def __init__(self, body: bytes) -> None:
        self._body = body
        self._at = 0
        self._depth = 0

    @property
    def at_end(self) -> bool:
        return self._at >= len(self._body)

    def _malformed(self, what: str, *, found: str, expected: str) -> MalformedBody:
        return MalformedBody(
            f"a body is malformed at byte {self._at}: {what}",
            found=found,
            expected=expected,
            evidence=self._body[:256].hex(),
        )

    def _take(self, size: int, what: str) -> bytes:
        left = len(self._body) - self._at
        if not 0 <= size <= left:
            raise self._malformed(
                f"{what} is cut short", found=f"{left} bytes", expected=f"{size} bytes"
            )
        self._at += size
        return self._body[self._at - size : self._at]

    def _head(self) -> tuple[int, int]:
        (head,) = self._take(1, "a head")
        tag, code = head >> 4, head & 0x0F
        if tag == 15:
            (tag,) = self._take(1, "a tag")
        return tag, code

    def node(self) -> Node:
        tag, code = self._head()
        if code == _ZERO:
            return Node(tag, "zero", 0)
        if code in _INTS:
            size, kind = _INTS[code]
            return Node(tag, kind, int.from_bytes(self._take(size, kind), "big", signed=True))
        if code in _FLOATS:
            form, kind = _FLOATS[code]
            (number,) = struct.unpack(form, self._take(struct.calcsize(form), kind))
            return Node(tag, kind, number)
        if code in _STRINGS:
            size, kind = _STRINGS[code]
            length = int.from_bytes(self._take(size, "a string's length"), "big")
            return Node(tag, kind, self._take(length, "a string"))
        return self._compound(tag, code)

    def _compound(self, tag: int, code: int) -> Node:
        self._depth += 1
        if self._depth > _MAX_DEPTH:
            raise self._malformed(
                "too deeply nested", found="more levels", expected=f"at most {_MAX_DEPTH}"
            )
        if code == _BYTES:
            item = self._head()
            if item != (0, 0):
                raise self._malformed(
                    "bytes of another type", found=f"head {item}", expected="int1 at tag 0"
                )
            node = Node(tag, "bytes", self._take(self._count(1), "bytes"))
        elif code == _LIST:
            node = Node(tag, "list", [self.node() for _ in range(self._count(1))])
        elif code == _MAP:
            pairs = range(self._count(2))
            node = Node(tag, "map", [(self.node(), self.node()) for _ in pairs])
        elif code == _BEGIN:
            node = Node(tag, "struct", self._members())
        else:
            raise self._malformed(
                "a value's type", found=f"type {code} at tag {tag}", expected="0 to 10, 12 or 13"
            )
        self._depth -= 1
        return node

    def _members(self) -> list[Node]:
        found: list[Node] = []
        while True:
            start = self._at
            if self._head()[1] == _END:
                return found
            self._at = start
            found.append(self.node())

    def _count(self, least: int) -> int:
        """How many follow, each of ``least`` bytes or more."""
        node = self.node()
        left = len(self._body) - self._at
        if not isinstance(node.value, int) or not 0 <= node.value * least <= left:
            raise self._malformed(
                "a length that cannot be", found=str(node.value)[:40], expected=f"0 to {left}"
            )
        return node.value


T = TypeVar("T", bound=Struct)


def read_leniently(kind: type[T], body: bytes) -> T:
    """``body`` as ``kind``, as leniently as TarsCpp reads.

    Bytes of a string that are no UTF-8 become surrogates, which are written as they came.
    Raises `MalformedBody`, `ValueError`.
    """
    return _struct(kind, read_nodes(body))


def _struct(kind: type[T], nodes: list[Node]) -> T:
    by_tag = {node.tag: node for node in nodes}
    given = {
        name: _typed(annotation, by_tag[tag], f"{kind.__name__}.{name}")
        for tag, name, annotation in members(kind)
        if tag in by_tag
    }
    lacking = [field.name for field in fields_of(kind) if field.required]
    if lacking := [name for name in lacking if name not in given]:
        raise ValueError(f"{kind.__name__} lacks {', '.join(lacking)}")
    return kind(**given)


def _typed(annotation: Any, node: Node, where: str) -> Any:
    bare, value = bare_type(annotation), node.value
    if is_class(bare, Struct) and node.kind == "struct":
        return _struct(bare, value)  # type: ignore[arg-type]
    if get_origin(bare) is list and node.kind == "list":
        (item,) = get_args(bare)
        return [_typed(item, one, where) for one in value]  # type: ignore[union-attr,arg-type]
    if get_origin(bare) is dict and node.kind == "map":
        key, of = get_args(bare)
        return {_typed(key, k, where): _typed(of, v, where) for k, v in value}  # type: ignore[union-attr,misc]
    if bare is bytes and node.kind == "list":
        return bytes(int(_number(int, one, where)) & 0xFF for one in value)  # type: ignore[union-attr,arg-type]
    if (bare is str and node.kind.startswith("string")) or (bare is bytes and node.kind == "bytes"):
        assert isinstance(value, bytes)
        return value if bare is bytes else value.decode("utf-8", "surrogateescape")
    return _number(annotation, node, where)


def _number(annotation: Any, node: Node, where: str) -> Any:
    bare, value = bare_type(annotation), node.value
    if bare in (float, Float) and isinstance(value, int | float):
        return float(value)
    if not isinstance(value, int) or not is_class(bare, int, Enum):
        raise ValueError(f"{where}: found {node.kind}, expected {getattr(bare, '__name__', bare)}")
    if (bounds := limits(annotation)) is not None and not bounds[0] <= value <= bounds[1]:
        raise ValueError(f"{where}: {value} is out of range")
    return bare(value)
