"""Whole runs on the embedded lab: verdicts, reports, interruption, a lab that is broken."""

from __future__ import annotations

import json
import os
import pty
import signal
import socket
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from xml.etree import ElementTree

import yaml

from lab import faults
from lab import inventory as inventories
from lab.inventory import Inventory
from lab.loopback import cleanup
from lab.loopback.lifecycle import down, up
from lab.wait import wait_for
from tests.pipeline.conftest import Iec4
from tests.pipeline.runs import processes_of


def file_of(lab: Inventory) -> str:
    assert lab.state is not None
    return str(lab.state / "inventory.yaml")


def latest(tmp_path: Path) -> Path:
    return (tmp_path / "results" / "latest").resolve()


def verdicts(run: Path) -> dict[str, str]:
    """criterion → JUnit outcome with its reason"""
    found = {}
    for case in ElementTree.parse(run / "junit.xml").iter("testcase"):
        problem = next((c for c in case if c.tag in ("failure", "error", "skipped")), None)
        outcome = "passed" if problem is None else f"{problem.tag}: {problem.get('message')}"
        found[str(case.get("name")).split()[0]] = outcome
    return found


def test_a_run_ends_with_table_reports_and_exit_code(iec4: Iec4, tmp_path: Path) -> None:
    done = iec4("run", "--layer", "os")

    assert done.returncode == 0, done.stderr + done.stdout
    run = latest(tmp_path)
    # What is judged of a machine itself skips: this lab's hosts have no root of their own.
    assert set(verdicts(run).values()) == {
        "passed",
        "skipped: capability missing: own-root",
        "skipped: capability missing: kvm",
    }
    for identifier in ("OS-01", "OS-05"):
        assert identifier in done.stdout
        assert f"PASS  {identifier}" in done.stderr
    state = json.loads((run / "run.json").read_text())
    states = {stage["name"]: stage["state"] for stage in state["stages"]}
    assert {name for name, state in states.items() if state == "skipped"} == {"deploy", "perf"}
    assert {n for n, s in states.items() if s == "done"} == {"lab", "lease", "validate", "scan"}
    assert str(run / "report.html") in done.stdout
    assert "iec-type4 on embedded" in (run / "report.html").read_text()
    assert not (run / "lab").exists()
    assert processes_of(run) == []


def test_json_is_one_document_and_nothing_else(iec4: Iec4) -> None:
    done = iec4("run", "--only", "OS-01", "--json")
    document = json.loads(done.stdout)
    assert done.stderr == ""
    assert [c["id"] for c in document["criteria"]] == ["OS-01"]


def test_ctrl_c_leaves_results_and_nothing_else_and_resume_goes_on(
    iec4: Iec4, tmp_path: Path
) -> None:
    runner = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--only", "SAAS-06,SAAS-07,SAAS-08,OS-01"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    events = wait_for(
        "the run's event log", lambda: next(tmp_path.glob("results/*/events.jsonl"), None),
        timeout=30,
    )  # fmt: skip
    wait_for("a first verdict", lambda: '"end"' in events.read_text(), timeout=30)
    runner.send_signal(signal.SIGINT)
    stdout, _ = runner.communicate(timeout=5)

    run = events.parent
    assert runner.returncode == 130
    assert processes_of(run) == []
    assert not (run / "lab").exists()
    assert json.loads((run / "run.json").read_text())["interrupted"] is True
    after_interruption = verdicts(run)
    assert set(after_interruption) == {"OS-01", "SAAS-06", "SAAS-07", "SAAS-08"}
    outcomes = after_interruption.values()
    assert any(outcome.startswith("error: no verdict") for outcome in outcomes), outcomes
    assert "interrupted" in stdout
    assert not (run / "report.html").exists()
    assert iec4("report", str(run)).returncode == 130
    assert (run / "report.html").exists()

    resumed = iec4("run", "--resume", str(run))
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert set(verdicts(run).values()) == {"passed"}


