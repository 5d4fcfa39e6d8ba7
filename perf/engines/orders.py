"""What an engine's process is told, and tells of each second: JSON, a line each."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from pydantic import TypeAdapter

from perf.histogram import Histogram
from perf.load import LoadPlan


@dataclass(frozen=True)
class Order:
    """The load that is to be put on, and the endpoints that take it in turn."""

    plan: LoadPlan
    addresses: tuple[tuple[str, int], ...]

    def to_json(self) -> str:
        return _ORDER.dump_json(self).decode()

    @classmethod
    def from_json(cls, text: str) -> Order:
        """Raises ValueError."""
        return _ORDER.validate_json(text)


@dataclass(frozen=True)
class EndedSecond:
    """One second of a window for whoever watches, in whole milliseconds.

    ``clock``: the wall clock's second (Unix) in which it ended; ``times``: how many took so
    many ms. `LoadResult` has what decides: microseconds.
    """

    clock: int
    times: dict[int, int]
    total_ms: float
    min_ms: float | None
    max_ms: float
    failures: dict[str, int]

    @classmethod
    def of(cls, latencies: Histogram, failures: Counter[str]) -> EndedSecond:
        some = latencies.count > 0
        return cls(
            clock=int(time.time()),
            times=latencies.whole_milliseconds(),
            total_ms=latencies.mean * latencies.count / 1000 if some else 0.0,
            min_ms=latencies.min / 1000 if some else None,
            max_ms=latencies.max / 1000 if some else 0.0,
            failures=dict(failures),
        )

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, data: object) -> EndedSecond:
        """Raises ValueError."""
        return _SECOND.validate_python(data)


_ORDER = TypeAdapter(Order)
_SECOND = TypeAdapter(EndedSecond)
