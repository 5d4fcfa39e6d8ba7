"""Two operators on one lab: one works, the other is told who does, and judges nothing."""

from __future__ import annotations

from pathlib import Path

from lab.inventory import Inventory
from reports.results import read_results
from tests.pipeline.runs import started, state_of


def test_of_two_who_begin_at_once_one_has_the_lab(lab: Inventory, tmp_path: Path) -> None:
    runs = [tmp_path / "first", tmp_path / "second"]
    on = ("run", "--lab", str(lab.file), "--only", "SAAS-06", "--run")
    asked = [(*on, str(run)) for run in runs]
    with started(*asked[0], cwd=tmp_path) as one, started(*asked[1], cwd=tmp_path) as two:
        said = {process.pid: process.communicate(timeout=100)[1] for process in (one, two)}
    had, refused = sorted((one, two), key=lambda process: process.returncode)
    assert (had.returncode, refused.returncode) == (0, 3), said
    assert f"by process {had.pid}" in said[refused.pid]
    by_process = dict(zip((one.pid, two.pid), runs, strict=True))
    assert [c.state for c in read_results(by_process[had.pid]).criteria] == ["PASS"]
    assert [c.state for c in read_results(by_process[refused.pid]).criteria] == ["NONE"]
    stages = {s["name"]: s["state"] for s in state_of(by_process[refused.pid])["stages"]}
    assert stages["lease"] == "failed"
    assert "deploy" not in stages, "who has no lease touches nothing"
