"""Locust's own statistics (its table, CSV files, web page and reports to a master), fed in bulk.

Locust is told of a second of calls at once, by the merge that its master uses for workers'
reports: one event for each of a million calls would be the load.
"""

from __future__ import annotations

from typing import Any, cast

from locust.env import Environment
from locust.stats import StatsEntry, StatsError, bucket_response_time

from perf.engines.orders import EndedSecond

#: The type of request in Locust's table.
METHOD = "iec4"


def add_second(environment: Environment, name: str, second: EndedSecond) -> None:
    """Add one ended second of the action ``name``.

    Failures are counted, and have no time: what was never answered took none.
    """
    stats = environment.stats
    for entry in (stats.get(name, METHOD), stats.total):
        entry.extend(_entry(name, second, entry))
    for why, count in second.failures.items():
        key = StatsError.create_key(METHOD, name, why)
        known = stats.errors.get(key) or StatsError(METHOD, name, why, first_seen=second.clock)
        known.occurrences += count
        known.last_seen = second.clock
        stats.errors[key] = known


def _entry(name: str, second: EndedSecond, like: StatsEntry) -> StatsEntry:
    succeeded, failed = sum(second.times.values()), sum(second.failures.values())
    made: Any = StatsEntry(like.stats, name, METHOD)  # fractions of ms are not in its types
    made.start_time = made.last_request_timestamp = second.clock
    made.num_requests = succeeded + failed
    made.num_none_requests = made.num_failures = failed
    made.total_response_time = second.total_ms
    made.min_response_time, made.max_response_time = second.min_ms, second.max_ms
    for time, count in second.times.items():
        bucket = bucket_response_time(time)
        made.response_times[bucket] = made.response_times.get(bucket, 0) + count
    if made.num_requests:
        made.num_reqs_per_sec = {second.clock: made.num_requests}
    if failed:
        made.num_fail_per_sec = {second.clock: failed}
    return cast("StatsEntry", made)
