"""The Tars echo under load: found by name, over real TCP, honest when the servant is not."""

from __future__ import annotations

import subprocess
import sys
import threading
from dataclasses import replace
from pathlib import Path

import pytest

from blueprints import model
from blueprints.evidence import CriterionFailed, Evidence
from lab.errors import LabError
from lab.tars.body import encode_body
from lab.tars.echo_client import ECHO_OBJECT, Echoed
from lab.tars.embedded.servants import Call, Dropped
from lab.tars.serving import Refusal
from perf import run
from perf.load import LoadPlan, LoadResult
from perf.locust_engine import PERF, LocustEngine
from perf.scenarios import SCENARIOS
from tests.perf.conftest import write_lab
from tests.perf.tars import echo_string, tars

RPC = PERF / "rpc.py"
#: Tests share the machine: how late the generator may wake is not what is tested here.
PLAN = LoadPlan(
    users=10, window_s=1, warm_up_s=0.3, interval_s=0.05, timeout_s=1, max_oversleep_us=1e6
)


def rpc(registry: str) -> LocustEngine:
    return LocustEngine(RPC, host=registry)


def test_calls_are_timed_in_microseconds() -> None:
    with tars() as registry:
        result = rpc(registry).run(PLAN)
    assert result.failures == {}
    assert result.rate == pytest.approx(200, rel=0.2)
    # Locust's own figures would be whole milliseconds.
    assert 10 < result.latencies.percentile(50) < 50_000
    assert result.conditions.body_bytes == 18
    assert result.conditions.connections == 10
    assert result.returns == {0: result.succeeded}
    assert "tarsio" in result.conditions.versions
    assert LoadResult.from_json(result.to_json()) == result


def test_the_lab_s_inventory_names_the_registry(tmp_path: Path) -> None:
    with tars() as registry:
        lab = write_lab(
            tmp_path, tars={"adopted": True, "endpoints": {"registry": registry, "web": registry}}
        )
        result = LocustEngine(RPC, environment={"IEC4_LAB": str(lab)}).run(PLAN)
    assert result.succeeded > 0


def test_a_servant_that_falls_behind_is_measured_from_when_calls_were_due() -> None:
    """20 calls/s are due, 5 can be answered: the 0.2 s of each do not tell the whole wait."""
    over = threading.Event()

    def slow(call: Call) -> bytes:
        over.wait(0.2)
        return echo_string(call)

    with tars(slow) as registry:
        result = rpc(registry).run(replace(PLAN, users=1, window_s=2))
    assert result.rate < 6
    assert result.latencies.min > 200_000
    assert result.latencies.max > 1_000_000


def test_an_altered_echo_is_a_failure_that_says_what_came() -> None:
    def wrong(_call: Call) -> bytes:
        return encode_body(Echoed[str](ret="another", copy="another"))

    with tars(wrong) as registry:
        result = rpc(registry).run(PLAN)
    assert result.succeeded == 0
    [reason] = result.failures
    assert "the echo is not what was sent; found: 'another'" in reason


def test_refusals_are_counted_by_their_iret() -> None:
    def overloaded(_call: Call) -> bytes:
        raise Refusal(-9, "too busy")

    with tars(overloaded) as registry:
        result = rpc(registry).run(PLAN)
    assert result.returns == {-9: result.failed}


def test_an_echo_that_is_never_answered_ends_in_time_and_fails_the_criterion() -> None:
    def deaf(_call: Call) -> bytes:
        raise Dropped

    criterion = model.load().criterion("PAAS-20")
    scenario = replace(SCENARIOS["PAAS-20"], plans={"embedded": PLAN})
    evidence = Evidence(criterion, "embedded")
    with (
        tars(deaf) as registry,
        pytest.raises(CriterionFailed, match=r"rpc_failures is 100 %, must be <= 0.1 %; failures"),
    ):
        run.judge(evidence, scenario, rpc(registry))


def test_an_slo_that_is_missed_fails_the_criterion() -> None:
    over = threading.Event()

    def slow(call: Call) -> bytes:
        over.wait(0.06)
        return echo_string(call)

    criterion = model.load().criterion("PAAS-20")
    scenario = replace(SCENARIOS["PAAS-20"], plans={"embedded": replace(PLAN, users=1)})
    with (
        tars(slow) as registry,
        pytest.raises(CriterionFailed, match=r"rpc_p95 is \d+.* us, must be <= 50000 us"),
    ):
        run.judge(Evidence(criterion, "embedded"), scenario, rpc(registry))


def test_an_object_that_cannot_be_found_is_no_load() -> None:
    with pytest.raises(LabError, match="no load could be put on") as error:
        rpc("tcp://127.0.0.4:9").run(PLAN)
    assert "127.0.0.4:9" in str(error.value)


def test_by_itself_it_fills_locust_s_table_and_tells_microseconds() -> None:
    with tars() as registry:
        argv = [sys.executable, "-m", "locust", "-f", RPC, "--headless", "--host", registry]
        argv += ["-u", "2", "-r", "2", "-t", "2s", "--only-summary"]
        done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert ECHO_OBJECT[:20] in done.stderr
    assert "2 users: " in done.stderr
    assert " us, generator" in done.stderr


def test_a_registry_that_is_none_is_one_line() -> None:
    argv = [sys.executable, "-m", "locust", "-f", RPC, "--headless", "--host", "http://x"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 1
    assert "a registry reads tcp://HOST:PORT; found 'http://x'" in done.stderr
    assert "Traceback" not in done.stderr
