"""Batches as lines of a file: what the data centre has, and what waits in an edge."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from lab.cvb.contracts import Batch, Kind

_MEMBERS = tuple(Batch.__struct_fields__)


def line_of(batch: Batch) -> str:
    return json.dumps({name: getattr(batch, name) for name in _MEMBERS}) + "\n"


def read(file: Path) -> list[Batch]:
    """The batches of a file, none when there is no file; a line that a kill cut short is none."""
    if not file.exists():
        return []
    lines = file.read_text().splitlines(keepends=True)
    return [_batch(line) for line in lines if line.endswith("\n")]


def write(file: Path, batches: Iterable[Batch]) -> None:
    """Have these and no others in the file, whole or not at all."""
    whole = file.with_suffix(".new")
    whole.write_text("".join(map(line_of, batches)))
    whole.replace(file)


def _batch(line: str) -> Batch:
    given = json.loads(line)
    given["seen"] = {Kind(int(kind)): count for kind, count in given["seen"].items()}
    return Batch(**given)
