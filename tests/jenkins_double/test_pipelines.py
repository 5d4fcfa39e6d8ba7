"""Declarative pipelines: this project's own Jenkinsfile, with a stand-in for ``./iec4``."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab.loopback.cleanup import descendants
from lab.payload import ROOT
from lab.wait import wait_for
from tests.jenkins_double.running import (
    Master,
    alive,
    freestyle,
    parameter,
    parameters,
    pipeline,
    running_master,
    with_groovy,
)

RECORDED = ROOT / "fixtures" / "recordings" / "jenkins" / "sequences"
#: Writes down how it was called and with which environment; fails and hangs on request.
STAND_IN = """#!/bin/sh
echo "$*" >>"$CALLS"
case "$1" in
report) mkdir -p "$3"; echo '<testsuite name="s"><testcase name="a"/></testsuite>' >"$3/junit.xml"
        echo report >"$3/report.html" ;;
esac
if [ "$1" = "$FAILS" ]; then exit 1; fi
if [ "$1" = "$HANGS" ]; then echo "$$" >"$CALLS.pid"; sleep 60; fi
"""
PARAMETERS = parameters(
    parameter("String", "LAB", "<defaultValue>embedded</defaultValue>"),
    parameter("String", "BLUEPRINT", "<defaultValue>iec-type4</defaultValue>"),
    parameter("String", "ONLY", "<defaultValue/>"),
    parameter("String", "CALLS", "<defaultValue/>"),
    parameter("String", "FAILS", "<defaultValue>none</defaultValue>"),
    parameter("String", "HANGS", "<defaultValue>none</defaultValue>"),
)
SCM = (
    '<scm class="hudson.plugins.git.GitSCM"><userRemoteConfigs>'
    "<hudson.plugins.git.UserRemoteConfig><url>{url}</url></hudson.plugins.git.UserRemoteConfig>"
    "</userRemoteConfigs><branches><hudson.plugins.git.BranchSpec><name>*/main</name>"
    "</hudson.plugins.git.BranchSpec></branches></scm>"
)


def git(directory: Path, *argv: str) -> None:
    identity = ["-c", "user.name=a", "-c", "user.email=a@example.org"]
    argv = ("git", *identity, *argv)
    subprocess.run(argv, cwd=directory, check=True, capture_output=True)


@pytest.fixture(scope="module")
def master(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    """A Jenkins with a job for this checkout's Jenkinsfile, from a repository of its own."""
    repository = tmp_path_factory.mktemp("repository")
    git(repository, "init", "-q", "-b", "main", ".")
    (repository / "Jenkinsfile").write_text((ROOT / "Jenkinsfile").read_text())
    (repository / "iec4").write_text(STAND_IN)
    (repository / "iec4").chmod(0o755)
    git(repository, "add", ".")
    git(repository, "commit", "-q", "-m", "one")
    with running_master(
        tmp_path_factory.mktemp("jenkins"), "--labels", "iec4", *with_groovy()
    ) as started:
        started.create(
            "suite",
            f"<flow-definition><description/><properties>{PARAMETERS}</properties>"
            '<definition class="org.jenkinsci.plugins.workflow.cps.CpsScmFlowDefinition">'
            f"{SCM.format(url=repository)}<scriptPath>Jenkinsfile</scriptPath></definition>"
            "</flow-definition>",
        )
        yield started


def test_our_jenkinsfile_runs_its_commands_in_order(master: Master, tmp_path: Path) -> None:
    build = master.run("suite", CALLS=str(tmp_path / "calls"), ONLY="OS-01")
    assert build["result"] == "SUCCESS", master.console("suite", build["number"])
    calls = (tmp_path / "calls").read_text().splitlines()
    run = f"results/jenkins-suite-{build['number']}-{build['timestamp']}"
    assert calls == [
        "lab down",
        "lab up",
        f"deploy --run {run} --lab embedded --blueprint iec-type4 --layer  --only OS-01 "
        "--maturity incubation",
        f"validate --run {run} --lab embedded --blueprint iec-type4",
        f"perf --run {run} --lab embedded --blueprint iec-type4",
        f"report --run {run}",
        "lab down",
    ]
    paths = [artifact["relativePath"] for artifact in build["artifacts"]]
    assert paths == [f"{run}/junit.xml", f"{run}/report.html"]
    assert master.get(f"/job/suite/{build['number']}/testReport/api/json")["passCount"] == 1


