"""The way of a bundle to Nexus: whole, once, under a timestamp that nobody used, and read back.

Nexus unpacks file by file, over what is there. So a timestamp is spent as soon as a request
may have reached it, and what came of it is found out by reading every file back. A part is
left where it is, named in the ledger, and the whole bundle goes up again under another one.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

from submission.bundle import Bundle
from submission.ledger import ABSENT, COMPLETE, PARTIAL, POSTING, Entry, Ledger, Refused
from submission.nexus import Nexus, NexusFailed
from submission.validity import timestamp

#: How often the whole bundle is sent, at most.
ATTEMPTS = 5
#: Seconds before the second attempt; they double from one to the next.
BACKOFF_S = 2.0
#: How many timestamps are tried for one that is free.
STAMPS = 600


@dataclass(frozen=True)
class Place:
    """Where results of a run go: ``<silo>/bluval_results/<blueprint>/<version>/<stamp>``."""

    silo: str
    blueprint: str
    version: str

    @property
    def results(self) -> str:
        return f"{self.silo}/bluval_results"

    def under(self, stamp: str) -> str:
        return f"{self.results}/{self.blueprint}/{self.version}/{stamp}"


def digest(bundle: Path) -> str:
    """The SHA-256 under which a bundle stands in the ledger."""
    return hashlib.sha256(bundle.read_bytes()).hexdigest()


class Upload:
    """The attempts to bring one bundle up. `attempt` is called until it returns an entry."""

    def __init__(
        self,
        nexus: Nexus,
        bundle: Bundle,
        place: Place,
        ledger: Ledger,
        *,
        began: datetime,
        attempts: int = ATTEMPTS,
        backoff: float = BACKOFF_S,
    ) -> None:
        self._nexus = nexus
        self._bundle = bundle
        self._digest = digest(bundle.zip)
        self._place = place
        self._ledger = ledger
        self._began = began
        self._left = attempts
        self._backoff = backoff
        self._not_before = 0.0
        self.history: list[str] = []

    def attempt(self) -> Entry | None:
        """Send the whole bundle once, or find that it is not time to; None for "not yet".

        Raises `Refused` when no attempt is left, and `NexusRefused`.
        """
        if time.monotonic() < self._not_before:
            return None
        if self._left == 0:
            raise Refused([f"the upload came to nothing: {'; '.join(self.history)}"])
        self._left -= 1
        try:
            return self._settled() or self._send()
        except NexusFailed as error:
            self.history.append(str(error))
            self._not_before = time.monotonic() + self._backoff
            self._backoff *= 2
            return None

    def _send(self) -> Entry:
        stamp = self._free_stamp()
        path = self._place.under(stamp)
        url = self._nexus.site(path)
        self._ledger.record(stamp, url, self._digest, POSTING)
        failure: NexusFailed | None = None
        try:
            self._nexus.post(path, self._bundle.zip)
        except NexusFailed as error:
            if not error.sent:
                self._ledger.forget(stamp)
                raise
            failure = error
        state, wrong = unpacked(self._nexus, path, self._bundle.files)
        self._ledger.record(stamp, url, self._digest, state)
        if state == COMPLETE:
            return self._ledger.entries[-1]
        why = f"{failure}; " if failure else ""
        raise NexusFailed(f"{why}{stamp} is {state} ({wrong})", sent=True)

    def _settled(self) -> Entry | None:
        """An upload of this bundle whose end was not seen, if it arrived whole after all."""
        for entry in self._ledger.arrived(self._nexus.site(self._place.under(""))):
            if entry.bundle == self._digest:
                state, _ = unpacked(self._nexus, self._place.under(entry.stamp), self._bundle.files)
                self._ledger.record(entry.stamp, entry.url, entry.bundle, state)
                if state == COMPLETE:
                    return self._ledger.entries[-1]
        return None

    def _free_stamp(self) -> str:
        """The run's own timestamp, or the next that neither we nor anybody in the silo used.

        The UI holds timestamps unique over all blueprints of a silo.
        """
        taken = self._ledger.spent() | self._in_silo()
        for number in range(STAMPS):
            stamp = timestamp(self._began + timedelta(seconds=number))
            if stamp not in taken:
                return stamp
        raise Refused([f"no timestamp is free within {STAMPS} s of the run's beginning"])

    def _in_silo(self) -> set[str]:
        found: set[str] = set()
        for blueprint in self._nexus.entries(self._place.results):
            for version in self._nexus.entries(f"{self._place.results}/{blueprint}"):
                below = f"{self._place.results}/{blueprint}{version}"
                found |= {name.rstrip("/") for name in self._nexus.entries(below)}
        return found


def unpacked(nexus: Nexus, path: str, files: Mapping[str, bytes]) -> tuple[str, str]:
    """Read every file below ``path`` back: its state, and which are not as they were sent.

    Raises `NexusFailed`, which leaves the state unknown.
    """
    missing, changed = [], []
    for name, data in files.items():
        there = nexus.fetch(f"{path}/{name}")
        if there is None:
            missing.append(name)
        elif hashlib.sha256(there).digest() != hashlib.sha256(data).digest():
            changed.append(name)
    if not missing and not changed:
        return COMPLETE, ""
    if len(missing) == len(files):
        return ABSENT, "no file of it"
    wrong = [f"{len(missing)} of {len(files)} files missing"] if missing else []
    wrong += [f"{name} differs" for name in changed]
    return PARTIAL, ", ".join(wrong)
