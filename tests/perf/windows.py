"""Load windows for what reads them: as an engine would have measured them."""

from __future__ import annotations

from perf.histogram import Histogram
from perf.load import Conditions, GeneratorHealth, LoadPlan, LoadResult, Second


def window(
    rate: float,
    *,
    latency_us: float = 1_000.0,
    answered: float | None = None,
    failures: dict[str, int] | None = None,
    valid: bool = True,
    series: tuple[Second, ...] = (),
) -> LoadResult:
    """A second at ``rate``: 1 000 answers around ``latency_us``, standing for all of them."""
    latencies = Histogram()
    latencies.record_batch([latency_us * (0.9 + n / 10_000) for n in range(1_000)])
    return LoadResult(
        plan=LoadPlan(users=1, window_s=1.0, interval_s=1 / rate),
        conditions=Conditions(1, "any", 18, 4, {"python": "3"}),
        window_s=1.0,
        latencies=latencies,
        succeeded_in_window=round(rate if answered is None else answered),
        failures=failures or {},
        generator=GeneratorHealth(10.0 if valid else 99.0, 50.0, 90.0),
        series=series,
    )