def test_on_a_real_lab_the_stage_of_the_embedded_one_is_skipped(
    master: Master, tmp_path: Path
) -> None:
    master.run("suite", CALLS=str(tmp_path / "calls"), LAB="mine.yaml")
    assert "lab up" not in (tmp_path / "calls").read_text()


def test_a_failing_stage_fails_the_build_and_the_report_is_archived(
    master: Master, tmp_path: Path
) -> None:
    build = master.run("suite", CALLS=str(tmp_path / "calls"), FAILS="deploy")
    assert build["result"] == "FAILURE"
    assert "validate" in (tmp_path / "calls").read_text(), "what can be judged is judged"
    assert any(a["fileName"] == "report.html" for a in build["artifacts"])


def test_a_broken_lab_skips_what_follows(master: Master, tmp_path: Path) -> None:
    build = master.run("suite", CALLS=str(tmp_path / "calls"), FAILS="lab")
    calls = (tmp_path / "calls").read_text().splitlines()
    assert build["result"] == "FAILURE"
    assert [call.split()[0] for call in calls] == ["lab", "report", "lab"]
    assert "skipped due to earlier failure" in master.console("suite", build["number"])


def test_an_aborted_build_ends_its_step_and_cleans_up(master: Master, tmp_path: Path) -> None:
    calls = tmp_path / "calls"
    item = master.trigger("suite", CALLS=str(calls), HANGS="validate")
    number = master.build_of(item)["number"]
    pid = wait_for(
        "the hanging step",
        lambda: (tmp_path / "calls.pid").exists() and (tmp_path / "calls.pid").read_text().strip(),
        timeout=15,
    )
    master.ask("POST", f"/job/suite/{number}/stop")
    build = master.ended("suite", number)
    assert build["result"] == "ABORTED"
    assert not alive(int(pid))
    said = [line.split()[0] for line in calls.read_text().splitlines()]
    assert said == ["lab", "lab", "deploy", "validate", "report", "lab"]
    assert any(a["fileName"] == "report.html" for a in build["artifacts"])


NESTED = """pipeline {
    agent none
    stages {
        stage('deploy') {
            steps {
                build job: "${params.CHILD}"
            }
        }
        stage('judge') {
            agent {
                label "iec4"
            }
            environment {
                WHAT = "${params.CHILD}"
            }
            stages {
                stage('one') {
                    steps {
                        sh 'echo "judging after $WHAT" | tee out.txt; test "$WHAT" != breaks-later'
                    }
                }
                stage('two') {
                    steps {
                        sh 'echo two'
                    }
                }
            }
            post {
                always {
                    archiveArtifacts artifacts: 'out.txt'
                }
            }
        }
        stage('destroy') {
            when {
                equals expected: 'yes', actual: params.DESTROY
            }
            steps {
                build job: 'destroying'
            }
        }
    }
}
"""


@pytest.fixture(scope="module")
def nested(master: Master) -> Master:
    """Jobs as the daily run has them: it deploys and destroys by jobs of their own."""
    children = parameters(
        parameter("String", "CHILD", "<defaultValue>deploying</defaultValue>"),
        parameter("String", "DESTROY", "<defaultValue>yes</defaultValue>"),
    )
    definition = pipeline(NESTED).replace("<properties/>", f"<properties>{children}</properties>")
    master.create("nested", definition)
    for name, command in (
        ("deploying", "true"), ("breaks", "exit 1"), ("breaks-later", "true"),
        ("destroying", "true"), ("endless", "sleep 60"),
    ):  # fmt: skip
        master.create(name, freestyle(command))
    return master


def test_stages_within_a_stage_and_builds_of_other_jobs(nested: Master) -> None:
    build = nested.run("nested", CHILD="deploying")
    console = nested.console("nested", build["number"])
    assert build["result"] == "SUCCESS", console
    assert "judging after deploying" in console
    assert "destroying #1 completed: SUCCESS" in console
    assert [a["relativePath"] for a in build["artifacts"]] == ["out.txt"]


