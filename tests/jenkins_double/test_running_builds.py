"""Builds for real: steps, publishers, the queue, and everything that ends a build."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.wait import wait_for
from tests.jenkins_double.running import (
    Master,
    alive,
    freestyle,
    parameter,
    parameters,
    running_master,
)

BINDING = (
    "<org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper><bindings>"
    "<org.jenkinsci.plugins.credentialsbinding.impl.StringBinding>"
    "<variable>TOK</variable><credentialsId>the-id</credentialsId>"
    "</org.jenkinsci.plugins.credentialsbinding.impl.StringBinding></bindings>"
    "</org.jenkinsci.plugins.credentialsbinding.impl.SecretBuildWrapper>"
)
TIMEOUT = (
    "<hudson.plugins.build__timeout.BuildTimeoutWrapper>"
    '<strategy class="hudson.plugins.build_timeout.impl.AbsoluteTimeOutStrategy">'
    "<timeoutMinutes>0.01</timeoutMinutes></strategy><operationList>"
    "<hudson.plugins.build__timeout.operations.FailOperation/></operationList>"
    "</hudson.plugins.build__timeout.BuildTimeoutWrapper>"
)
ARCHIVER = (
    "<hudson.tasks.ArtifactArchiver><artifacts>**/*.txt</artifacts><excludes>no/**</excludes>"
    "</hudson.tasks.ArtifactArchiver>"
)


def pids(file: Path, count: int) -> list[int]:
    """The process numbers that a step has written, one a line."""

    def written() -> list[int] | None:
        found = [int(line) for line in file.read_text().split()] if file.exists() else []
        return found if len(found) == count else None

    return wait_for(f"{count} processes", written, timeout=10)


def hanging(file: Path) -> str:
    """A step that starts a child and a daemon in a session of its own, and waits."""
    daemon = f"setsid sh -c 'echo $$ >>{file}; exec sleep 90' &"
    return f"echo $$ >>{file}\n{daemon}\nsleep 90 & echo $! >>{file}\nwait"


def test_steps_run_in_a_workspace_with_jenkins_variables(shared_master: Master) -> None:
    script = 'echo "$JOB_NAME $BUILD_TAG $NODE_NAME"; echo "$WORKSPACE"; pwd; echo "[$PYTHONPATH]"'
    shared_master.create("variables", freestyle(script))
    assert shared_master.run("variables")["result"] == "SUCCESS"
    lines = shared_master.console("variables").splitlines()
    assert "variables jenkins-variables-1 built-in" in lines
    assert lines.count(str(shared_master.home / ".iec4/jenkins/workspace/variables")) == 2
    assert "[]" in lines, "what Jenkins itself runs from is not for its jobs"


def test_a_failing_step_ends_the_steps_and_what_it_left_is_archived(shared_master: Master) -> None:
    commands = ("mkdir no; echo 1 >a.txt; echo 2 >no/b.txt; exit 3", "echo never-said")
    shared_master.create("failing", freestyle(*commands, publishers=ARCHIVER))
    build = shared_master.run("failing")
    assert build["result"] == "FAILURE"
    assert [a["relativePath"] for a in build["artifacts"]] == ["a.txt"]
    assert "never-said" not in shared_master.console("failing")


def test_a_script_names_its_own_interpreter(shared_master: Master) -> None:
    shared_master.create("shebang", freestyle("#!/bin/sh\necho quiet"))
    shared_master.run("shebang")
    assert "+ echo" not in shared_master.console("shebang")


def test_stop_ends_everything_that_the_build_started(tmp_path: Path, shared_master: Master) -> None:
    shared_master.create("stopped", freestyle(hanging(tmp_path / "pids")))
    number = shared_master.build_of(shared_master.trigger("stopped"))["number"]
    processes = pids(tmp_path / "pids", 3)
    shared_master.ask("POST", f"/job/stopped/{number}/stop")
    build = shared_master.ended("stopped", number)
    assert build["result"] == "ABORTED"
    assert "jenkins.model.InterruptedBuildAction" in [a.get("_class") for a in build["actions"]]
    assert not [pid for pid in processes if alive(pid)]
    assert "Aborted by admin" in shared_master.console("stopped")


#: A step that takes its time to clean up when it is told to end. It speaks when all of it can be
#: told: a shell that has a trap forks children that lose a signal before their exec.
CLEANING_UP = """trap 'sleep 2; echo "released at last"; exit 1' TERM
sh -c 'echo "holding now"; exec sleep 60' &
wait
"""


def test_a_stopped_step_has_time_to_clean_up(shared_master: Master) -> None:
    shared_master.create("cleaning", freestyle(CLEANING_UP))
    stop_when(shared_master, "cleaning", "holding now\n")
    assert "\nreleased at last\n" in shared_master.console("cleaning")


@pytest.mark.parametrize("name", ["writing-1", "writing-2", "writing-3"])
def test_a_step_is_stopped_while_it_writes(name: str, shared_master: Master) -> None:
    shared_master.create(name, freestyle("set +x\necho on and on\nwhile :; do echo; done"))
    stop_when(shared_master, name, "on and on\n")


def stop_when(master: Master, name: str, says: str) -> None:
    """Start a job, stop it when it says something, and wait for its end."""
    number = master.build_of(master.trigger(name))["number"]
    wait_for(says, lambda: f"\n{says}" in master.console(name, number), timeout=10)
    master.ask("POST", f"/job/{name}/{number}/stop")
    assert master.ended(name, number)["result"] == "ABORTED"


def test_a_build_s_daemons_end_with_it(tmp_path: Path, shared_master: Master) -> None:
    daemon = f"setsid sh -c 'echo $$ >>{tmp_path}/pids; exec sleep 90' &\nsleep 0.3"
    shared_master.create("daemons", freestyle(daemon))
    assert shared_master.run("daemons")["result"] == "SUCCESS"
    assert not [pid for pid in pids(tmp_path / "pids", 1) if alive(pid)]


def test_a_build_that_takes_too_long_fails(shared_master: Master) -> None:
    shared_master.create("slow", freestyle("sleep 60", wrappers=TIMEOUT))
    assert shared_master.run("slow")["result"] == "FAILURE"
    assert "Build timed out" in shared_master.console("slow")


def test_secrets_are_masked_in_the_log(shared_master: Master) -> None:
    place = shared_master.home / ".iec4" / "jenkins" / "credentials"
    place.mkdir(exist_ok=True)
    (place / "the-id").write_text("made-up-7177\n")
    shared_master.create("secret", freestyle('echo "token $TOK"', wrappers=BINDING))
    assert shared_master.run("secret")["result"] == "SUCCESS"
    console = shared_master.console("secret")
    assert "token ****" in console
    assert "made-up-7177" not in console


def test_a_secret_file_is_there_for_the_build_alone(shared_master: Master) -> None:
    place = shared_master.home / ".iec4" / "jenkins" / "credentials"
    place.mkdir(exist_ok=True)
    (place / "key-file").write_text("made-up key\n")
    binding = BINDING.replace("StringBinding", "FileBinding").replace("the-id", "key-file")
    shared_master.create("key", freestyle('echo "at=$TOK"; wc -c <"$TOK"', wrappers=binding))
    assert shared_master.run("key")["result"] == "SUCCESS"
    lines = shared_master.console("key").splitlines()
    [path] = [line.removeprefix("at=") for line in lines if line.startswith("at=")]
    assert "11" in lines
    assert not Path(path).exists()


def test_a_workspace_is_cleaned_by_patterns(shared_master: Master) -> None:
    cleanup = (
        "<hudson.plugins.ws__cleanup.PreBuildCleanup><patterns>"
        "<hudson.plugins.ws__cleanup.Pattern><pattern>results/**</pattern><type>INCLUDE</type>"
        "</hudson.plugins.ws__cleanup.Pattern></patterns>"
        "</hudson.plugins.ws__cleanup.PreBuildCleanup>"
    )
    script = "ls results kept 2>&1 || :; mkdir -p results; touch kept results/old"
    shared_master.create("cleaned", freestyle(script, wrappers=cleanup))
    shared_master.run("cleaned")
    shared_master.run("cleaned")
    lines = shared_master.console("cleaned", 2).splitlines()
    assert "kept" in lines
    assert "old" not in lines


def test_a_job_waits_for_those_that_block_it(shared_master: Master, tmp_path: Path) -> None:
    blocker = (
        "<hudson.plugins.buildblocker.BuildBlockerProperty><useBuildBlocker>true"
        "</useBuildBlocker><blockingJobs>lab-(a|b)</blockingJobs>"
        "</hudson.plugins.buildblocker.BuildBlockerProperty>"
    )
    shared_master.create("lab-a", freestyle(f"while ! test -e {tmp_path}/go; do sleep 0.05; done"))
    shared_master.create("lab-c", freestyle("true", properties=blocker))
    shared_master.build_of(shared_master.trigger("lab-a"))
    item = shared_master.trigger("lab-c")
    assert "lab-a" in shared_master.get(f"/queue/item/{item}/api/json")["why"]
    (tmp_path / "go").touch()
    assert shared_master.build_of(item)["number"] == 1


def test_an_unknown_credential_fails_the_build(tmp_path: Path) -> None:
    with running_master(tmp_path) as master:
        master.create("secret", freestyle("true", wrappers=BINDING))
        assert master.run("secret")["result"] == "FAILURE"
        assert "Could not find credentials entry with ID 'the-id'" in master.console("secret")


def test_builds_of_a_job_wait_for_each_other_and_those_of_others_do_not(
    shared_master: Master, tmp_path: Path
) -> None:
    gate = tmp_path / "gate"
    wait = f"while ! test -e {gate}; do sleep 0.05; done"
    shared_master.create("one", freestyle(wait))
    first = shared_master.trigger("one")
    shared_master.build_of(first)
    second = shared_master.trigger("one")
    blocked = shared_master.get(f"/queue/item/{second}/api/json")
    assert blocked["_class"] == "hudson.model.Queue$BlockedItem"
    assert blocked["why"].startswith("Build #1 is already in progress")
    shared_master.create("other", freestyle("true"))
    assert shared_master.run("other")["result"] == "SUCCESS"
    gate.touch()
    assert shared_master.build_of(second)["number"] == 2


def test_concurrent_builds_have_workspaces_of_their_own(
    shared_master: Master, tmp_path: Path
) -> None:
    both = f"touch {tmp_path}/$BUILD_NUMBER; while ! test -e {tmp_path}/2; do sleep 0.05; done"
    job = freestyle(f"pwd; {both}; echo $N", concurrent=True, properties=PARAMETER)
    shared_master.create("beside", job)
    items = [shared_master.trigger("beside", N=n) for n in "12"]
    numbers = [shared_master.build_of(item)["number"] for item in items]
    for number in numbers:
        assert shared_master.ended("beside", number)["result"] == "SUCCESS"
    places = {
        line
        for number in numbers
        for line in shared_master.console("beside", number).splitlines()
        if line.startswith("/")
    }
    assert len(places) == 2, places


PARAMETER = parameters(parameter("String", "N", "<defaultValue>0</defaultValue>"))


def test_a_label_that_no_node_has_keeps_a_build_waiting(shared_master: Master) -> None:
    shared_master.create("nowhere", freestyle("true", label="nosuch && linux"))
    item = shared_master.trigger("nowhere")
    waiting = shared_master.get(f"/queue/item/{item}/api/json")
    assert (waiting["_class"], waiting["stuck"]) == ("hudson.model.Queue$BuildableItem", True)
    shared_master.ask("POST", f"/queue/cancelItem?id={item}")


def test_while_quieting_nothing_starts(master: Master) -> None:
    master.create("quiet", freestyle("true"))
    assert master.ask("POST", "/quietDown?message=maintenance").status == 302
    item = master.trigger("quiet")
    waiting = master.get(f"/queue/item/{item}/api/json")
    assert waiting["why"] == "Jenkins is about to shut down"
    assert master.get("/api/json?tree=quietDownReason")["quietDownReason"] == "maintenance"
    master.ask("POST", "/cancelQuietDown")
    assert master.build_of(item)["number"] == 1


def test_old_builds_are_discarded(shared_master: Master) -> None:
    keep = (
        "<jenkins.model.BuildDiscarderProperty><strategy class='hudson.tasks.LogRotator'>"
        "<numToKeep>2</numToKeep></strategy></jenkins.model.BuildDiscarderProperty>"
    )
    shared_master.create("rotated", freestyle("true", properties=keep))
    for _ in range(3):
        shared_master.run("rotated")
    builds = shared_master.get("/job/rotated/api/json")["builds"]
    assert [build["number"] for build in builds] == [3, 2]
    assert shared_master.ask("GET", "/job/rotated/1/api/json").status == 404


def test_a_log_is_followed_without_losing_or_repeating_a_byte(shared_master: Master) -> None:
    script = '#!/bin/sh\nfor i in $(seq 1 40); do echo "line $i äöü"; sleep 0.02; done'
    shared_master.create("followed", freestyle(script))
    number = shared_master.build_of(shared_master.trigger("followed"))["number"]
    log, start = b"", 0

    def over() -> bool:
        nonlocal log, start
        path = f"/job/followed/{number}/logText/progressiveText?start={start}"
        answer = shared_master.ask("GET", path)
        size = int(answer.headers["X-Text-Size"])
        assert size == start + len(answer.raw.replace(b"\r\n", b"\n"))
        log, start = log + answer.raw.replace(b"\r\n", b"\n"), size
        return answer.headers["X-More-Data"] is None

    wait_for("the end of the log", over, timeout=20, interval=0.01)
    said = [line for line in log.decode().splitlines() if line.startswith("line")]
    assert said == [f"line {i} äöü" for i in range(1, 41)]


# What a kill leaves


def test_a_kill_loses_nothing_and_leaves_no_process(tmp_path: Path, master: Master) -> None:
    master.create("cut", freestyle(hanging(tmp_path / "pids")))
    master.create("later", freestyle("true"))
    number = master.build_of(master.trigger("cut"))["number"]
    processes = pids(tmp_path / "pids", 3)
    waiting = master.trigger("later", delay="1sec")
    master.kill()
    wait_for(
        "the end of the build's processes",
        lambda: not [pid for pid in processes if alive(pid)],
        timeout=10,
    )
    master.start()
    cut = master.get(f"/job/cut/{number}/api/json")
    assert (cut["result"], cut["building"]) == ("ABORTED", False)
    assert master.console("cut", number).endswith("Finished: ABORTED\n")
    assert master.build_of(waiting)["number"] == 1, "the item keeps its id over the restart"
    assert master.trigger("later") > waiting
    found = master.get("/job/cut/api/json")
    assert (found["nextBuildNumber"], found["inQueue"]) == (number + 1, False), "it is run once"


def test_everything_acknowledged_is_there_after_a_kill(master: Master) -> None:
    for i in range(10):
        master.create(f"job-{i}", freestyle(f"echo {i}"))
        master.kill()
        master.start()
        assert master.ask("GET", f"/job/job-{i}/config.xml").status == 200
    assert len(master.get("/api/json")["jobs"]) == 10


def test_its_end_ends_its_builds(tmp_path: Path) -> None:
    with running_master(tmp_path / "home") as master:
        master.create("ending", freestyle(hanging(tmp_path / "pids")))
        master.trigger("ending")
        processes = pids(tmp_path / "pids", 3)
    assert not [pid for pid in processes if alive(pid)]


def test_while_it_starts_everybody_gets_503(tmp_path: Path) -> None:
    with running_master(tmp_path, "--start-delay", "60", ready=503) as master:
        answer = master.ask("POST", "/createItem?name=x")
        assert answer.status == 503
        assert "Starting Jenkins" in answer.text
        assert answer.headers["X-Jenkins"] is None


def test_a_context_path_is_part_of_every_url(tmp_path: Path) -> None:
    with running_master(tmp_path, context="/ci") as master:
        client = master.client()
        client.create_job("job", freestyle("true"))
        assert master.get("/api/json")["url"] == f"{master.url}/"
        assert master.build_of(master.trigger("job"))["url"] == f"{master.url}/job/job/1/"
        assert master.ask("POST", "/job/job/disable").headers["Location"] == "/ci/job/job/"


def test_what_it_keeps_is_not_for_others(master: Master) -> None:
    """Artifacts end where a build's archive ends."""
    archiver = ARCHIVER.replace("<artifacts>**/*.txt", "<artifacts>*.txt")
    master.create("kept", freestyle("echo 1 >a.txt", publishers=archiver))
    master.run("kept")
    place = "/job/kept/1/artifact"
    assert master.ask("GET", f"{place}/a.txt").text == "1\n"
    for path in ("%2e%2e/log", "..%2flog", "%2e%2e/%2e%2e/%2e%2e/%2e%2e/jenkins.db", "."):
        assert master.ask("GET", f"{place}/{path}").status == 404, path
