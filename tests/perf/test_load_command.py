"""``./iec4 load rpc``, as a person runs it, against a Tars in this process."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from lab.tars.body import encode_body
from lab.tars.echo_client import Echoed
from perf.study import Study
from pipeline.loading import compare
from tests.perf.tars import tars
from tests.perf.windows import window


def load(registry: str, *options: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    argv = [sys.executable, "-m", "pipeline", "load", "rpc"]
    argv += ["--registry", registry.removeprefix("tcp://"), *options]
    argv += ["--max-late", "1000000"]  # what is judged here is no latency
    return subprocess.run(argv, cwd=cwd, capture_output=True, text=True, timeout=90, check=False)


def test_a_study_is_made_written_and_compared(tmp_path: Path) -> None:
    with tars() as registry:
        first = load(
            registry, "--rate", "200", "--seconds", "1", "--repeat", "2", "--connections", "2",
            "--slo", "failures <= 0 %", "--out", "first", "--json", cwd=tmp_path,
        )  # fmt: skip
        assert first.returncode == 0, first.stderr
        assert first.stderr == ""
        study = Study.from_json(json.loads((tmp_path / "first" / "study.json").read_text()))
        assert json.loads(first.stdout)["directory"] == "first"
        assert [w.began for w in study.windows] == [200, 200]
        assert (tmp_path / "first" / "distribution.png").read_bytes().startswith(b"\x89PNG")
        again = load(
            registry, "--rate", "200", "--seconds", "1", "--repeat", "1", "--connections", "2",
            "--baseline", "first", cwd=tmp_path,
        )  # fmt: skip
    assert again.returncode in (0, 1), again.stderr
    assert "p99.9" in again.stdout
    assert again.stdout.splitlines()[-1].startswith("written to results/load-")


def test_a_stepped_rate_gives_a_window_for_each(tmp_path: Path) -> None:
    with tars() as registry:
        done = load(
            registry, "--steps", "100,200", "--seconds", "1", "--connections", "2",
            "--out", "steps", "--json", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    study = Study.from_json(json.loads(done.stdout))
    assert [window.began for window in study.windows] == [100, 200]
    assert [window.plan.offered_rate for window in study.windows] == pytest.approx([100, 200])


@pytest.mark.parametrize("options", [("--engine", "windowed"), ("--knee", "1:2")])
def test_steps_are_rates_and_no_knee(tmp_path: Path, options: tuple[str, ...]) -> None:
    done = load(
        "tcp://127.0.0.4:9", "--steps", "1,2", *options, "--slo", "p99 <= 1 us", cwd=tmp_path
    )
    assert done.returncode == 2
    assert "--steps needs an engine with a rate" in done.stderr


def test_users_think_between_an_answer_and_the_next_call(tmp_path: Path) -> None:
    with tars() as registry:
        done = load(
            registry, "--engine", "users", "--think", "0.25", "--seconds", "2", "--repeat", "1",
            "--connections", "2", "--out", "thinking", "--json", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [window] = Study.from_json(json.loads(done.stdout)).windows
    assert 8 <= window.began <= 16
    assert window.plan.offered_rate is None


def test_only_users_think(tmp_path: Path) -> None:
    done = load("tcp://127.0.0.4:9", "--engine", "open", "--think", "1", cwd=tmp_path)
    assert done.returncode == 2
    assert "--think is for --engine users" in done.stderr


def test_generators_beside_each_other_make_one_window(tmp_path: Path) -> None:
    with tars() as registry:
        done = load(
            registry, "--engine", "windowed", "--window", "4", "--processes", "2",
            "--seconds", "1", "--repeat", "1", "--connections", "2", "--out", "two", "--json",
            cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    [window] = Study.from_json(json.loads(done.stdout)).windows
    assert window.conditions.versions["generators"] == "2"
    assert window.failures == {}
    assert window.succeeded > 100


def test_wrong_answers_miss_an_objective(tmp_path: Path) -> None:
    wrong = encode_body(Echoed[str](ret="sixteen_letters.", copy="sixteen letters."))
    with tars(echo=lambda _: wrong) as registry:
        done = load(
            registry, "--rate", "100", "--seconds", "1", "--repeat", "1",
            "--slo", "failures <= 1 %", "--out", "wrong", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 1, done.stderr
    assert "failures 100 %, must be <= 1 %" in done.stdout


def test_a_knee_is_searched(tmp_path: Path) -> None:
    with tars() as registry:
        done = load(
            registry, "--knee", "100:200", "--seconds", "0.5", "--slo", "p50 <= 1000000 us",
            "--out", "knee", "--json", cwd=tmp_path,
        )  # fmt: skip
    assert done.returncode == 0, done.stderr
    knee = json.loads(done.stdout)["knee"]
    assert [step["rate"] for step in knee["steps"]] == [100, 200]
    assert knee["stopped_by"] == "highest"
    assert (tmp_path / "knee" / "knee.png").exists()


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--engine", "opne"], "unknown engine 'opne'; did you mean open?"),
        (["--slo", "p99 <= 5 ms"], "p99 is measured in us"),
        (["--knee", "5:1", "--slo", "p99 <= 5 us"], "--knee reads LOW:HIGH"),
        (["--knee", "1:5"], "--knee needs an engine with a rate"),
        (["--baseline", "nowhere"], "--baseline nowhere is no load study"),
        (["--registry", "nobody"], "--registry reads HOST:PORT"),
    ],
)
def test_a_mistake_gets_one_line(tmp_path: Path, options: list[str], says: str) -> None:
    done = load("127.0.0.1:9", *options, cwd=tmp_path)
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert says in done.stderr


def test_nobody_to_press_is_an_error_of_the_lab(tmp_path: Path) -> None:
    done = load("127.0.0.1:9", cwd=tmp_path)
    assert done.returncode == 3
    assert "127.0.0.1:9" in done.stderr


def study(*latencies_us: float, **changes: object) -> Study:
    windows = [window(1_000, latency_us=latency) for latency in latencies_us]
    return Study("echo", "2026", (), tuple(replace(one, **changes) for one in windows))


def verdicts(before: Study, now: Study) -> dict[str, str]:
    return {row[0]: row[-1] for row in compare(before, now, "lab")}


def test_bands_of_repeated_windows_tell_noise_from_moves() -> None:
    before = study(1_000, 1_040, 980, 1_010, 1_030)
    assert verdicts(before, study(1_050))["p99"] == "noise"
    assert verdicts(before, study(1_400))["p99"] == "regression"
    assert verdicts(before, study(700))["p99"] == "improvement"
    slower = verdicts(before, study(1_000, succeeded_in_window=500))
    assert slower["rate"] == "regression"
    assert verdicts(before, study(1_000, succeeded_in_window=2_000))["rate"] == "improvement"


def test_without_enough_windows_a_share_is_the_band() -> None:
    before = study(1_000)
    assert verdicts(before, study(1_150))["p99"] == "noise"
    assert verdicts(before, study(1_250))["p99"] == "regression"
