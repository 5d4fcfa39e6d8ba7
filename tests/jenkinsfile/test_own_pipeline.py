"""The Jenkinsfile, executed: in which order its commands run, and what becomes of a failure."""

from __future__ import annotations

from pathlib import Path

import pytest

from lab.payload import ROOT
from lab.wait import wait_for
from tests.jenkinsfile.agent import Agent, Build, appears

JENKINSFILE = ROOT / "Jenkinsfile"


def calls(agent: Agent) -> list[list[str]]:
    """The words of every call, and last what was seen of the lab: " lab" or ""."""
    lines = (agent.workspace() / "calls").read_text().splitlines()
    return [line.split("|") for line in lines]


def names(agent: Agent) -> list[str]:
    return [f"lab {call[1]}" if call[0] == "lab" else call[0] for call in calls(agent)]


def lab_lives(workspace: Path) -> bool:
    """Whether the stand-in's lab runs; a process that waits to be reaped does not."""
    pid = (workspace / "lab.pid").read_text().strip()
    try:
        return b"sleep" in Path("/proc", pid, "cmdline").read_bytes()
    except OSError:
        return False


def blocked(agent: Agent, command: str, **parameters: str) -> Build:
    """A build whose ``command`` runs until it is stopped."""
    (agent.source / "blocks").write_text(command)
    build = agent.start(JENKINSFILE, **parameters)
    appears(agent.workspace() / "ready", build)
    return build


def test_it_runs_its_commands_in_order_and_archives_the_report(agent: Agent) -> None:
    build = agent.run(JENKINSFILE)
    assert build.result == "SUCCESS", build.log
    assert build.stages == ["lab", "deploy", "validate", "perf"]
    assert names(agent) == [
        *("lab down", "lab up", "deploy", "validate", "perf", "report", "lab down")
    ]
    (report,) = build.archived()
    assert report.match(f"results/jenkins-{agent.job}-1-*/junit.xml")


def test_every_stage_gets_the_one_run_directory(agent: Agent) -> None:
    agent.run(JENKINSFILE)
    runs = {call[call.index("--run") + 1] for call in calls(agent) if "--run" in call}
    assert len(runs) == 1
    assert runs.pop().startswith(f"results/jenkins-{agent.job}-1-")


def test_parameters_reach_the_commands_as_they_are(agent: Agent) -> None:
    hostile = """a b'"; touch pasted; $(touch pasted) `touch pasted`"""
    build = agent.run(JENKINSFILE, LAB="my lab.yaml", ONLY=hostile, MATURITY="mature", LAYER="paas")
    assert build.result == "SUCCESS", build.log
    deploy = calls(agent)[0]
    said = dict(zip(deploy[1:-1:2], deploy[2:-1:2], strict=True))
    assert said.pop("--run")
    assert said == {
        "--lab": "my lab.yaml",
        "--blueprint": "iec-type4",
        "--layer": "paas",
        "--only": hostile,
        "--maturity": "mature",
    }
    assert not (agent.workspace() / "pasted").exists()


def test_a_lab_that_is_there_is_not_started(agent: Agent) -> None:
    build = agent.run(JENKINSFILE, LAB="mine.yaml")
    assert 'Stage "lab" skipped due to when conditional' in build.log
    assert "lab up" not in names(agent)


@pytest.mark.parametrize("command", ["deploy", "perf"])
def test_a_command_that_fails_fails_the_build_and_the_next_stages_tell_more(
    agent: Agent, command: str
) -> None:
    (agent.source / "fails").write_text(command)
    build = agent.run(JENKINSFILE)
    assert build.result == "FAILURE"
    assert names(agent)[2:] == ["deploy", "validate", "perf", "report", "lab down"]
    assert build.archived("junit.xml")


