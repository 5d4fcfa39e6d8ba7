"""KVM facts: a real guest on this machine's KVM, and libvirt as a stand-in tells it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from blueprints.errors import ConfigError
from lab import faults
from lab.clients.kvm import Domain, domain, hypervisor, placed, run_guest
from lab.errors import CommandFailed, LabError
from lab.inventory import load
from lab.loopback import hiding
from lab.session import Lab
from tests.clients.conftest import EdgeHouse

needs_kvm = pytest.mark.skipif(
    not os.access("/dev/kvm", os.R_OK | os.W_OK), reason="there is no KVM for this account here"
)


@pytest.fixture
def lab(house: EdgeHouse) -> Iterator[Lab]:
    for role in ("teacher", "student"):
        house.domain(f"iec4-{role}")
    with house.lab() as lab:
        yield lab


@needs_kvm
def test_a_guest_computes(lab: Lab) -> None:
    assert run_guest(lab.host("edge")) == 42


def test_no_guest_runs_without_kvm(lab: Lab) -> None:
    if refused := hiding.refused():
        pytest.skip(refused)
    faults.inject(lab.inventory, "os.no-virtualization")
    try:
        with pytest.raises(CommandFailed, match="no guest ran"):
            run_guest(lab.host("edge"))
    finally:
        faults.clear(lab.inventory, "os.no-virtualization")


def test_libvirt_tells_its_hypervisor_and_machines(lab: Lab) -> None:
    edge = lab.host("edge")
    assert hypervisor(edge) == "QEMU 8.2.2"
    assert domain(edge, "iec4-teacher") == Domain("iec4-teacher", "running", 2, 4194304, True)
    with pytest.raises(CommandFailed, match="failed to get domain"):
        domain(edge, "nobody")


def test_what_virsh_does_not_tell_is_named(lab: Lab) -> None:
    lab.host("edge").put(b"Id: 3\n", "domains/iec4-teacher")
    with pytest.raises(LabError, match="virsh tells no State; found: Id: 3"):
        domain(lab.host("edge"), "iec4-teacher")


@needs_kvm
def test_the_criteria_judge_what_is_told(lab: Lab, house: EdgeHouse) -> None:
    del lab  # everything is as it must be
    assert set(house.judge().values()) == {"PASSED"}
    house.domain("iec4-student", state="shut off", memory=2**20, autostart="disable")
    told = house.judge()
    assert [verdict for verdict in told.values() if verdict == "PASSED"] == ["PASSED"] * 2
    assert "iec4-student on edge is shut off" in told["test_the_clients_machines_run"]
    assert "1048576 KiB" in told["test_the_clients_machines_are_as_the_bom_says"]
    assert "virsh autostart iec4-student" in told["test_the_clients_machines_come_back"]


def test_a_machine_that_is_not_told_is_asked_for(house: EdgeHouse, tmp_path: Path) -> None:
    data = yaml.safe_load(house.file.read_text())
    del data["hosts"]["student"]["vm"]
    file = tmp_path / "edge.yaml"
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match=r"hosts\.student\.vm is missing"):
        placed(Lab(load(str(file))))
    data["hosts"]["student"]["vm"] = {"on": "egde", "domain": "iec4-student"}
    file.write_text(yaml.safe_dump(data))
    with pytest.raises(ConfigError, match="did you mean edge"):
        load(str(file))
