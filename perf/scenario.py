"""A load that judges a criterion: its Locust file, and what is read off its result.

The limits stand in the blueprint; a figure is compared with the limit of its name there.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from perf.load import Engine, LoadPlan, LoadResult
from perf.locust_engine import PERF, LocustEngine


@dataclass(frozen=True)
class Figure:
    """Something read off a result: a measurement before it meets its limit."""

    name: str
    value: float
    unit: str
    samples: int


@dataclass(frozen=True)
class Scenario:
    """A Locust file in this room, pressed as ``plans`` say for each SLO profile.

    ``statement`` is what the criterion's judgement begins with. Figures are named
    ``<prefix>_p50`` and so on; ``rate_unit`` is the unit of its rate. ``shared``: one window
    serves every criterion whose load and plan are the same.
    """

    locustfile: str
    statement: str
    prefix: str
    rate_unit: str
    plans: Mapping[str, LoadPlan]
    shared: bool = False

    def engine(
        self, environment: Mapping[str, str], keep_log: Callable[[str], None] | None
    ) -> Engine:
        """What puts this load on, in a process with these variables added to its own."""
        return LocustEngine(PERF / self.locustfile, environment=environment, keep_log=keep_log)

    def figures(self, result: LoadResult) -> Iterator[Figure]:
        """The figures of a result in which something began; latencies only if some succeeded."""
        if result.succeeded:
            for percent in (50, 95, 99):
                yield self._figure(f"p{percent}", result.latencies.percentile(percent), result)
            yield self._figure("max", result.latencies.max, result)
        yield Figure(f"{self.prefix}_failures", round(result.failure_percent, 4), "%", result.began)
        rate = round(result.rate, 2)
        yield Figure(f"{self.prefix}_rate", rate, self.rate_unit, result.succeeded)

    def _figure(self, name: str, value_us: float, result: LoadResult) -> Figure:
        return Figure(f"{self.prefix}_{name}", round(value_us, 1), "us", result.succeeded)
