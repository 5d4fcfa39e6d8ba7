"""Multi-CNI: a pod has a second interface, in a network beside the cluster's own."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from lightkube.generic_resource import create_namespaced_resource
from lightkube.models.meta_v1 import ObjectMeta
from lightkube.resources.core_v1 import Node

from blueprints.evidence import Evidence
from lab.errors import LabError
from lab.iec.client import Cluster
from lab.iec.policies import two_nodes
from lab.iec.traffic import Outcome, Source, To, attempt_all
from lab.iec.workload import HTTP_PORT, Place, Work, metadata, serving
from lab.wait import wait_for

#: Multus' resource and annotations
#: (https://github.com/k8snetworkplumbingwg/multi-net-spec, version 1.2).
Attachment = create_namespaced_resource(
    "k8s.cni.cncf.io",
    "v1",
    "NetworkAttachmentDefinition",
    "network-attachment-definitions",
)
NETWORKS = "k8s.v1.cni.cncf.io/networks"
STATUS = "k8s.v1.cni.cncf.io/network-status"
#: The pods' addresses in the second network; RFC 2544 has it for tests.
ADDRESSES = {"left": "198.19.77.11", "right": "198.19.77.12"}
OPEN_S = 10.0


@pytest.mark.criterion("K8S-40")
def test_pods_reach_each_other_by_second_interfaces(
    cluster: Cluster, new_namespace: Callable[..., Place], evidence: Evidence
) -> None:
    place = new_namespace("second")
    nodes = two_nodes(cluster)
    _define(place, _interface(place, nodes[0]))
    works = {
        name: serving(node=node, annotations={NETWORKS: _wanted(address)})
        for (name, address), node in zip(ADDRESSES.items(), nodes, strict=True)
    }
    pods = place.pods(works)
    with evidence.judge("pods have a second interface, and reach each other by it"):
        for name, pod in pods.items():
            told = json.loads((metadata(pod).annotations or {}).get(STATUS, "[]"))
            found = {one.get("interface"): one.get("ips") for one in told}
            evidence.attach(f"{name}.json", told)
            assert [ADDRESSES[name]] in found.values(), f"{name} has no second interface: {found}"

        def open_both_ways() -> bool:
            tried = attempt_all(
                {
                    source: (Source(place, source), To(ADDRESSES[target], HTTP_PORT))
                    for source, target in (("left", "right"), ("right", "left"))
                }
            )
            assert {*tried.values()} == {Outcome.OPEN}, f"from {tried}"
            return True

        wait_for("both connections", open_both_ways, timeout=OPEN_S, not_yet=(AssertionError,))


def _define(place: Place, master: str) -> None:
    """Have the second network: the nodes' own, without what routes between them."""
    config = {
        "cniVersion": "0.3.1",
        "type": "macvlan",
        "master": master,
        "mode": "bridge",
        "capabilities": {"ips": True},
        "ipam": {"type": "static"},
    }
    made = Attachment(metadata=ObjectMeta(name="second"), spec={"config": json.dumps(config)})
    place.cluster.kube.create(made, namespace=place.name)


def _wanted(address: str) -> str:
    return json.dumps([{"name": "second", "ips": [f"{address}/24"]}])


def _interface(place: Place, node: str) -> str:
    """The name of a node's interface with the node's own address."""
    status = place.cluster.kube.get(Node, node).status
    own = [one.address for one in (status and status.addresses) or () if one.type == "InternalIP"]
    place.pods({"looks": Work(node=node, more={"hostNetwork": True})})
    said = place.execute("looks", "ip", "-o", "-4", "addr", "show").check().stdout
    for line in said.splitlines():
        _, name, _, address, *_ = line.split()
        if address.partition("/")[0] in own:
            return name
    raise LabError(f"node {node} has no interface with its address", found=said, expected=str(own))
