"""``lab scans``: scanners' outputs, judged and taken into a run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.pipeline.conftest import Iec4
from tests.submission.conftest import JUNIT, RECORDED, lynis_log, vuls_report


@pytest.fixture
def scans(tmp_path: Path) -> Path:
    """What a lab's scanners left, all of it as it must be."""
    place = tmp_path / "scans"
    for name, data in (
        ("os/lynis/node1.log", lynis_log()),
        ("os/vuls/node1.json", vuls_report()),
        ("k8s/conformance/junit.xml", JUNIT),
    ):
        (place / name).parent.mkdir(parents=True)
        (place / name).write_bytes(data)
    hunted = place / "k8s" / "kube-hunter" / "hunter.json"
    hunted.parent.mkdir()
    shutil.copy(RECORDED / "kube-hunter.json", hunted)
    return place


def test_outputs_are_judged_and_taken_in(iec4: Iec4, scans: Path, tmp_path: Path) -> None:
    done = iec4("lab", "scans", str(scans), "--run", "a-run")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "os/lynis: node1.log: 0 of 8 failed" in done.stdout
    taken = {
        p.relative_to(tmp_path / "a-run" / "bluval") for p in (tmp_path / "a-run").rglob("*.*")
    }
    assert taken == {p.relative_to(scans) for p in scans.rglob("*.*")}


def test_a_finding_fails(iec4: Iec4, scans: Path) -> None:
    shutil.copy(RECORDED / "kube-hunter-finding.json", scans / "k8s/kube-hunter/hunter.json")
    done = iec4("lab", "scans", str(scans))
    assert done.returncode == 1
    assert "k8s/kube-hunter: hunter.json: 1 of" in done.stdout


def test_a_mandatory_test_without_output_fails(iec4: Iec4, scans: Path) -> None:
    shutil.rmtree(scans / "os" / "vuls")
    done = iec4("lab", "scans", str(scans))
    assert (done.returncode, done.stdout.splitlines()[-1]) == (
        1,
        f"os/vuls: no output in {scans / 'os' / 'vuls'}",
    )


def test_what_cannot_be_read_is_not_judged(iec4: Iec4, scans: Path) -> None:
    (scans / "os" / "vuls" / "node1.json").write_text("not JSON")
    done = iec4("lab", "scans", str(scans))
    assert done.returncode == 3
    assert "os/vuls" in done.stderr


def test_nothing_at_all_is_told(iec4: Iec4, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    assert iec4("lab", "scans", "empty").returncode == 4
    assert iec4("lab", "scans", "nowhere").returncode == 2
