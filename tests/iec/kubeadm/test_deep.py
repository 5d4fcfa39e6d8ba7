"""A cluster on a deep lab's machines, made by the recipe of every lab, and gone without a trace."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from fixtures.labs import TTL_S
from lab import inventory as inventories
from lab.deep import cluster, lifecycle
from lab.iec import kubeconfig
from lab.iec.client import Cluster, Refused
from lab.iec.recipe import recipe
from lab.inventory import Inventory
from lab.loopback.state import lab_id
from lab.recipe import StepDone, execute
from lab.session import Lab

#: Two machines with images that hold 1.5 GB: long for a test.
pytestmark = pytest.mark.timeout(600)

PARAMETER = "/proc/sys/vm/overcommit_memory"
MACHINES = ("tars-master", "tars-agent")


@dataclass
class Running:
    inventory: Inventory
    lab: Lab
    #: Steps that changed something: of the first deployment, of the second.
    done: list[list[str]] = field(default_factory=list)

    def deploy(self) -> None:
        changed: list[str] = []

        def note(what: StepDone) -> None:
            if what.outcome == "done":
                changed.append(f"{what.step.host}: {what.step.title}")

        execute(recipe(self.lab).steps(self.lab), self.lab, done=note)
        self.done.append(changed)

    def cluster(self, *, anonymous: bool = False) -> Cluster:
        place = self.inventory.systems["iec"].secrets["kubeconfig"].removeprefix("file:")
        access = kubeconfig.read(Path(place).read_text())
        return Cluster(access.anonymous() if anonymous else access)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    if lack := lifecycle.missing() or cluster.lacking():
        pytest.skip(lack)
    template = inventories.load("deep")
    hosts = {name: template.hosts[name] for name in MACHINES}
    systems = {"iec": template.systems["iec"]}
    template = template.model_copy(update={"hosts": hosts, "systems": systems})
    state = tmp_path_factory.mktemp("deep") / "lab"
    inventory = lifecycle.up(template, state, owner_pid=os.getpid(), ttl_s=TTL_S)
    groups = f"iec4-{lab_id(state)}"
    try:
        with Lab(inventory) as lab:
            it = Running(inventory, lab)
            it.deploy()
            yield it
    finally:
        lifecycle.down(state)
    assert not list(Path("/sys/fs/cgroup").rglob(groups))
    assert not [
        line for line in Path("/proc/mounts").read_text().splitlines() if str(state) in line
    ]


def test_both_machines_are_nodes_with_all_that_the_cluster_has(running: Running):
    from lightkube.resources.core_v1 import Node, Pod

    with running.cluster() as cluster:
        nodes = {node.metadata.name for node in cluster.kube.list(Node)}
        pods = list(cluster.kube.list(Pod, namespace="kube-system"))

    assert nodes == set(MACHINES)
    named = {pod.metadata.name.rpartition("-")[0] for pod in pods}
    for wanted in ("calico-node", "kube-proxy", "kube-multus-ds", "kube-apiserver-tars"):
        assert wanted in named
    assert {pod.status.phase for pod in pods} == {"Running"}


def test_nobody_learns_more_than_health(running: Running):
    with running.cluster(anonymous=True) as nobody:
        assert nobody.get("/livez") == "ok"
        with pytest.raises(Refused, match="401"):
            nobody.get("/version")


def test_images_are_those_of_the_mirror_by_digest(running: Running):
    install = running.inventory.systems["iec"].cluster
    assert install is not None
    told = running.lab.host("tars-master").run(["ctr", "-n", "k8s.io", "images", "ls"], sudo=True)

    lines = told.check().text.splitlines()
    for archive in install.archives:
        assert [line for line in lines if archive.image in line and archive.digest in line]


def test_machines_keep_their_kernel_s_parameters_to_themselves(running: Running):
    """The kubelet has set what it wants; this machine is as it was."""
    there = running.lab.host("tars-agent").check(["cat", PARAMETER])

    assert there.strip() == "1"
    assert Path(PARAMETER).read_text().strip() != "1"


def test_deploying_again_changes_nothing(running: Running):
    running.deploy()

    first, second = running.done[0], running.done[-1]
    assert "tars-master: kubeadm init" in first
    assert "tars-agent: kubeadm join" in first
    waits_and_applies = ("answers", "ready", "apply ", "CoreDNS")
    assert [s for s in second if not any(word in s for word in waits_and_applies)] == []
