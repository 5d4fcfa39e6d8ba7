"""Runs as two real labs would leave them, and outputs of the mandatory tests."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from benchmarks.checkout import ROOT
from blueprints import model
from blueprints.evidence import Verdict
from blueprints.security import security_rules
from lab.loopback import ca
from tests.reports.conftest import Run

RECORDED = ROOT / "fixtures" / "recordings" / "akraino"
BLUEPRINT = model.load()
PLANNED = tuple((c.id, c.layer, c.title, c.mandatory("incubation")) for c in BLUEPRINT.criteria)
#: The test directories of a whole run: a suite a layer, and each mandatory test.
SUITES = {f"{c.layer}/iec4" for c in BLUEPRINT.criteria} | {
    "os/lynis",
    "os/vuls",
    "k8s/conformance",
    "k8s/kube-hunter",
}
FOUND = {f"{name} (found)": pin.version for name, pin in BLUEPRINT.pins.items()}

JUNIT = (
    b'<testsuite name="Kubernetes e2e suite" tests="2">'
    b'<testcase name="[sig-network] DNS should provide DNS"/>'
    b'<testcase name="[sig-node] Pods"><skipped/></testcase></testsuite>'
)


def lynis_log(*failing: str, absent: str = "", ended: bool = True) -> bytes:
    """A log of Lynis in which every check that Akraino names stands, in its own form."""
    names = dict.fromkeys(name for names in security_rules().lynis.values() for name in names)
    lines = ["Starting Lynis 3.0.8 with PID 4711, build date 2022-05-17", "===="]
    for name in names:
        if absent and absent in name:
            continue
        kind = "partial number of" if any(f in name for f in failing) else "maximum number of"
        points = f"Hardening: assigned {kind} hardening points (0 of 1). Currently having 3 points"
        line_end = " contains equal expected value (0)" if name.startswith("Result") else ""
        lines += [f"{name}{line_end}", points, "===="]
    if ended:
        lines += ["Lynis ended successfully", "Program ended successfully"]
    return "\n".join(f"2026-11-24 16:52:01 {line}" for line in lines).encode()


def vuls_report(family: str = "ubuntu", release: str = "20.04", **scores: float) -> bytes:
    """A report of Vuls; ``CVE_2020_0001=9.8``."""
    return json.dumps(
        {
            "family": family,
            "release": release,
            "scannedCves": {
                cve.replace("_", "-"): {"cveContents": {"nvd": [{"cvss3Score": score}]}}
                for cve, score in scores.items()
            },
        }
    ).encode()


def scan(run: Path, test: str, name: str, data: bytes) -> Path:
    file = run / "bluval" / test / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(data)
    return file


def scan_all(run: Path) -> None:
    """Outputs of every mandatory test, all of them good."""
    scan(run, "os/lynis", "edge-a.log", lynis_log())
    scan(run, "os/vuls", "edge-a.json", vuls_report(CVE_2020_0001=6.1))
    hunt = (RECORDED / "kube-hunter.json").read_bytes()
    scan(run, "k8s/kube-hunter", "cluster.json", hunt)
    scan(run, "k8s/conformance", "junit_01.xml", JUNIT)


MakeRun = Callable[..., Path]
Granting = Callable[..., Path]


def make_lab_run(
    place: Path,
    lab: str,
    *,
    name: str = "20261124T165100Z",
    but: dict[str, Verdict | None] | None = None,
    scans: bool = True,
    **state: Any,
) -> Path:
    """A run in a real lab in which all is well, but for the criteria that ``but`` names; None
    leaves one without a result. ``state`` are keys of run.json."""
    run = Run(place / "results" / f"{name}-{lab}", planned=PLANNED)
    run.save(
        **{"lab": lab, "profile": "lab", "versions": FOUND, "stages": [], "asked": {}, **state}
    )
    for identifier in (planned["id"] for planned in run.state["planned"]):
        verdict = (but or {}).get(identifier, Verdict.PASS)
        if verdict is not None:
            reason = "" if verdict is Verdict.PASS else f"{identifier} is not so"
            run.result(identifier, verdict, reason=reason)
    if scans:
        scan_all(run.path)
    return run.path


@pytest.fixture
def lab_run(tmp_path: Path) -> MakeRun:
    """`make_lab_run` in the test's own directory."""
    return partial(make_lab_run, tmp_path)


@pytest.fixture
def labs(lab_run: MakeRun) -> list[Path]:
    """Good runs of two labs."""
    return [lab_run("inwinstack"), lab_run("lf-cd")]


@pytest.fixture
def granting(tmp_path: Path) -> Granting:
    """Write a file with one exception; ``granting(covers=…, **what differs)``."""

    def write(**changed: Any) -> Path:
        entry = {
            "id": "EX-01",
            "covers": "SAAS-20",
            "owner": "the classroom's team",
            "reason": "the lab has one student host only",
            "mitigation": "measured by hand on a larger lab",
            "submitted": "2026-11-01",
            "approval": {"by": "TSC", "on": "2026-11-05", "reference": "minutes of that day"},
            "expires": "2027-05-31",
            **changed,
        }
        file = tmp_path / "granted.yaml"
        file.write_text(json.dumps({"exceptions": [entry]}))  # JSON is YAML
        return file

    return write


@pytest.fixture
def server_certificate(tmp_path: Path) -> Path:
    """A certificate for 127.0.0.1 with its key, of the CA ``ca.pem`` beside it."""
    ca.make(tmp_path)
    file = tmp_path / "server.pem"
    file.write_bytes(b"".join(ca.issue(tmp_path, "127.0.0.1")))
    return file
