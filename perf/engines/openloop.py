"""Open loop: requests at due times, whatever the answers take."""

from __future__ import annotations

import math
import select
from collections.abc import Callable, Sequence

import numpy as np

from lab.tars.client import Address
from perf.engines.call import Call
from perf.engines.flights import Times
from perf.engines.tally import EachSecond, Recorder, health
from perf.engines.traffic import Reader, Traffic, Unopened, clock, undisturbed
from perf.load import GeneratorHealth, LoadPlan, LoadResult

#: Nanoseconds before a due time from which the engine looks at the clock instead of sleeping:
#: longer than a sleep's usual excess.
AWAKE_NS = 200_000
#: Seconds that it sleeps at most, so that what is overdue is given up in time.
_LONGEST_SLEEP_S = 0.05

NO_ROOM = "not sent: too many requests without an answer"
NO_CONNECTION = "not sent: no connection"


class OpenLoopEngine:
    """``plan.offered_rate`` requests per second over ``plan.users`` connections in turn.

    A latency is from the moment at which the request was due, so what waits for a server
    that stalls counts (no coordinated omission). How late the engine woke is how much later
    than due each request was sent. Due requests are sent together when there are several.
    """

    def __init__(
        self,
        addresses: Sequence[Address],
        call: Call,
        *,
        each_second: EachSecond | None = None,
        reader: Reader | None = None,
    ) -> None:
        self._addresses = addresses
        self._call = call
        self._each_second = each_second
        self._reader = reader
        self._stopped = False

    def stop(self) -> None:
        """Close the window now; may be called by a signal's handler while it `run`s."""
        self._stopped = True

    def run(self, plan: LoadPlan) -> LoadResult:
        """Put the load on, once; ends within its times and twice its time-out.

        Raises `ConnectFailed` when not every connection can be had at first, and `Unopened`
        when it was stopped before its window.
        """
        rate = plan.offered_rate
        if rate is None or plan.arrival != "spread":
            raise ValueError("an open loop has an interval, and its requests are spread in it")
        # All that is sent within a time-out may be under way, and the engine may be late.
        flights = math.ceil(1.25 * rate * plan.timeout_s / plan.users) + 64
        with (
            undisturbed(),
            Traffic(
                self._addresses,
                self._call,
                plan,
                flights=flights,
                each_second=self._each_second,
                reader=self._reader,
            ) as traffic,
        ):
            kept = _Schedule(traffic, plan, rate).keep(lambda: self._stopped)
            traffic.finish()
            return traffic.result(kept)


class _Schedule:
    """The due times of one run, and how they were kept."""

    def __init__(self, traffic: Traffic, plan: LoadPlan, rate: float) -> None:
        self._traffic = traffic
        self._period = 1e9 / rate
        self._start = clock()
        self._opens = self._start + int(plan.warm_up_s * 1e9)
        self._closes = self._opens + int(plan.window_s * 1e9)
        self._last = math.ceil((self._closes - self._start) / self._period)
        self._sent = 0
        self._turn = 0
        self._late = Recorder()
        self._count_up = np.arange(1024)

    def keep(self, stopped: Callable[[], bool]) -> GeneratorHealth:
        """Send what is due, until the window closes; the engine's own health."""
        traffic = self._traffic
        waited = 0
        while (now := clock()) < self._closes:
            if stopped():
                self._close_at(now)
                break
            if now >= self._opens and not traffic.tally.opened:
                traffic.open_window(self._opens)
                self._late, waited = Recorder(), 0
            sent = self._send_due(now)
            events = traffic.wait(0)
            if events:
                traffic.exchange(events)
            traffic.tidy(now)
            if not sent and not events:
                self._sleep()
                waited += clock() - now
        if not traffic.tally.opened:
            traffic.open_window(self._opens)  # the engine slept through all of it
        traffic.close_window(self._closes)
        while self._send_due(clock()):
            pass  # what was due within the window, and the engine was too late for
        window = self._closes - self._opens
        return health(100 * (1 - waited / window), self._late.histogram)

    def _close_at(self, now: int) -> None:
        """The window closes sooner than was planned."""
        if not self._traffic.tally.opened:
            raise Unopened
        self._closes = now
        self._last = max(self._sent, math.ceil((now - self._start) / self._period))

    def _send_due(self, now: int) -> int:
        """Send what is due by now; how much that was."""
        due = min(int((now - self._start) / self._period) + 1, self._last) - self._sent
        if due <= 0:
            return 0
        due = min(due, len(self._count_up))
        since = self._due(due)
        self._sent += due
        self._late.add(now - since, due)
        connections = self._traffic.connections
        connection = connections[self._turn]
        self._turn = (self._turn + 1) % len(connections)
        if not connection.is_open:
            self._traffic.tally.fail(NO_CONNECTION, np.atleast_1d(since), now)
        elif connection.flights.free < due:
            self._traffic.tally.fail(NO_ROOM, np.atleast_1d(since), now)
        else:
            self._traffic.begin(connection, due, since)
        return due

    def _due(self, count: int) -> int | Times:
        """When the next requests are due; one alone, which is the usual, is a plain number."""
        if count == 1:
            return self._start + int(self._sent * self._period)
        numbers = self._sent + self._count_up[:count]
        times: Times = self._start + (numbers * self._period).astype(np.int64)
        return times

    def _sleep(self) -> None:
        """Sleep until shortly before the next due time, or until something comes."""
        due = self._start + int(self._sent * self._period)
        left = min((due - clock() - AWAKE_NS) / 1e9, _LONGEST_SLEEP_S)
        if left > 0:
            # epoll counts in whole milliseconds, select in microseconds.
            select.select([self._traffic], [], [], left)
