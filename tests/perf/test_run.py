"""``python -m perf.run`` as the perf stage starts it: verdicts, result files, events, exit code."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from lab.wait import wait_for
from perf.load import LoadResult
from tests.classroom_backend.running import Backend
from tests.perf.conftest import write_lab


@pytest.fixture
def run_directory(tmp_path: Path) -> Path:
    directory = tmp_path / "run"
    directory.mkdir()
    (directory / "run.json").write_text(json.dumps({"blocked": {}}))
    return directory


def perf_run(run: Path, lab: Path, *criteria: str) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "perf.run", "--run", str(run), "--lab", str(lab)]
    return subprocess.run(
        [*argv, "--only", ",".join(criteria)],
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def result_of(run: Path, criterion: str) -> dict[str, Any]:
    """The one result file, with its labels and attachments by name."""
    [file] = (run / "allure-results").glob("*-result.json")
    result: dict[str, Any] = json.loads(file.read_text())
    result["labels"] = {label["name"]: label["value"] for label in result["labels"]}
    assert result["labels"]["criterion"] == criterion
    result["attachments"] = {
        attachment["name"]: (file.parent / attachment["source"]).read_bytes()
        for attachment in result.get("attachments", [])
    }
    return result


def events(run: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]


def test_joins_within_their_limits_pass_with_measurements_and_raw_figures(
    run_directory: Path, classroom_lab: Path, classroom: Backend
) -> None:
    done = perf_run(run_directory, classroom_lab, "SAAS-20")
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("PASS SAAS-20")

    result = result_of(run_directory, "SAAS-20")
    assert result["status"] == "passed"
    assert {"layer": "saas", "verdict": "PASS"}.items() <= result["labels"].items()
    assert result["stop"] - result["start"] > 6000
    figures = {m["name"]: m for m in json.loads(result["attachments"]["measurements.json"])}
    assert figures["join_p95"]["threshold"] == "<= 1000000 us"
    assert figures["join_p95"]["met"]
    assert figures["join_p95"]["value"] > 1000
    assert figures["join_failures"]["value"] == 0

    assert result["attachments"]["distribution.png"].startswith(b"\x89PNG")
    windows = [name for name in result["attachments"] if name.startswith("load-")]
    raw = LoadResult.from_json(json.loads(result["attachments"][windows[-1]]))
    assert raw.window_valid
    assert raw.succeeded == 60  # 20 students, three times in the window
    assert "websockets" in raw.conditions.versions

    kinds = [event["kind"] for event in events(run_directory)]
    assert kinds == ["start", *["step"] * len(windows), "end"]
    assert "20 users: " in (run_directory / "logs" / "locust-SAAS-20.log").read_text()
    with classroom.api() as api:
        assert api.sessions() == (), "the session under load is closed again"


def test_slow_joins_fail_by_their_percentile(
    run_directory: Path, classroom_lab: Path, classroom: Backend
) -> None:
    with classroom.fault("classroom.join-slow"):
        done = perf_run(run_directory, classroom_lab, "SAAS-20")
    assert done.returncode == 1
    result = result_of(run_directory, "SAAS-20")
    assert result["status"] == "failed"
    assert "students join at the same time within a second: join_p95 is" in done.stdout
    assert events(run_directory)[-1]["verdict"] == "FAIL"


def test_a_system_that_is_down_before_the_load_is_an_error(
    run_directory: Path, tmp_path: Path
) -> None:
    secret = tmp_path / "secret"
    secret.write_text("never-used")
    nobody = {"api": "https://127.0.0.3:9"}
    lab = write_lab(
        tmp_path,
        classroom={"adopted": True, "endpoints": nobody, "secrets": {"api": f"file:{secret}"}},
    )
    started = time.monotonic()
    done = perf_run(run_directory, lab, "SAAS-20")
    assert time.monotonic() - started < 30
    assert done.returncode == 1
    assert result_of(run_directory, "SAAS-20")["status"] == "broken"
    assert events(run_directory)[-1]["verdict"] == "ERROR"
    assert "blocked by classroom" in events(run_directory)[-1]["reason"]


def test_a_lab_without_the_system_is_a_skip(run_directory: Path, tmp_path: Path) -> None:
    done = perf_run(run_directory, write_lab(tmp_path), "SAAS-20")
    assert done.returncode == 0, done.stderr
    assert result_of(run_directory, "SAAS-20")["status"] == "skipped"
    assert "the lab has no classroom" in done.stdout


def test_an_interruption_ends_it_at_once_and_leaves_nothing(
    run_directory: Path, classroom_lab: Path, classroom: Backend
) -> None:
    argv = [sys.executable, "-m", "perf.run", "--run", str(run_directory)]
    argv += ["--lab", str(classroom_lab), "--only", "SAAS-20"]
    with (
        classroom.api() as api,
        subprocess.Popen(argv, stderr=subprocess.PIPE, start_new_session=True) as process,
    ):
        wait_for("students in the classroom", api.sessions, timeout=30)
        process.send_signal(signal.SIGINT)  # to it alone: Locust is its own to end
        assert process.wait(5) == 130
        assert b"Traceback" not in process.stderr.read()
        with pytest.raises(ProcessLookupError):
            os.killpg(process.pid, 0)
        wait_for("the end of the session", lambda: not api.sessions(), timeout=20)


def test_a_directory_that_is_no_run_is_refused(tmp_path: Path) -> None:
    done = perf_run(tmp_path, write_lab(tmp_path), "SAAS-20")
    assert done.returncode == 2
    assert "is no run directory: it has no run.json" in done.stderr


@pytest.mark.parametrize(
    ("lab", "only", "says"),
    [
        ("no-such-lab", "SAAS-20", "unknown lab"),
        ("inwinstack", "SAAS-99", "unknown criterion"),
        ("inwinstack", "PAAS-01,OS-01", "none of OS-01, PAAS-01 is judged by Locust"),
    ],
)
def test_a_task_that_cannot_be_understood_is_one_line_and_2(lab: str, only: str, says: str) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "perf.run", "--lab", lab, "--only", only],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={k: v for k, v in os.environ.items() if not k.startswith("IEC4_")},
    )
    assert done.returncode == 2
    assert says in done.stderr
    assert done.stderr.count("\n") == 1
