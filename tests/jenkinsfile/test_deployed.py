"""A pipeline job on the embedded Jenkins as it is deployed: Groovy travelled to its host."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import jenkins
import pytest

from lab.inventory import load
from lab.jenkins.probe import access
from lab.jenkins.recipe import recipe
from lab.loopback import lifecycle
from lab.recipe import execute
from lab.session import Lab
from lab.wait import wait_for
from tests.jenkins_double.running import pipeline, with_groovy

AGENT = "edge-a"
SCRIPT = """pipeline {
    agent { label 'iec4' }
    stages {
        stage('there') {
            agent { label 'edge-a' }
            steps { sh 'echo "on $NODE_NAME" | tee there.txt' }
            post {
                always { archiveArtifacts artifacts: '*.txt' }
            }
        }
        stage('here') {
            steps { sh 'echo "on $NODE_NAME"; test ! -e there.txt' }
        }
    }
}"""


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    template = load("embedded")
    hosts = {name: template.hosts[name] for name in ("jenkins-master", AGENT)}
    systems = {"jenkins": template.systems["jenkins"]}
    small = template.model_copy(update={"hosts": hosts, "systems": systems})
    inventory = lifecycle.up(small, tmp_path / "lab", owner_pid=os.getpid(), ttl_s=120)
    try:
        with Lab(inventory) as lab:
            yield lab
    finally:
        lifecycle.down(tmp_path / "lab")


def test_its_stages_run_on_the_hosts_that_they_name(lab: Lab) -> None:
    with_groovy()
    execute(recipe(lab).steps(lab), lab)
    where = access(lab)
    client = jenkins.Jenkins(where.url, where.user, lab.secret("jenkins", where.user))
    at_once = "<properties/><quietPeriod>0</quietPeriod>"
    client.create_job("hosts", pipeline(SCRIPT).replace("<properties/>", at_once))
    client.build_job("hosts")
    wait_for("a build", lambda: client.get_job_info("hosts")["lastBuild"], timeout=20)
    wait_for("its end", lambda: not client.get_build_info("hosts", 1)["building"], timeout=40)
    log, build = client.get_build_console_output("hosts", 1), client.get_build_info("hosts", 1)
    assert build["result"] == "SUCCESS", log
    assert [artifact["fileName"] for artifact in build["artifacts"]] == ["there.txt"]
    assert log.index(f"\non {AGENT}\n") < log.index("\non built-in\n")


def test_a_deployment_fetches_no_groovy(
    lab: Lab, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IEC4_CACHE", str(tmp_path))
    assert not [step.title for step in recipe(lab).steps(lab) if "Groovy" in step.title]
