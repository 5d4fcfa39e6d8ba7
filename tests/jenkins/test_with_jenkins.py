"""Jobs that really run: on the embedded Jenkins, or on the one at JENKINS_URL, unchanged."""

from __future__ import annotations

import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from itertools import count

import pytest

from jobs.apply import delete, not_defined, put
from lab.jenkins.access import job_path
from lab.jenkins.defined import look
from lab.jenkins.errors import JenkinsError, NotFound, RequestRefused
from lab.jenkins.following import Follower
from lab.jenkins.triggering import prepare, trigger
from lab.wait import wait_for
from tests.jenkins_double.running import freestyle, parameter, parameters

NUMBERS = count()
#: A line that the log as text has as well; notes and umlauts beside it.
TALKS = "for i in 1 2 3 4 5; do echo tick $i äöü; sleep 0.2; done; printf 'no end'"
SUITE = parameters(parameter("String", "SUITE", "<defaultValue>smoke</defaultValue>"))
WAITS = 'echo "begun"; while true; do sleep 0.1; done'


def defined(xml):
    """As Job Builder marks it."""
    mark = "&lt;!-- Managed by Jenkins Job Builder --&gt;"
    return xml.replace("<description></description>", f"<description>{mark}</description>")


@pytest.fixture
def make(server):
    """Make a job; returns its name."""

    def job(*commands, **options):
        name = f"{server.prefix}-{next(NUMBERS)}"
        put(server.client(), name, defined(freestyle(*commands, **options)))
        return name

    return job


def builds(server, name):
    return server.client().json(job_path(name), tree="builds[number]")["builds"]


def console(server, name, number=1):
    return server.client().get(f"{job_path(name)}{number}/consoleText").content.decode()


def run(client, name, values=None, **options):
    """Trigger and follow; returns the build, its result and its log."""
    shown = []
    follower = Follower(client, log=shown.append, notice=lambda _: None, timeout=60, poll=0.1)
    build = follower.build_of(trigger(client, prepare(client, name, values or {}), **options))
    return build, follower.result_of(build), "".join(shown)


def test_apply_makes_and_changes_only_what_differs_and_keeps_builds(server, make):
    name = make("echo one")
    client = server.client()
    _, result, _ = run(client, name)
    assert result == "SUCCESS"
    one, two = (defined(freestyle(f"echo {word}")) for word in ("one", "two"))
    assert put(client, name, one) == "same"
    for save in ("disable", "enable"):  # Jenkins writes the job its own way
        client.post(f"{job_path(name)}{save}")
    assert look(client, name, one).state == "same"
    assert put(client, name, two) == "differs"
    assert put(client, name, two) == "same"
    assert [build["number"] for build in builds(server, name)] == [1]
    client.post(f"{job_path(name)}disable")
    (found,) = [d for d in look(client, name, two).drift.differences if d.matters]
    assert (found.path, found.saved) == ("/disabled", "true")


@pytest.mark.parametrize("how", ["before", "after", 503])
def test_apply_survives_lost_answers(server, relay, how):
    name = f"{server.prefix}-{next(NUMBERS)}"
    client = server.client(relay.url)
    relay.lose("POST .*/createItem", how)
    assert put(client, name, defined(freestyle("true"))) == "missing"
    relay.lose("POST .*/config.xml", how)
    assert put(client, name, defined(freestyle("false"))) == "differs"
    relay.lose("POST .*/doDelete", how)
    delete(client, name)
    with pytest.raises(NotFound):
        client.json(job_path(name))


def test_jobs_of_another_type_and_broken_ones_are_refused(server, make):
    name = make("true")
    pipeline = "<flow-definition><actions/></flow-definition>"
    with pytest.raises(RequestRefused, match="job of another type"):
        put(server.client(), name, pipeline)


def test_jobs_in_folders(server):
    client = server.client()
    folder = f"{server.prefix}-{next(NUMBERS)}"
    client.jobs.create_folder(folder)
    name = f"{folder}/iec4-inner"
    assert put(client, name, defined(freestyle("echo deep"))) == "missing"
    build, result, log = run(client, name)
    assert (str(build), result) == (f"{name} #1", "SUCCESS")
    assert "deep" in log
    assert name in not_defined(client, {})
    assert name not in not_defined(client, {name: ""})
    delete(client, folder)


