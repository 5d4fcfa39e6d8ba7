"""The contracts between rooms hold, and each one fails when a forbidden import is planted."""

from __future__ import annotations

import configparser
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

from benchmarks.checkout import ROOT, copy_checkout

CONTRACTS = ROOT / ".importlinter"


@dataclass(frozen=True)
class Plant:
    """A forbidden import: the module that gets it (its file and its name), and what it imports."""

    file: str
    module: str
    imports: str


PLANTS = {
    "blueprints": Plant("blueprints/planted.py", "blueprints.planted", "lab.wait"),
    "lab": Plant("lab/tars/planted.py", "lab.tars.planted", "pytest"),
    "fixtures": Plant("fixtures/planted.py", "fixtures.planted", "reports.files"),
    "validation": Plant("validation/saas/planted.py", "validation.saas.planted", "perf"),
    "keywords": Plant("robot/iec4_keywords/planted.py", "iec4_keywords.planted", "fixtures"),
    "perf": Plant("perf/planted.py", "perf.planted", "pipeline.rundir"),
    "reports": Plant("reports/planted.py", "reports.planted", "lab.wait"),
    "submission": Plant("submission/planted.py", "submission.planted", "lab.session"),
    "jobs": Plant("jobs/planted.py", "jobs.planted", "reports.files"),
    "embedded": Plant("lab/tars/planted.py", "lab.tars.planted", "lab.classroom.embedded"),
    "cores": Plant("lab/classroom/wire.py", "lab.classroom.wire", "socket"),
}


def lint(checkout: Path, contract: str | None = None) -> subprocess.CompletedProcess[str]:
    """Run import-linter on a checkout's own packages, not on those of this environment."""
    tool = Path(sys.executable).with_name("lint-imports")
    one = ["--contract", contract] if contract else []
    return subprocess.run(
        [tool, "--no-cache", "--no-logo", *one],
        cwd=checkout,
        env={"PYTHONPATH": f"{checkout}:{checkout / 'robot'}"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("imports") / "checkout")


def test_every_contract_holds() -> None:
    done = lint(ROOT)
    assert done.returncode == 0, done.stdout


def test_every_contract_has_a_plant() -> None:
    config = configparser.ConfigParser()
    config.read(CONTRACTS)
    names = {name.rpartition(":")[2] for name in config.sections() if ":contract:" in name}
    assert names == set(PLANTS)


@pytest.mark.parametrize("contract", PLANTS)
def test_a_planted_import_breaks_its_contract(copy: Path, contract: str) -> None:
    plant = PLANTS[contract]
    file = copy / plant.file
    before = file.read_text() if file.exists() else None
    file.write_text(f"{before or ''}\nimport {plant.imports}\n")
    done = lint(copy, contract)
    file.unlink() if before is None else file.write_text(before)

    assert done.returncode == 1
    assert "1 broken" in done.stdout
    assert any(
        plant.module in line and plant.imports in line for line in done.stdout.splitlines()
    ), done.stdout
