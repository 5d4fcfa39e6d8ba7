"""The control plane: versions, health, certificates, and what its absence does to applications."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Callable, Sequence

import pytest
from cryptography import x509
from lightkube.resources.coordination_v1 import Lease
from lightkube.resources.core_v1 import Namespace, Node, Pod

from blueprints.evidence import Evidence
from lab.errors import LabError
from lab.iec.client import ENDPOINT, SYSTEM, Cluster, Refused, open_cluster
from lab.iec.host_programs import ClusterHost
from lab.iec.workload import (
    HTTP_PORT,
    Place,
    Work,
    ip_of,
    is_ready,
    metadata,
    name_of,
    serving,
    state_of,
)
from lab.session import Lab
from lab.task import Task
from lab.wait import wait_for

#: How far a kubelet's minor version may be behind the API server's, from which minor version on
#: (https://kubernetes.io/releases/version-skew-policy/).
SKEW = 3
SKEW_BEFORE_28 = 2
#: Leases of those that one instance does at a time.
LEADERS = ("kube-controller-manager", "kube-scheduler")
RECONCILED_S = 20.0
BACK_S = 90.0
#: What kubeadm and kubelets keep their certificates in.
CERTIFICATES = ("/etc/kubernetes/pki", "/var/lib/kubelet/pki")
_PEM = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.DOTALL)


def numbers(version: str) -> tuple[int, int, int]:
    """``v1.34.4+embedded`` → (1, 34, 4)."""
    found = re.match(r"v?(\d+)\.(\d+)\.(\d+)", version)
    if found is None:
        raise LabError(f"{version!r} is no version of Kubernetes", expected="v1.34.4")
    major, minor, patch = map(int, found.groups())
    return major, minor, patch


def versions(cluster: Cluster) -> dict[str, str]:
    """What the API server and each node's kubelet say that they are."""
    told = {"kube-apiserver": str(cluster.json("/version")["gitVersion"])}
    for node in cluster.kube.list(Node):
        assert node.status is not None
        assert node.status.nodeInfo is not None
        told[f"kubelet of {name_of(node)}"] = node.status.nodeInfo.kubeletVersion
    return told


@pytest.mark.criterion("K8S-03")
def test_every_component_is_of_the_pinned_version(
    cluster: Cluster, task: Task, evidence: Evidence
) -> None:
    pinned = task.blueprint.pins["kubernetes"].on(task.inventory.profile)
    with evidence.judge("every component is of the version that the blueprint pins"):
        told = versions(cluster)
        evidence.attach("versions.json", told)
        others = [
            f"{name} is {version}"
            for name, version in told.items()
            if numbers(version) != numbers(pinned)
        ]
        assert not others, f"{', '.join(others)}, not {pinned}"


@pytest.mark.criterion("K8S-04")
def test_no_kubelet_is_too_far_from_the_api_server(cluster: Cluster, evidence: Evidence) -> None:
    with evidence.judge("no kubelet is newer than the API server, or too old for it"):
        told = versions(cluster)
        server = numbers(told.pop("kube-apiserver"))
        behind = SKEW if server >= (1, 28, 0) else SKEW_BEFORE_28
        for name, version in told.items():
            assert numbers(version) <= server, f"{name} is {version}, newer than the API server"
            assert server[1] - numbers(version)[1] <= behind, f"{name} is {version}, too old"


@pytest.mark.criterion("K8S-05")
def test_the_api_server_s_own_checks_pass(lab: Lab, evidence: Evidence) -> None:
    with (
        open_cluster(lab) as cluster,
        evidence.judge("every check that the API server makes of itself passes, etcd's too"),
    ):
        for path in ("/livez", "/readyz"):
            try:
                said = cluster.get(path, verbose="true")
            except Refused as refused:
                failed = [line for line in (refused.evidence or "").splitlines() if "[-]" in line]
                raise AssertionError(f"{path}: {', '.join(failed) or refused}") from refused
            assert "[+]etcd ok" in said, f"{path} says nothing of etcd: {said}"


@pytest.mark.criterion("K8S-06")
def test_scheduler_and_controllers_hold_their_leases(cluster: Cluster, evidence: Evidence) -> None:
    with evidence.judge("scheduler and controller manager renew their leases"):
        before = {name: _lease(cluster, name) for name in LEADERS}
        for name, lease in before.items():
            assert lease.spec is not None
            cluster.wait(
                f"the renewal of {name}'s lease",
                Lease,
                lambda found, then=lease.spec.renewTime: any(
                    one.spec.renewTime != then for one in found
                ),
                namespace="kube-system",
                name=name,
                timeout=lease.spec.leaseDurationSeconds or RECONCILED_S,
            )


def _lease(cluster: Cluster, name: str) -> Lease:
    found = cluster.kube.get(Lease, name, namespace="kube-system")
    assert found.spec is not None
    assert found.spec.holderIdentity, f"nobody holds the lease of {name}"
    return found


@pytest.mark.criterion("K8S-07")
def test_the_controllers_do_their_work(
    new_namespace: Callable[..., Place], evidence: Evidence
) -> None:
    place = new_namespace("controllers", wait=False)
    with evidence.judge("a new namespace is given its service account"):
        place.wait_account(timeout=RECONCILED_S)


