"""jobs/lab.Jenkinsfile, executed: a lab that is there, deployed and destroyed by other jobs."""

from __future__ import annotations

from lab.payload import ROOT
from tests.jenkinsfile.agent import Agent, Build, appears

JENKINSFILE = ROOT / "jobs" / "lab.Jenkinsfile"
PARAMETERS = {
    "BUILD_NODE": "iec4",
    "CATEGORY": "iec4-x",
    "LAB": "x.yaml",
    "BLUEPRINT": "iec-type4",
    "LAYER": "paas",
    "ONLY": "",
    "MATURITY": "mature",
    "SCANS": "/srv/scans",
}


def start(agent: Agent, *, deploys: str = "true", destroy: str = "no") -> Build:
    children = {
        "DEPLOY_JOB": agent.child("deploy", deploys),
        "DESTROY_JOB": agent.child("destroy", "touch destroyed"),
    }
    return agent.start(JENKINSFILE, **PARAMETERS, **children, DESTROY=destroy)


def calls(agent: Agent) -> list[str]:
    calls = agent.workspace() / "calls"
    lines = calls.read_text().splitlines() if calls.exists() else []
    return [line.replace("|", " ").strip() for line in lines]


def test_the_lab_is_deployed_judged_and_left_there(agent: Agent) -> None:
    build = start(agent)
    assert build.result == "SUCCESS", build.log
    assert build.stages == ["deploy", "judge", "validate", "perf", "scans", "destroy"]
    assert calls(agent)[:3] == [
        "validate --lab x.yaml --blueprint iec-type4 --layer paas --only  --maturity mature",
        "perf --lab x.yaml --blueprint iec-type4",
        "lab scans /srv/scans --blueprint iec-type4 --maturity mature",
    ]
    assert calls(agent)[3].startswith(f"report --run results/jenkins-{agent.job}-1-")
    assert build.archived("junit.xml")
    assert 'Stage "destroy" skipped due to when conditional' in build.log
    assert not (agent.place / "destroyed").exists()


def test_it_is_destroyed_when_asked(agent: Agent) -> None:
    assert start(agent, destroy="yes").result == "SUCCESS"
    assert (agent.place / "destroyed").exists()


def test_a_lab_that_was_not_deployed_is_not_judged(agent: Agent) -> None:
    build = start(agent, deploys="exit 1", destroy="yes")
    assert build.result == "FAILURE"
    assert 'Stage "judge" skipped due to earlier failure(s)' in build.log
    assert calls(agent) == []
    assert not (agent.place / "destroyed").exists()


def test_a_failure_is_reported_and_the_lab_destroyed_all_the_same(agent: Agent) -> None:
    (agent.source / "fails").write_text("validate")
    build = start(agent, destroy="yes")
    assert build.result == "FAILURE"
    assert [call.split()[0] for call in calls(agent)] == ["validate", "perf", "lab", "report"]
    assert build.archived("junit.xml")
    assert (agent.place / "destroyed").exists()


def test_an_abort_reaches_the_child_that_is_waited_for(agent: Agent) -> None:
    build = start(agent, deploys="trap 'touch ended; exit 1' TERM; : >ready; sleep 100 & wait")
    appears(agent.place / "ready", build)
    build.stop()
    assert build.result == "ABORTED"
    assert (agent.place / "ended").exists()
    assert calls(agent) == []


def test_an_abort_while_it_is_judged_is_reported_and_destroys_nothing(agent: Agent) -> None:
    (agent.source / "blocks").write_text("validate")
    build = start(agent, destroy="yes")
    appears(agent.workspace() / "ready", build)
    build.stop()
    assert build.result == "ABORTED"
    assert [call.split()[0] for call in calls(agent)] == ["validate", "stopped", "report"]
    assert build.archived("junit.xml")
    assert not (agent.place / "destroyed").exists()
