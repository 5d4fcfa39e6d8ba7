"""What the embedded cluster is from outside: its doors, its secrets, its pods' networks."""

from __future__ import annotations

import json
from collections.abc import Callable
from http import HTTPStatus

import httpx
import pytest
from lightkube.models.meta_v1 import LabelSelector, ObjectMeta
from lightkube.models.networking_v1 import (
    NetworkPolicyIngressRule,
    NetworkPolicyPeer,
    NetworkPolicyPort,
    NetworkPolicySpec,
)
from lightkube.resources.core_v1 import Node, Secret
from lightkube.resources.networking_v1 import NetworkPolicy

from lab.faults import clear, inject
from lab.iec.client import Cluster
from lab.iec.execution import Executed
from lab.iec.faults import FAULTS
from lab.iec.probe import probe
from lab.iec.recipe import recipe
from lab.iec.workload import HTTP_PORT, Place, Work, ip_of, serving
from lab.recipe import execute
from lab.wait import wait_for
from tests.iec.embedded.conftest import Deployed

pytestmark = pytest.mark.xdist_group("embedded cluster")


def status_of_nobody(running: Deployed, path: str) -> int:
    """How the API answers who does not say who they are."""
    url = running.lab.url("iec", "api") + path
    return httpx.get(url, verify=False, trust_env=False, timeout=5).status_code  # noqa: S501


def test_nobody_learns_more_than_whether_it_is_healthy(running: Deployed) -> None:
    told = {path: status_of_nobody(running, path) for path in ("/livez", "/readyz", "/healthz")}
    assert set(told.values()) == {HTTPStatus.OK}
    for path in ("/version", "/api", "/api/v1/namespaces", "/metrics"):
        assert status_of_nobody(running, path) == HTTPStatus.UNAUTHORIZED, path


def test_its_nodes_are_ready_and_say_what_they_are(cluster: Cluster) -> None:
    nodes = {node.metadata.name: node for node in cluster.kube.list(Node)}
    assert set(nodes) == {"edge-a", "edge-b"}
    for node in nodes.values():
        assert "embedded" in node.status.nodeInfo.kubeletVersion
        assert node.metadata.labels["iec4.run/embedded"] == "true"


def test_secrets_are_encrypted_in_etcd_and_audited_without_their_content(
    running: Deployed, cluster: Cluster, place: Place
) -> None:
    value = "plain-for-all-to-see-0815"
    made = Secret(metadata=ObjectMeta(name="kept"), stringData={"key": value})
    cluster.kube.create(made, namespace=place.name)
    kept = b"".join(path.read_bytes() for path in (running.home / "iec/etcd").rglob("*.wal"))
    assert f"/registry/secrets/{place.name}/kept".encode() in kept
    assert b"k8s:enc:secretbox:v1:key1:" in kept
    assert value.encode() not in kept
    audited = [json.loads(line) for line in running.log("audit.log").read_text().splitlines()]
    mine = [e for e in audited if (e.get("objectRef") or {}).get("namespace") == place.name]
    assert "kept" in {event["objectRef"].get("name") for event in mine}
    assert value not in running.log("audit.log").read_text()


def test_keys_are_for_their_owner_only(running: Deployed) -> None:
    for path in (running.kubeconfig, running.home / "iec/admin.conf"):
        assert path.stat().st_mode & 0o777 == 0o600
    assert not [p for p in running.home.rglob("*.key") if "runtime" not in p.parts]


def test_deploying_again_changes_nothing(running: Deployed) -> None:
    steps = recipe(running.lab).steps(running.lab)
    done: list[str] = []
    execute(steps, running.lab, done=lambda step: done.append(step.outcome))
    assert [outcome for outcome in done if outcome != "unchanged"] == ["done", "done"]  # awaited


def connect(place: Place, client: str, address: str) -> Executed:
    return place.execute(
        client, "/agnhost", "connect", f"{address}:{HTTP_PORT}", "--timeout=1s", "--protocol=tcp"
    )


def becomes(what: str, probe_: Callable[[], bool], wanted: bool) -> None:
    wait_for(what, lambda: probe_() is wanted, timeout=20)


def test_policy_is_enforced_both_ways_on_one_node_and_between_two(
    cluster: Cluster, place: Place
) -> None:
    works = {
        "web": serving(node="edge-a"),
        "friend-near": Work(node="edge-a", labels={"who": "friend"}),
        "friend-far": Work(node="edge-b", labels={"who": "friend"}),
        "stranger-near": Work(node="edge-a"),
        "stranger-far": Work(node="edge-b"),
    }
    web = ip_of(place.pods(works)["web"])
    clients = [name for name in works if name != "web"]
    for client in clients:
        becomes(f"{client} in", lambda c=client: connect(place, c, web).status == 0, True)
    rule = NetworkPolicyIngressRule(
        from_=[NetworkPolicyPeer(podSelector=LabelSelector(matchLabels={"who": "friend"}))],
        ports=[NetworkPolicyPort(port=HTTP_PORT, protocol="TCP")],
    )
    chosen = LabelSelector(matchLabels={"app": "web"})
    spec = NetworkPolicySpec(podSelector=chosen, policyTypes=["Ingress"], ingress=[rule])
    policy = NetworkPolicy(metadata=ObjectMeta(name="friends"), spec=spec)
    cluster.kube.create(policy, namespace=place.name)
    for client in clients:
        let_in = client.startswith("friend")
        becomes(
            f"{client} {'in' if let_in else 'out'}",
            lambda c=client: connect(place, c, web).status == 0,
            let_in,
        )
    cluster.kube.delete(NetworkPolicy, "friends", namespace=place.name)
    becomes("it reopens", lambda: connect(place, "stranger-far", web).status == 0, True)


@pytest.mark.parametrize("name", [fault.name for fault in FAULTS])
def test_a_fault_leaves_nothing_behind(running: Deployed, name: str) -> None:
    """Whatever a deed does is undone: the cluster answers, its nodes are ready."""
    inject(running.inventory, name)
    assert (running.home / "iec/faults-done" / name).exists()
    clear(running.inventory, name)
    assert not (running.home / "iec/faults-done" / name).exists()
    assert probe(running.lab).startswith("v1.")
