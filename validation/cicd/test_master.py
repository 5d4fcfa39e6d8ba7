"""The Jenkins master: does it answer, to whom, with what."""

import httpx
import pytest

from blueprints.evidence import Evidence
from lab.jenkins import probe
from lab.jenkins.defined import definitions, look
from lab.jenkins.plugins import pinned_plugins
from lab.jenkins.trial import Trial
from lab.session import Lab
from lab.task import Task

#: Where a job has its shell step's command and its parameter's name.
COMMAND = "builders/hudson.tasks.Shell/command"
PARAMETER = (
    "properties/hudson.model.ParametersDefinitionProperty/parameterDefinitions/"
    "hudson.model.StringParameterDefinition/name"
)


@pytest.mark.criterion("CICD-01")
def test_the_master_answers(lab: Lab, evidence: Evidence) -> None:
    probe.check_configuration(lab)
    with evidence.judge("Jenkins answers, and lets us in"):
        probe.probe(lab)


@pytest.mark.criterion("CICD-02")
def test_who_is_not_logged_in_is_refused(lab: Lab, evidence: Evidence) -> None:
    where = probe.access(lab)
    verify = str(where.ca) if where.ca else True
    refusals = (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN)
    with (
        httpx.Client(base_url=where.base, timeout=probe.TIMEOUT_S, verify=verify) as web,
        evidence.judge("anonymous requests are refused"),
    ):
        for method, path in (
            ("GET", "api/json"),
            ("GET", "computer/api/json"),
            ("POST", "createItem?name=made-by-nobody"),
        ):
            status = web.request(method, path).status_code
            assert status in refusals, f"anonymous {method} {path} is answered with {status}"


@pytest.mark.criterion("CICD-03")
def test_plugins_are_as_pinned(lab: Lab, evidence: Evidence) -> None:
    client = probe.client(lab)
    with evidence.judge("every pinned plugin is active in its version"):
        answer = client.json("pluginManager/", tree="plugins[shortName,version,active]")
        found = {p["shortName"]: p["version"] for p in answer["plugins"] if p["active"]}
        evidence.attach("plugins.json", found)
        wrong = [
            f"{name} is {found.get(name, 'missing')} instead of {version}"
            for name, version in pinned_plugins().items()
            if found.get(name) != version
        ]
        assert not wrong, "; ".join(wrong)


@pytest.mark.criterion("CICD-05")
def test_a_job_is_kept_as_it_was_defined(lab: Lab, evidence: Evidence) -> None:
    command = 'echo "a & <b>"'
    with (
        evidence.judge("the job's definition is what was posted"),
        Trial(lab, command, label="iec4", parameter="SUITE") as trial,
    ):
        assert trial.kept(COMMAND) == command, "another command is kept"
        assert trial.kept("assignedNode") == "iec4", "another label is kept"
        assert trial.kept(PARAMETER) == "SUITE", "another parameter is kept"


@pytest.mark.criterion("CICD-12")
def test_the_suites_jobs_are_as_defined(task: Task, lab: Lab, evidence: Evidence) -> None:
    defined = definitions(task.run) if task.run else {}
    if not defined:
        pytest.skip("no definitions to compare with: systems.jenkins.site names none")
    client = probe.client(lab)
    with evidence.judge("every job means what its definition says"):
        compared = [look(client, name, xml) for name, xml in defined.items()]
        evidence.attach("jobs.json", {job.name: job.wrong for job in compared})
        wrong = [sentence for job in compared for sentence in job.wrong]
        assert not wrong, "; ".join(wrong)
