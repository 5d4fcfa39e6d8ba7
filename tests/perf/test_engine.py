"""Real Locust processes: what they measure, when they are to blame, and that they end."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from lab.errors import LabError
from perf.load import LoadPlan
from perf.locust_engine import START_S, LocustEngine
from perf.observer import UNANSWERED, UNANSWERED_THROUGHOUT

TOY = Path(__file__).parent / "toy_load.py"
PLAN = LoadPlan(users=5, window_s=1, warm_up_s=0.2, interval_s=0.05, timeout_s=1)


def toy(behaviour: str, logs: list[str] | None = None) -> LocustEngine:
    return LocustEngine(TOY, host=behaviour, keep_log=None if logs is None else logs.append)


def test_an_open_loop_offers_its_rate_and_only_its_window_counts() -> None:
    result = toy("quick").run(PLAN)
    assert result.plan == PLAN
    assert result.failures == {}
    assert result.window_s == pytest.approx(1, abs=0.3)
    # 5 users, each every 50 ms; 26 more acted while warming up.
    assert result.succeeded == pytest.approx(100 * result.window_s, abs=10)
    assert result.rate == pytest.approx(100, rel=0.2)
    assert result.conditions.connections == 5
    assert result.conditions.body_bytes == 3
    assert result.conditions.cores == len(os.sched_getaffinity(0))
    assert "locust" in result.conditions.versions


def test_a_busy_generator_spoils_its_window() -> None:
    result = toy("busy").run(PLAN)
    assert not result.window_valid
    assert result.generator.oversleep_p99_us > 10_000
    assert result.generator.cpu_percent > 10  # of a core that much else may use


def test_a_server_that_hangs_from_the_start_is_told_apart_from_no_load() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        started = time.monotonic()
        result = toy("tcp://127.0.0.1:{1}".format(*server.getsockname())).run(
            LoadPlan(users=3, window_s=1, warm_up_s=0.2, interval_s=None, timeout_s=1)
        )
    assert time.monotonic() - started < START_S
    assert result.failures == {UNANSWERED_THROUGHOUT: 3}
    assert (result.succeeded, result.rate, result.failure_percent) == (0, 0, 100)


def test_what_was_asked_in_the_window_and_never_answered_is_a_failure() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        # One user is due at once, the other half a second after the window has opened.
        result = toy("tcp://127.0.0.1:{1}".format(*server.getsockname())).run(
            LoadPlan(users=2, window_s=1, warm_up_s=0.5, interval_s=2, timeout_s=1)
        )
    assert result.failures == {UNANSWERED: 1, UNANSWERED_THROUGHOUT: 1}
    assert result.failure_percent == 100


def test_refusals_are_failures_with_their_reason() -> None:
    result = toy("refused").run(PLAN)
    assert result.succeeded == 0
    assert list(result.failures) == ["LabError: the toy was refused"]
    assert result.failure_percent == 100


def test_without_what_it_needs_there_is_no_load() -> None:
    logs: list[str] = []
    with pytest.raises(LabError, match="the toy is not there; buy one") as error:
        toy("nothing-there", logs).run(PLAN)
    assert "Traceback" not in logs[0]
    assert error.value.evidence == logs[0]


def test_a_defect_of_the_load_is_no_figure() -> None:
    with pytest.raises(LabError, match="a load user has a defect: ZeroDivisionError"):
        toy("defect").run(PLAN)


def test_a_file_that_is_none_is_no_load(tmp_path: Path) -> None:
    (tmp_path / "broken.py").write_text("import no_such_module")
    with pytest.raises(LabError, match=r"no load could be put on with broken\.py") as error:
        LocustEngine(tmp_path / "broken.py").run(PLAN)
    assert "no_such_module" in (error.value.evidence or "")


def test_a_person_s_locust_settings_do_not_steer_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOCUST_MODE_MASTER", "true")  # would wait for workers
    assert toy("quick").run(PLAN).conditions.connections == 5


def test_a_locust_file_works_by_itself() -> None:
    argv = [sys.executable, "-m", "locust", "-f", TOY, "--headless", "--host", "quick"]
    argv += ["-u", "2", "-r", "2", "-t", "2s", "--only-summary"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    assert done.returncode == 0, done.stderr
    assert "2 users: " in done.stderr
    assert "toy" in done.stderr
