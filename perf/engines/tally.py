"""What is counted of one window, in batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from perf.engines.flights import Times
from perf.engines.wire import Flags
from perf.histogram import Histogram
from perf.load import GeneratorHealth, Second
from perf.observer import MAX_REASONS, OTHER, UNANSWERED_THROUGHOUT

_BUFFERED = 8192
_SECOND_NS = 1_000_000_000

#: Told of each second of a window when it has ended: the latencies of what succeeded in it,
#: and how much failed by reason.
EachSecond = Callable[[Histogram, Counter[str]], None]

Values = npt.NDArray[np.int64]


class Recorder:
    """Records integers of nanoseconds into a histogram of microseconds.

    Gathers small batches first: a histogram is quick with large ones.
    """

    def __init__(self) -> None:
        self._histogram = Histogram()
        self._buffer: Values = np.empty(_BUFFERED, np.int64)
        self._used = 0

    def add(self, values: Values | int, count: int) -> None:
        """Record ``count`` values, or one value so many times."""
        if self._used + count > _BUFFERED:
            self._flush()
            if count > _BUFFERED:
                self._histogram.record_batch(np.broadcast_to(values, count) / 1000)
                return
        self._buffer[self._used : self._used + count] = values
        self._used += count

    @property
    def histogram(self) -> Histogram:
        """Of all values so far."""
        self._flush()
        return self._histogram

    def _flush(self) -> None:
        if self._used:
            self._histogram.record_batch(self._buffer[: self._used] / 1000)
            self._used = 0


def health(cpu_percent: float, late: Histogram) -> GeneratorHealth:
    """An engine's health by how late it was, each time that it could have been."""
    p99, p999 = late.percentiles((99, 99.9)) if late.count else (0.0, 0.0)
    return GeneratorHealth(
        cpu_percent=cpu_percent,
        oversleep_p99_us=p99,
        oversleep_max_us=late.max if late.count else 0.0,
        oversleep_p999_us=p999,
    )


class Tally:
    """Counts requests that count from a moment within the window, whenever they end.

    Times are integers in nanoseconds of one monotonic clock.
    """

    def __init__(self, each_second: EachSecond | None = None) -> None:
        self.latencies = Histogram()
        self.succeeded_in_window = 0
        self._each_second = each_second
        self.returns: Counter[int] = Counter()
        self._seconds: list[Second] = []
        self._failures: Counter[str] = Counter()
        self._opened = self._closed = 0
        self._recorder = Recorder()
        self._second = 0
        self._failed_in_second: Counter[str] = Counter()

    def open(self, now: int) -> None:
        """The window opens."""
        self._opened = now

    def close(self, now: int) -> None:
        """The window closes: what counts from later would be none of it."""
        self._closed = now

    @property
    def opened(self) -> int:
        """When the window opened; 0 before that."""
        return self._opened

    @property
    def window_s(self) -> float:
        return (self._closed - self._opened) / 1e9

    @property
    def failures(self) -> dict[str, int]:
        """By reason, the most frequent first."""
        return dict(self._failures.most_common())

    @property
    def series(self) -> tuple[Second, ...]:
        """The seconds that were whole when the window closed."""
        return tuple(self._seconds[: int(self.window_s)])

    def succeed(self, since: Times, now: int) -> Flags | None:
        """Requests that counted from ``since`` were answered well at ``now``.

        Returns which of them are counted; None when all are.
        """
        if not self._opened:
            return np.zeros(len(since), np.bool_)
        counted = since >= self._opened
        count = int(np.count_nonzero(counted))
        all_are = count == len(since)
        self.turn_to(now)
        if not self._closed:
            self.succeeded_in_window += count
        self.returns[0] += count
        self._recorder.add(now - (since if all_are else since[counted]), count)
        return None if all_are else counted

    def fail(self, why: str, since: Times, now: int, *, ret: int | None = None) -> None:
        """Requests that counted from ``since`` failed; with an iRet, if that is why.

        What began before the window and fails after it had no answer in all of the window.
        """
        if not (self._opened and len(since)):
            return
        count = int(np.count_nonzero(since >= self._opened))
        self._failed(why, count, now)
        if ret is not None:
            self.returns[ret] += count
        if self._closed:
            self._failed(UNANSWERED_THROUGHOUT, len(since) - count, now)

    def stray(self, why: str, now: int) -> None:
        """A reply that answers nothing came: a failure beside those of requests."""
        if self._opened:
            self._failed(why, 1, now)

    def turn_to(self, now: int) -> None:
        """It is ``now``: seconds that are over end, also when nothing happened in them."""
        if not self._opened:
            return
        second = (now - self._opened) // _SECOND_NS
        while second > self._second:
            self._end_second()

    def finish(self, now: int) -> None:
        """Nothing more comes."""
        self.turn_to(max(now, self._closed))
        self._end_second()

    def _failed(self, why: str, count: int, now: int) -> None:
        if not count:
            return
        self.turn_to(now)
        known = why in self._failures or len(self._failures) < MAX_REASONS
        told = why if known else OTHER
        self._failures[told] += count
        self._failed_in_second[told] += count

    def _end_second(self) -> None:
        ended = self._recorder.histogram
        median, p99 = ended.percentiles((50, 99)) if ended.count else (None, None)
        failed = self._failed_in_second
        self._seconds.append(Second(ended.count, failed.total(), median, p99))
        if self._each_second is not None:
            self._each_second(ended, failed)
        if ended.count:
            self.latencies.merge(ended)
            self._recorder = Recorder()
        self._failed_in_second = Counter()
        self._second += 1
