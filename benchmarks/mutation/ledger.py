"""What was tried so far, in a file: a million inputs for each parser take several sittings."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from benchmarks.mutation.target import Target
from benchmarks.mutation.watch import Sitting
from reports.files import write_whole

#: How many inputs each parser must have had.
WANTED = 1_000_000


@dataclass
class Entry(Sitting):
    """One parser: all sittings since its source, of that ``digest``, last changed."""

    next_batch: int = 0
    digest: str = ""

    @property
    def left(self) -> int:
        return max(0, WANTED - self.ran)

    @property
    def inputs_per_s(self) -> float:
        return self.ran / self.seconds if self.seconds else 0.0

    def add(self, sitting: Sitting) -> None:
        """Take in what a sitting brought; a finding that is known already is not noted twice."""
        self.next_batch = sitting.next_batch
        self.ran += sitting.ran
        self.accepted += sitting.accepted
        self.refused += sitting.refused
        self.seconds = round(self.seconds + sitting.seconds, 2)
        self.growth_kib = max(self.growth_kib, sitting.growth_kib)
        known = {(one["kind"], one["site"]) for one in self.findings}
        self.findings += [
            one for one in sitting.findings if (one["kind"], one["site"]) not in known
        ]


class Ledger:
    """The counts in a file. What belongs to another source of a parser is forgotten."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._of: dict[str, Entry] = {}
        if file.exists():
            found = json.loads(file.read_text())
            self._of = {name: Entry(**entry) for name, entry in found.items()}

    def entry(self, target: Target) -> Entry:
        """The parser's counts; all zero when there are none of this source of it."""
        digest = target.digest()
        entry = self._of.get(target.name)
        if entry is None or entry.digest != digest:
            entry = self._of[target.name] = Entry(digest=digest)
        return entry

    def save(self) -> None:
        """Write all of it, whole or not at all."""
        counts = {name: asdict(entry) for name, entry in self._of.items()}
        write_whole(self._file, json.dumps(counts, indent=1).encode())
