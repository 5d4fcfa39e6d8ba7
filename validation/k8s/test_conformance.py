"""Kubernetes' own conformance tests: a subset run from here, and whole runs of others read."""

from __future__ import annotations

from pathlib import Path

import pytest

from blueprints import conformance as rule
from blueprints.checks import Check
from blueprints.cluster import facts
from blueprints.errors import Unacceptable
from blueprints.evidence import Evidence
from lab.errors import LabError
from lab.iec import conformance
from lab.iec.client import SYSTEM, access
from lab.iec.probe import probe
from lab.secrets import redactor
from lab.session import Lab
from lab.task import Task

#: Where the gate looks for a whole run's report in a run directory; a subset's is none.
REPORTS = Path("bluval/k8s/conformance")


def judged(report: bytes) -> list[Check]:
    """The tests that failed, after how many ran; raises `LabError` for what is no report."""
    try:
        return rule.judge(report)
    except Unacceptable as error:
        raise LabError("the conformance tests have shown nothing", found=str(error)) from None


@pytest.mark.long
@pytest.mark.criterion("K8S-61")
@pytest.mark.timeout(conformance.TIMEOUT_S + 60)
def test_conformance_tests_pass(lab: Lab, task: Task, tmp_path: Path, evidence: Evidence) -> None:
    named = facts().conformance
    whole = lab.inventory.systems[SYSTEM].conformance
    if whole is None:
        report = conformance.run(named, access(lab), tmp_path, version=probe(lab))
        evidence.attach("e2e.log", redactor.data((tmp_path / "e2e.log").read_bytes()))
    else:
        report = conformance.read(whole)
        place = (tmp_path if task.run is None else task.run) / REPORTS
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{lab.inventory.name}.xml").write_bytes(redactor.data(report))
    evidence.attach("junit.xml", redactor.data(report))
    checks, ran = judged(report), rule.names_of_those_that_ran(report)
    with evidence.judge("conformance tests have run, as many as must, and all passed"):
        for check in checks:
            assert not check.failure, f"{check.name}: {check.failure}"
        if whole is None:
            missing = [name for name in named if name not in ran]
            assert not missing, f"did not run: {missing}"
        else:
            assert len(ran) > len(named), f"only {len(ran)} tests have run: it is no whole run"
