"""kube-hunter on the cluster, from outside and as nobody, judged by Akraino's rule."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprints import kube_hunter
from blueprints.errors import Unacceptable
from blueprints.evidence import Evidence
from blueprints.security import security_rules
from lab.environments import INSTALL_TIMEOUT_S
from lab.errors import LabError
from lab.iec.hunting import TIMEOUT_S, hunt, targets
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task

#: Where the gate looks for the report in a run directory.
REPORTS = Path("bluval/k8s/kube-hunter")


@pytest.mark.criterion("K8S-60")
@pytest.mark.timeout(INSTALL_TIMEOUT_S + TIMEOUT_S + 60)
def test_kube_hunter_finds_nothing(
    lab: Lab, task: Task, tmp_path: Path, evidence: Evidence
) -> None:
    report = redactor.data(hunt(targets(lab)))
    place = tmp_path if task.run is None else task.run / REPORTS
    place.mkdir(parents=True, exist_ok=True)
    (place / f"{lab.inventory.name}.json").write_bytes(report)
    evidence.attach("kube-hunter.json", report.decode(errors="replace"))
    try:
        checks = kube_hunter.judge(report, security_rules().kube_hunter)
    except Unacceptable as error:
        raise LabError("kube-hunter has shown nothing", found=str(error)) from None
    with evidence.judge("kube-hunter finds nothing"):
        for check in checks:
            assert not check.failure, f"{check.name}: {check.failure}"
