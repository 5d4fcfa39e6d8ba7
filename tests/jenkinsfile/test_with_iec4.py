"""The Jenkinsfile with the real commands, on an embedded lab of the build's workspace."""

from __future__ import annotations

import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest

from lab.payload import ROOT, cache_dir
from tests.jenkinsfile.agent import Agent, appears

JENKINSFILE = ROOT / "Jenkinsfile"
LAB = Path(".iec4", "cache", "labs", "embedded")
LEASE = LAB / "hosts" / "jenkins-master" / "home" / ".iec4" / "lease"

#: ``./iec4`` of a checkout whose environment is made and whose cache is warm. Before each
#: command it writes down what there is of the lab and of its lease.
SHIM = f"""#!/bin/sh
export IEC4_CACHE="$PWD/.iec4/cache"
mkdir -p "$IEC4_CACHE"
for warm in npm packages payloads; do
    ln -sfn {cache_dir()}/$warm "$IEC4_CACHE/$warm"
done
lab=down lease=free
if [ -e {LAB}/inventory.yaml ]; then lab=up; fi
if [ -e {LEASE} ]; then lease=held; fi
echo "$1 $lab $lease" >>seen
exec {sys.executable} -P -m pipeline "$@"
"""


@pytest.fixture
def real_agent(agent: Agent) -> Agent:
    for warm in ("npm", "packages", "payloads"):
        (cache_dir() / warm).mkdir(exist_ok=True)
    (agent.source / "iec4").write_text(SHIM)
    return agent


def seen(agent: Agent) -> list[str]:
    return (agent.workspace() / "seen").read_text().splitlines()


def test_a_layer_is_deployed_judged_and_reported_on(real_agent: Agent) -> None:
    build = real_agent.run(JENKINSFILE, LAYER="os")
    assert build.result == "SUCCESS", build.log
    assert seen(real_agent) == [
        "lab down free",
        "lab down free",
        "deploy up free",
        "validate up free",
        "perf up free",
        "report up free",
        "lab up free",
    ]
    (junit,) = build.archived("junit.xml")
    cases = [
        case.get("name", "")
        for case in ElementTree.fromstring(build.content(junit)).iter("testcase")
    ]
    assert cases
    assert all("OS-" in name for name in cases)
    assert build.archived("report.html")
    assert not (real_agent.workspace() / LAB / "inventory.yaml").exists()


def test_an_abort_gives_the_lease_back_and_takes_the_lab_down(real_agent: Agent) -> None:
    build = real_agent.start(JENKINSFILE)
    appears(real_agent.workspace() / LEASE, build)
    build.stop()
    assert build.result == "ABORTED", build.log
    assert seen(real_agent)[2:] == ["deploy up free", "report up free", "lab up free"]
    assert build.archived("run.json")
    assert not (real_agent.workspace() / LAB / "inventory.yaml").exists()
