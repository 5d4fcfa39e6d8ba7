"""A window second by second: what ended in each, and how quickly."""

from __future__ import annotations

from array import array

import numpy as np

from perf.load import Second


class SecondBySecond:
    """Collects what ends from ``opened`` on, a moment of any monotonic clock in seconds."""

    def __init__(self, opened: float) -> None:
        self._opened = opened
        self._latencies: list[array[float]] = []
        self._failed: list[int] = []

    def succeeded(self, ended: float, latency_us: float) -> None:
        self._latencies[self._at(ended)].append(latency_us)

    def failed(self, ended: float) -> None:
        self._failed[self._at(ended)] += 1

    def whole(self, closed: float) -> tuple[Second, ...]:
        """The seconds that were whole when the window closed."""
        seconds = int(closed - self._opened)
        if seconds > 0:
            self._at(self._opened + seconds - 0.5)
        return tuple(
            Second(len(latencies), failed, *_percentiles(latencies))
            for latencies, failed in zip(
                self._latencies[:seconds], self._failed[:seconds], strict=True
            )
        )

    def _at(self, moment: float) -> int:
        """The place of a moment's second; seconds before it that saw nothing get theirs."""
        place = max(0, int(moment - self._opened))
        while len(self._failed) <= place:
            self._latencies.append(array("d"))
            self._failed.append(0)
        return place


def _percentiles(latencies: array[float]) -> tuple[float | None, float | None]:
    """p50 and p99 by nearest rank, as of `Histogram.percentile`."""
    if not latencies:
        return None, None
    p50, p99 = np.percentile(latencies, (50, 99), method="inverted_cdf")
    return float(p50), float(p99)
