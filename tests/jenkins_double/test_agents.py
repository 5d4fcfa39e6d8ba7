"""Nodes over SSH: two hosts of an embedded lab, and jobs that run there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from lab import secrets
from lab.inventory import HostEntry, Inventory
from lab.loopback import lifecycle
from lab.session import Lab
from lab.wait import wait_for
from tests.jenkins_double.running import Master, alive, freestyle, running_master
from tests.jenkins_double.test_running_builds import (
    ARCHIVER,
    CLEANING_UP,
    hanging,
    pids,
    stop_when,
)


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    template = Inventory(
        name="agents",
        kind="embedded",
        profile="embedded",
        hosts={"dc": HostEntry(roles=("dc",)), "edge": HostEntry(roles=("tars-agent",))},
    )
    state = tmp_path_factory.mktemp("lab") / "state"
    inventory = lifecycle.up(template, state, owner_pid=None, ttl_s=300)
    try:
        with Lab(inventory) as opened:
            yield opened
    finally:
        lifecycle.down(state)


@pytest.fixture(scope="module")
def master(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Master]:
    home = tmp_path_factory.mktemp("jenkins")
    agents = {}
    for name, entry in lab.inventory.hosts.items():
        account = entry.accounts[-1]
        key = home / f"{name}.key"
        key.write_text(secrets.resolve(account.key or ""))
        key.chmod(0o600)
        agents[name] = {
            "address": entry.address,
            "port": entry.port,
            "user": account.name,
            "host_key": entry.host_key,
            "key": str(key),
            "labels": list(entry.roles),
            "executors": 1,
        }
    (home / "agents.json").write_text(json.dumps(agents))
    with running_master(home, "--agents", "agents.json") as started:
        wait_for("both agents are online", lambda: len(online(started)) == 3, timeout=15)
        yield started


def online(master: Master) -> list[str]:
    nodes = master.get("/computer/api/json")["computer"]
    return [node["displayName"] for node in nodes if not node["offline"]]


def test_a_step_runs_on_the_host_of_its_label(lab: Lab, master: Master) -> None:
    home = lab.host("dc").check(["pwd"]).strip()
    master.create("there", freestyle('echo "$NODE_NAME"; pwd; echo "$WORKSPACE"', label="dc"))
    build = master.run("there")
    assert (build["result"], build["builtOn"]) == ("SUCCESS", "dc")
    lines = master.console("there").splitlines()
    assert "dc" in lines
    assert lines.count(f"{home}/.iec4/jenkins-agent/workspace/there") == 2
    assert master.get("/label/dc/api/json")["nodes"][0]["nodeName"] == "dc"


def test_its_status_and_its_files_come_back(master: Master) -> None:
    script = (
        "printf 'a\\000\\377' >a.txt; mkdir -p no 'with blank'; touch 'with blank/b.txt'; exit 7"
    )
    master.create("back", freestyle(script, label="tars-agent", publishers=ARCHIVER))
    build = master.run("back")
    assert build["result"] == "FAILURE"
    assert {a["relativePath"] for a in build["artifacts"]} == {"a.txt", "with blank/b.txt"}
    assert master.ask("GET", "/job/back/1/artifact/a.txt").raw == b"a\0\xff"


def test_output_and_errors_come_in_the_order_of_their_writing(master: Master) -> None:
    script = """set +x
    for n in $(seq 300); do printf "$n is " >&2; echo "$n"; done"""
    master.create("both", freestyle(script, label="dc"))
    assert master.run("both")["result"] == "SUCCESS"
    lines = [line for line in master.console("both").splitlines() if " is " in line]
    assert lines == [f"{n} is {n}" for n in range(1, 301)]


def test_a_step_may_say_nothing(master: Master) -> None:
    master.create("empty", freestyle("", label="dc"))
    assert master.run("empty")["result"] == "SUCCESS"


def test_stop_ends_everything_on_the_host(tmp_path: Path, master: Master) -> None:
    master.create("stopped", freestyle(hanging(tmp_path / "pids"), label="dc"))
    number = master.build_of(master.trigger("stopped"))["number"]
    processes = pids(tmp_path / "pids", 3)
    master.ask("POST", f"/job/stopped/{number}/stop")
    assert master.ended("stopped", number)["result"] == "ABORTED"
    wait_for("their end", lambda: not [p for p in processes if alive(p)], timeout=5)


def test_a_stopped_step_has_time_to_clean_up(master: Master) -> None:
    master.create("cleaning", freestyle(CLEANING_UP, label="dc"))
    stop_when(master, "cleaning", "holding now\n")
    assert "\nreleased at last\n" in master.console("cleaning")


def test_a_busy_agent_keeps_the_next_build_waiting(tmp_path: Path, master: Master) -> None:
    wait = f"while ! test -e {tmp_path}/go; do sleep 0.05; done"
    master.create("busy", freestyle(wait, label="edge"))
    master.create("next", freestyle("true", label="edge"))
    master.build_of(master.trigger("busy"))
    item = master.trigger("next")
    waiting = master.get(f"/queue/item/{item}/api/json")
    assert waiting["why"] == "Waiting for next available executor"
    (tmp_path / "go").touch()
    assert master.build_of(item)["number"] == 1
