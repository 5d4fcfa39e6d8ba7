"""The suite's own jobs on the Jenkins of a lab: defined where it is deployed, judged anywhere."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jobs.apply import put
from jobs.render import SITE, render
from lab.inventory import Inventory
from lab.jenkins.defined import DIRECTORY
from lab.jenkins.probe import SYSTEM, client, master_host
from lab.recipe import Step
from lab.secrets import redactor
from lab.session import Lab
from pipeline.rundir import RunDirectory


@dataclass(frozen=True)
class DefineJobs(Step):
    """Bring the suite's jobs onto a Jenkins that the suite deployed."""

    site: Path

    def execute(self, lab: Lab) -> str:
        jenkins = client(lab)
        before = {put(jenkins, name, xml) for name, xml in _rendered(self.site).items()}
        return "unchanged" if before == {"same"} else "done"

    def describe(self) -> str:
        return f"./iec4 jobs apply --site {self.site}"


def steps(lab: Lab) -> list[Step]:
    """What follows Jenkins' own steps; none where nobody said which jobs it is to have."""
    site = _site(lab.inventory)
    return [DefineJobs("define the suite's jobs", master_host(lab), site)] if site else []


def keep(run: RunDirectory, inventory: Inventory) -> None:
    """Put the jobs as defined into a run directory, where criteria look for them."""
    site = _site(inventory)
    if site is None:
        return
    place = run.path / DIRECTORY
    place.mkdir(exist_ok=True)
    for name, xml in _rendered(site).items():
        (place / f"{name}.xml").write_text(redactor.text(xml), encoding="utf-8")


def _site(inventory: Inventory) -> Path | None:
    entry = inventory.systems.get(SYSTEM)
    if entry is None:
        return None
    return SITE if entry.site is None and inventory.kind == "embedded" else entry.site


@cache
def _rendered(site: Path) -> dict[str, str]:
    return render(site=site)