#: Asks a server, and says each second's outcome in a line; agnhost says why it was not answered.
_ASK = 'while :; do /agnhost connect "$0" --timeout=1s && echo open; sleep 0.2; done 2>&1'


@pytest.mark.criterion("K8S-16")
def test_applications_outlive_the_api_server(
    lab: Lab, cluster: Cluster, agnhost_place: Place, evidence: Evidence
) -> None:
    """Client and server are pods that need the API server for nothing."""
    host = ClusterHost(lab)
    before = agnhost_place.pods({"outlives": serving()})["outlives"]
    ask = Work(command=("sh", "-c", _ASK, f"{ip_of(before)}:{HTTP_PORT}"))
    agnhost_place.pods({"asks-on": ask})
    asked = wait_for("its first answers", lambda: _answers(agnhost_place), timeout=10)
    ended = host.program("kube-apiserver")
    host.end(ended, signal="KILL")
    with evidence.judge("the API server comes back, and applications do not notice"):
        since = time.monotonic()
        wait_for(
            "another API server's readiness",
            lambda: host.program("kube-apiserver").pid != ended.pid and cluster.get("/readyz"),
            timeout=BACK_S,
        )
        evidence.check(evidence.measure("back_after", (time.monotonic() - since) * 1000, "ms"))
        told = _answers(agnhost_place)
        evidence.attach("answers.txt", "\n".join(told))
        lost = [line for line in told if line != "open"]
        assert not lost, f"{len(lost)} of {len(told)} requests were lost: {lost[0]}"
        assert len(told) > len(asked), "nothing was asked meanwhile"
        after = agnhost_place.ready("outlives")["outlives"]
        assert _starts(after) == _starts(before), "the server was started again"


def _answers(place: Place) -> list[str]:
    path = f"/api/v1/namespaces/{place.name}/pods/asks-on/log"
    return place.cluster.get(path).splitlines()


def _starts(pod: Pod) -> tuple[str | None, list[int]]:
    statuses = (pod.status and pod.status.containerStatuses) or ()
    return metadata(pod).uid, [one.restartCount for one in statuses]


@pytest.mark.criterion("K8S-26")
def test_the_api_server_s_certificate_is_valid_for_a_while(
    lab: Lab, cluster: Cluster, evidence: Evidence
) -> None:
    with evidence.judge("the API server's certificate does not end soon"):
        with (
            socket.create_connection(lab.address(SYSTEM, ENDPOINT), timeout=5) as plain,
            cluster.tls.wrap_socket(
                plain, server_hostname=cluster.access.name or lab.address(SYSTEM, ENDPOINT)[0]
            ) as tls,
        ):
            served = tls.getpeercert(binary_form=True)
        assert served, "the API server shows no certificate"
        left = _seconds_left(x509.load_der_x509_certificate(served))
        evidence.check(evidence.measure("certificate_left", left, "s", samples=1))


@pytest.mark.criterion("K8S-27")
def test_no_certificate_on_a_node_ends_soon(lab: Lab, evidence: Evidence) -> None:
    ends: dict[str, float] = {}
    for name in lab.inventory.with_role("tars-master") + lab.inventory.with_role("tars-agent"):
        find = ["find", *CERTIFICATES, "-name", "*.crt", "-o", "-name", "*.pem"]
        found = lab.host(name).run(find, sudo=True)
        for path in found.text.split():
            text = lab.host(name).run(["cat", path], sudo=True).check().stdout
            for one in _PEM.findall(text):
                left = _seconds_left(x509.load_pem_x509_certificate(one))
                ends[f"{name}:{path}"] = min(left, ends.get(f"{name}:{path}", left))
    assert ends, f"there is no certificate in {' and '.join(CERTIFICATES)}"
    with evidence.judge("no certificate of the control plane or of a kubelet ends soon"):
        evidence.attach("seconds-left.json", ends)
        first = min(ends, key=lambda path: ends[path])
        try:
            measured = evidence.measure("certificate_left", ends[first], "s", samples=len(ends))
            evidence.check(measured)
        except AssertionError as missed:
            raise AssertionError(f"{first}: {missed}") from missed


def _seconds_left(certificate: x509.Certificate) -> float:
    return certificate.not_valid_after_utc.timestamp() - time.time()


@pytest.mark.criterion("K8S-28")
def test_the_system_s_pods_run(cluster: Cluster, evidence: Evidence) -> None:
    system = [
        name_of(one)
        for one in cluster.kube.list(Namespace)
        if name_of(one).startswith(("kube-", "calico-", "tigera-"))
    ]

    def unwell(found: Sequence[Pod]) -> list[str]:
        return [
            f"{name_of(pod)} ({state_of(pod)})"
            for pod in found
            if not (pod.status and pod.status.phase == "Succeeded") and not is_ready(pod)
        ]

    with evidence.judge("every pod of the system runs and is ready"):
        pods = [pod for name in system for pod in cluster.kube.list(Pod, namespace=name)]
        assert pods, f"there is none in {', '.join(system)}"
        assert not unwell(pods), f"not ready: {', '.join(unwell(pods))}"
