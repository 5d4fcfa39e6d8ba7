"""Several Locust processes as one load: plan out, histograms back, one result."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.errors import LabError
from perf.load import LoadPlan
from perf.locust_engine import PERF, LocustEngine
from perf.merging import merged
from tests.perf.tars import tars
from tests.perf.windows import window

PLAN = LoadPlan(users=6, window_s=1.5, interval_s=0.1, max_oversleep_us=1e6)


def test_workers_share_a_plan_and_their_results_are_merged() -> None:
    with tars() as registry:
        result = LocustEngine(PERF / "rpc.py", host=registry, processes=2).run(PLAN)
    assert result.plan == PLAN
    assert result.failed == 0
    assert 0.8 * 90 <= result.succeeded <= 1.2 * 90
    assert result.conditions.connections == 6
    assert result.conditions.versions["generators"] == "2"


def test_workers_that_reach_nobody_make_no_load(tmp_path: Path) -> None:
    engine = LocustEngine(PERF / "rpc.py", host="tcp://127.0.0.1:9", processes=2)
    with pytest.raises(LabError, match=r"worker .*127\.0\.0\.1:9"):
        engine.run(PLAN)


def test_merging_adds_up_and_keeps_the_worst_health() -> None:
    quick = window(100, latency_us=100, failures={"a": 1})
    slow = window(100, latency_us=10_000, failures={"a": 2, "b": 1}, valid=False)
    both = merged([quick, slow])
    assert both.latencies.count == quick.latencies.count + slow.latencies.count
    assert both.latencies.percentile(25) < 110
    assert both.latencies.percentile(75) > 9_000
    assert both.failures == {"a": 3, "b": 1}
    assert both.rate == pytest.approx(200)
    assert not both.window_valid
    assert merged([quick]) is quick
    with pytest.raises(ValueError, match="nothing"):
        merged([])
