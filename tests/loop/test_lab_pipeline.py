"""The pipeline of a lab that is there, with its children, on a running Jenkins.

``./iec4`` is a stand-in that writes down how it was called: there is no such lab here.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.render import SITE, render
from lab.payload import ROOT
from tests.jenkins_double.running import Master, running_master, with_groovy

STAND_IN = """#!/bin/sh
echo "$*" >>{calls}
case "$1" in
"$(cat {fails})") exit 1 ;;
report) mkdir -p "$3"
    echo '<testsuite name="s"><testcase name="a"/></testsuite>' >"$3/junit.xml" ;;
esac
"""
JOB = "iec4-pipeline-inwinstack-daily-master"
INVENTORY = "/srv/iec4/labs/inwinstack.yaml"


class Lab:
    """Calls of ``./iec4`` by the jobs, oldest first; ``fails``: the command that breaks."""

    def __init__(self, master: Master, place: Path) -> None:
        self.master = master
        self.calls_file, self.fails_file = place / "calls", place / "fails"

    def run(self, fails: str = "nothing", **values: str) -> dict[str, object]:
        self.calls_file.write_text("")
        self.fails_file.write_text(fails)
        return self.master.run(JOB, **({"MATURITY": "incubation"} | values))

    def calls(self) -> list[str]:
        return self.calls_file.read_text().splitlines()


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    place = tmp_path_factory.mktemp("lab")
    repository = tmp_path_factory.mktemp("repository")
    script = repository / "iec4"
    script.write_text(STAND_IN.format(calls=place / "calls", fails=place / "fails"))
    script.chmod(0o755)
    (repository / "jobs").mkdir()
    (repository / "jobs" / "lab.Jenkinsfile").write_bytes(
        (ROOT / "jobs" / "lab.Jenkinsfile").read_bytes()
    )
    for argv in (["init", "-q", "-b", "master", "."], ["add", "."], ["commit", "-q", "-m", "one"]):
        git = ["git", "-c", "user.name=a", "-c", "user.email=a@example.org", *argv]
        subprocess.run(git, cwd=repository, check=True, capture_output=True)
    site = place / "site.yaml"
    url = "https://git.example.org/iec4.git"
    site.write_text(SITE.read_text().replace(url, str(repository)))
    with running_master(
        tmp_path_factory.mktemp("jenkins"), "--labels", "iec4", *with_groovy()
    ) as master:
        for name, xml in render(site=site).items():
            if "-inwinstack-" in name:
                master.create(name, xml)
        yield Lab(master, place)


def test_it_has_the_lab_deployed_and_judges_it(lab: Lab) -> None:
    build = lab.run(LAYER="paas")
    assert build["result"] == "SUCCESS", lab.master.console(JOB, build["number"])
    run = f"results/jenkins-{JOB}-{build['number']}-{build['timestamp']}"
    common = f"--lab {INVENTORY} --blueprint iec-type4"
    assert lab.calls() == [
        f"deploy {common} --maturity incubation",
        f"validate {common} --layer paas --only  --maturity incubation",
        f"perf {common}",
        "lab scans /srv/iec4/scans/inwinstack --blueprint iec-type4 --maturity incubation",
        f"report --run {run}",
    ]
    assert [a["relativePath"] for a in build["artifacts"]] == [f"{run}/junit.xml"]


def test_it_has_the_lab_destroyed_only_when_asked(lab: Lab) -> None:
    build = lab.run(DESTROY="yes")
    assert build["result"] == "SUCCESS", lab.master.console(JOB, build["number"])
    assert lab.calls()[-1].startswith(f"deploy --remove --lab {INVENTORY} ")
    assert lab.master.get("/job/iec4-destroy-inwinstack-daily-master/api/json")["builds"]


def test_a_lab_that_is_not_deployed_is_not_judged(lab: Lab) -> None:
    build = lab.run(fails="deploy")
    assert build["result"] == "FAILURE"
    assert [call.split()[0] for call in lab.calls()] == ["deploy"]


def test_what_breaks_on_the_way_fails_the_build_and_the_report_is_kept(lab: Lab) -> None:
    build = lab.run(fails="validate")
    assert build["result"] == "FAILURE"
    assert [call.split()[0] for call in lab.calls()][-1] == "report"
    assert build["artifacts"]
