"""TarsWeb's rate limit, kept by all who ask the same one.

TarsWeb takes 5 000 requests in 10 minutes from an address. Everybody who shares a pace's file,
in whatever process, shares its allowance: a burst, then as many as come in again with time.
"""

from __future__ import annotations

import fcntl
import struct
import time
from dataclasses import dataclass
from pathlib import Path

from lab.wait import wait_for

#: How long a request waits for its turn at most, seconds.
_PATIENCE_S = 120.0
_STATE = struct.Struct("dd")


@dataclass(frozen=True)
class Pace:
    """``burst`` requests at once, then ``rate`` a second: at most 4 900 in 10 minutes."""

    file: Path
    burst: float = 1000.0
    rate: float = 6.5

    def await_turn(self) -> None:
        """Return when a request may be sent; raises `WaitTimeout`."""
        if not self._taken():
            wait_for(
                "a turn under TarsWeb's rate limit",
                self._taken,
                timeout=_PATIENCE_S,
                advice="use fewer workers, or raise the limit of that TarsWeb",
            )

    def _taken(self) -> bool:
        """Take a request off the allowance, unless that is used up."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        with self.file.open("a+b") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            file.seek(0)
            kept = file.read()
            now = time.time()
            left, since = _STATE.unpack(kept) if len(kept) == _STATE.size else (self.burst, now)
            left = min(self.burst, left + max(0.0, now - since) * self.rate)
            taken = left >= 1
            file.truncate(0)
            file.write(_STATE.pack(left - taken, now))
        return bool(taken)
