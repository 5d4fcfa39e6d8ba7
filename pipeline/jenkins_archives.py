"""Brings the run directories that builds have archived here: what ``jobs fetch`` does."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping
from pathlib import Path, PurePosixPath

from blueprints.errors import ConfigError, Unacceptable
from lab.errors import LabError
from lab.jenkins.access import Access, job_path
from lab.jenkins.client import Client
from pipeline.jenkins_builds import tell
from submission.untrusted import read_zip


def fetch(access: Access, builds: list[str], output: Path) -> int:
    """Fetch the run of each of ``builds`` (JOB/NUMBER) to ``output``/RUN; print where it is.

    Each build has archived exactly one run. A run that is there already is never mixed with
    another: raises `ConfigError`. Raises `JenkinsError`, and `LabError` for an archive that is
    no run's.
    """
    client = Client(access, notice=tell)
    for build in builds:
        name, files = _run_of(client, build)
        place = output / name
        if place.exists():
            raise ConfigError(f"{place} is there already; give another --output")
        for file, data in files.items():
            target = place / file
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(data)
        print(place)
    return 0


def _run_of(client: Client, build: str) -> tuple[str, dict[str, bytes]]:
    """A build's run: its name, and its files by their paths in the run directory."""
    job, slash, number = build.rpartition("/")
    if not slash or not number.isdecimal():
        raise ConfigError(f"{build!r} is no build; it reads JOB/NUMBER")
    answer = client.get(f"{job_path(job)}{number}/artifact/*zip*/archive.zip")
    with tempfile.TemporaryDirectory(prefix="iec4-fetch-") as scratch:
        archive = Path(scratch) / "archive.zip"
        archive.write_bytes(answer.content)
        try:
            files = read_zip(archive)
        except Unacceptable as error:
            raise LabError(f"the archive of {build} cannot be taken", found=str(error)) from None
    return _one_run(build, files)


def _one_run(build: str, files: Mapping[str, bytes]) -> tuple[str, dict[str, bytes]]:
    roots = [PurePosixPath(name).parent for name in files if name.rpartition("/")[2] == "run.json"]
    if len(roots) != 1:
        raise LabError(
            f"{build} has not archived one run",
            found=f"{len(roots)} run.json among {len(files)} files",
            advice="name a build that has judged a lab",
        )
    try:
        identifier = str(json.loads(files[f"{roots[0]}/run.json"])["id"])
    except (ValueError, KeyError, TypeError):
        raise LabError(f"the run.json of {build} cannot be read") from None
    if identifier != roots[0].name:
        raise LabError(
            f"the run of {build} is not where it says", found=identifier, expected=roots[0].name
        )
    own = f"{roots[0]}/"
    return identifier, {
        name.removeprefix(own): data for name, data in files.items() if name.startswith(own)
    }
