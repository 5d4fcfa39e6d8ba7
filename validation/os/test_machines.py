"""The machines of teacher and student: virtual ones on the edge host's KVM, as the BOM has them."""

from __future__ import annotations

import pytest

from blueprints.evidence import Evidence
from lab.clients.kvm import domain, hypervisor, placed, run_guest
from lab.session import Lab
from lab.task import Task

#: libvirt counts in KiB, the bill of materials in GiB.
KIB_PER_GIB = 2**20


@pytest.mark.criterion("OS-90")
def test_a_guest_runs(lab: Lab, evidence: Evidence) -> None:
    hosts = sorted({vm.on for vm in placed(lab)})
    with evidence.judge("a guest's instructions run on KVM"):
        for name in hosts:
            product = run_guest(lab.host(name))
            assert product == 42, f"the guest on {name} takes 6 times 7 for {product}"


@pytest.mark.criterion("OS-91")
def test_libvirt_answers(lab: Lab, evidence: Evidence) -> None:
    hosts = sorted({vm.on for vm in placed(lab)})
    with evidence.judge("libvirt answers, and tells its hypervisor"):
        for name in hosts:
            evidence.attach(f"{name}.txt", hypervisor(lab.host(name)))


@pytest.mark.criterion("OS-92")
def test_the_clients_machines_run(lab: Lab, evidence: Evidence) -> None:
    machines = placed(lab)
    with evidence.judge("the machines of teacher and student run"):
        for vm in machines:
            state = domain(lab.host(vm.on), vm.domain).state
            assert state == "running", f"{vm.domain} on {vm.on} is {state}"


@pytest.mark.criterion("OS-93")
def test_the_clients_machines_are_as_the_bom_says(lab: Lab, task: Task, evidence: Evidence) -> None:
    machines = placed(lab)
    with evidence.judge("the machines of teacher and student have what the BOM says"):
        for vm in machines:
            wanted = task.blueprint.machine(lab.inventory.hosts[vm.host].roles)
            found = domain(lab.host(vm.on), vm.domain)
            assert found.vcpus >= wanted.cpus, (
                f"{vm.domain} has {found.vcpus} vCPUs, the BOM says {wanted.cpus}"
            )
            assert found.memory_kib >= wanted.memory_gib * KIB_PER_GIB, (
                f"{vm.domain} has {found.memory_kib} KiB of memory, the BOM says "
                f"{wanted.memory_gib} GiB"
            )


@pytest.mark.criterion("OS-94")
def test_the_clients_machines_come_back(lab: Lab, evidence: Evidence) -> None:
    machines = placed(lab)
    with evidence.judge("the machines of teacher and student start with their host"):
        for vm in machines:
            assert domain(lab.host(vm.on), vm.domain).autostart, (
                f"{vm.domain} on {vm.on} is not started with it (virsh autostart {vm.domain})"
            )
