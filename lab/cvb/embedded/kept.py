"""The batches that the data centre keeps: a file has them all, so that a restart loses none."""

from __future__ import annotations

import json
from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

from lab.cvb.contracts import STORED_AT_ONCE, Batch, Kind

#: Batches of one edge that are kept; beyond, the oldest go at the next start.
KEPT = 100_000

_MEMBERS = tuple(Batch.__struct_fields__)


class KeptBatches:
    """By edge, in order of their sequences."""

    def __init__(self, file: Path) -> None:
        self._of: dict[str, list[Batch]] = defaultdict(list)
        if file.exists():
            for line in file.read_text().splitlines(keepends=True):
                if line.endswith("\n"):  # one that a kill cut short was never acknowledged
                    self._add(_from_json(line))
            self._of = defaultdict(list, {edge: kept[-KEPT:] for edge, kept in self._of.items()})
            whole = file.with_suffix(".new")
            whole.write_text("".join(map(_to_json, self._everything())))
            whole.replace(file)
        self._file = file.open("a")

    def keep(self, batch: Batch) -> tuple[bool, int]:
        """Keep a batch once.

        Returns whether it is kept, and its edge's last sequence. One that is not the next, and
        differs from what is kept under its sequence, comes from a process that does not know.
        """
        kept = self._of[batch.edge]
        if kept and batch.sequence <= kept[-1].sequence:
            repeated = any(one == batch for one in reversed(kept[-STORED_AT_ONCE:]))
            return repeated, kept[-1].sequence
        self._add(batch)
        self._file.write(_to_json(batch))
        self._file.flush()
        return True, batch.sequence

    def after(self, edge: str, sequence: int) -> list[Batch]:
        """The first batches of an edge that come after a sequence."""
        kept = self._of.get(edge, [])
        first = bisect_right(kept, sequence, key=lambda batch: batch.sequence)
        return kept[first : first + STORED_AT_ONCE]

    def close(self) -> None:
        self._file.close()

    def _add(self, batch: Batch) -> None:
        self._of[batch.edge].append(batch)

    def _everything(self) -> list[Batch]:
        return [batch for kept in self._of.values() for batch in kept]


def _to_json(batch: Batch) -> str:
    return json.dumps({name: getattr(batch, name) for name in _MEMBERS}) + "\n"


def _from_json(line: str) -> Batch:
    given = json.loads(line)
    given["seen"] = {Kind(int(kind)): count for kind, count in given["seen"].items()}
    return Batch(**given)
