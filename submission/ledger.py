"""The ledger: under which timestamps a run went to Nexus, and what became of each."""

from __future__ import annotations

import fcntl
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from pydantic import TypeAdapter

from reports.files import write_whole

#: What became of an upload.
POSTING, COMPLETE, PARTIAL, ABSENT = "posting", "complete", "partly unpacked", "nothing there"


class Refused(Exception):
    """A bundle must not be made or sent; ``reasons`` are sentences."""

    def __init__(self, reasons: Sequence[str]) -> None:
        self.reasons = tuple(reasons)
        super().__init__("; ".join(self.reasons))


@dataclass(frozen=True)
class Entry:
    """One upload: to which URL, with which bundle (SHA-256), and what became of it."""

    stamp: str
    url: str
    bundle: str
    state: str
    when: str


_ENTRIES = TypeAdapter(list[Entry])


class Ledger:
    """``ledger.json``: every upload of one run, written before it begins.

    Held by one process at a time.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.entries: list[Entry] = []

    @classmethod
    def of(cls, run: Path) -> Ledger:
        """The ledger of a run directory, to be read; what it records is for `held` ones."""
        ledger = cls(run / "submission" / "ledger.json")
        ledger._read()
        return ledger

    @contextmanager
    def held(self) -> Iterator[Ledger]:
        """Have it alone; raises `Refused` while another process has it."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.with_suffix(".lock").open("w") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise Refused(["another ./iec4 submit of this run is at work"]) from None
            self._read()
            yield self

    def _read(self) -> None:
        if self.file.exists():
            try:
                self.entries = _ENTRIES.validate_json(self.file.read_bytes())
            except ValueError as error:
                raise Refused(
                    [f"{self.file} is damaged ({error}): which timestamps are spent is not known"]
                ) from None

    def spent(self) -> set[str]:
        return {entry.stamp for entry in self.entries}

    def arrived(self, place_url: str) -> list[Entry]:
        """Uploads below ``place_url`` that arrived whole, or of which the end was not seen."""
        states = (COMPLETE, POSTING)
        return [e for e in self.entries if e.state in states and e.url.startswith(place_url)]

    def record(self, stamp: str, url: str, bundle: str, state: str) -> None:
        now = datetime.now(UTC).isoformat(timespec="seconds")
        others = [entry for entry in self.entries if entry.stamp != stamp]
        self.entries = [*others, Entry(stamp, url, bundle, state, now)]
        text = json.dumps([asdict(entry) for entry in self.entries], indent=2)
        write_whole(self.file, f"{text}\n".encode())

    def forget(self, stamp: str) -> None:
        """Nothing was sent under ``stamp``: it stays free."""
        self.entries = [entry for entry in self.entries if entry.stamp != stamp]
