"""When a node gives up restarting a server that keeps dying.

tarsnode (ServerObject.cpp): more than 10 starts, each less than 60 s after the one before,
and it restarts the server no more for 600 s. Start tasks count too, and still start it.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """``starts`` in a row, each within ``window_s`` of the one before, cost ``pause_s``."""

    starts: int = 10
    window_s: float = 60.0
    pause_s: float = 600.0


class StartLimit:
    """Counts one server's starts. No clock: every call says what time it is, in seconds."""

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._in_a_row = 0
        self._last: float | None = None

    def started(self, now: float) -> None:
        """The server was started."""
        close = self._last is not None and now - self._last < self._limits.window_s
        self._in_a_row = self._in_a_row + 1 if close else 1
        self._last = now

    def wait_s(self, now: float) -> float:
        """How long to wait before it may be restarted; 0 means at once."""
        if self._last is None or self._in_a_row <= self._limits.starts:
            return 0.0
        return max(0.0, self._last + self._limits.pause_s - now)