def test_a_child_that_fails_fails_its_parent(nested: Master) -> None:
    build = nested.run("nested", CHILD="breaks")
    console = nested.console("nested", build["number"])
    assert build["result"] == "FAILURE"
    assert "breaks #1 completed with status FAILURE" in console
    assert "judging after" not in console


def test_post_of_a_failed_stage_runs_and_what_follows_is_skipped(nested: Master) -> None:
    build = nested.run("nested", CHILD="breaks-later", DESTROY="no")
    assert build["result"] == "FAILURE"
    assert [a["relativePath"] for a in build["artifacts"]] == ["out.txt"]
    assert nested.console("nested", build["number"]).count("skipped due to earlier failure") == 2


def test_a_stopped_parent_stops_its_child(nested: Master) -> None:
    number = nested.build_of(nested.trigger("nested", CHILD="endless"))["number"]
    wait_for(
        "the child runs",
        lambda: nested.get("/job/endless/api/json")["lastBuild"] is not None,
        timeout=15,
    )
    nested.ask("POST", f"/job/nested/{number}/stop")
    assert nested.ended("nested", number)["result"] == "ABORTED"
    assert nested.ended("endless", 1)["result"] == "ABORTED"


def test_a_time_out_aborts(master: Master) -> None:
    master.create(
        "timed",
        pipeline(
            "pipeline {\n agent any\n stages {\n stage('slow') {\n options {\n"
            "timeout(time: 1, unit: 'SECONDS')\n}\n steps {\n sh 'sleep 60'\n}\n}\n"
            "stage('next') {\n steps {\n echo 'never'\n}\n}\n}\n}\n"
        ),
    )
    assert master.run("timed")["result"] == "ABORTED"
    assert "never\n" not in master.console("timed")


def test_the_log_of_an_abort_is_marked_as_recorded(master: Master) -> None:
    """But for what durable steps say of their end, and the number of an error."""
    (recorded,) = (
        text
        for text in texts(json.loads((RECORDED / "pipeline-stop.json").read_text()))
        if text.startswith("Started by") and "Finished" in text
    )
    script = """pipeline {
        agent any
        stages {
            stage('Long') {
                steps { sh 'sleep 60' }
            }
        }
        post {
            aborted { echo 'was aborted' }
        }
    }"""
    master.create("slow", pipeline(script))
    number = master.build_of(master.trigger("slow"))["number"]
    wait_for("the step", lambda: "sleep 60" in master.console("slow", number), timeout=20)
    master.ask("POST", f"/job/slow/{number}/stop")
    master.ended("slow", number)
    assert of_pipeline(master.console("slow", number)) == of_pipeline(recorded)


def texts(document: object) -> Iterator[str]:
    if isinstance(document, str):
        yield document
    elif isinstance(document, dict | list):
        for each in document.values() if isinstance(document, dict) else document:
            yield from texts(each)


def of_pipeline(log: str) -> list[str]:
    begins = ("[Pipeline]", "Aborted by", "was aborted", "Finished")
    return [line for line in log.splitlines() if line.startswith(begins)]


def test_what_a_stopped_step_started_has_time_to_clean_up(master: Master) -> None:
    """Its shell ends at once, and a silent command below it later: what follows waits for it."""
    waiting = 'sh -c \\"touch ready; exec sleep 60\\" & wait'
    step = f'sh -c "trap \\"sleep 1; echo cleaned >said; exit\\" TERM; {waiting}"'
    script = """pipeline {
        agent any
        stages {
            stage('a') {
                steps { sh '%s' }
            }
        }
        post {
            aborted { sh 'cat said' }
        }
    }"""
    master.create("cleaning", pipeline(script % step.replace("\\", "\\\\")))
    number = master.build_of(master.trigger("cleaning"))["number"]
    ready = master.home / ".iec4" / "jenkins" / "workspace" / "cleaning" / "ready"
    wait_for("the step", ready.exists, timeout=20)
    master.ask("POST", f"/job/cleaning/{number}/stop")
    assert master.ended("cleaning", number)["result"] == "ABORTED"
    assert "\ncleaned\n" in master.console("cleaning", number)


