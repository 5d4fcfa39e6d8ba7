"""python-jenkins and Jenkins Job Builder, which we did not write, against the embedded Jenkins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import jenkins
import pytest

from tests.jenkins_double.running import TOKEN, Master, freestyle, parameter, parameters

PARAMETERS = parameters(
    parameter("String", "SUITE", "<defaultValue>smoke</defaultValue><trim>true</trim>"),
)


def test_python_jenkins_leads_a_job_through_its_life(shared_master: Master) -> None:
    client = shared_master.client()
    client.create_job("life", freestyle('echo "suite $SUITE"', properties=PARAMETERS))
    assert client.job_exists("life")
    item = client.build_job("life", {"SUITE": "full", "delay": "0sec"})
    number = shared_master.build_of(item)["number"]
    assert shared_master.ended("life", number)["result"] == "SUCCESS"
    assert "suite full" in client.get_build_console_output("life", number)
    info = client.get_build_info("life", number)
    assert (info["queueId"], info["result"]) == (item, "SUCCESS")
    client.disable_job("life")
    assert client.get_job_info("life")["color"] == "disabled"
    client.enable_job("life")
    client.reconfig_job("life", freestyle("exit 3"))
    assert "exit 3" in client.get_job_config("life")
    client.delete_job("life")
    assert not client.job_exists("life")


def test_python_jenkins_finds_jobs_in_folders(shared_master: Master) -> None:
    client = shared_master.client()
    client.create_folder("team")
    client.create_job("team/inner", freestyle("true"))
    names = {job["fullname"] for job in client.get_all_jobs()}
    assert {"team", "team/inner"} <= names
    assert client.get_job_info("team/inner")["fullName"] == "team/inner"
    client.delete_job("team")
    assert not client.job_exists("team/inner")


def test_python_jenkins_gets_its_errors(shared_master: Master) -> None:
    client = shared_master.client()
    with pytest.raises(jenkins.JenkinsException, match="does not exist"):
        client.get_job_info("nosuch")
    with pytest.raises(jenkins.NotFoundException):
        client.delete_job("nosuch")
    wrong = jenkins.Jenkins(shared_master.url, "admin", "not-the-token", timeout=20)
    with pytest.raises(jenkins.JenkinsException, match="authentication"):
        wrong.get_info()


def test_python_jenkins_uses_password_and_crumb(shared_master: Master) -> None:
    client = jenkins.Jenkins(shared_master.url, "admin", "made-up-admin", timeout=20)
    client.create_job("crumbs", freestyle("true"))
    assert client.get_whoami()["id"] == "admin"
    assert len(client.get_plugins()) == 95


def test_python_jenkins_stops_and_cancels(shared_master: Master) -> None:
    client = shared_master.client()
    client.create_job("long", freestyle("sleep 60"))
    item = client.build_job("long")
    client.cancel_queue(item)
    assert client.get_queue_item(item)["cancelled"]
    running = shared_master.build_of(shared_master.trigger("long"))["number"]
    client.stop_build("long", running)
    assert shared_master.ended("long", running)["result"] == "ABORTED"


DEFINITIONS = """
- job:
    name: built-by-jjb
    description: "first"
    parameters: [{string: {name: WHO, default: world}}]
    builders: [{shell: 'echo "hello $WHO"'}]
    publishers: [{archive: {artifacts: 'out/**', allow-empty: true}}]
- view:
    name: listed
    view-type: list
    job-name: [built-by-jjb]
"""


def job_builder(directory: Path, master: Master, *argv: str) -> subprocess.CompletedProcess[str]:
    configuration = directory / "jjb.ini"
    configuration.write_text(
        "[job_builder]\nignore_cache=True\n"
        f"[jenkins]\nurl={master.url}\nuser=admin\npassword={TOKEN}\n"
    )
    return subprocess.run(
        [sys.executable, "-W", "ignore", "-m", "jenkins_jobs", "--conf", str(configuration), *argv],
        env={"HOME": str(directory), "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )


def test_job_builder_updates_and_deletes(tmp_path: Path, shared_master: Master) -> None:
    definitions = tmp_path / "jobs.yaml"
    definitions.write_text(DEFINITIONS)
    said = job_builder(tmp_path, shared_master, "update", str(definitions)).stderr
    assert "Number of jobs generated:  1" in said
    build = shared_master.run("built-by-jjb", WHO="jjb")
    assert "hello jjb" in shared_master.console("built-by-jjb", build["number"])
    jobs: Any = shared_master.get("/view/listed/api/json")["jobs"]
    assert [job["name"] for job in jobs] == ["built-by-jjb"]

    definitions.write_text(DEFINITIONS.replace("first", "second"))
    job_builder(tmp_path, shared_master, "update", str(definitions))
    info = shared_master.get("/job/built-by-jjb/api/json")
    assert info["description"].startswith("second")
    assert info["lastBuild"]["number"] == build["number"], "an update keeps the builds"

    job_builder(tmp_path, shared_master, "delete", "--path", str(definitions), "built-by-jjb")
    assert shared_master.ask("GET", "/job/built-by-jjb/api/json").status == 404
