"""The defined jobs on a running Jenkins: UI → Jenkins → a lab → Nexus → UI, with real commands.

Jenkins, Nexus and the UI are the suite's doubles, which are held to recordings and sources.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from jobs.render import SITE, render
from lab.wait import wait_for
from submission.attestation import public_pem
from submission.doubles.akraino_ui import AkrainoUi
from submission.doubles.nexus import Nexus
from tests.jenkins_double.running import TOKEN, Master, running_master

PASSWORD = "correct-horse-battery"
JOB = "iec4-bluval-daily-master"
SILO = "snd-embedded"
BUILD_S = 100.0
#: What a checkout's ./iec4 does once its environment is made.
IEC4 = '#!/bin/sh\nexec "{python}" -P -m pipeline "$@"\n'


@dataclass
class Site:
    """A Jenkins with every job of a site whose results go to ``nexus``."""

    master: Master
    nexus: Nexus
    ui: AkrainoUi
    file: Path
    jobs: dict[str, str]

    def build(self, job: str, **values: str) -> dict[str, object]:
        number = self.master.build_of(self.master.trigger(job, **values))["number"]
        return self.end(job, number)

    def end(self, job: str, number: int) -> dict[str, object]:
        def over() -> dict[str, object] | None:
            build = self.master.get(f"/job/{job}/{number}/api/json")
            return None if build["building"] else build

        return wait_for(f"the end of {job} {number}", over, timeout=BUILD_S)

    def artifact(self, build: dict[str, object], ending: str) -> bytes:
        (path,) = (p for p in paths(build) if p.endswith(ending))
        job = str(build["fullDisplayName"]).split()[0]
        return self.master.ask("GET", f"/job/{job}/{build['number']}/artifact/{path}").raw


def paths(build: dict[str, object]) -> list[str]:
    return [artifact["relativePath"] for artifact in build["artifacts"]]


def pipeline(*words: str, **env: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pipeline", *words],
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    repository = tmp_path_factory.mktemp("repository")
    (repository / "iec4").write_text(IEC4.format(python=sys.executable))
    (repository / "iec4").chmod(0o755)
    for argv in (["init", "-q", "-b", "master", "."], ["add", "."], ["commit", "-q", "-m", "one"]):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *argv]
        subprocess.run(git, cwd=repository, check=True, capture_output=True)
    home = tmp_path_factory.mktemp("jenkins")
    with (
        Nexus(password=PASSWORD) as nexus,
        AkrainoUi(nexus.url, {SILO}, JOB) as ui,
        running_master(home, "--labels", "iec4") as master,
    ):
        text = SITE.read_text()
        for old, new in (
            ("https://git.example.org/iec4.git", str(repository)),
            ("https://nexus.akraino.org", nexus.url),
            ("jenkins-user: iec4", "jenkins-user: admin"),
            ("inventories: /srv/iec4/labs", f"inventories: {home / 'labs'}"),
            ("scans: /srv/iec4/scans", f"scans: {home / 'scans'}"),
        ):
            assert text.count(old) == 1
            text = text.replace(old, new)
        file = home / "site.yaml"
        file.write_text(text)
        jobs = render(site=file)
        for name, xml in jobs.items():
            master.create(name, xml)
        keep_credentials(home)
        yield Site(master, nexus, ui, file, jobs)


def keep_credentials(home: Path) -> None:
    key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    (home / "signer.pem").write_bytes(public_pem(key))
    place = home / ".iec4" / "jenkins" / "credentials"
    place.mkdir(parents=True)
    (place / "iec4-nexus").write_text(f"iec4:{PASSWORD}")
    (place / "iec4-jenkins-token").write_text(TOKEN)
    (place / "iec4-signing-key").write_bytes(pem)


@pytest.fixture(scope="module")
def answered(site: Site) -> dict[str, object]:
    """The build by which Jenkins answered the UI."""
    submission = site.ui.submit(
        blueprint="iec-type4", layer="os", version="r4", lab=SILO, optional=True
    )
    ui_ip = site.ui.url.removeprefix("http://")
    item = site.ui.trigger(submission, site.master.url, auth=("admin", TOKEN), ui_ip=ui_ip)
    number = site.master.build_of(int(item.rstrip("/").rpartition("/")[2]))["number"]
    return site.end(JOB, number)


def test_the_ui_has_a_lab_judged_and_reads_the_results(
    site: Site, answered: dict[str, object]
) -> None:
    assert answered["result"] == "SUCCESS", site.master.console(JOB, answered["number"])
    submission = site.ui.submissions[1]
    assert (submission.state, submission.build_number) == ("Completed", answered["number"])
    result = submission.result
    assert result is not None
    assert (result.verdict, result.all_layers, result.dropped) == (True, False, {})
    assert list(result.suites) == ["os/iec4"]
    assert result.suites["os/iec4"].passed >= 5
    assert any(f"{SILO}/bluval_results/iec-type4/r4/" in name for name in site.nexus.files)


def test_its_build_says_what_it_was_about_and_keeps_the_report(
    site: Site, answered: dict[str, object]
) -> None:
    console = site.master.console(JOB, answered["number"])
    assert answered["description"] == (
        f"POD: built-in, BLUEPRINT: iec-type4, LAB: {SILO}, LAYER: os"
    )
    names = {path.rpartition("/")[2] for path in paths(answered)}
    assert {"report.html", "junit.xml", "run.json", "bundle.zip"} <= names
    report = site.master.get(f"/job/{JOB}/{answered['number']}/testReport/api/json")
    assert report["failCount"] == 0
    assert report["passCount"] >= 5
    kept = console.encode() + b"".join(site.nexus.files.values())
    for secret in (PASSWORD, "PRIVATE KEY", TOKEN):
        assert secret.encode() not in kept


def test_the_archived_bundle_is_signed(
    site: Site, answered: dict[str, object], tmp_path: Path
) -> None:
    bundle = tmp_path / "bundle.zip"
    bundle.write_bytes(site.artifact(answered, "/bundle.zip"))
    done = pipeline("verify", str(bundle), "--key", str(site.file.parent / "signer.pem"))
    assert done.returncode == 0, done.stderr
    # Signed and whole. Not met is what this lab cannot show: its hosts have no root of their own.
    assert done.stdout.startswith("FAILED: run jenkins-iec4-bluval-daily-master-")
    assert "every file is as it was signed" in done.stdout


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("LAB", "../../etc/passwd", "LAB is a silo's name"),
        ("UI_IP", "evil.example/path", "UI_IP is HOST or HOST:PORT"),
        ("BLUEPRINT", "/etc/passwd", "BLUEPRINT is a name"),
        ("OPTIONAL", "maybe", "OPTIONAL is true or false"),
        ("LAYER", "oss", "unknown layer 'oss'"),
        ("SUBMISSION_ID", "seven", "SUBMISSION_ID"),
    ],
)
def test_what_makes_no_sense_is_refused_before_anything_starts(
    site: Site, name: str, value: str, says: str
) -> None:
    asked = {"SUBMISSION_ID": "7", "LAB": SILO, "UI_IP": "127.0.0.1", name: value}
    build = site.build(JOB, **asked)
    assert build["result"] == "FAILURE"
    console = site.master.console(JOB, build["number"])
    assert says in console
    assert paths(build) == []


def test_a_release_is_gated_on_the_runs_of_builds(site: Site, answered: dict[str, object]) -> None:
    """A run on one embedded lab shows no release: it is blocked, and nothing is sent."""
    before = dict(site.nexus.files)
    build = site.build("iec4-submission-master", BUILDS=f"{JOB}/{answered['number']}")
    console = site.master.console("iec4-submission-master", build["number"])
    assert build["result"] == "FAILURE"
    assert "labs" in console
    gate = next(p for p in paths(build) if p.endswith("/gate.json"))
    assert gate.startswith("results/")
    assert any(path.endswith("/run.json") for path in paths(build)), "the run was fetched"
    assert "The bundle" not in console
    assert site.nexus.files == before


def test_drift_fails_the_nightly_job_until_it_is_mended(site: Site) -> None:
    job = "iec4-drift-daily-master"
    clean = site.build(job, SITE=str(site.file))
    assert clean["result"] == "SUCCESS", site.master.console(job, clean["number"])
    name = "iec4-perf-inwinstack-daily-master"
    changed = site.jobs[name].replace("<timeoutMinutes>60<", "<timeoutMinutes>600<")
    client = site.master.client()
    client.reconfig_job(name, changed)
    try:
        found = site.build(job, SITE=str(site.file))
    finally:
        client.reconfig_job(name, site.jobs[name])
    assert found["result"] == "FAILURE"
    drift = json.loads(site.artifact(found, "/drift.json"))
    assert [n for n, each in drift["jobs"].items() if each["state"] == "differs"] == [name]
    assert "600" in site.master.console(job, found["number"])


def test_the_scans_of_a_lab_are_judged(site: Site) -> None:
    job = "iec4-security-inwinstack-daily-master"
    missing = site.build(job, BLUEPRINT="iec-type4")
    assert missing["result"] == "FAILURE"
    assert "is no directory" in site.master.console(job, missing["number"])
    place = site.file.parent / "scans" / "inwinstack" / "k8s" / "kube-hunter"
    place.mkdir(parents=True)
    (place / "hunter.json").write_text('{"nodes": [], "services": [], "vulnerabilities": []}')
    build = site.build(job, BLUEPRINT="iec-type4")
    console = site.master.console(job, build["number"])
    assert build["result"] == "FAILURE"
    assert "os/lynis: no output" in console
    assert any(path.endswith("/bluval/k8s/kube-hunter/hunter.json") for path in paths(build))


def test_a_sandboxs_node_sends_nothing(
    site: Site, answered: dict[str, object], tmp_path: Path
) -> None:
    access = ["--jenkins", site.master.url, "--user", "admin"]
    build = f"{JOB}/{answered['number']}"
    fetch = ["jobs", "fetch", build, *access, "--output", str(tmp_path)]
    fetched = pipeline(*fetch, JENKINS_TOKEN=TOKEN)
    assert fetched.returncode == 0, fetched.stderr
    run = fetched.stdout.strip()
    assert Path(run).parent == tmp_path
    assert json.loads((Path(run) / "run.json").read_text())["id"] == Path(run).name
    again = pipeline(*fetch, JENKINS_TOKEN=TOKEN)
    assert again.returncode == 2
    assert "is there already" in again.stderr
    before = len(site.nexus.requests)
    submit = ["submit", run, "--sandbox", "--nexus", site.nexus.url, "--version", "r5"]
    done = pipeline(*submit, NODE_NAME="snd-builder-1")
    assert done.returncode == 0, done.stderr
    assert "nothing is sent" in done.stdout
    assert len(site.nexus.requests) == before


@pytest.mark.parametrize(
    ("build", "code", "says"),
    [
        (f"{JOB}/999", 3, "has no /job/"),
        ("iec4-drift-daily-master", 2, "it reads JOB/NUMBER"),
        ("iec4-security-inwinstack-daily-master/{}", 3, "has not archived one run"),
    ],
)
def test_what_is_no_run_of_a_build_is_not_fetched(
    site: Site, tmp_path: Path, build: str, code: int, says: str
) -> None:
    if "{}" in build:
        place = site.file.parent / "elsewhere" / "os" / "lynis"
        place.mkdir(parents=True)
        (place / "lynis.log").write_text("nothing of use\n")
        job = build.partition("/")[0]
        build = build.format(site.build(job, SCANS=str(place.parents[1]))["number"])
    words = ["jobs", "fetch", build, "--jenkins", site.master.url, "--user", "admin"]
    done = pipeline(*words, "--output", str(tmp_path / "runs"), JENKINS_TOKEN=TOKEN)
    assert (done.returncode, says in done.stderr) == (code, True), done.stderr
    assert not (tmp_path / "runs").exists()
