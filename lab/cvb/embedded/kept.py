"""The batches that the data centre keeps: a file has them all, so that a restart loses none."""

from __future__ import annotations

from bisect import bisect_right
from collections import defaultdict
from pathlib import Path

from lab.cvb.contracts import STORED_AT_ONCE, Batch
from lab.cvb.embedded import batch_lines

#: Batches of one edge that are kept; beyond, the oldest go at the next start.
KEPT = 100_000


class KeptBatches:
    """By edge, in order of their sequences."""

    def __init__(self, file: Path) -> None:
        self._of: dict[str, list[Batch]] = defaultdict(list)
        for batch in batch_lines.read(file):  # what a kill cut short was never acknowledged
            self._add(batch)
        self._of = defaultdict(list, {edge: kept[-KEPT:] for edge, kept in self._of.items()})
        batch_lines.write(file, self._everything())
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
        self._file.write(batch_lines.line_of(batch))
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
