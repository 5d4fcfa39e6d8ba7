"""Saturation: so many requests in flight on each connection, a new one for each answer."""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

from lab.tars.client import Address
from perf.engines.call import Call
from perf.engines.tally import EachSecond, Recorder, health
from perf.engines.traffic import NEVER, TIDY_NS, Traffic, Unopened, clock, undisturbed
from perf.histogram import Histogram
from perf.load import LoadPlan, LoadResult

#: Less than one in so many of the requests under way were answered at once: few.
FEW = 8
#: The engine then lets more come for this part of a latency, and so long at most.
PAUSE_PART, LONGEST_PAUSE_NS = 4, 250_000


class WindowedEngine:
    """``plan.users`` connections with ``plan.window`` requests in flight on each.

    A latency is from the moment of sending to that of receiving. How late the generator woke
    is how long it was kept from running while it was at work: by others on its core.
    """

    def __init__(
        self, addresses: Sequence[Address], call: Call, *, each_second: EachSecond | None = None
    ) -> None:
        self._addresses = addresses
        self._call = call
        self._each_second = each_second
        self._stopped = False

    def stop(self) -> None:
        """Close the window now; may be called by a signal's handler while it `run`s."""
        self._stopped = True

    def run(self, plan: LoadPlan) -> LoadResult:
        """Put the load on, once; ends within its times and twice its time-out.

        Raises `ConnectFailed` when not every connection can be had at first, and `Unopened`
        when it was stopped before its window.
        """
        if plan.interval_s is not None:
            raise ValueError("a window of requests has no interval: it follows the answers")
        with (
            undisturbed(),
            Traffic(
                self._addresses,
                self._call,
                plan,
                flights=plan.window,
                each_second=self._each_second,
            ) as traffic,
        ):
            kept = self._press(traffic, plan)
            traffic.finish()
            return traffic.result(health(100 * traffic.cpu_s / traffic.tally.window_s, kept))

    def _press(self, traffic: Traffic, plan: LoadPlan) -> Histogram:
        """Keep the windows full until the window of time closes; how late the engine was."""
        kept, window = Recorder(), int(plan.window_s * 1e9)
        opens = clock() + int(plan.warm_up_s * 1e9)
        closes = NEVER
        if not plan.warm_up_s:
            traffic.open_window(opens)
            closes = opens + window
        for connection in traffic.connections:
            traffic.begin(connection, plan.window, clock())
        while (now := clock()) < closes and not self._stopped:
            if now >= opens and closes == NEVER:
                traffic.open_window(now)
                closes = now + window
                kept = Recorder()
            events = traffic.wait(TIDY_NS / 1e9)
            began, used = clock(), time.thread_time_ns()
            sent = 0
            for connection in traffic.exchange(events):
                if connection.is_open and connection.flights.free:
                    sent += connection.flights.free
                    traffic.begin(connection, connection.flights.free, clock())
            traffic.tidy(began)
            away = clock() - began - (time.thread_time_ns() - used)
            kept.add(max(0, away), 1)
            if 0 < sent * FEW < plan.window * plan.users:
                pause = min(LONGEST_PAUSE_NS, traffic.latest_latency // PAUSE_PART)
                select.select([], [], [], pause / 1e9)
        if not traffic.tally.opened:
            raise Unopened
        traffic.close_window(clock())
        return kept.histogram