def test_without_a_lab_the_later_stages_are_skipped_and_the_report_is_archived(
    agent: Agent,
) -> None:
    (agent.source / "fails").write_text("lab")
    build = agent.run(JENKINSFILE)
    assert build.result == "FAILURE"
    assert build.stages == ["lab", "deploy", "validate", "perf"]
    for stage in ("deploy", "validate", "perf"):
        assert f'Stage "{stage}" skipped due to earlier failure(s)' in build.log
    assert names(agent) == ["lab down", "report", "lab down"]
    assert build.archived("junit.xml")


def test_a_verdict_that_fails_fails_the_build(agent: Agent) -> None:
    """The report's exit code is the run's verdict."""
    (agent.source / "fails").write_text("report")
    assert agent.run(JENKINSFILE).result == "FAILURE"
    assert names(agent)[-2:] == ["report", "lab down"]


def test_failures_that_are_not_mandatory_make_it_unstable(agent: Agent) -> None:
    script = agent.source / "iec4"
    script.write_text(script.read_text().replace("<testcase/>", "<testcase><failure/></testcase>"))
    build = agent.run(JENKINSFILE)
    assert build.result == "UNSTABLE"
    assert "changed build result to UNSTABLE" in build.log


def test_an_abort_ends_the_command_and_reaches_post(agent: Agent) -> None:
    build = blocked(agent, "validate")
    build.stop()
    assert build.result == "ABORTED", build.log
    assert "Aborted by admin" in build.log
    # The command had time to clean up, no stage came after it, and its lab was still there.
    after = calls(agent)[4:]
    assert [call[0] for call in after] == ["stopped", "report", "lab"]
    assert after[1][-1] == " lab"
    assert build.archived("junit.xml")


def test_an_abort_while_the_report_is_written_takes_the_lab_down_too(agent: Agent) -> None:
    build = blocked(agent, "report")
    build.stop()
    assert build.result == "ABORTED"
    assert names(agent)[-3:] == ["report", "stopped", "lab down"]


def test_a_time_out_of_a_stage_reaches_post(agent: Agent, tmp_path: Path) -> None:
    short = tmp_path / "short"
    text = JENKINSFILE.read_text()
    limit = "timeout(time: 15, unit: 'MINUTES')"
    head, perf = text.split("stage('perf')")
    assert limit in perf
    seconds = perf.replace(limit, "timeout(time: 1, unit: 'SECONDS')")
    short.write_text(f"{head}stage('perf'){seconds}")
    (agent.source / "blocks").write_text("perf")
    build = agent.run(short)
    assert build.result == "ABORTED"
    assert "Timeout has been exceeded" in build.log
    assert names(agent)[-4:] == ["perf", "stopped", "report", "lab down"]
    assert build.archived("junit.xml")


def test_the_lab_outlives_a_step_and_not_the_pipeline(agent: Agent) -> None:
    """The stand-in's ``lab down`` does nothing: the node's end must do."""
    build = agent.run(JENKINSFILE)
    assert build.result == "SUCCESS", build.log
    lab = [call[-1] for call in calls(agent)]
    assert lab == ["", "", " lab", " lab", " lab", " lab", " lab"]
    assert not lab_lives(agent.workspace())


def test_a_build_for_another_node_does_not_run_here(agent: Agent) -> None:
    build = agent.start(JENKINSFILE, BUILD_NODE="elsewhere")
    wait_for("it waits", lambda: "have label \u2018elsewhere\u2019" in build.log, timeout=20)
    build.stop()
    assert build.result == "ABORTED"
    assert not agent.workspace().exists()


def test_builds_at_the_same_time_share_no_workspace(agent: Agent) -> None:
    first = blocked(agent, "validate")
    second = agent.start(JENKINSFILE)
    appears(agent.workspace(2) / "ready", second)
    assert lab_lives(agent.workspace())
    first.stop()
    assert first.result == "ABORTED"
    # The end of the first has ended nothing of the second.
    assert lab_lives(agent.workspace(2))
    second.stop()
    assert second.result == "ABORTED"
    assert not any(lab_lives(agent.workspace(slot)) for slot in (1, 2))
    for build, other in ((first, second), (second, first)):
        (report,) = build.archived("junit.xml")
        assert report.parent.name not in {path.parent.name for path in other.archived()}
