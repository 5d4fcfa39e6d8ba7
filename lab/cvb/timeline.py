"""A scenario's seconds as moments of the clock, and whoever acts by them being on time."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Collection
from dataclasses import dataclass, field

#: A source or vehicle that is later than this says little about an application: a tenth of
#: what a warning may take. For 99 of 100 times, in seconds.
LATE_S = 0.010


@dataclass(frozen=True)
class Timeline:
    """A scenario that starts at ``start_us``, microseconds since the Unix epoch."""

    start_us: int

    @classmethod
    def starting_in(cls, seconds: float) -> Timeline:
        return cls(now_us() + round(seconds * 1e6))

    def us(self, seconds: float) -> int:
        """The moment of a scenario's second."""
        return self.start_us + round(seconds * 1e6)

    def seconds(self, us: int) -> float:
        """The scenario's second of a moment."""
        return (us - self.start_us) / 1e6

    async def until(self, seconds: float) -> float:
        """Wait for a scenario's second; returns how many seconds too late it is."""
        loop = asyncio.get_running_loop()
        left = (self.us(seconds) - now_us()) / 1e6
        if left > 0:
            # An event, since whoever waits may be cancelled in the turn in which the moment comes.
            come = asyncio.Event()
            timer = loop.call_later(left, come.set)
            try:
                await come.wait()
            finally:
                timer.cancel()
        return max(0.0, (now_us() - self.us(seconds)) / 1e6)


def _come(moment: asyncio.Future[None]) -> None:
    if not moment.done():  # whoever waits may have been cancelled in this same turn
        moment.set_result(None)


@dataclass
class Punctuality:
    """How late somebody was each time."""

    who: str
    late_s: list[float] = field(default_factory=list)

    def record(self, late_s: float) -> None:
        self.late_s.append(late_s)

    @property
    def p99_s(self) -> float:
        return p99(self.late_s, none=0.0)

    def left_out(self, period_s: float) -> tuple[str, ...]:
        """Why what was told may lack something: once later than ``period_s``; else empty."""
        worst = max(self.late_s, default=0.0)
        if worst <= period_s:
            return ()
        return (
            f"{self.who} was once {worst * 1e3:.0f} ms late, may be {period_s * 1e3:.0f} ms late",
        )

    def spoilt_by(self, period_s: float) -> tuple[str, ...]:
        """Why figures tell of the generator rather than of an application; empty if they do not."""
        if self.p99_s <= LATE_S:
            return self.left_out(period_s)
        return (
            f"{self.who} was up to {self.p99_s * 1e3:.0f} ms late (p99), "
            f"may be {LATE_S * 1e3:.0f} ms late",
            *self.left_out(period_s),
        )


def p99(values: Collection[float], *, none: float) -> float:
    """The value that 99 of 100 do not exceed; ``none`` where there are no values."""
    return sorted(values)[int(0.99 * (len(values) - 1))] if values else none


def now_us() -> int:
    """Microseconds since the Unix epoch."""
    return time.time_ns() // 1000
