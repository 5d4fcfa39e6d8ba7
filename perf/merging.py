"""One result from those of several generators that pressed together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from perf.histogram import Histogram
from perf.load import GeneratorHealth, LoadResult
from perf.media_figures import MediaFigures


def merged(results: Sequence[LoadResult]) -> LoadResult:
    """What the generators measured together, over windows of the same length.

    Histograms and counts add up, so percentiles are those of all actions; of the generators'
    health the worst counts. Seconds are left out: percentiles of percentiles are none.
    """
    if not results:
        raise ValueError("nothing to merge")
    if len(results) == 1:
        return results[0]
    latencies = Histogram()
    failures: Counter[str] = Counter()
    returns: Counter[int] = Counter()
    for result in results:
        latencies.merge(result.latencies)
        failures.update(result.failures)
        returns.update(result.returns)
    health = [result.generator for result in results]
    first = results[0]
    return replace(
        first,
        conditions=replace(
            first.conditions,
            connections=sum(result.conditions.connections for result in results),
            versions={**first.conditions.versions, "generators": str(len(results))},
        ),
        window_s=sum(result.window_s for result in results) / len(results),
        latencies=latencies,
        succeeded_in_window=sum(result.succeeded_in_window for result in results),
        failures=dict(failures.most_common()),
        returns=dict(returns),
        generator=GeneratorHealth(
            cpu_percent=max(one.cpu_percent for one in health),
            oversleep_p99_us=max(one.oversleep_p99_us for one in health),
            oversleep_max_us=max(one.oversleep_max_us for one in health),
        ),
        series=(),
        use_cases={
            name: MediaFigures.of(r.use_cases[name] for r in results if name in r.use_cases)
            for name in first.use_cases
        },
        media=MediaFigures.of(media) if (media := [r.media for r in results if r.media]) else None,
        doubts=tuple(dict.fromkeys(doubt for result in results for doubt in result.doubts)),
    )
