"""Vuls' reports about the hosts, as the inventory tells where they lie, by Akraino's rules."""

from __future__ import annotations

import pytest

from blueprints import vuls
from blueprints.checks import Check
from blueprints.errors import Unacceptable
from blueprints.evidence import Evidence
from blueprints.release_rules import release_rules
from blueprints.security import security_rules
from lab.errors import LabError
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task

#: Where the gate looks for the reports in a run directory.
REPORTS = "bluval/os/vuls"


@pytest.mark.criterion("OS-31")
def test_no_host_has_a_grave_vulnerability(lab: Lab, task: Task, evidence: Evidence) -> None:
    judged = {
        name: judge(lab, task, name) for name, host in lab.inventory.hosts.items() if host.vuls
    }
    with evidence.judge("Vuls finds no grave vulnerability that is not excepted"):
        for name, checks in judged.items():
            for check in checks:
                assert not check.failure or check.excepted, (
                    f"{check.name} on {name}: {check.failure}"
                )


def judge(lab: Lab, task: Task, name: str) -> list[Check]:
    """The checks of a host's report; raises `LabError` for one that is none."""
    report = lab.inventory.hosts[name].vuls
    assert report is not None
    data = redactor.data(
        lab.host(report.on or name).run(["cat", report.file], sudo=True).check().stdout
    )
    if task.run is not None and lab.inventory.state is None:  # ours have none that looked
        place = task.run / REPORTS / f"{name}{'.json' if report.file.endswith('.json') else '.txt'}"
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(data)
    try:
        return vuls.judge(data, security_rules().vuls, release_rules().vuls_score)
    except Unacceptable as error:
        raise LabError(f"there is no report of Vuls about {name}", found=str(error)) from None
