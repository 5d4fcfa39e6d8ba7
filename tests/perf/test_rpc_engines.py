"""The engines as Locust users: its table, CSV, page and workers; no engine outlives its Locust."""

from __future__ import annotations

import csv
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import psutil

from lab.tars.body import encode_body
from lab.tars.echo_client import ECHO_OBJECT, Echoed
from lab.tars.embedded.servants import Call
from lab.wait import wait_for
from perf.load import LoadPlan
from perf.locust_engine import PERF, LocustEngine
from tests.perf.tars import tars

ENGINES = PERF / "rpc_engines.py"
PLAN = LoadPlan(users=4, window_s=1.5, warm_up_s=0.2, interval_s=0.02, max_oversleep_us=1e6)


def locust(registry: str, *options: str) -> list[str]:
    return [sys.executable, "-m", "locust", "-f", str(ENGINES), "--host", registry, *options]


@contextmanager
def running(argv: list[str], cwd: Path) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(argv, cwd=cwd, stderr=subprocess.PIPE, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def engines_of(pid: int) -> list[psutil.Process]:
    """Engine processes that a Locust has started."""
    children = psutil.Process(pid).children(recursive=True)
    return [one for one in children if "perf.engines" in one.cmdline()]


def test_by_itself_it_fills_locust_s_table_and_csv(tmp_path: Path) -> None:
    with tars() as registry:
        argv = locust(registry, "--headless", "-u", "2", "-r", "2", "-t", "4s", "--csv", "t")
        argv += ["--calls-per-s", "50", "--only-summary"]
        done = subprocess.run(
            argv, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 0, done.stderr
    told = re.search(r"2 users: .*, 0 of (\d+) failed, p50", done.stderr)
    assert told is not None, done.stderr
    began = int(told.group(1))
    assert 100 <= began <= 400
    assert re.search(rf"^iec4 +{ECHO_OBJECT}.echoString +{began} ", done.stderr, re.MULTILINE)
    rows = list(csv.DictReader((tmp_path / "t_stats.csv").open()))
    assert {row["Name"] for row in rows} == {f"{ECHO_OBJECT}.echoString", "Aggregated"}
    # Locust writes its files each second, and not once more at its end.
    assert all(0 < int(row["Request Count"]) <= began for row in rows)
    assert all(0 < float(row["Average Response Time"]) < 1000 for row in rows)


def test_wrong_answers_stand_in_locust_s_table_of_errors(tmp_path: Path) -> None:
    def wrong(_call: Call) -> bytes:
        return encode_body(Echoed[str](ret="sixteen_letters.", copy="sixteen letters."))

    with tars(wrong) as registry:
        argv = locust(registry, "--headless", "-u", "1", "-t", "3s", "--csv", "t", "--in-flight")
        done = subprocess.run(
            [*argv, "2"], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
    assert done.returncode == 1, done.stderr
    [row] = csv.DictReader((tmp_path / "t_failures.csv").open())
    assert row["Error"] == "iRet 0, but not the body expected"
    assert int(row["Occurrences"]) > 10


def test_workers_share_the_connections_and_their_histograms_are_merged() -> None:
    with tars() as registry:
        result = LocustEngine(ENGINES, host=registry, processes=2).run(PLAN)
    assert result.plan == PLAN
    assert result.failures == {}
    assert result.began == 300
    assert result.conditions.connections == 4
    assert result.conditions.versions["generators"] == "2"
    assert result.returns == {0: 300}


def test_workers_that_reach_nobody_make_no_load() -> None:
    done = subprocess.run(
        locust("tcp://127.0.0.4:9", "--headless", "-u", "1", "-t", "2s"),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "the load cannot be put on" in done.stderr
    assert "127.0.0.4:9" in done.stderr


def test_options_that_contradict_are_one_line() -> None:
    argv = locust("tcp://127.0.0.4:9", "--headless", "--calls-per-s", "1", "--in-flight", "1")
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert "give one" in done.stderr
    assert "Traceback" not in done.stderr


def test_locust_s_page_starts_and_ends_the_load_and_changes_it(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    page = httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=10)

    def answered() -> bool:
        try:
            return page.get("/stats/requests").status_code == 200
        except httpx.TransportError:
            return False

    def counted() -> int:
        return int(page.get("/stats/requests").json()["stats"][-1]["num_requests"])

    with (
        tars() as registry,
        page,
        running(locust(registry, "--web-port", str(port)), tmp_path) as web,
    ):
        wait_for("Locust's page", answered, timeout=30)
        page.post("/swarm", data={"user_count": 1, "spawn_rate": 10})
        wait_for("calls in its table", lambda: counted() > 0, timeout=30)
        [first] = engines_of(web.pid)
        page.post("/swarm", data={"user_count": 2, "spawn_rate": 10})
        wait_for("another engine", lambda: not first.is_running(), timeout=30)
        before = counted()
        wait_for("calls of the new one", lambda: counted() > before, timeout=30)
        assert page.post("/stop").is_success
        wait_for("the engine's end", lambda: not engines_of(web.pid), timeout=30)
        web.send_signal(signal.SIGTERM)
        _, told = web.communicate(timeout=30)
    assert re.search(r"2 users: .* 0 of \d+ failed", told), told


def test_no_engine_outlives_its_locust(tmp_path: Path) -> None:
    with tars() as registry:
        argv = locust(registry, "--headless", "-u", "1", "-t", "60s", "--calls-per-s", "20")
        with running(argv, tmp_path) as process:
            wait_for("the engine", lambda: engines_of(process.pid), timeout=30)
            [engine] = engines_of(process.pid)
            os.kill(process.pid, signal.SIGKILL)
            wait_for("the engine's end", lambda: not engine.is_running(), timeout=10)
