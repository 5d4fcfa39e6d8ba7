"""A heat map: what met what, and what came of it, a row and a column for each."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import groupby

from reports import svg
from reports.page import Html

_LEFT, _TOP = 190, 18
_WIDE, _TALL = 4, 11
_SHADE, _LINE = "#dbe7f5", "#adb5bd"


@dataclass(frozen=True)
class Cell:
    """Where a row meets a column; ``says`` stands under the mouse."""

    colour: str
    says: str


@dataclass(frozen=True)
class Row:
    """``cells``: by column. ``shaded``: columns that are set off, whatever is in them."""

    name: str
    cells: Mapping[str, Cell]
    shaded: frozenset[str]


def heat_map(label: str, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> Html:
    """``columns``: each one's group, whose columns stand together, and its name."""
    place = {name: _LEFT + i * _WIDE for i, (_, name) in enumerate(columns)}
    height = _TOP + len(rows) * _TALL
    parts = []
    for group, alike in groupby(columns, key=lambda column: column[0]):
        left = place[next(alike)[1]]
        parts += [
            svg.text(left + 2, _TOP - 6, group, "start"),
            svg.box(left, 0, 0.5, height, _LINE),
        ]
    for i, row in enumerate(rows):
        top = _TOP + i * _TALL
        parts.append(svg.text(_LEFT - 6, top + _TALL - 2, row.name, "end"))
        parts += _shades(row, columns, place, top)
        for name, cell in row.cells.items():
            box = svg.box(place[name], top + 1, _WIDE - 0.5, _TALL - 2, cell.colour)
            parts.append(svg.titled(f"{row.name}, {name}: {cell.says}", [box]))
    return svg.drawing(_LEFT + len(columns) * _WIDE + 2, height + 2, label, parts)


def _shades(
    row: Row, columns: Sequence[tuple[str, str]], place: Mapping[str, int], top: int
) -> Iterable[str]:
    """One box for each stretch of shaded columns."""
    for shaded, stretch in groupby(columns, key=lambda column: column[1] in row.shaded):
        names = [name for _, name in stretch]
        if shaded:
            yield svg.box(place[names[0]], top, len(names) * _WIDE, _TALL, _SHADE)
