"""Latency histogram: log-linear, in microseconds, exact where it can be.

Every power of two between `LOWEST_US` and `HIGHEST_US` is cut into `PER_OCTAVE` equal
buckets, so a bucket is at most 1/2048 of its values wide, and its middle is off by at most
`RELATIVE_ERROR` (0.0244 %). Such a bucket's number stands in the value itself: it is the
exponent and the first 11 bits of the mantissa of an IEEE 754 double. Recording a batch is
therefore a shift and a count: in numpy some 4 ns a value in batches of 10 000, one by one
0.6 us. A histogram has 416 KiB.

Count, minimum, maximum and sum are exact. Nothing is dropped: values outside the range are
counted in the two outermost buckets, and percentiles that fall there are the minimum or the
maximum that was seen.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from operator import index
from typing import Any

import numpy as np
import numpy.typing as npt

_BITS = 11
PER_OCTAVE = 1 << _BITS
_OCTAVES = 26
LOWEST_US = 1.0
#: Exclusive: 67.1 s.
HIGHEST_US = float(1 << _OCTAVES)
#: Half a bucket's width, relative to its lowest value.
RELATIVE_ERROR = 0.5 / PER_OCTAVE

_BUCKETS = _OCTAVES * PER_OCTAVE
_SHIFT = 52 - _BITS
#: What makes `LOWEST_US` bucket 1; bucket 0 and the last hold what is out of range.
_OFFSET = (1023 << _BITS) - 1
_NOT_FINITE = "a latency is a finite number of microseconds"
_FORMAT = "iec4 log-linear histogram 1"


class Histogram:
    """Counts of latencies in microseconds. Not safe to record into from several threads."""

    def __init__(self) -> None:
        self._counts = np.zeros(_BUCKETS + 2, dtype=np.int64)
        self._count = 0
        self._sum = 0.0
        self._min = math.inf
        self._max = -math.inf

    def record(self, value_us: float) -> None:
        """Record one value; raises ValueError unless it is finite."""
        if not math.isfinite(value_us):
            raise ValueError(_NOT_FINITE)
        self._counts[_bucket(value_us)] += 1
        self._count += 1
        self._sum += value_us
        self._min = min(self._min, value_us)
        self._max = max(self._max, value_us)

    def record_batch(self, values_us: npt.ArrayLike) -> None:
        """Record a one-dimensional array of values, all of them or (ValueError) none.

        Quickest with float64 arrays of some 10 000 values.
        """
        values = np.ascontiguousarray(values_us, dtype=np.float64)
        if values.ndim != 1:
            raise ValueError(f"a batch is one-dimensional; found shape {values.shape}")
        if values.size == 0:
            return
        total = float(values.sum())
        if not math.isfinite(total):
            raise ValueError(_NOT_FINITE)
        buckets = (values.view(np.int64) >> _SHIFT) - _OFFSET
        np.clip(buckets, 0, _BUCKETS + 1, out=buckets)
        np.add.at(self._counts, buckets, 1)
        self._count += values.size
        self._sum += total
        self._min = min(self._min, float(values.min()))
        self._max = max(self._max, float(values.max()))

    def merge(self, other: Histogram) -> None:
        """Add everything that ``other`` has recorded."""
        self._counts += other._counts
        self._count += other._count
        self._sum += other._sum
        self._min = min(self._min, other._min)
        self._max = max(self._max, other._max)

    @property
    def count(self) -> int:
        return self._count

    @property
    def below(self) -> int:
        """How many values were less than `LOWEST_US`."""
        return int(self._counts[0])

    @property
    def above(self) -> int:
        """How many values were `HIGHEST_US` or more."""
        return int(self._counts[-1])

    @property
    def min(self) -> float:
        """The least value; raises ValueError when nothing was recorded, like the next three."""
        self._need_values()
        return self._min

    @property
    def max(self) -> float:
        self._need_values()
        return self._max

    @property
    def mean(self) -> float:
        self._need_values()
        return self._sum / self._count

    def percentile(self, percent: float) -> float:
        """The value that ``percent`` % of all values do not exceed (nearest rank).

        Within `RELATIVE_ERROR` of a recorded value; 0 gives the minimum, 100 the maximum.
        """
        return self.percentiles((percent,))[0]

    def percentiles(self, percents: Sequence[float]) -> list[float]:
        """Several of them, at little more than the cost of one."""
        self._need_values()
        up_to = np.cumsum(self._counts)
        return [self._value_at(percent, up_to) for percent in percents]

    def _value_at(self, percent: float, up_to: npt.NDArray[np.int64]) -> float:
        if not 0 <= percent <= 100:
            raise ValueError(f"a percentile lies between 0 and 100; found {percent}")
        # 99.9 / 100 * 1000 is 999.0000000000001: a rank is not to be lost to rounding.
        rank = max(1, math.ceil(percent / 100 * self._count - 1e-9))
        if rank == self._count:
            return self._max
        bucket = int(np.searchsorted(up_to, rank))
        if bucket == 0:
            return self._min
        if bucket == _BUCKETS + 1:
            return self._max
        return min(max(_middle(bucket), self._min), self._max)

    def count_above(self, value_us: float) -> int:
        """How many values were above this one, or in its bucket's upper part."""
        return int(self._counts[_bucket(value_us) + 1 :].sum())

    def whole_milliseconds(self) -> dict[int, int]:
        """How many values lie nearest to so many ms: what coarser tables can take."""
        used = np.flatnonzero(self._counts)
        octaves, steps = np.divmod(used - 1, PER_OCTAVE)
        middles = np.ldexp(1 + (steps + 0.5) / PER_OCTAVE, octaves)
        middles[used == 0] = 0.0
        middles[used == _BUCKETS + 1] = self._max
        times, where = np.unique(np.rint(middles / 1000).astype(np.int64), return_inverse=True)
        counts = np.bincount(where, weights=self._counts[used]).astype(np.int64)
        return dict(zip(times.tolist(), counts.tolist(), strict=True))

    def _need_values(self) -> None:
        if self._count == 0:
            raise ValueError("nothing was recorded")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Histogram):
            return NotImplemented
        return self.to_json() == other.to_json()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        if self._count == 0:
            return "Histogram(empty)"
        p50, p99 = self.percentile(50), self.percentile(99)
        return f"Histogram(count={self._count}, p50={p50:.1f} us, p99={p99:.1f} us)"

    def to_json(self) -> dict[str, Any]:
        """What `from_json` reads: ``buckets`` has ``[number, count]`` of those not empty.

        Bucket 0 holds what lies below the range, the last what lies above it; bucket n
        between begins at ``2**o * (1 + r / 2048)`` us with ``o, r = divmod(n - 1, 2048)``.
        """
        used = np.flatnonzero(self._counts)
        return {
            "format": _FORMAT,
            "unit": "us",
            "count": self._count,
            "sum": self._sum,
            "min": self._min if self._count else None,
            "max": self._max if self._count else None,
            "buckets": [[int(n), int(self._counts[n])] for n in used],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Histogram:
        """Read what `to_json` gave; raises ValueError for anything else."""
        told = data.get("format") if isinstance(data, Mapping) else type(data).__name__
        if told != _FORMAT:
            raise ValueError(f"no histogram: format {told!r}, not {_FORMAT!r}")
        made = cls()
        try:
            for number, count in (map(index, pair) for pair in data["buckets"]):
                if not 0 <= number <= _BUCKETS + 1 or count <= 0:
                    raise ValueError(f"bucket {number} with count {count}")
                made._counts[number] += count
            made._count = int(data["count"])
            if made._count:
                made._sum = float(data["sum"])
                made._min, made._max = float(data["min"]), float(data["max"])
        except (KeyError, TypeError, ValueError, OverflowError) as error:
            raise ValueError(f"a damaged histogram: {error!r}") from error
        if int(made._counts.sum()) != made._count:
            raise ValueError("a damaged histogram: its buckets do not add up to its count")
        return made


def _bucket(value_us: float) -> int:
    """The bucket of one value, as `Histogram.record_batch` finds it for many."""
    if value_us < LOWEST_US:
        return 0
    if value_us >= HIGHEST_US:
        return _BUCKETS + 1
    mantissa, exponent = math.frexp(value_us)  # 0.5 <= mantissa < 1
    return 1 + (exponent - 1) * PER_OCTAVE + int((2 * mantissa - 1) * PER_OCTAVE)


def _middle(bucket: int) -> float:
    """The middle of an inner bucket, in microseconds."""
    octave, step = divmod(bucket - 1, PER_OCTAVE)
    return math.ldexp(1 + (step + 0.5) / PER_OCTAVE, octave)
