"""The load generator's own health: does it get to run when it wants to, and what does it use?"""

from __future__ import annotations

import time
from collections.abc import Callable

from perf.histogram import Histogram
from perf.load import GeneratorHealth

#: Seconds between two looks.
INTERVAL_S = 0.005


class GeneratorMonitor:
    """Sleeps, and measures how late it wakes, from `start` to `stop`.

    ``wait(seconds)`` returns after so many seconds, or earlier and true when it is over: the
    `wait` of an event of whatever the generator runs on (threads, gevent). A generator that
    is busy, or whose machine is, wakes late; its clients read their answers late too.
    An asyncio loop has no such wait: it says `woke` by itself.
    """

    def __init__(self, wait: Callable[[float], bool | None] = lambda _: True) -> None:
        self._wait = wait
        self._late = Histogram()
        self._started = self._cpu = 0.0
        self._measuring = False

    def watch(self) -> None:
        """Measure until ``wait`` says that it is over: the body of a thread or greenlet."""
        while True:
            before = time.perf_counter()
            if self._wait(INTERVAL_S):
                return
            self.woke(time.perf_counter() - before - INTERVAL_S)

    def woke(self, late: float) -> None:
        """The generator woke so many seconds later than it wanted to."""
        if self._measuring:
            self._late.record(max(0.0, late * 1e6))

    def start(self) -> None:
        """The window opens."""
        self._started, self._cpu = time.perf_counter(), time.process_time()
        self._measuring = True

    def stop(self) -> GeneratorHealth:
        """The window closes."""
        self._measuring = False
        elapsed = time.perf_counter() - self._started
        cpu = time.process_time() - self._cpu
        # A generator too busy to wake even once was late by all of the window.
        worst = self._late.max if self._late.count else elapsed * 1e6
        p99 = self._late.percentile(99) if self._late.count else worst
        return GeneratorHealth(
            cpu_percent=100 * cpu / elapsed,
            oversleep_p99_us=p99,
            oversleep_max_us=worst,
        )
