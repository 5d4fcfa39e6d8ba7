"""Locust's students in whole lessons: under the engine, by the command line, in the bench."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks import classroom as bench
from blueprints.evidence import Evidence
from blueprints.model import load
from lab.errors import LabError
from perf import run
from perf.load import LoadPlan, LoadResult
from perf.locust_engine import PERF, LocustEngine
from perf.media_figures import MediaFigures
from perf.study import Study
from perf.use_cases import USE_CASES, NotKnown
from tests.classroom_backend.running import Backend
from tests.perf.windows import window

PLAN = LoadPlan(
    users=4, window_s=1.5, warm_up_s=0.5, timeout_s=5, max_oversleep_us=1e6, profile="lecture"
)


def lesson(lab: Path, plan: LoadPlan, processes: int = 1) -> LoadResult:
    return LocustEngine(PERF / "classroom.py", host=str(lab), processes=processes).run(plan)


def test_use_cases_play_beside_each_other_and_go(classroom: Backend, classroom_lab: Path) -> None:
    found = lesson(classroom_lab, replace(PLAN, users=6, profile="talk,gaming,operation-guidance"))
    assert found.window_valid, found.spoilt_by
    assert (found.failures, found.succeeded) == ({}, 6)
    assert {name: media.students for name, media in found.use_cases.items()} == {
        "talk": 2,
        "gaming": 2,
        "operation-guidance": 2,
    }
    assert found.media is not None
    assert found.media.lost == 0
    assert found.media.tracks == 2 + 2 * 2 + 2 * (1 + 2)
    assert found.media.leave.count == 6
    assert LoadResult.from_json(json.loads(json.dumps(found.to_json()))) == found
    with classroom.api() as api:
        assert api.sessions() == ()


def test_a_server_that_swallows_media_fails_and_is_no_broken_load(
    classroom: Backend, classroom_lab: Path
) -> None:
    with classroom.fault("classroom.media-blackhole"):
        found = lesson(classroom_lab, PLAN)
    assert found.media is not None
    assert found.media.lost == found.media.expected > 0
    for criterion, value in (("SAAS-21", 100.0), ("SAAS-27", None)):
        scenario = USE_CASES[criterion]
        [figure, _] = scenario.figures(replace(found, use_cases={"lecture": found.media}))
        assert value is None or figure.value == value
        limit = load().criterion(criterion).limit(figure.name, "embedded")
        assert limit is not None
        assert not limit.met_by(figure.value)


def test_who_is_turned_away_is_a_failure_with_its_reason(
    classroom: Backend, classroom_lab: Path
) -> None:
    with classroom.fault("classroom.seats-short"):
        found = lesson(classroom_lab, PLAN)
    assert found.succeeded == 1  # two observers were there before
    [(why, count)] = found.failures.items()
    assert "joinRoom was refused" in why
    assert count == 3


def test_workers_have_classrooms_of_their_own(classroom_lab: Path) -> None:
    found = lesson(classroom_lab, PLAN, processes=2)
    assert found.conditions.versions["generators"] == "2"
    assert found.media is not None
    assert found.media.students == 4
    assert found.failures == {}


def test_a_person_watches_it_in_locust_itself(classroom_lab: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "locust", "-f", str(PERF / "classroom.py"), "--headless"]
    argv += ["--host", str(classroom_lab), "--use-case", "talk", "-u", "3", "-r", "3", "-t", "4s"]
    done = subprocess.run(
        [*argv, "--only-summary"], cwd=tmp_path, capture_output=True, text=True, timeout=60,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    told = done.stdout + done.stderr
    assert "3 students: " in told  # the window that Locust's end closed
    for step in ("token", "join", "media", "leave"):
        assert re.search(rf"classroom +{step} +3 +0\(", told), told


def test_without_a_classroom_there_is_no_load(classroom: Backend, classroom_lab: Path) -> None:
    text = classroom_lab.read_text().replace(str(classroom.port), "9")
    classroom_lab.write_text(text)
    with pytest.raises(LabError, match="no load could be put on"):
        lesson(classroom_lab, PLAN)


def test_delays_that_nobody_can_know_are_not_judged() -> None:
    media = MediaFigures(students=2, expected=100, lost=1)
    unknown = replace(window(1), media=media, use_cases={"gaming": media})
    evidence = Evidence(load().criterion("SAAS-26"), "embedded")
    with pytest.raises(NotKnown, match="other numbers"):
        run.judge(evidence, USE_CASES["SAAS-26"], Replayed(unknown))


@pytest.mark.parametrize(("valid", "measured"), [(True, 1), (False, 2)])
def test_one_window_serves_all_use_cases_unless_it_was_spoilt(valid: bool, measured: int) -> None:
    windows, engine = run.Windows(), Replayed(window(1, valid=valid))
    for criterion in ("SAAS-21", "SAAS-26"):
        scenario = USE_CASES[criterion]
        windows.engine(scenario, engine).run(scenario.plans["embedded"])
    assert engine.runs == measured


class Replayed:
    """An engine that has measured already."""

    def __init__(self, result: LoadResult) -> None:
        self.runs = 0
        self._result = result

    def run(self, _: LoadPlan) -> LoadResult:
        self.runs += 1
        return self._result


def command(lab: Path, *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pipeline", "load", "classroom", "--lab", str(lab)]
    argv += ["--seconds", "1", "--students", "3", "--ramp", "0", "--max-late", "1000000"]
    return subprocess.run(
        [*argv, *options], cwd=cwd, capture_output=True, text=True, timeout=100, check=False
    )


def test_a_study_is_made_judged_and_compared(classroom_lab: Path, tmp_path: Path) -> None:
    first = command(
        classroom_lab, "--profile", "talk", "--repeat", "1", "--out", "first", "--json",
        "--slo", "loss <= 5 %", "--slo", "freezes <= 0 count", cwd=tmp_path,
    )  # fmt: skip
    assert first.returncode == 0, first.stderr
    study = Study.from_json(json.loads((tmp_path / "first" / "study.json").read_text()))
    assert study.values("students") == [3]
    assert "delay_p95 (us)" in (tmp_path / "first" / "study.html").read_text()
    again = command(
        classroom_lab, "--profile", "talk", "--repeat", "1", "--baseline", "first",
        "--slo", "delay_p50 <= 1 us", cwd=tmp_path,
    )  # fmt: skip
    assert again.returncode == 1, again.stderr
    assert "must be <= 1 us" in again.stdout
    assert "join_p95" in again.stdout


def test_capacity_is_searched(classroom_lab: Path, tmp_path: Path) -> None:
    done = command(
        classroom_lab, "--profile", "talk", "--capacity", "2:4", "--slo", "loss <= 50 %",
        "--out", "capacity", cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "knee: 4 students (search ended by: highest)" in done.stdout
    assert "asked (students)" in (tmp_path / "capacity" / "study.html").read_text()
    assert (tmp_path / "capacity" / "knee.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--profile", "lectur"], "did you mean lecture?"),
        (["--slo", "p99 <= 5 us"], "unknown figure 'p99'"),
        (["--capacity", "5"], "--capacity reads LOW:HIGH"),
    ],
)
def test_a_mistake_gets_one_line(
    classroom_lab: Path, tmp_path: Path, options: list[str], says: str
) -> None:
    done = command(classroom_lab, *options, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def test_the_bench_has_all_its_figures(tmp_path: Path) -> None:
    size = bench.Size(
        (2,), (2,), 0, window_s=0.5, few=2, ramp_s=0.5, cycles=4, a_second=10
    )  # fmt: skip
    found = bench.take(tmp_path, size)
    assert found.figures.keys() == {figure.key for figure in bench.FIGURES}
    assert (found.figures["audio_students"], found.figures["av_students"]) == (2, 2)
    assert found.figures["backend_mib_per_student"] > 0