def test_a_host_that_is_down_is_an_error_in_bounded_time(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    faults.inject(lab, "os.host-down")
    done = iec4("run", "--lab", file_of(lab), "--only", "OS-01,OS-02,OS-03,OS-04,OS-05", timeout=60)

    assert done.returncode == 3
    found = verdicts(latest(tmp_path))
    assert len(found) == 5
    for outcome in found.values():
        assert outcome.startswith("error: ")
        assert "dc" in outcome
        assert "check that the host is up" in outcome


def test_a_deployment_that_fails_blocks_its_system_and_no_other(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    address = lab.systems["classroom"].endpoints["api"].removeprefix("https://").split(":")
    with socket.create_server((address[0], int(address[1]))):  # the backend's port is taken
        done = iec4("run", "--lab", file_of(lab), "--only", "SAAS-01,SAAS-06,OS-01")

    assert done.returncode == 3
    found = verdicts(latest(tmp_path))
    assert found["OS-01"] == "passed"
    for identifier in ("SAAS-01", "SAAS-06"):
        assert "blocked by the deployment of classroom" in found[identifier]
        assert "ended instead of answering" in found[identifier]


def test_a_certificate_of_another_ca_is_an_error(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    assert iec4("deploy", "--lab", file_of(lab), "--quiet").returncode == 0
    other = up(inventories.load("embedded"), tmp_path / "other", owner_pid=os.getpid(), ttl_s=100)
    assert other.state is not None
    text = Path(file_of(lab)).read_text()
    adopted = tmp_path / "adopted.yaml"
    inventory = yaml.safe_load(text)
    inventory["systems"]["classroom"] |= {"adopted": True, "ca": str(other.state / "ca.pem")}
    adopted.write_text(yaml.safe_dump(inventory))
    done = iec4("run", "--lab", str(adopted), "--only", "SAAS-01,SAAS-03")
    down(other.state)

    assert done.returncode == 3, done.stdout
    for outcome in verdicts(latest(tmp_path)).values():
        assert outcome.startswith("error: ")
        assert "certificate" in outcome


def test_a_second_run_on_a_lab_is_told_who_holds_it(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    first = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--lab", file_of(lab), "--only", "SAAS-07"],
        cwd=tmp_path,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(
        "the first run's deployment",
        lambda: any('"deploy"' in f.read_text() for f in tmp_path.glob("results/*/run.json")),
        timeout=30,
    )
    second = iec4("run", "--lab", file_of(lab), "--only", "OS-01")
    assert first.wait(60) == 0
    assert second.returncode == 3
    assert "held" in second.stderr
    assert f"process {first.pid}" in second.stderr


def test_stages_share_a_run_directory_and_deploying_twice_is_harmless(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    run = str(tmp_path / "mine")
    lab_file = file_of(lab)
    listed = iec4("deploy", "--lab", lab_file, "--dry-run").stdout
    for _ in range(2):
        assert iec4("deploy", "--lab", lab_file, "--run", run).returncode == 0
    log = (Path(run) / "logs" / "deploy.log").read_text()
    assert "bring the embedded classroom backend: unchanged" in log
    for step in ("bring the embedded classroom backend", "start classroom"):
        assert step in listed
        assert step in log
    only = ("--only", "SAAS-03,OS-01")
    assert iec4("validate", "--lab", lab_file, "--run", run, *only).returncode == 0
    judged = {e["criterion"] for e in map(json.loads, (Path(run) / "events.jsonl").open())}
    assert judged == {"SAAS-03", "OS-01"}
    assert iec4("deploy", "--lab", lab_file, "--run", run, "--remove").returncode == 0
    lab_id = (lab.state / "lab.id").read_text() if lab.state else ""
    wait_for("the end of what was deployed", lambda: not [
        pid for pid in cleanup.tagged(lab_id)
        if b"lab.classroom.embedded" in Path(f"/proc/{pid}/cmdline").read_bytes()
    ], timeout=5)  # fmt: skip


def test_planted_secrets_are_in_no_output(iec4: Iec4, lab: Inventory, tmp_path: Path) -> None:
    canary = 'canary&"+/7f31d9'
    text = Path(file_of(lab)).read_text()
    planted = tmp_path / "planted.yaml"
    inventory = yaml.safe_load(text)
    inventory["systems"]["tars"]["secrets"] = {"ticket": "env:IEC4_TEST_TICKET"}
    planted.write_text(yaml.safe_dump(inventory))
    chosen = "OS-02,OS-04,SAAS-01,SAAS-02,SAAS-05,PAAS-02,PAAS-05,CICD-02,CICD-06"
    done = iec4("run", "--lab", str(planted), "--only", chosen, IEC4_TEST_TICKET=canary)

    assert lab.state is not None
    secrets = {canary, "7f31d9"}
    secrets |= {file.read_text().strip() for file in (lab.state / "secrets").iterdir()}
    for key in lab.state.rglob("*"):
        if key.is_file() and b"PRIVATE KEY" in (content := key.read_bytes())[:60]:
            secrets.add(content.decode().splitlines()[2])
    assert len(secrets) > 4
    written = [file for file in latest(tmp_path).rglob("*") if file.is_file()]
    assert len(written) > 15
    for secret in secrets:
        assert secret not in done.stdout + done.stderr
        for file in written:
            assert secret.encode() not in file.read_bytes(), f"{file.name} holds a secret"


def test_a_package_registry_that_is_away_is_an_error_in_bounded_time(
    iec4: Iec4, tmp_path: Path
) -> None:
    nowhere = "http://127.0.0.1:9/"
    done = iec4(
        "run", "--only", "PAAS-01,PAAS-04,OS-01",
        IEC4_CACHE=str(tmp_path / "empty-cache"), npm_config_registry=nowhere,
        npm_config_cache=str(tmp_path / "npm"), timeout=60,
    )  # fmt: skip

    assert done.returncode == 3
    found = verdicts(latest(tmp_path))
    assert found["OS-01"] == "passed"
    for identifier in ("PAAS-01", "PAAS-04"):
        assert "blocked by the deployment of tars" in found[identifier]
        assert "npm registry" in found[identifier]
    assert not (latest(tmp_path) / "report.html").exists()
    assert "Traceback" not in done.stderr


def test_a_terminal_shows_a_line_that_moves(tmp_path: Path) -> None:
    parent, child = pty.openpty()
    runner = subprocess.Popen(
        [sys.executable, "-m", "pipeline", "run", "--only", "OS-01,OS-02"],
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        stderr=child,
        env={**os.environ, "TERM": "xterm-256color"},
    )
    os.close(child)
    shown = b""
    with suppress(OSError):  # the terminal's end, when the last process has closed it
        while chunk := os.read(parent, 65536):
            shown += chunk
    os.close(parent)
    assert runner.wait(30) == 0
    text = shown.decode()
    assert "\x1b[" in text
    assert "validate 0/2" in text
    assert "PASS  OS-02" in text


def test_faults_are_listed_injected_and_cleared(iec4: Iec4, lab: Inventory) -> None:
    lab_file = file_of(lab)
    assert "os.permit-root" in iec4("lab", "fault", "list").stdout
    assert iec4("lab", "fault", "inject", "os.permit-root", "--lab", lab_file).returncode == 0
    assert faults.active(lab) == ["os.permit-root"]
    assert iec4("run", "--lab", lab_file, "--only", "OS-05").returncode == 1
    assert iec4("lab", "fault", "clear", "--lab", lab_file).returncode == 0
    assert faults.active(lab) == []
    wrong = iec4("lab", "fault", "inject", "os.permit-rot", "--lab", lab_file)
    assert (wrong.returncode, "did you mean os.permit-root" in wrong.stderr) == (2, True)


def test_a_secret_in_a_run_directory_fails_the_run(
    iec4: Iec4, lab: Inventory, tmp_path: Path
) -> None:
    iec4("run", "--lab", file_of(lab), "--only", "OS-01")
    run = latest(tmp_path)
    assert lab.state is not None
    secret = (lab.state / "secrets" / "classroom").read_text()
    (run / "logs" / "careless.log").write_text(f"logged in with {secret}")
    done = iec4("report", str(run))
    assert done.returncode == 3
    assert "careless.log" in done.stderr
    assert secret not in done.stdout + done.stderr
