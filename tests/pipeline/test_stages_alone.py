"""What a stage plans that is the first of its run, as in a Jenkins job of its own."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from blueprints import model
from lab import inventory as inventories
from lab.loopback.lifecycle import down, up
from tests.pipeline.conftest import Iec4

#: A lab whose first host refuses connections: a stage gets as far as its plan.
AWAY = """
name: away
kind: real
profile: lab
hosts:
  jenkins-master:
    roles: [jenkins-master]
    address: 127.0.0.1
    port: 9
    host_key: ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGV4YW1wbGVleGFtcGxlZXhhbXBsZWV4YW1wbGVleGFt
    accounts: [{name: me, key: "file:key"}]
systems: {}
"""


@pytest.mark.parametrize(
    ("stage", "runners"),
    [("perf", {"locust"}), ("validate", {"pytest", "robot", "locust"})],
)
def test_perf_alone_plans_what_it_measures(
    iec4: Iec4, tmp_path: Path, stage: str, runners: set[str]
) -> None:
    (tmp_path / "away.yaml").write_text(AWAY)
    done = iec4(stage, "--lab", "away.yaml", "--run", "run", "--maturity", "mature")
    assert done.returncode == 3, done.stderr
    state = json.loads((tmp_path / "run" / "run.json").read_text())
    assert state["maturity"] == "mature"
    wanted = {c.id for c in model.load().criteria if c.runner in runners}
    assert {criterion["id"] for criterion in state["planned"]} == wanted


def test_validate_alone_writes_down_what_it_met(iec4: Iec4, tmp_path: Path) -> None:
    """A gate asks for the versions that were found; Jenkins runs the stages one by one."""
    state = tmp_path / "lab"
    lab = up(inventories.load("embedded"), state, owner_pid=os.getpid(), ttl_s=300)
    try:
        done = iec4("validate", "--lab", str(lab.file), "--run", "run", "--only", "OS-01")
    finally:
        down(state)
    assert done.returncode == 0, done.stderr
    versions = json.loads((tmp_path / "run" / "run.json").read_text())["versions"]
    assert {"pytest (tool)", "python (tool)"} <= set(versions)


def test_what_the_validation_ui_asks_for_is_told_in_a_dry_run(iec4: Iec4, tmp_path: Path) -> None:
    run = tmp_path / "run"
    done = iec4(
        "jobs", "akraino", "--submission-id", "7", "--lab", "snd-embedded", "--ui-ip", "192.0.2.7",
        "--layer", "cicd", "--run", str(run), "--nexus", "https://nexus.example.org", "--dry-run",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    judged, submitted, told = done.stdout.splitlines()
    assert judged.startswith("judge CICD-01, ")
    assert submitted == "submit it to silo snd-embedded on https://nexus.example.org"
    assert told == "tell http://192.0.2.7 that submission 7 is done"
    assert not run.exists()
