"""The pipeline is killed, at any stage: nothing of it is left, and what it was doing goes on."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from lab.inventory import Inventory
from lab.wait import wait_for
from reports.results import read_results
from tests.pipeline.conftest import Iec4
from tests.pipeline.runs import processes_of, results_of, started, state_of, until_stage

#: Criteria of pytest and of Robot, on the system that is up soonest; and one of Locust's.
CHOSEN = "OS-01,OS-02,SAAS-02"
OF_LOCUST = "SAAS-20"


def killed_in(stage: str, run: Path, chosen: str) -> None:
    """Have a run killed, SIGKILL, in a stage of it."""
    with started("run", "--run", str(run), "--only", chosen, cwd=run.parent) as process:
        if stage == "report":  # it has no record of its own: the generator's files tell
            wait_for("the generator", lambda: [*run.glob(".report-*")], timeout=60, slowest=0.05)
        else:
            until_stage(run, stage)
        process.kill()
        process.communicate(timeout=30)


def all_gone(run: Path) -> None:
    wait_for("the end of all its processes", lambda: not processes_of(run), timeout=15)
    assert not (run / "lab").exists()


@pytest.mark.parametrize("stage", ["lab", "lease", "deploy", "validate", "perf", "scan", "report"])
def test_a_run_that_was_killed_leaves_nothing_and_goes_on(
    iec4: Iec4, tmp_path: Path, stage: str
) -> None:
    run = tmp_path / "mine"
    killed_in(stage, run, f"{CHOSEN},{OF_LOCUST}" if stage == "perf" else CHOSEN)
    judged = results_of(run)
    verdicts = {c.id: c.state for c in read_results(run).criteria}
    assert state_of(run)["stages"][-1]["name"] == {"report": "scan"}.get(stage, stage)
    resumed = iec4("run", "--resume", str(run))

    all_gone(run)
    criteria = {c.id: c for c in read_results(run).criteria}
    spoilt = "load generator" in criteria[OF_LOCUST].reason if OF_LOCUST in criteria else False
    if spoilt:  # on a machine that is too busy for it: judged, and not by its fault
        del criteria[OF_LOCUST]
    assert {c.state for c in criteria.values()} == {"PASS"}, resumed.stdout + resumed.stderr
    assert resumed.returncode == (3 if spoilt else 0)
    kept = results_of(run)
    for name, content in judged.items():  # what had been judged is as it was: nothing is lost
        assert kept[name] == content
    assert len(kept) == len(verdicts), "each criterion is judged once"
    assert (run / "report.html").exists()
    left = [p for p in run.rglob("*") if p.name.startswith(".") or p.name.endswith(".tmp")]
    assert left == []


def test_nothing_is_reported_that_was_not_measured(iec4: Iec4, tmp_path: Path) -> None:
    """A report of a run that was cut off says so of each criterion without a verdict."""
    run = tmp_path / "mine"
    killed_in("validate", run, f"{CHOSEN},{OF_LOCUST}")
    all_gone(run)
    measured = {
        label["value"]
        for content in results_of(run).values()
        for label in json.loads(content)["labels"]
        if label["name"] == "criterion"
    }
    done = iec4("report", str(run))
    assert done.returncode == 3
    for criterion in read_results(run).criteria:
        if criterion.id not in measured:
            assert (criterion.state, criterion.reason) == (
                "NONE", "no verdict: the run was cut off"
            )  # fmt: skip


def test_a_run_that_is_under_way_cannot_be_resumed(iec4: Iec4, tmp_path: Path) -> None:
    run = tmp_path / "mine"
    with started("run", "--run", str(run), "--only", "SAAS-06,SAAS-07", cwd=tmp_path) as process:
        until_stage(run, "deploy")
        second = iec4("run", "--resume", str(run))
        assert second.returncode == 2
        assert "another ./iec4 works on this run" in second.stderr
        process.communicate(timeout=60)
    assert process.returncode == 0
    assert iec4("run", "--resume", str(run)).returncode == 2


def test_a_killed_run_on_a_lab_that_was_there_goes_on_at_once(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    """Its lease is its own; nobody has to wait until that ends."""
    run, lab_file = tmp_path / "mine", str(lab.file)
    with started(
        "run", "--lab", lab_file, "--run", str(run), "--only", "SAAS-02", cwd=tmp_path
    ) as process:
        until_stage(run, "deploy")
        process.kill()
        process.communicate(timeout=30)
    other: subprocess.CompletedProcess[str] = iec4("run", "--lab", lab_file, "--only", "SAAS-02")
    assert other.returncode == 3
    assert f"process {process.pid}" in other.stderr
    assert "its lease ends by itself" in other.stderr
    resumed = iec4("run", "--lab", lab_file, "--resume", str(run))
    assert resumed.returncode == 0, resumed.stderr
