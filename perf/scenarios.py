"""Which load judges which criterion, and how hard it presses."""

from __future__ import annotations

from collections.abc import Mapping

from perf.load import LoadPlan
from perf.scenario import Scenario
from perf.use_cases import USE_CASES

#: Criterion → its scenario. The generator may wake late by a fifth of its criterion's latency
#: limit at most, or a percentile would be the generator's as much as the system's.
SCENARIOS: Mapping[str, Scenario] = {
    "PAAS-20": Scenario(
        locustfile="rpc.py",
        statement="remote calls stay quick under load",
        prefix="rpc",
        rate_unit="calls/s",
        plans={
            "embedded": LoadPlan(users=20, window_s=5, interval_s=0.02, max_oversleep_us=10_000),
            "lab": LoadPlan(users=50, window_s=30, interval_s=0.05, max_oversleep_us=2_000),
        },
    ),
    "SAAS-20": Scenario(
        locustfile="joins.py",
        statement="students join at the same time within a second",
        prefix="join",
        rate_unit="joins/s",
        plans={
            "embedded": LoadPlan(
                users=20,
                window_s=6,
                interval_s=2,
                arrival="burst",
                timeout_s=5,
                max_oversleep_us=100_000,
            ),
            "lab": LoadPlan(
                users=50,
                window_s=30,
                interval_s=5,
                arrival="burst",
                timeout_s=5,
                max_oversleep_us=100_000,
            ),
        },
    ),
    **USE_CASES,
}
