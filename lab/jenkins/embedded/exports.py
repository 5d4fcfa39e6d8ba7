"""Jenkins' remote API: objects with exported fields, and what ``depth`` and ``tree`` show of them.

As Stapler does it: without ``tree`` the object shows all its fields, and an object inside it
its summary; with ``tree`` exactly what is named, ``*`` is everything, ``{from,to}`` a range.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

#: A field's value, or what computes it when it is shown.
Value = Any
#: name → (what is shown of it, the range of a list); None stands for ``*``
Tree = dict[str, "tuple[Tree, tuple[int, int] | None]"]


#: How deep brackets may stand within each other.
_DEEPEST = 64
_END = re.compile(r"[],[{}]")


class BadTree(ValueError):
    """``tree`` has unbalanced brackets, or a range that is none."""


@dataclass(frozen=True)
class Exported:
    """An object. ``summary``: its fields inside another; ``hidden``: those that only ``tree``
    shows. A field may be a function without arguments, called when it is shown."""

    kind: str | None
    fields: Mapping[str, Value]
    summary: tuple[str, ...] = ()
    hidden: frozenset[str] = field(default=frozenset())


def whole(kind: str | None, fields: Mapping[str, Value]) -> Exported:
    """An object that shows all its fields wherever it stands."""
    return Exported(kind, fields, summary=tuple(fields))


def shown(exported: Exported, *, tree: str | None = None, depth: int = 0) -> dict[str, Any]:
    """The JSON of an object. Raises `BadTree`."""
    if tree is not None:
        return _by_tree(exported, parse_tree(tree))
    return _by_depth(exported, depth)


def _by_depth(exported: Exported, depth: int) -> dict[str, Any]:
    names = (
        [name for name in exported.fields if name not in exported.hidden]
        if depth >= 0
        else list(exported.summary)
    )
    found = _head(exported)
    for name in names:
        found[name] = _walk(_value(exported, name), lambda inner: _by_depth(inner, depth - 1))
    return found


def _by_tree(exported: Exported, tree: Tree) -> dict[str, Any]:
    found = _head(exported)
    for name in exported.fields:
        if name not in tree and ("*" not in tree or name in exported.hidden):
            continue
        inner, span = tree.get(name, tree.get("*", ({}, None)))
        value = _value(exported, name)
        if span is not None and isinstance(value, list):
            value = value[span[0] : span[1]]
        found[name] = _walk(value, lambda each, inner=inner: _by_tree(each, inner))  # type: ignore[misc]
    return found


def _head(exported: Exported) -> dict[str, Any]:
    return {} if exported.kind is None else {"_class": exported.kind}


def _value(exported: Exported, name: str) -> Value:
    value = exported.fields[name]
    return value() if callable(value) else value


def _walk(value: Value, show: Callable[[Exported], dict[str, Any]]) -> Any:
    if isinstance(value, Exported):
        return show(value)
    if isinstance(value, Sequence) and not isinstance(value, str):
        return [_walk(each, show) for each in value]
    return value


def parse_tree(text: str) -> Tree:
    """``jobs[name,lastBuild[number]]{0,5},mode`` as a nested mapping."""
    tree, rest = _read_names(text, _DEEPEST)
    if rest:
        raise BadTree(f"unexpected {rest[:1]!r}")
    return tree


def _read_names(text: str, levels: int) -> tuple[Tree, str]:
    if levels == 0:
        raise BadTree(f"more than {_DEEPEST} brackets within each other")
    tree: Tree = {}
    while True:
        found = _END.search(text)
        end = found.start() if found else len(text)
        name, text = text[:end].strip(), text[end:]
        inner: Tree = {}
        span = None
        if text.startswith("["):
            inner, text = _read_names(text[1:], levels - 1)
            if not text.startswith("]"):
                raise BadTree("a bracket is not closed")
            text = text[1:]
        if text.startswith("{"):
            span, text = _read_range(text[1:])
        if name:
            tree[name] = (inner, span)
        if not text.startswith(","):
            return tree, text
        text = text[1:]


def _read_range(text: str) -> tuple[tuple[int, int], str]:
    inside, closed, rest = text.partition("}")
    try:
        if not closed:
            raise ValueError
        first, _, last = inside.partition(",")
        if not last:
            return (int(first), int(first) + 1), rest
        return (int(first or 0), int(last)), rest
    except ValueError:
        raise BadTree(f"{{{inside} is no range") from None