def test_a_folder_that_is_not_there_is_told(server):
    with pytest.raises(JenkinsError, match="folder for the job does not exist"):
        put(server.client(), f"{server.prefix}-none/iec4-inner", defined(freestyle("true")))


def test_only_jobs_of_ours_are_pruned(server, make):
    client = server.client()
    ours = make("true")
    by_hand, others = f"{ours}-by-hand", ours.replace("iec4-", "other-")
    client.jobs.create_job(by_hand, freestyle("true"))
    client.jobs.create_job(others, defined(freestyle("true")))
    found = not_defined(client, {})
    assert ours in found
    assert by_hand not in found
    assert others not in found
    for name in (by_hand, others):
        delete(client, name)


def test_the_log_is_shown_whole(server, make):
    name = make(TALKS)
    _, result, log = run(server.client(), name)
    assert result == "SUCCESS"
    assert log == console(server, name)
    assert log.count("\ntick 3 äöü\n") == 1
    assert "no end" in log


def test_values_reach_the_build(server, make):
    name = make('echo "suite <$SUITE>"', properties=SUITE)
    value = "full ä & <b>"
    _, _, log = run(server.client(), name, {"SUITE": value})
    assert f"suite <{value}>" in log


@pytest.mark.parametrize("how", ["before", "after", 503, 502])
@pytest.mark.parametrize("properties", ["", SUITE], ids=["plain", "parameterized"])
def test_a_request_makes_one_build_whatever_is_lost(server, relay, make, how, properties):
    name = make("sleep 0.3", properties=properties)
    relay.lose("POST .*/build", how)
    build, result, _ = run(server.client(relay.url), name, settle=1.5)
    assert (build.number, result) == (1, "SUCCESS")
    assert [b["number"] for b in builds(server, name)] == [1]
    assert relay.count("POST .*/build") == 1


def test_a_log_is_whole_whatever_is_lost(server, relay, make):
    name = make(TALKS)
    for how in ("before", "after", 503, 401, "after"):
        relay.lose("GET .*/logText/", how)
    relay.lose("GET .*/queue/item", "after", times=2)
    _, result, log = run(server.client(relay.url), name)
    assert result == "SUCCESS"
    assert log == console(server, name)


def test_a_restart_of_jenkins_loses_nothing_that_was_shown(server, make):
    if server.master is None:
        pytest.skip("restarts the embedded Jenkins only")
    name = make("echo once", TALKS)
    client = server.client()
    shown = []

    def restart():
        server.master.end()
        server.master.start()

    restarting = threading.Thread(target=restart)

    def show(text):
        shown.append(text)
        if "tick 1" in text and restarting.ident is None:
            restarting.start()

    follower = Follower(client, log=show, notice=lambda _: None, timeout=60, poll=0.1)
    build = follower.build_of(trigger(client, prepare(client, name, {})))
    result = follower.result_of(build)
    restarting.join(30)
    log = "".join(shown)
    assert result in ("SUCCESS", "FAILURE", "ABORTED")
    assert log == console(server, name)
    assert len(builds(server, name)) == 1


class Called:
    """``./iec4 jobs …`` as a process, whose output can be waited for."""

    def __init__(self, server, *arguments):
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pipeline", "jobs", *arguments],
            env=server.environment | {"PATH": "/usr/bin:/bin"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def until(self, pattern):
        """Read what it writes up to a line with ``pattern``."""
        for line in self.process.stdout:
            if re.search(pattern, line):
                return

    def end(self):
        """Its exit code and the rest of its output."""
        out, err = self.process.communicate(timeout=60)
        return self.process.returncode, out, err


@pytest.mark.parametrize(
    ("command", "code"), [("true", 0), ("exit 7", 1)], ids=["success", "failure"]
)
def test_the_exit_code_is_the_build_s_result(server, make, command, code):
    name = make(command)
    found, out, err = Called(server, "trigger", name).end()
    assert found == code, err
    assert out == console(server, name)
    again, out, _ = Called(server, "watch", name).end()
    assert (again, out) == (code, console(server, name))


def test_nothing_is_asked_in_a_dry_run(server, make):
    name = make("true", properties=SUITE)
    code, out, err = Called(server, "trigger", name, "-p", "SUITE=x", "--dry-run").end()
    assert (code, err) == (0, "")
    assert out.endswith(f"{job_path(name)}buildWithParameters with SUITE\n")
    assert builds(server, name) == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=["ctrl-c", "sigterm"])