def test_a_stages_time_out_ends_its_steps_and_not_its_post(master: Master) -> None:
    script = """pipeline {
        agent any
        stages {
            stage('slow') {
                options { timeout(time: 1, unit: 'SECONDS') }
                steps { sh 'sleep 60' }
                post {
                    aborted { sh 'echo "in $((1 + 1))"' }
                }
            }
        }
    }"""
    master.create("posted", pipeline(script))
    assert master.run("posted")["result"] == "ABORTED"
    assert "\nin 2\n" in master.console("posted")


def test_a_time_out_ends_the_waiting_for_a_node(master: Master) -> None:
    script = """pipeline {
        agent none
        stages {
            stage('far') {
                agent { label 'nowhere' }
                options { timeout(time: 1, unit: 'SECONDS') }
                steps { echo 'never' }
            }
        }
    }"""
    master.create("far", pipeline(script))
    assert master.run("far")["result"] == "ABORTED"
    assert "have label \u2018nowhere\u2019" in master.console("far")
    assert "never\n" not in master.console("far")


def test_a_stages_node_is_given_back_at_its_end(master: Master) -> None:
    script = """pipeline {
        agent none
        stages {
            stage('on a node') {
                agent any
                steps { sh 'echo "on $NODE_NAME"' }
            }
            stage('on none') {
                steps { sh 'echo "on $NODE_NAME"' }
            }
        }
    }"""
    master.create("returned", pipeline(script))
    assert master.run("returned")["result"] == "FAILURE"
    console = master.console("returned")
    assert console.count("\non built-in\n") == 1
    assert "ERROR: a step that works on files stands outside of any agent" in console


def test_groovy_ends_with_a_jenkins_that_is_killed(tmp_path: Path) -> None:
    with running_master(tmp_path, *with_groovy()) as own:
        script = "pipeline { \n agent any \n stages { stage('a') { steps { sh 'sleep 60' } } } }"
        own.create("endless", pipeline(script))
        own.build_of(own.trigger("endless"))
        wait_for("the step", lambda: "sleep 60" in own.console("endless"), timeout=20)
        assert own.process is not None
        (java,) = (
            pid
            for pid in descendants(own.process.pid)
            if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"java\0")
        )
        own.kill()
        wait_for("the end of Groovy", lambda: not alive(java), timeout=10)


def test_parameters_are_what_groovy_has_of_them(master: Master) -> None:
    definitions = parameters(
        parameter("String", "EMPTY", "<defaultValue/>"),
        parameter("Boolean", "NO", "<defaultValue>false</defaultValue>"),
    )
    script = """pipeline {
        agent any
        stages {
            stage('a') {
                steps {
                    echo "[${params.EMPTY}] [${params.MISSING}] [${params.NO ? 'yes' : 'no'}]"
                    echo "[${params.EMPTY ?: 'default'}] [${env.EMPTY}] [${env.NO}] ${1 + 1}"
                }
            }
        }
    }"""
    job = pipeline(script).replace("<properties/>", f"<properties>{definitions}</properties>")
    master.create("valued", job)
    assert master.run("valued", EMPTY="")["result"] == "SUCCESS"
    console = master.console("valued")
    assert "\n[] [null] [no]\n" in console
    assert "\n[default] [] [false] 2\n" in console


def test_a_jenkinsfile_that_prints_or_dies_is_no_message(master: Master) -> None:
    script = """pipeline {
        agent any
        stages {
            stage('a') {
                steps {
                    echo "${System.out.println('{}') ?: 'printed'}"
                    echo "${System.exit(3)}"
                }
            }
        }
    }"""
    master.create("dies", pipeline(script))
    assert master.run("dies")["result"] == "FAILURE"
    console = master.console("dies")
    assert "\nprinted\n" in console
    assert "Groovy has ended without a result: {}" in console
    assert master.get("/computer/api/json")["busyExecutors"] == 0


def test_without_groovy_it_says_what_to_install_and_other_jobs_run(tmp_path: Path) -> None:
    with running_master(tmp_path) as bare:
        bare.create("piped", pipeline("pipeline { }"))
        bare.create("free", freestyle("true"))
        assert bare.run("piped")["result"] == "FAILURE"
        assert "apt install default-jre-headless maven" in bare.console("piped")
        assert bare.run("free")["result"] == "SUCCESS"
