"""Jobs as they are defined, beside the jobs of the same names on a Jenkins."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from blueprints.guarded_xml import XmlRefused
from lab.jenkins.access import job_path
from lab.jenkins.client import Client
from lab.jenkins.drift import Drift, compare
from lab.jenkins.errors import JenkinsError, NotFound

#: Where a run directory has the jobs as they are defined, NAME.xml.
DIRECTORY = "jobs"

State = Literal["missing", "differs", "same"]


@dataclass(frozen=True)
class Compared:
    """A defined job beside the one on Jenkins; ``drift`` is None where that is missing."""

    name: str
    drift: Drift | None

    @property
    def state(self) -> State:
        if self.drift is None:
            return "missing"
        return "differs" if self.drift.matters else "same"

    @property
    def wrong(self) -> list[str]:
        """What is not as defined, one sentence each."""
        if self.drift is None:
            return [f"{self.name} is missing"]
        return [
            f"{self.name}: {found.path}: {found.why}"
            for found in self.drift.differences
            if found.matters
        ]


def definitions(run: Path) -> dict[str, str]:
    """name → XML of the jobs as defined, from a run directory; empty where it has none."""
    return {
        file.stem: file.read_text(encoding="utf-8")
        for file in sorted((run / DIRECTORY).glob("*.xml"))
    }


def look(client: Client, name: str, rendered: str) -> Compared:
    """Compare one job. Raises `JenkinsError` when Jenkins has no readable answer."""
    try:
        saved = configuration(client, name)
    except NotFound:
        return Compared(name, None)
    try:
        return Compared(name, compare(rendered, saved))
    except XmlRefused as error:
        raise JenkinsError(f"{name}: its configuration cannot be read", found=str(error)) from None


def configuration(client: Client, name: str) -> str:
    """A job's config.xml. Raises `NotFound`, `JenkinsError`."""
    # Its type names no encoding; Jenkins writes UTF-8.
    return client.get(f"{job_path(name)}config.xml").content.decode("utf-8")
