"""Tars' recipe on an embedded lab: over SSH, from bare hosts to an echo by name and back."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from blueprints.errors import ConfigError
from lab.errors import SystemDown
from lab.inventory import load
from lab.loopback import lifecycle
from lab.payload import ROOT
from lab.recipe import execute
from lab.session import Lab
from lab.tars.probe import probe, tars_web
from lab.tars.recipe import AGENT_ROLE, MASTER_ROLE, echoed, node_name, recipe


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """Hosts with one tars-agent: Node.js takes 2 s to each."""
    template = load("embedded")
    hosts = {name: template.hosts[name] for name in ("tars-master", "edge-a")}
    systems = {"tars": template.systems["tars"]}
    small = template.model_copy(update={"hosts": hosts, "systems": systems})
    state = tmp_path / "lab"
    inventory = lifecycle.up(small, state, owner_pid=os.getpid(), ttl_s=120)
    try:
        with Lab(inventory) as lab:
            yield lab
    finally:
        lifecycle.down(state)


def deploy(lab: Lab) -> dict[str, str]:
    """Deploy; step title → outcome."""
    outcomes: dict[str, str] = {}
    steps = recipe(lab).steps(lab)
    execute(steps, lab, done=lambda done: outcomes.update({done.step.title: done.outcome}))
    return outcomes


def test_from_bare_hosts_to_an_echo_by_name_and_back(lab: Lab) -> None:
    [master], [agent] = lab.with_role(MASTER_ROLE), lab.with_role(AGENT_ROLE)
    before = {host.name: host.check(["ls", "-A", ".", "bin"]) for host in (master, agent)}
    with pytest.raises(SystemDown):
        probe(lab)

    deploy(lab)
    identity = echoed(lab)
    assert probe(lab) == [node_name(lab, agent.name)]

    again = deploy(lab)
    assert {title for title, outcome in again.items() if outcome == "done"} == {
        "name service and TarsWeb answer",
        "every node is there",
        "the echo servant answers by name",
    }
    assert echoed(lab) == identity

    services = {
        master.name: int(master.check(["cat", ".iec4/services/tars-master/pid"])),
        agent.name: int(agent.check(["cat", ".iec4/services/tarsnode/pid"])),
    }
    for pid in services.values():
        assert_runs_from_what_was_copied(pid)

    execute(recipe(lab).removal(lab), lab)
    for pid in (*services.values(), identity.pid):
        assert not Path(f"/proc/{pid}").exists()
    for host in (master, agent):
        left = set(host.check(["ls", "-A", ".", "bin"]).split()) - set(before[host.name].split())
        assert left <= {".iec4"}
        assert set(host.check(["ls", "-A", ".iec4"]).split()) <= {"services", "store"}


def assert_runs_from_what_was_copied(pid: int) -> None:
    """No library of the process lies in the checkout or in its environment."""
    maps = Path(f"/proc/{pid}/maps").read_text()
    assert [line for line in maps.splitlines() if "tars/" in line and "/home/" in line]
    assert not [line for line in maps.splitlines() if f" {ROOT}/" in line]


def test_a_stopped_servant_is_started_by_deploying_again(lab: Lab) -> None:
    deploy(lab)
    before = echoed(lab)
    with tars_web(lab) as web:
        [server] = web.servers("IEC4")
        web.stop(server.id)
    assert deploy(lab)["deploy the echo servant"] == "done"
    assert echoed(lab).pid != before.pid


def test_a_real_lab_is_told_to_adopt(lab: Lab) -> None:
    real = Lab(lab.inventory.model_copy(update={"kind": "real"}))
    with pytest.raises(ConfigError, match="adopted: true"):
        recipe(real)
