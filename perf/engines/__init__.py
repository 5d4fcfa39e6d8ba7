"""Load engines for more calls than a process of Locust can make.

`windowed`: so many requests in flight on each connection, for saturation. `openloop`: requests
at due times, whatever the answers take. Both work on batches in numpy; no step is taken for
each single request as long as the replies are as they should be.
"""

from __future__ import annotations

from perf.engines.openloop import OpenLoopEngine
from perf.engines.windowed import WindowedEngine
from perf.load import LoadPlan


def engine_of(plan: LoadPlan) -> type[OpenLoopEngine] | type[WindowedEngine]:
    """Which of them a plan is for: one with an interval is an open loop's."""
    return WindowedEngine if plan.interval_s is None else OpenLoopEngine