def test_an_interrupt_stops_the_build_if_asked(server, make, number):
    name = make(WAITS)
    called = Called(server, "trigger", name, "--stop-on-interrupt")
    called.until("^begun")
    called.process.send_signal(number)
    code, _, err = called.end()
    assert code == 130
    assert f"{name} #1: ABORTED" in err
    state = server.client().json(f"{job_path(name)}1/", tree="building,result")
    assert (state["building"], state["result"]) == (False, "ABORTED")


def test_an_interrupt_leaves_the_build_otherwise(server, make):
    name = make(WAITS)
    called = Called(server, "trigger", name)
    called.until("^begun")
    called.process.send_signal(signal.SIGINT)
    code, _, err = called.end()
    client = server.client()
    assert code == 130
    assert "goes on" in err
    assert client.json(f"{job_path(name)}1/", tree="building")["building"]
    stopped = Called(server, "watch", name, "--stop-on-interrupt")
    stopped.until("^begun")
    stopped.process.send_signal(signal.SIGINT)
    assert stopped.end()[0] == 130
    wait_for(
        "the build has ended",
        lambda: not client.json(f"{job_path(name)}1/", tree="building")["building"],
        timeout=20,
    )


def test_an_interrupt_while_jenkins_is_asked_stops_what_came_of_it(server, relay, make):
    name = make(WAITS)
    called = Called(replace(server, url=relay.url), "trigger", name, "--stop-on-interrupt")
    relay.when("POST .*/build", lambda: called.process.send_signal(signal.SIGINT))
    code, _, err = called.end()
    assert code == 130
    assert "interrupted while Jenkins was asked" in err
    client = server.client()
    assert client.json("queue/", tree="items[id]")["items"] == []
    states = client.json(job_path(name), tree="builds[building,result]")["builds"]
    assert [(s["building"], s["result"]) for s in states] in ([], [(False, "ABORTED")])


def test_what_waits_in_the_queue_is_cancelled_on_an_interrupt(server, make):
    name = make("true", label="no-such-agent")
    called = Called(server, "trigger", name, "--stop-on-interrupt")
    for line in called.process.stderr:
        if "queued:" in line:
            break
    called.process.send_signal(signal.SIGINT)
    code, out, err = called.end()
    assert (code, out) == (130, "")
    assert f"{name}: CANCELLED" in err
    assert builds(server, name) == []


def test_secret_values_are_not_shown(server, make, tmp_path):
    name = make('echo "it is $SUITE"', properties=SUITE)
    (tmp_path / "secret").write_text("canary-0815")
    word = f"SUITE=file:{tmp_path / 'secret'}"
    code, out, err = Called(server, "trigger", name, "--secret-param", word).end()
    assert code == 0, err
    assert "it is [secret]" in out
    assert "canary-0815" not in out + err


def test_apply_diff_and_prune_as_a_person_meets_them(server):
    if server.master is None:
        pytest.skip("makes the suite's own jobs: on the embedded Jenkins only")
    client = server.client()
    code, out, err = Called(server, "apply", "--dry-run").end()
    assert (code, err) == (0, "")
    names = re.findall("^(.*): would be created$", out, re.MULTILINE)
    assert names
    assert not client.jobs.job_exists(names[0])
    assert Called(server, "apply").end()[0] == 0
    client.post(f"{job_path(names[0])}disable")
    code, out, _ = Called(server, "diff").end()
    assert code == 1
    assert re.findall("^(.*): differs", out, re.MULTILINE) == names[:1]
    assert "/disabled: nobody defined it" in out
    gone = f"{server.prefix}-gone"
    client.jobs.create_job(gone, defined(freestyle("true")))
    out = Called(server, "apply").end()[1]
    assert out.count(": as defined") == len(names) - 1
    assert f"{names[0]}: updated" in out
    assert f"{gone}: defined no more; left there" in out
    assert f"{gone}: would be deleted" in Called(server, "prune").end()[1]
    assert client.jobs.job_exists(gone)
    assert f"{gone}: deleted" in Called(server, "prune", "--yes").end()[1]
    assert not client.jobs.job_exists(gone)
    assert client.jobs.job_exists(names[0])
