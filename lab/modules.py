"""Which modules of the suite a module needs: those that it imports when it is imported."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

#: The rooms whose modules travel to hosts.
_ROOMS = ("blueprints", "lab")


def with_imports(sources: Iterable[Path], root: Path) -> list[Path]:
    """``sources``, and what the Python modules among them import of the suite, and so on.

    ``root`` is where the rooms are. An import within a function, or for type checkers only, is
    not followed.
    """
    found: set[Path] = set()
    todo = list(sources)
    while todo:
        source = todo.pop()
        if source in found:
            continue
        found.add(source)
        if source.suffix == ".py":
            todo += _imported(source, source.stat().st_mtime_ns, root)
    return sorted(found)


@cache
def _imported(source: Path, _modified: int, root: Path) -> tuple[Path, ...]:
    names = [name for node in ast.parse(source.read_text()).body for name in _names(node)]
    return tuple(dict.fromkeys(path for name in names for path in _files(name, root)))


def _names(node: ast.stmt) -> Iterator[str]:
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def _files(name: str, root: Path) -> Iterator[Path]:
    """The module's file and those of the packages around it; none for what is not ours."""
    parts = name.split(".")
    if parts[0] not in _ROOMS:
        return
    for length in range(1, len(parts) + 1):
        place = root.joinpath(*parts[:length])
        for path in (place / "__init__.py", place.with_suffix(".py")):
            if path.is_file():
                yield path
